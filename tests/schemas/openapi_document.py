"""The OpenAPI document under test, and ways to look things up in it."""

import copy
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from pollux.schemas.openapi import Operation, load_openapi, operations

DOCUMENT = load_openapi()
OPERATIONS = {operation.operation_id: operation for operation in operations()}


def resolve(node: Any) -> Any:
    """Follow a reference within the document."""
    while isinstance(node, dict) and "$ref" in node:
        target: Any = DOCUMENT
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = target
    return node


def definition(operation_id: str) -> dict[str, Any]:
    operation = OPERATIONS[operation_id]
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


def parameters(operation_id: str) -> dict[str, dict[str, Any]]:
    shared = DOCUMENT["paths"][OPERATIONS[operation_id].path].get("parameters", [])
    own = definition(operation_id).get("parameters", [])
    return {found["name"]: found for found in map(resolve, [*shared, *own])}


def answers() -> Iterator[tuple[Operation, int, dict[str, Any]]]:
    for operation in operations():
        for status in operation.statuses:
            yield (
                operation,
                status,
                resolve(definition(operation.operation_id)["responses"][str(status)]),
            )


def examples(media: dict[str, Any]) -> list[Any]:
    single = [media["example"]] if "example" in media else []
    return single + [named["value"] for named in media.get("examples", {}).values()]


def validator(schema: dict[str, Any] | None) -> Draft202012Validator:
    assert schema is not None
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def good_answer(operation_id: str) -> Any:
    status = OPERATIONS[operation_id].success
    content = resolve(definition(operation_id)["responses"][str(status)])["content"]
    return copy.deepcopy(examples(content["application/json"])[0])
