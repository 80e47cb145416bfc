"""Small twists, of which servers with ways of their own are put together."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from tests.conformance.workshop import Answer, Inner, Request, Twist

Data = dict[str, Any]


def together(*twists: Twist) -> Twist:
    """Make one twist of several; the first is the one nearest to the client."""

    def twist(request: Request, inner: Inner) -> Answer:
        call = inner
        for one in reversed(twists):
            call = _bound(one, call)
        return call(request)

    return twist


def _bound(twist: Twist, inner: Inner) -> Inner:
    return lambda request: twist(request, inner)


def other(request: Request, method: str, path: str, query: str = "", body: bytes = b"") -> Request:
    """Return another request of the same user."""
    environ = request.environ | {"REQUEST_METHOD": method, "QUERY_STRING": query}
    length = str(len(body)) if body else ""
    environ |= {"PATH_INFO": f"/api/v1{path}", "CONTENT_LENGTH": length}
    return Request(environ, body)


def query_of(request: Request) -> dict[str, str]:
    """Return the parameters of a request."""
    return dict(parse_qsl(request.query, keep_blank_values=True))


def polls(change: Callable[[Data], object]) -> Twist:
    """Change the ``data`` of every answer to a poll in place."""

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.is_poll and answer.ok:
            body = answer.json
            change(body["data"])
            answer.json = body
        return answer

    return twist


def sends(change: Callable[[Data], object]) -> Twist:
    """Change the JSON body of every send that is an object in place."""

    def twist(request: Request, inner: Inner) -> Answer:
        body = request.json if request.is_send else None
        if isinstance(body, dict):
            change(body)
            request.body = json.dumps(body).encode()
        return inner(request)

    return twist


def answers(method: str, path: str, change: Callable[[Data], object]) -> Twist:
    """Change the JSON of every success of one operation in place.

    Args:
        method: HTTP method.
        path: What the path begins with.
        change: The change.
    """

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.method == method and request.path.startswith(path) and answer.ok:
            body = answer.json
            if isinstance(body, dict):
                change(body)
                answer.json = body
        return answer

    return twist
