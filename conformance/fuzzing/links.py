"""The links of openapi.yaml: how the answer to one operation leads to a request of another one."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pollux.conformance.fuzzing.request import Request, operation_of
from pollux.polling.exchange import Exchange
from pollux.schemas.openapi import load_openapi

_BODY = "$response.body#/"
_PATH = "$request.path."


@dataclass(frozen=True)
class Link:
    """One link.

    Attributes:
        source: The operation whose success has it.
        target: The operation that it leads to.
        parameters: Parameters of the path and the query, with an expression or a value each.
        body: JSON text of the body, with expressions in it; "" when it says nothing of one.
    """

    source: str
    target: str
    parameters: tuple[tuple[str, Any], ...]
    body: str

    def follow(self, request: Request, asked: Request, answer: Exchange) -> Request | None:
        """Return REQUEST, to the target, with what this link takes from an answer.

        Args:
            request: Of the target; what the link does not say stays as it is.
            asked: Of the source.
            answer: The answer to it, a success.

        Returns:
            The request, or None when the answer does not have what the link asks for.
        """
        try:
            request = self._with_parameters(request, asked, answer)
            if not self.body:
                return request
            fields = _resolved(json.loads(self.body), asked, answer)
        except (LookupError, TypeError, ValueError):
            return None
        # A generated image would keep the server from looking at anything else.
        others = {name: value for name, value in request.fields.items() if name != "images"}
        return request.with_value({**others, **fields})

    def _with_parameters(self, request: Request, asked: Request, answer: Exchange) -> Request:
        for name, expression in self.parameters:
            value = _resolved(expression, asked, answer)
            if not isinstance(value, str | int) or isinstance(value, bool):
                raise TypeError(f"{name} is no text and no number")
            if f"{{{name}}}" in operation_of(self.target).path:
                request = request.with_place(str(value))
            else:
                request = request.with_parameter(name, str(value))
        return request


@cache
def links() -> tuple[Link, ...]:
    """Return all links, in the order of the document."""
    return tuple(_links())


def _links() -> Iterator[Link]:
    for item in load_openapi()["paths"].values():
        for definition in item.values():
            responses = definition.get("responses", {}) if isinstance(definition, dict) else {}
            for response in responses.values():
                for link in response.get("links", {}).values():
                    body = link.get("requestBody")
                    yield Link(
                        definition["operationId"],
                        link["operationId"],
                        tuple(link.get("parameters", {}).items()),
                        "" if body is None else json.dumps(body),
                    )


def _resolved(value: Any, asked: Request, answer: Exchange) -> Any:
    """Return VALUE with every expression in it replaced by what it stands for.

    Raises:
        LookupError, TypeError, ValueError: when there is no such thing.
    """
    if isinstance(value, dict):
        return {name: _resolved(entry, asked, answer) for name, entry in value.items()}
    if isinstance(value, list):
        return [_resolved(entry, asked, answer) for entry in value]
    if isinstance(value, str) and value.startswith(_PATH):
        return dict(asked.places)[value.removeprefix(_PATH)]
    if isinstance(value, str) and value.startswith(_BODY):
        return _pointed(answer.payload, value.removeprefix(_BODY))
    return value


def _pointed(payload: Mapping[str, Any], pointer: str) -> Any:
    found: Any = payload
    for key in pointer.split("/"):
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found
