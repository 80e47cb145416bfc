"""What a request of a client is about: operation, task, offset, and who asks."""

import re
import sys
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, urlencode

from pollux.schemas.openapi import API_PREFIX, operations

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_KNOWN_QUERY = frozenset({"from", "full", "limit", "offset", "path"})
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
_LONGEST_CLIENT = 200


@cache
def _routes() -> list[tuple[str, re.Pattern[str], str]]:
    return [
        (
            operation.method,
            re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(operation.path))),
            operation.operation_id,
        )
        for operation in operations()
    ]


def prepare() -> None:
    """Read the operations now, not at the first request."""
    _routes()


def find_operation(method: str, path: str) -> tuple[str | None, Mapping[str, str]]:
    """Return the operation id of a request, None when there is none, and what its path names."""
    below = path.removeprefix(API_PREFIX)
    for its_method, pattern, operation_id in _routes():
        if its_method == method and (match := pattern.fullmatch(below)):
            return operation_id, {
                name: sys.intern(value) for name, value in match.groupdict().items()
            }
    return None, {}


def offset_of(environ: "WSGIEnvironment") -> int | None:
    """Return ``from`` of a poll, 0 when it is not given, None when it is no whole number."""
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    text = query.get("from", ["0"])[0]
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


def shown_path(environ: "WSGIEnvironment") -> str:
    """Return path and query for people; what does not belong into a query is not shown.

    Some clients put their token there, where it is no use (api_v1 1.5).
    """
    path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    shown = [(name, value if name in _KNOWN_QUERY else "...") for name, value in query]
    return f"{path}?{urlencode(shown)}" if shown else path


def client_of(environ: "WSGIEnvironment") -> str:
    """Return who asks: address and user agent."""
    told = f"{environ.get('REMOTE_ADDR', '')} {environ.get('HTTP_USER_AGENT', '')}"
    client = "".join(c if c.isprintable() else "?" for c in told.strip())[:_LONGEST_CLIENT]
    return sys.intern(client)  # the journal keeps it with every request
