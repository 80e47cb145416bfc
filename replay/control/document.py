"""Reads openapi.yaml of the control API: its bodies as validators."""

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


def openapi_text() -> str:
    """Return openapi.yaml as it is in the package."""
    return resources.files("pollux.replay.control").joinpath("openapi.yaml").read_text("utf-8")


@cache
def document() -> dict[str, Any]:
    """Return the document, shared by all callers and so to be read only."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return cast(dict[str, Any], yaml.load(openapi_text(), Loader=loader))


@cache
def body_validator(operation_id: str) -> "Validator":
    """Return what judges the request body of an operation.

    Raises:
        KeyError: There is no such operation, or it takes no body.
    """
    return _validator(_operation(operation_id)["requestBody"]["content"]["application/json"])


@cache
def answer_validator(operation_id: str, status: int) -> "Validator":
    """Return what judges an answer of an operation that is JSON.

    Raises:
        KeyError: The operation has no such answer.
    """
    answer = _operation(operation_id)["responses"][str(status)]
    if "$ref" in answer:
        answer = document()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return _validator(answer["content"]["application/json"])


def _operation(operation_id: str) -> dict[str, Any]:
    for item in document()["paths"].values():
        for operation in item.values():
            if operation.get("operationId") == operation_id:
                return cast(dict[str, Any], operation)
    raise KeyError(operation_id)


def _validator(holder: dict[str, Any]) -> "Validator":
    # OpenAPI 3.1 has the schemas of JSON Schema 2020-12; what they refer to comes along.
    from jsonschema import Draft202012Validator

    return Draft202012Validator({**holder["schema"], "components": document()["components"]})
