"""Requests out of openapi.yaml: schemathesis generates them, and is used for nothing else.

It has its own way to send requests and to judge answers, and reads a ``schemathesis.toml`` of the
folder that it is run in. None of that is used: a run depends on the document and on the seed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import schemathesis
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet
from schemathesis.transport.serialization import Binary

from pollux.conformance.fuzzing.request import JSON_TYPE, Request, operation_of
from pollux.polling.exchange import FormPart
from pollux.schemas.openapi import load_openapi

if TYPE_CHECKING:
    from schemathesis import APIOperation, BaseSchema

_SETTINGS: dict[str, Any] = {
    # Never asked for: what is generated is sent by the client of the suite.
    "base-url": "http://localhost/api/v1",
    # Tokens are the matter of a kind of requests of its own.
    "generation": {"with-security-parameters": False, "database": "none"},
    "cache": {"enabled": False},
}
_FILE = "file"
_FILE_NAME = "generated.txt"


def good(operation: str) -> SearchStrategy[Request]:
    """Return requests of an OPERATION that fit the document."""
    return _strategy(operation, GenerationMode.POSITIVE)


def bad(operation: str) -> SearchStrategy[Request]:
    """Return requests of an OPERATION that do not fit the document, in one way or in several.

    The document is stricter than the contract: a server may well accept some of them.
    """
    return _strategy(operation, GenerationMode.NEGATIVE)


def can_be_bad(operation: str) -> bool:
    """Tell whether there is anything in a request of this OPERATION that could be wrong."""
    found = _operation(operation)
    return bool(found.body or found.query or found.path_parameters)


@cache
def _strategy(operation: str, mode: GenerationMode) -> SearchStrategy[Request]:
    cases: SearchStrategy[Case[Any]] = _operation(operation).as_strategy(generation_mode=mode)
    return cases.map(partial(_request, operation))


@cache
def _schema() -> "BaseSchema":
    config = schemathesis.Config.from_dict(_SETTINGS)
    return schemathesis.openapi.from_dict(load_openapi(), config=config)


def _operation(name: str) -> "APIOperation[Any, Any, Any, Any]":
    operation = operation_of(name)
    return _schema()[operation.path][operation.method]


def _request(operation: str, case: Case[Any]) -> Request:
    """Return the request that CASE stands for, as far as it can be sent."""
    request = Request(
        operation,
        # They come percent-encoded.
        places=tuple((name, unquote(str(value))) for name, value in case.path_parameters.items()),
        query=tuple(_pairs(case.query)),
    )
    if isinstance(case.body, NotSet):
        return request
    if case.media_type != JSON_TYPE:
        return replace(request, form=tuple(_parts(case.body)))
    if isinstance(case.body, bytes):
        return replace(request, content=case.body, content_type=JSON_TYPE)
    return request.with_value(case.body)


def _pairs(query: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        for entry in value if isinstance(value, list) else [value]:
            yield name, _text(entry)


def _parts(body: Any) -> Iterator[FormPart]:
    for name, value in body.items() if isinstance(body, dict) else ():
        if isinstance(value, Binary | bytes):
            data = value.data if isinstance(value, Binary) else value
            yield FormPart(name, data, _FILE_NAME if name == _FILE else None)
        else:
            yield FormPart(name, _text(value).encode())


def _text(value: Any) -> str:
    """Return VALUE as it stands in a query or in a field of a form."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
