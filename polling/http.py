"""Sends one HTTP request and keeps the exchange, whatever comes of it.

Nothing is raised for a 4xx or 5xx, nor for an answer that does not come. Redirects are not
followed, and neither proxies nor ``.netrc`` of the machine are looked at.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import httpx

from pollux import __version__
from pollux.polling.exchange import Exchange, FormPart
from pollux.polling.redaction import Redactor
from pollux.polling.transport import DeadlineTransport

PREFIX = "/api/v1"

#: Said of a body, field or header that is left out, where ``None`` has a meaning of its own.
LEFT_OUT: Final[Any] = type("LeftOut", (), {"__repr__": lambda _: "LEFT_OUT"})()

#: Statuses of a server that is too busy just now, and may be asked again (503: api_v1 1.10).
BUSY = (429, 503)

_KEPT_EXCHANGES = 200


@dataclass(frozen=True)
class Limits:
    """What bounds one request.

    Attributes:
        timeout: Seconds for the whole request, its answer included.
        body_bytes: Bytes of an answer's body; a longer one counts as no answer.
        patience: Seconds in all that a request is repeated while the answer is 503 (or 429):
            "a later try may succeed" (api_v1 1.10). 0: the first answer is the answer.
    """

    timeout: float = 15.0
    body_bytes: int = 128 * 1024 * 1024
    patience: float = 0.0


@dataclass(frozen=True)
class _Plan:
    """One request before it is sent."""

    operation: str | None
    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes | None
    form: tuple[FormPart, ...]
    before_last_byte: Callable[[], None] | None
    timeout: float


@dataclass(frozen=True)
class _Answer:
    """What came of it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str | None = None
    lost: bool = False  # the connection went before anything came


class HttpClient:
    """One user's way to one server. Safe for use by several threads.

    Args:
        base_url: ``http://host:port``, with or without ``/api/v1``.
        token: The bearer token; None sends none.
        redactor: Knows the secrets; by default just this token.
        observer: Called with every exchange, in the thread that made it.
        limits: Bounds of each request.

    Raises:
        ValueError: when BASE_URL is not an absolute http or https URL.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        redactor: Redactor | None = None,
        observer: Callable[[Exchange], None] | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self.base_url = normal_base_url(base_url)
        self.redactor = redactor or Redactor({token: "$TOKEN"} if token else {})
        self.limits = limits
        self.exchanges: deque[Exchange] = deque(maxlen=_KEPT_EXCHANGES)
        self._token = token
        self._observer = observer
        self._origin = httpx.URL(self.base_url)
        self._transport = DeadlineTransport()
        self._http = httpx.Client(
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": f"pollux/{__version__}", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Self:
        """Return the client itself; leaving the block closes it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        operation: str | None = None,
        query: Mapping[str, str] | str | None = None,
        body: Any = LEFT_OUT,
        content: bytes | None = None,
        form: Iterable[FormPart] = (),
        headers: Mapping[str, str] | None = None,
        authorization: str | None = LEFT_OUT,
        before_last_byte: Callable[[], None] | None = None,
        timeout: float | None = None,
        patience: float | None = None,
    ) -> Exchange:
        """Send one request and return it with its answer.

        Args:
            method: HTTP method.
            path: Path below ``/api/v1``, percent-encoded, sent exactly as it stands here.
            operation: Its operation id, if it is one of the 18.
            query: Parameters, or the query as it is to be sent.
            body: JSON body.
            content: Bytes sent as the body in its place; say the content type in HEADERS.
            form: Parts of a multipart body.
            headers: More header lines.
            authorization: The whole ``Authorization`` header in place of the client's own;
                None sends none.
            before_last_byte: Called when all of the body but its last byte is sent: the gate
                at which racing requests wait for each other.
            timeout: Seconds, in place of the client's limit.
            patience: Seconds, in place of the client's limit.

        Raises:
            ValueError: when BODY cannot be written as JSON.
        """
        lines = {"Accept": "application/json, */*"} | dict(headers or {})
        if body is not LEFT_OUT:
            text = json.dumps(body, ensure_ascii=False, allow_nan=False)
            content = text.encode("utf-8", "surrogatepass")
            lines.setdefault("Content-Type", "application/json")
        if authorization is LEFT_OUT:
            authorization = None if self._token is None else f"Bearer {self._token}"
        if authorization is not None:
            lines["Authorization"] = authorization
        query = query if isinstance(query, str) else urlencode(query or {}, quote_via=quote)
        plan = _Plan(
            operation=operation,
            method=method,
            target=PREFIX + path + (f"?{query}" if query else ""),
            headers=lines,
            content=content,
            form=tuple(form),
            before_last_byte=before_last_byte,
            timeout=self.limits.timeout if timeout is None else timeout,
        )
        exchange = self._exchange(plan)
        until = time.monotonic() + (self.limits.patience if patience is None else patience)
        while exchange.status in BUSY:
            pause = _retry_after(exchange)
            if time.monotonic() + pause > until:
                break
            time.sleep(pause)
            exchange = self._exchange(plan)
        return exchange

    def _exchange(self, plan: _Plan) -> Exchange:
        started_at, sent = time.time(), time.monotonic()
        request, answer = self._once(plan)
        if answer.lost and plan.method == "GET" and not self._transport.connected:
            # The server closed the kept connection just then, as it may: that is no answer
            # to this request, which is sent again on a new one.
            request, answer = self._once(plan)
        received = time.monotonic()
        exchange = Exchange(
            operation=plan.operation,
            method=plan.method,
            url=self.redactor.text(self.base_url + plan.target),
            request_headers=self.redactor.headers(_lines(request.headers)),
            request_body=self._redacted(request.read() if plan.form else plan.content or b""),
            status=0 if answer.error else answer.status,
            headers=answer.headers,
            body=answer.body,
            error=self.redactor.text(answer.error) if answer.error else None,
            started_at=started_at,
            elapsed_ms=(received - sent) * 1000,
            sent=sent,
            received=received,
            form=plan.form,
            redactor=self.redactor,
        )
        self.exchanges.append(exchange)
        if self._observer is not None:
            self._observer(exchange)
        return exchange

    def _once(self, plan: _Plan) -> tuple[httpx.Request, _Answer]:
        request = self._build(plan)
        self._transport.begin(plan.timeout)
        return request, self._send(request)

    def _build(self, plan: _Plan) -> httpx.Request:
        headers = dict(plan.headers)
        # httpx would resolve dot segments of a path; the target goes out as it was asked for.
        target = self._origin.raw_path.rstrip(b"/") + plan.target.encode()
        extensions = {"target": target}
        if plan.form:
            files = [(part.name, (part.filename, part.content)) for part in plan.form]
            return self._http.build_request(
                plan.method, self._origin, headers=headers, files=files, extensions=extensions
            )
        content: bytes | Iterable[bytes] | None = plan.content
        if plan.content and plan.before_last_byte is not None:
            headers["Content-Length"] = str(len(plan.content))
            content = _gated(plan.content, plan.before_last_byte)
        return self._http.build_request(
            plan.method, self._origin, headers=headers, content=content, extensions=extensions
        )

    def _send(self, request: httpx.Request) -> _Answer:
        status, body = 0, bytearray()
        lines: tuple[tuple[str, str], ...] = ()
        try:
            # Nothing of what a client adds is wanted: no cookies, redirects or second tries.
            response = self._transport.handle_request(request)
            try:
                status, lines = response.status_code, _lines(response.headers)
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > self.limits.body_bytes:
                        bound = self.limits.body_bytes
                        return _Answer(status, lines, b"", f"a body of more than {bound} bytes")
            finally:
                response.close()
        except httpx.TimeoutException as error:
            return _Answer(status, lines, bytes(body), f"timed out: {error}")
        except (httpx.TransportError, httpx.DecodingError) as error:
            text = f"{type(error).__name__}: {error}"
            return _Answer(status, lines, bytes(body), text, lost=status == 0)
        return _Answer(status, lines, bytes(body))

    def _redacted(self, body: bytes) -> bytes:
        try:
            return self.redactor.text(body.decode()).encode()
        except UnicodeError:
            return body


def normal_base_url(url: str) -> str:
    """Return URL without a slash or ``/api/v1`` at its end.

    Raises:
        ValueError: when it is not an absolute http or https URL.
    """
    url = url.strip().rstrip("/").removesuffix(PREFIX).rstrip("/")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is not a URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"{url!r} is not an absolute URL such as http://localhost:8091")
    return url


def segment(text: str) -> str:
    """Return TEXT percent-encoded as one segment of a path."""
    return quote(text, safe="")


def _lines(headers: httpx.Headers) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)


def _gated(content: bytes, gate: Callable[[], None]) -> Iterable[bytes]:
    if len(content) > 1:
        yield content[:-1]
    gate()
    yield content[-1:]


def _retry_after(exchange: Exchange) -> float:
    text = exchange.header("retry-after") or ""
    return min(float(text), 60.0) if text.isdecimal() else 0.25
