"""How the replay server reads requests and answers: envelopes, tokens, offsets, JSON bodies."""

import hmac
import logging
import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from pollux.replay.errors import RecordingError
from pollux.replay.format import LineError, dumps, loads
from pollux.schemas.openapi import request_schema

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_log = logging.getLogger(__name__)
_ONLY = "a replay has messages, tasks, conversations, models and health, and nothing at this path"
#: Name of the blueprint of the control API.
CONTROL = "control"
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")


class Refused(Exception):
    """A request that is answered with a failure (api_v1 1.2).

    Args:
        status: HTTP status, 4xx.
        message: What is wrong.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def ok(payload: dict[str, Any] | None = None, status: int = 200) -> Response:
    """Return a success with the fields of PAYLOAD."""
    return json_bytes(dumps({"success": True, **(payload or {})}), status)


def failure(status: int, message: str) -> Response:
    """Return a failure with the error text MESSAGE."""
    return json_bytes(dumps({"success": False, "error": message}), status)


def json_bytes(body: bytes, status: int = 200) -> Response:
    """Return BODY, which is JSON already."""
    return Response(body, status=status, content_type="application/json")


def check_token(expected: str | None) -> None:
    """Refuse the request unless it bears a token (api_v1 1.5).

    Args:
        expected: The only token that is taken; None takes any.

    Raises:
        Refused: 401.
    """
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Refused(401, "a bearer token is needed: send 'Authorization: Bearer <token>'")
    given = token.encode("latin-1", "replace")
    if expected is not None and not hmac.compare_digest(given, expected.encode()):
        raise Refused(401, "the token is not the one that this replay takes")


def number_from_query(name: str, default: int) -> int:
    """Return the whole number of a query parameter.

    Raises:
        Refused: 400, when it is none (api_v1 2.3.4).
    """
    text = request.args.get(name)
    if text is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise Refused(400, f"{name} must be a whole number from 0 on, of at most 18 digits")
    return int(text)


def json_body(operation_id: str, *, required: bool) -> dict[str, Any]:
    """Return the body of the request, which fits the operation's schema in ``openapi.yaml``.

    Args:
        operation_id: Name of the operation.
        required: Whether there must be a body; without one the result is empty.

    Raises:
        Refused: 415 for another content type, 400 for a body that does not fit (api_v1 1.11).
    """
    return fitting_body(lambda: _validator(operation_id), required=required)


def fitting_body(validator: Callable[[], "Validator"], *, required: bool) -> dict[str, Any]:
    """Return the JSON object in the body of the request, which fits a schema.

    Args:
        validator: Returns the validator of the schema; asked when there is a body.
        required: Whether there must be a body; without one the result is empty.

    Raises:
        Refused: 415 for another content type, 400 for a body that does not fit.
    """
    raw = request.get_data(cache=False)
    if not raw and not required:
        return {}
    if request.mimetype != "application/json":
        raise Refused(415, "the body must be JSON: send 'Content-Type: application/json'")
    try:
        body = loads(raw)
    except LineError:
        raise Refused(400, "the body is not JSON in UTF-8") from None
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    for error in validator().iter_errors(body):
        place = ".".join(str(part) for part in error.absolute_path)
        if not place and error.validator == "anyOf":
            raise Refused(400, "message or images is needed, and one of them must not be empty")
        raise Refused(400, f"{place}: {error.message}" if place else error.message)
    return body


@cache
def _validator(operation_id: str) -> "Validator":
    # jsonschema takes a tenth of a second to import; recording does not need it.
    from jsonschema import Draft202012Validator

    return Draft202012Validator(request_schema(operation_id) or True)


def install(app: Flask) -> None:
    """Give every error of APP the envelope, and every answer the common headers (api_v1 1)."""
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _unexpected)
    app.after_request(_common_headers)


def _refused(error: Refused) -> Response:
    response = failure(error.status, str(error))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _http_exception(error: HTTPException) -> Response:
    message = _ONLY if error.code == 404 else error.description or error.name
    response = failure(error.code or 400, message)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    _log.error("%s %s failed", request.method, ascii(request.path), exc_info=error)
    if isinstance(error, RecordingError | OSError):
        return failure(503, f"the recording cannot be played on: {error}")
    return failure(503, "an internal error; the replay's own output has the details")


def _common_headers(response: Response) -> Response:
    headers = response.headers
    headers["Cache-Control"] = "no-store"
    headers["X-Content-Type-Options"] = "nosniff"
    if request.blueprint == CONTROL:  # not for everyone: it says itself who may read it
        return response
    headers["Access-Control-Allow-Origin"] = "*"
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE, OPTIONS"
        headers["Access-Control-Allow-Headers"] = (
            "Authorization, Content-Type, X-Pollux-Faults, X-Pollux-Recording"
        )
        headers["Access-Control-Max-Age"] = "600"
    return response
