"""Turns OpenAPI operations and JSON Schemas into the Markdown tables of the specification."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pollux.schemas.openapi import API_PREFIX, Operation, load_openapi

_Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """One row of a table of fields: a value of a body, with its path from the top."""

    path: str
    type: str
    text: str


class Document:
    """openapi.yaml, as the specification reads it: references followed, shared answers apart."""

    #: Failures that most operations have in common; the specification tells them once.
    SHARED_FAILURES = (
        "BadRequest",
        "Unauthorized",
        "TooLarge",
        "UnsupportedMediaType",
        "NotReady",
    )

    def __init__(self) -> None:
        self._document = load_openapi()

    @property
    def description(self) -> str:
        """The introduction to the whole API."""
        text: str = self._document["info"]["description"]
        return text.strip()

    def shared_failures(self) -> Iterator[tuple[str, str]]:
        """Yield the status and the description of each shared failure."""
        used = {
            reference: status
            for item in self._document["paths"].values()
            for definition in item.values()
            if isinstance(definition, dict)
            for status, response in definition["responses"].items()
            if (reference := response.get("$ref"))
        }
        for name in self.SHARED_FAILURES:
            response = self._document["components"]["responses"][name]
            yield used[f"#/components/responses/{name}"], one_line(response["description"])

    def operation(self, operation: Operation) -> str:
        """Return the section of one operation: what it takes and what it answers."""
        item = self._document["paths"][operation.path]
        definition = item[operation.method.lower()]
        parts = [
            f"#### {operation.summary}",
            f"`{operation.method} {API_PREFIX}{operation.path}` (`{operation.operation_id}`"
            f"{'' if operation.secured else ', needs no token'})",
            definition["description"].strip(),
            *self._parameters([*item.get("parameters", []), *definition.get("parameters", [])]),
            *self._request(definition.get("requestBody")),
            *self._success(operation.success, definition["responses"][str(operation.success)]),
            self._failures(definition["responses"]),
        ]
        return "\n\n".join(parts)

    def _parameters(self, parameters: Sequence[_Schema]) -> Iterator[str]:
        rows = []
        for parameter in map(self._follow, parameters):
            place = "path" if parameter["in"] == "path" else "query"
            kind = self._type(parameter["schema"])
            required = "" if parameter["required"] else ", optional"
            rows.append(
                (
                    f"`{parameter['name']}`",
                    f"{place}, {kind}{required}",
                    one_line(parameter["description"]),
                )
            )
        if rows:
            yield table(("Parameter", "Type", "Meaning"), rows)

    def _request(self, body: _Schema | None) -> Iterator[str]:
        if body is None:
            return
        (media_type, media), *_ = body["content"].items()
        optional = "" if body.get("required") else " It may be left out."
        yield f"The body is `{media_type}`.{optional}"
        yield fields_table("Field", self._fields(media["schema"]))
        for example in _examples(media):
            yield "For example:\n\n" + json_block(example)

    def _success(self, status: int, response: _Schema) -> Iterator[str]:
        response = self._follow(response)
        answer = f"**{status}**: {one_line(response['description'])}"
        media = response["content"].get("application/json")
        if media is None:
            kinds = ", ".join(
                f"`{kind}` ({_first_small(one_line(self._follow(body['schema'])['description']))})"
                for kind, body in response["content"].items()
            )
            yield f"{answer} Its content type is one of {kinds}."
            return
        yield answer
        yield fields_table("Answer", self._fields(media["schema"]))
        for example in _examples(media):
            yield "For example:\n\n" + json_block(example)

    def _failures(self, responses: Mapping[str, _Schema]) -> str:
        shared = {f"#/components/responses/{name}" for name in self.SHARED_FAILURES}
        own, common = [], []
        for status, response in responses.items():
            if response.get("$ref") in shared:
                common.append(status)
            elif int(status) >= 400:
                own.append(f"* **{status}**: {one_line(self._follow(response)['description'])}")
        everywhere = f"* {_and(common)} as [everywhere](#failures)."
        return "Failures:\n\n" + "\n".join([*own, everywhere])

    def _fields(self, schema: _Schema, prefix: str = "") -> Iterator[Field]:
        """Yield the fields of an object, and below each of them the fields that it has in turn."""
        schema = self._follow(schema)
        required = schema.get("required", ())
        for name, field in schema.get("properties", {}).items():
            optional = "" if name in required else ", optional"
            yield from self._field(prefix + name, field, optional)

    def _field(self, path: str, schema: _Schema, optional: str) -> Iterator[Field]:
        yield Field(path, self._type(schema) + optional, self._text(schema))
        schema = self._follow(schema)
        if schema.get("type") == "array":
            path, schema = f"{path}[]", self._follow(schema["items"])
        if "discriminator" in schema:
            yield from self._variants(path, schema)
        else:
            yield from self._fields(schema, f"{path}.")

    def _variants(self, path: str, schema: _Schema) -> Iterator[Field]:
        """Yield the fields of all variants of an object, each with the variants that have it."""
        key = schema["discriminator"]["propertyName"]
        mapping = schema["discriminator"]["mapping"]
        variants = {name: self._follow({"$ref": target}) for name, target in mapping.items()}
        yield Field(f"{path}.{key}", _or([f"`{name}`" for name in variants]), "")
        seen = {key}
        for variant in variants.values():
            for name, field in variant["properties"].items():
                if name in seen:
                    continue
                seen.add(name)
                having = [each for each, other in variants.items() if name in other["properties"]]
                optional = "" if name in variant.get("required", ()) else ", optional"
                text = self._text(field)
                if len(having) < len(variants):
                    text = f"With `{key}` {_and([f'`{each}`' for each in having])}. {text}".strip()
                yield Field(f"{path}.{name}", self._type(field) + optional, text)

    def _text(self, schema: _Schema) -> str:
        while "description" not in schema and "$ref" in schema:
            schema = self._lookup(schema["$ref"])
        for part in schema.get("allOf", ()):
            if "description" not in schema:
                schema = self._follow(part)
        return one_line(schema.get("description", ""))

    def _type(self, schema: _Schema) -> str:
        return type_text(self._merged(schema))

    def _merged(self, schema: _Schema) -> dict[str, Any]:
        """Return a schema without references and allOf, as far as its type is concerned."""
        schema = self._follow(schema)
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema.get("allOf", ()):
            merged = {**self._merged(part), **merged}
        if "items" in merged:
            merged["items"] = self._merged(merged["items"])
        for word in ("anyOf", "oneOf"):
            if word in merged:
                merged[word] = [self._merged(part) for part in merged[word]]
        return merged

    def _follow(self, node: _Schema) -> _Schema:
        while "$ref" in node:
            node = self._lookup(node["$ref"])
        return node

    def _lookup(self, reference: str) -> _Schema:
        target: Any = self._document
        for key in reference.removeprefix("#/").split("/"):
            target = target[key]
        found: _Schema = target
        return found


def schema_fields(schema: _Schema, prefix: str = "") -> Iterator[Field]:
    """Yield the fields of an object of a JSON Schema that has no references."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        optional = "" if name in required else ", optional"
        path = prefix + name
        yield Field(path, type_text(field) + optional, one_line(field.get("description", "")))
        if "items" in field:
            path, field = f"{path}[]", field["items"]
        yield from schema_fields(field, f"{path}.")


def type_text(schema: _Schema) -> str:
    """Say in words what values a schema without references takes."""
    kinds = schema.get("type", "any value")
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if "type" not in schema and (parts := schema.get("anyOf") or schema.get("oneOf")):
        return " or ".join(dict.fromkeys(type_text(part) for part in parts))
    if schema.get("nullable") and "null" not in kinds:
        kinds.append("null")
    if values := schema.get("enum"):
        texts = dict.fromkeys(json.dumps(value, ensure_ascii=False) for value in values)
        words = _or([f"`{text.strip(chr(34))}`" for text in texts])
    else:
        words = " or ".join(_kind(kind, schema) for kind in kinds)
    if bounds := _bounds(schema):
        words += f", {bounds}"
    if "default" in schema and schema["default"] != "":
        words += f", default `{schema['default']}`"
    return words


def fields_table(title: str, fields: Iterable[Field]) -> str:
    """Return a table of fields, without the column of meanings where none has one."""
    rows = [(f"`{field.path}`", field.type, field.text) for field in fields]
    if any(text for _, _, text in rows):
        return table((title, "Type", "Meaning"), rows)
    return table((title, "Type"), [row[:2] for row in rows])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def json_block(value: object) -> str:
    """Return a Markdown block with a JSON value, short values on one line."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > 88:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    return f"```json\n{text}\n```"


def one_line(text: str) -> str:
    """Return a text without line ends."""
    return " ".join(text.split())


def _kind(kind: str, schema: _Schema) -> str:
    if kind == "array":
        items = schema.get("items", {})
        return f"list of {type_text(items)}" if "type" in items else "list"
    if kind == "string" and schema.get("format") == "binary":
        return "file"
    return kind


def _bounds(schema: _Schema) -> str:
    words = []
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        words.append(f"{least} to {most}")
    elif least is not None:
        words.append(f"at least {least}")
    if (length := schema.get("maxLength")) is not None:
        words.append(f"at most {length} characters")
    if (number := schema.get("maxItems")) is not None:
        words.append(f"at most {number} of them")
    return ", ".join(words)


def _examples(media: _Schema) -> list[object]:
    """Return the one example of a body that tells the most."""
    if "example" in media:
        return [media["example"]]
    named = [example["value"] for example in media.get("examples", {}).values()]
    return sorted(named, key=lambda value: len(json.dumps(value)))[-1:]


def _first_small(text: str) -> str:
    return text[0].lower() + text[1:].rstrip(".")


def _or(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
