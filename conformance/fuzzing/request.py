"""A generated request: plain data, so that it can be compared, sent again and made smaller."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Final
from urllib.parse import quote, urlencode

from pollux.polling.client import ApiClient
from pollux.polling.exchange import Exchange, FormPart
from pollux.polling.http import LEFT_OUT
from pollux.schemas.openapi import Operation, operations

JSON_TYPE = "application/json"

#: The value of a body that is not JSON, as far as any server could read it.
MALFORMED: Final[Any] = type("Malformed", (), {"__repr__": lambda _: "MALFORMED"})()


@cache
def operation_of(name: str) -> Operation:
    """Return the operation of this id."""
    return next(row for row in operations() if row.operation_id == name)


@dataclass(frozen=True)
class Request:
    """One request of an operation, good or bad.

    Attributes:
        operation: Its operation id.
        places: The variables of the path, as they are meant: not percent-encoded.
        query: The parameters, in the order in which they are sent.
        content: The body; None: none is sent.
        content_type: Its type; None with a body: none is sent.
        form: The parts of a multipart body, in the place of CONTENT.
        headers: More header lines.
        method: Another method than that of the operation.
        authorization: The whole ``Authorization`` header; LEFT_OUT: that of the user, None: none.
    """

    operation: str
    places: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    content_type: str | None = None
    form: tuple[FormPart, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    method: str | None = None
    authorization: Any = LEFT_OUT

    @property
    def path(self) -> str:
        """The path below ``/api/v1``, percent-encoded."""
        path = operation_of(self.operation).path
        for name, value in self.places:
            path = path.replace(f"{{{name}}}", _segment(value))
        return path

    @property
    def place(self) -> str:
        """The one variable of the path; "" where there is none."""
        return self.places[0][1] if self.places else ""

    @cached_property
    def value(self) -> Any:
        """The JSON value of the body; LEFT_OUT without a body, MALFORMED when it is no JSON."""
        if self.content is None:
            return LEFT_OUT
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return MALFORMED

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of a JSON object; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def parameter(self, name: str) -> str | None:
        """Return the one value of a query parameter, or None without it."""
        found = [value for key, value in self.query if key == name]
        return found[-1] if found else None

    def with_value(self, value: Any) -> "Request":
        """Return the request with another JSON body."""
        return replace(self, content=json_bytes(value), content_type=JSON_TYPE)

    def with_place(self, value: str) -> "Request":
        """Return the request with another value of the one variable of its path."""
        return replace(self, places=tuple((name, value) for name, _ in self.places))

    def with_parameter(self, name: str, value: str | None) -> "Request":
        """Return the request with another value of a query parameter; None leaves it out."""
        others = tuple((key, old) for key, old in self.query if key != name)
        return replace(self, query=others if value is None else (*others, (name, value)))

    def send(self, client: ApiClient) -> Exchange:
        """Send the request."""
        headers = dict(self.headers)
        if self.content is not None and self.content_type is not None:
            headers["Content-Type"] = self.content_type
        return client.request(
            self.method or operation_of(self.operation).method,
            self.path,
            operation=None if self.method else self.operation,
            query=urlencode(self.query, quote_via=quote, safe=""),
            content=self.content,
            form=self.form,
            headers=headers,
            authorization=self.authorization,
        )


def json_bytes(value: Any) -> bytes:
    """Return VALUE as JSON text in UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode()


def _segment(text: str) -> str:
    # Dots alone would be resolved by every client and proxy on the way.
    return "%2E" * len(text) if text in (".", "..") else quote(text, safe="")
