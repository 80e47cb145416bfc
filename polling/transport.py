"""An httpx transport in which one deadline bounds a whole request, down to every single read.

httpx's own timeouts bound each read, so that a server that sends a byte a second could
hold a client for hours.
"""

import ssl
import threading
import time
from collections.abc import Iterable, Iterator

import httpcore
import httpx

# A server may close an idle connection at any time; one idle for longer is not used again.
_KEEPALIVE_SECONDS = 1.0

_SocketOptions = Iterable[httpcore.SOCKET_OPTION]


class DeadlineTransport(httpx.BaseTransport):
    """Sends requests over httpcore; :meth:`begin` sets the deadline of the calling thread.

    Idempotent requests share kept-alive connections; every other request has a new one, so
    that it is never lost on a connection that the server closed meanwhile.
    """

    def __init__(self) -> None:
        self._clock = _Clock()
        backend = _Backend(self._clock)
        self._kept = httpcore.ConnectionPool(
            max_connections=None,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=backend,
        )
        self._fresh = httpcore.ConnectionPool(
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=backend,
        )

    def begin(self, seconds: float) -> None:
        """Give the calling thread SECONDS for its next request, the answer's body included."""
        self._clock.begin(seconds)

    @property
    def connected(self) -> bool:
        """Whether the calling thread made a new connection since :meth:`begin`."""
        return self._clock.connected

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send REQUEST.

        Raises:
            httpx.TransportError: when no answer came; ``TimeoutException`` past the deadline.
        """
        pool = self._kept if request.method in ("GET", "HEAD") else self._fresh
        if not isinstance(request.stream, httpx.SyncByteStream):
            raise TypeError("only requests with a synchronous body can be sent")
        raw = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            answer = pool.handle_request(raw)
        except _HTTPCORE_ERRORS as error:
            raise _translated(error) from error
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        """Close all connections."""
        self._kept.close()
        self._fresh.close()


class _Clock(threading.local):
    deadline = float("inf")
    connected = False

    def begin(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.connected = False

    def left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for this request is over")
        # Sockets know no infinite timeout but None.
        return min(left, 3600.0)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _SocketOptions | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(
            host, port, self._clock.left(), local_address, socket_options or []
        )
        self._clock.connected = True
        return _Stream(stream, self._clock)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, clock: _Clock) -> None:
        self._inner = inner
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._clock.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._clock.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._clock.left())
        return _Stream(inner, self._clock)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer.iter_stream()
        except _HTTPCORE_ERRORS as error:
            raise _translated(error) from error

    def close(self) -> None:
        self._answer.close()


# A LocalProtocolError is not among them: a request that cannot be sent is the caller's mistake.
_HTTPCORE_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.RemoteProtocolError,
)


def _translated(error: Exception) -> httpx.TransportError:
    text = str(error) or type(error).__name__
    if isinstance(error, httpcore.TimeoutException):
        return httpx.ReadTimeout(text)
    if isinstance(error, httpcore.ConnectError):
        return httpx.ConnectError(text)
    if isinstance(error, httpcore.RemoteProtocolError):
        return httpx.RemoteProtocolError(text)
    return httpx.NetworkError(text)
