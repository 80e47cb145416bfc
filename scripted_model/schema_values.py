"""Makes a small value that a JSON schema accepts: the arguments of ``call any``."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_DEPTH = 12
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "pollux@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_PATH_WORDS = ("path", "dir", "directory", "folder")
_PATTERN_SAMPLES = (
    *("pollux", "a", "A", "0", "1", "abc", "ABC", "a1", "A1", "123", "a-b", "a_b", "a.txt", "/"),
    *("#000000", "1.0.0", "00:00", "en", "en-US", "+15550100", *_FORMATS.values()),
)


class CannotMake(ValueError):
    """A schema for which no value was found."""


def make_arguments(schema: Schema) -> str:
    """Return the JSON text of an object that SCHEMA accepts, with its required fields only.

    ``const``, ``default``, ``enum`` and ``examples`` are taken where they are given; else the
    smallest value within the bounds. What was made is checked against the whole schema.

    Raises:
        CannotMake: when no such object was found, or the schema cannot be followed.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
        value = _make({"type": "object", **schema}, schema, "", 0)
        if not isinstance(value, dict):
            raise CannotMake("its JSON schema does not describe an object")
        # An empty registry: a schema must not make the model fetch anything.
        validator = Draft202012Validator(schema, registry=Registry())
        error = next(validator.iter_errors(value), None)
    except (SchemaError, Unresolvable, RecursionError, re.error) as problem:
        raise CannotMake(f"its JSON schema cannot be used ({str(problem)[:200]})") from problem
    if error is not None:
        raise CannotMake(
            f"no arguments were found that its JSON schema accepts ({error.message[:200]})"
        )
    return json.dumps(value, ensure_ascii=False)


def _make(schema: object, root: Schema, name: str, depth: int) -> object:
    if depth > _DEPTH:
        raise CannotMake("its JSON schema is nested too deeply")
    if schema is True or schema == {}:
        return "pollux"
    if not isinstance(schema, dict):
        raise CannotMake("its JSON schema accepts nothing")
    schema = _flat(schema, root, depth)
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    for several in ("enum", "examples"):
        values = schema.get(several)
        if isinstance(values, list) and values:
            return values[0]
    match _type_of(schema):
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, root, name, depth)
        case "integer":
            return _number(schema, whole=True)
        case "number":
            return _number(schema, whole=False)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return _string(schema, name)


def _flat(schema: dict[str, Any], root: Schema, depth: int) -> dict[str, Any]:
    """Follow references, and take the first way where the schema leaves a choice."""
    for _ in range(_DEPTH):
        reference = schema.get("$ref")
        if reference is None:
            break
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**_resolve(str(reference), root), **rest}
    merged = dict(schema)
    parts = [*_list(schema.get("allOf"))]
    for choice in ("anyOf", "oneOf"):
        parts += _list(schema.get(choice))[:1]
    for part in parts:
        if isinstance(part, dict) and depth <= _DEPTH:
            for key, value in _flat(part, root, depth + 1).items():
                merged[key] = _merge(merged.get(key), value)
    return merged


def _merge(ours: object, theirs: object) -> object:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {**ours, **theirs}
    if isinstance(ours, list) and isinstance(theirs, list):
        return [*ours, *(each for each in theirs if each not in ours)]
    return theirs if ours is None else ours


def _resolve(reference: str, root: Schema) -> dict[str, Any]:
    if not reference.startswith("#"):
        raise CannotMake(f"its JSON schema refers to {reference[:80]!r}")
    target: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, dict) or key not in target:
            raise CannotMake(f"its JSON schema refers to {reference[:80]!r}, which is not there")
        target = target[key]
    if not isinstance(target, dict):
        raise CannotMake(f"its JSON schema refers to {reference[:80]!r}, which is no schema")
    return target


def _type_of(schema: Schema) -> object:
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        return next((each for each in kind if each != "null"), "null")
    if kind is None:
        if "properties" in schema:
            return "object"
        if "items" in schema or "prefixItems" in schema:
            return "array"
        if "minimum" in schema or "maximum" in schema:
            return "number"
    return kind


def _object(schema: Schema, root: Schema, depth: int) -> dict[str, object]:
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    return {
        name: _make(properties.get(name, True), root, str(name), depth + 1)
        for name in _list(schema.get("required"))
    }


def _array(schema: Schema, root: Schema, name: str, depth: int) -> list[object]:
    count = _bound(schema, "minItems") or 0
    made = [_make(each, root, name, depth + 1) for each in _list(schema.get("prefixItems"))]
    for number in range(len(made), int(min(count, 100))):
        item = _make(schema.get("items", True), root, name, depth + 1)
        if schema.get("uniqueItems") and item in made:
            item = _other(item, schema.get("items"), number)
        made.append(item)
    return made


def _other(item: object, schema: object, number: int) -> object:
    """Return a value beside ITEM, for arrays whose items are unique."""
    choices = _list(schema.get("enum")) if isinstance(schema, dict) else []
    if number < len(choices):
        return choices[number]
    if isinstance(item, str):
        return f"{item}{number}"
    return item + number if isinstance(item, int | float) else item


def _number(schema: Schema, *, whole: bool) -> int | float:
    names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    low, high, above, below = (_bound(schema, name) for name in names)
    step = _bound(schema, "multipleOf") or (1 if whole else None)
    bounds = [bound for bound in (low, high, above, below) if bound is not None]
    candidates = [1.0, 0.0, *bounds, *(bound + 1 for bound in bounds)]
    candidates += [*(bound - 1 for bound in bounds), sum(bounds) / max(1, len(bounds))]
    if step:
        candidates = [
            turn(each / step) * step for each in candidates for turn in (math.ceil, math.floor)
        ]
    for value in candidates:
        if (
            (low is None or value >= low)
            and (high is None or value <= high)
            and (above is None or value > above)
            and (below is None or value < below)
        ):
            return int(value) if float(value).is_integer() else value
    raise CannotMake("no number was found within the bounds of its JSON schema")


def _string(schema: Schema, name: str) -> str:
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        return _matching(pattern, schema)
    form = schema.get("format")
    if isinstance(form, str) and form in _FORMATS:
        return _FORMATS[form]
    value = "." if name.lower().rpartition("_")[2] in _PATH_WORDS else "pollux"
    return _fitted(value, schema)


def _matching(pattern: str, schema: Schema) -> str:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise CannotMake(f"its JSON schema has the pattern {pattern[:80]!r}") from error
    for sample in _PATTERN_SAMPLES:
        for value in (sample, _fitted(sample, schema)):
            if expression.search(value) and value == _fitted(value, schema):
                return value
    raise CannotMake(f"no text was found that matches {pattern[:80]!r}")


def _fitted(value: str, schema: Schema) -> str:
    """Make VALUE long enough and short enough."""
    low, high = _bound(schema, "minLength"), _bound(schema, "maxLength")
    if low is not None and len(value) < low:
        value = value + value[-1:] * int(min(low, 10_000) - len(value))
    return value if high is None else value[: max(0, int(high))]


def _bound(schema: Schema, name: str) -> float | None:
    value = schema.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []
