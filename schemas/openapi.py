"""Reads openapi.yaml: the 18 operations, and their bodies as self-contained JSON Schemas."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, cast

#: What every path is prefixed with (api_v1 1.1); the paths of :class:`Operation` leave it out.
API_PREFIX = "/api/v1"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_COMPONENT = "#/components/schemas/"
_DEFINITION = "#/$defs/"
#: Keywords of OpenAPI 3.0 that JSON Schema does not have, or that only ever annotate.
_OPENAPI_ONLY = frozenset({"nullable", "discriminator", "example", "externalDocs", "xml"})
#: Keywords whose value is one schema, a list of schemas, or schemas by name.
_ONE_SCHEMA = frozenset({"additionalProperties", "items", "not"})
_SCHEMA_LIST = frozenset({"allOf", "anyOf", "oneOf"})
_SCHEMA_MAP = frozenset({"properties"})


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    Attributes:
        operation_id: Its name, such as ``sendMessage``.
        method: The HTTP method in upper case.
        path: The path behind :data:`API_PREFIX`, its variables in braces.
        tag: The group that it belongs to.
        summary: What it does, in a few words.
        secured: Whether it needs a bearer token (api_v1 1.6).
        statuses: Every documented HTTP status, in ascending order.
    """

    operation_id: str
    method: str
    path: str
    tag: str
    summary: str
    secured: bool
    statuses: tuple[int, ...]

    @property
    def success(self) -> int:
        """The HTTP status of a success."""
        return self.statuses[0]


def openapi_text() -> str:
    """Return openapi.yaml as it is in the package."""
    return resources.files("pollux.schemas").joinpath("openapi.yaml").read_text(encoding="utf-8")


def load_openapi() -> dict[str, Any]:
    """Return the whole document as a fresh copy that the caller may change."""
    return copy.deepcopy(_document())


@cache
def operations() -> tuple[Operation, ...]:
    """Return all operations in the order of the document."""
    return tuple(operation for operation, _ in _operations())


def response_schema(
    operation_id: str, status: int, media_type: str = "application/json"
) -> dict[str, Any] | None:
    """Return the schema of an answer as JSON Schema 2020-12 that refers to nothing outside.

    Args:
        operation_id: One of the 18 names.
        status: The HTTP status of the answer.
        media_type: Its content type, without parameters.

    Returns:
        The schema, shared by all callers and so to be read only; None where the operation
        documents no such status, or no such content type for it.

    Raises:
        KeyError: There is no operation of that name.
    """
    # Two functions because a cached one loses its signature for the type checker.
    return _response_schema(operation_id, status, media_type)


def request_schema(
    operation_id: str, media_type: str = "application/json"
) -> dict[str, Any] | None:
    """Return the schema of a request body as JSON Schema 2020-12 that refers to nothing outside.

    Returns:
        The schema, shared by all callers and so to be read only; None where the operation
        takes no body of that content type.

    Raises:
        KeyError: There is no operation of that name.
    """
    return _request_schema(operation_id, media_type)


def json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Translate any schema of the document to JSON Schema 2020-12 that refers to nothing outside.

    Args:
        schema: A schema object, such as that of a parameter; it may refer to components.
    """
    components = _document()["components"]["schemas"]
    result = {"$schema": _DIALECT, **_translate(schema)}
    definitions: dict[str, Any] = {}
    waiting = list(_references(result))
    while waiting:
        name = waiting.pop()
        if name not in definitions:
            definitions[name] = _translate(components[name])
            waiting.extend(_references(definitions[name]))
    if definitions:
        result["$defs"] = definitions
    return result


@cache
def _document() -> dict[str, Any]:
    # yaml is imported here because most who import this module never read the document.
    import yaml

    # The C parser is ten times as fast, but not in every build of PyYAML.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return cast(dict[str, Any], yaml.load(openapi_text(), Loader=loader))


@cache
def _operations() -> tuple[tuple[Operation, dict[str, Any]], ...]:
    document = _document()
    return tuple(
        (_operation(document, method, path, item[method]), item[method])
        for path, item in document["paths"].items()
        for method in item
        if method in _METHODS
    )


def _operation(
    document: Mapping[str, Any], method: str, path: str, definition: Mapping[str, Any]
) -> Operation:
    return Operation(
        operation_id=definition["operationId"],
        method=method.upper(),
        path=path,
        tag=definition["tags"][0],
        summary=definition["summary"],
        secured=bool(definition.get("security", document["security"])),
        statuses=tuple(sorted(int(status) for status in definition["responses"])),
    )


@cache
def _definitions() -> dict[str, dict[str, Any]]:
    return {operation.operation_id: definition for operation, definition in _operations()}


@cache
def _response_schema(operation_id: str, status: int, media_type: str) -> dict[str, Any] | None:
    response = _definitions()[operation_id]["responses"].get(str(status))
    return None if response is None else _body_schema(_follow(response), media_type)


@cache
def _request_schema(operation_id: str, media_type: str) -> dict[str, Any] | None:
    body = _definitions()[operation_id].get("requestBody")
    return None if body is None else _body_schema(_follow(body), media_type)


def _body_schema(holder: Mapping[str, Any], media_type: str) -> dict[str, Any] | None:
    body = holder["content"].get(media_type)
    return None if body is None else json_schema(body["schema"])


def _follow(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return NODE, or what it refers to."""
    while "$ref" in node:
        target: Any = _document()
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = target
    return node


def _references(node: Any) -> Iterator[str]:
    """Yield the names of the definitions that a translated schema refers to."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix(_DEFINITION)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for entry in node:
            yield from _references(entry)


def _translate(schema: Any) -> Any:
    """Translate one OpenAPI 3.0 schema, with all that it contains, to JSON Schema 2020-12."""
    if not isinstance(schema, dict):
        return schema  # additionalProperties may be true or false
    if "$ref" in schema:
        # What stands beside a $ref is ignored in OpenAPI 3.0, but would count in 2020-12.
        return {"$ref": _DEFINITION + schema["$ref"].removeprefix(_COMPONENT)}
    result = {
        key: _translate_value(key, value)
        for key, value in schema.items()
        if key not in _OPENAPI_ONLY
    }
    if schema.get("nullable"):
        result["type"] = [schema["type"], "null"]
    return result


def _translate_value(key: str, value: Any) -> Any:
    if key in _ONE_SCHEMA:
        return _translate(value)
    if key in _SCHEMA_LIST:
        return [_translate(entry) for entry in value]
    if key in _SCHEMA_MAP:
        return {name: _translate(entry) for name, entry in value.items()}
    return copy.deepcopy(value)
