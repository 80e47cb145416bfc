"""How requests are read and answered: the envelope, errors, bearer tokens, strict JSON bodies."""

import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Any, Never, cast

from flask import Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from pollux.reference_server.services import Services
from pollux.reference_server.spaces import UserSpace

#: Key of the :class:`Services` in ``app.extensions``.
EXTENSION = "pollux"

_DIGITS = re.compile(r"[0-9]+")
_MOST_DIGITS = 18
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class ApiError(Exception):
    """A refusal that the client is told: an HTTP status and a text (api_v1 1.2).

    Args:
        status: HTTP status, 4xx or 503.
        message: What is wrong and what to do about it; never empty.
        headers: More headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def json_response(payload: Mapping[str, Any], status: int = 200) -> Response:
    """Return PAYLOAD as a JSON answer in UTF-8."""
    # A file name on disk may hold bytes that are no text: they become "?", never a failure.
    text = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    body = text.encode("utf-8", "replace")
    return Response(body, status=status, content_type="application/json")


def ok(payload: Mapping[str, Any] | None = None, status: int = 200) -> Response:
    """Return a success envelope: ``success: true`` and the fields of PAYLOAD (api_v1 1.2)."""
    return json_response({"success": True, **(payload or {})}, status)


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a failure envelope with the error text MESSAGE (api_v1 1.2, 1.3)."""
    response = json_response({"success": False, "error": message}, status)
    response.headers.update(headers or {})
    return response


def http_exception_response(error: HTTPException) -> Response:
    """Turn an error of the framework into a failure envelope, its headers kept (api_v1 1.3)."""
    kept = {
        name: value
        for name, value in error.get_headers()
        if name.lower() not in ("content-type", "content-length")
    }
    description = " ".join((error.description or error.name).split())
    return error_response(error.code or 400, description or "the request was refused", kept)


def current_services() -> Services:
    """Return the services of the application that answers the current request."""
    return cast(Services, current_app.extensions[EXTENSION])


def current_space() -> UserSpace:
    """Return the space of the user whose token came with the current request."""
    return cast(UserSpace, g.space)


def bearer_token() -> str:
    """Return the token of the current request.

    The scheme word may stand in any case, with blanks around the token. No other place
    than the header is looked at (api_v1 1.5).

    Raises:
        ApiError: 401, when there is no bearer token.
    """
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        unauthorized("a bearer token is needed: send the header 'Authorization: Bearer <token>'")
    # WSGI hands headers over as Latin-1; a token outside ASCII was sent as UTF-8.
    return token.encode("latin-1", "replace").decode("utf-8", "replace")


def unauthorized(message: str) -> Never:
    """Refuse the request with 401 and the header that names the scheme (api_v1 1.5, 1.7)."""
    raise ApiError(401, message, {"WWW-Authenticate": "Bearer"})


def read_json_object(*, allowed: Collection[str], required: bool = True) -> dict[str, Any]:
    """Read the body of the current request as a JSON object.

    Args:
        allowed: Names of the fields the operation knows; another one is refused.
        required: Whether a body must be there. Without one the result is empty.

    Raises:
        ApiError: 415 for another content type; 400 for a body that is no JSON object in
            UTF-8, has an unknown field, or holds what JSON text cannot carry: NaN,
            infinities, lone surrogates (api_v1 1.3, 1.11). 413 comes from the framework.
    """
    request.max_content_length = current_services().config.max_json_bytes
    raw = request.get_data(cache=False)
    if not raw:
        if required:
            raise ApiError(400, "a JSON object is needed as the body")
        return {}
    if request.mimetype != "application/json":
        raise ApiError(415, "the body must be JSON: send 'Content-Type: application/json'")
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float)
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise ApiError(400, "the body is not valid UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ApiError(400, "the body must be a JSON object")
    unknown = sorted(set(value) - set(allowed))
    if unknown:
        known = ", ".join(sorted(allowed))
        raise ApiError(400, f"unknown field {unknown[0]!r}: this operation knows {known}")
    return value


def query_number(name: str, default: int) -> int:
    """Read a whole number from 0 on, of any length, from the query of the current request.

    A number beyond every number that there can be here counts as the largest one.

    Args:
        name: The parameter.
        default: What its absence means.

    Raises:
        ApiError: 400, for anything but ASCII digits.
    """
    text = request.args.get(name)
    if text is None:
        return default
    if not _DIGITS.fullmatch(text):
        raise ApiError(400, f"{name!r} must be a whole number, not below 0")
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) < _MOST_DIGITS else 10**_MOST_DIGITS


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON value")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text} is too large")
    return value
