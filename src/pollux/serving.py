"""Runs a WSGI application on waitress: in a background thread on a free port, or until a signal."""

import json
import logging
import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from waitress.adjustments import Adjustments
from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask
from waitress.wasyncore import dispatcher as _asyncore_dispatcher

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# A queue of waiting requests is what a bounded pool is for; waitress warns of each one.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)

_MOST_WAITING = 1000
_CLOSE_BY_RST = struct.pack("HH" if os.name == "nt" else "ii", 1, 0)


class CutConnection(ClientDisconnected):
    """Raised inside a response iterable: the connection is closed at once, the body unfinished."""


class ResetConnection(CutConnection):
    """As :class:`CutConnection`, but with a TCP reset instead of an orderly end."""


class _Dispatcher(ThreadedTaskDispatcher):
    """A pool in which a request that only waits keeps no other from being answered.

    Args:
        threads: Requests answered at the same time, those that wait not counted.
    """

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._wanted = threads
        self._waiting = 0
        self._resizing = threading.Lock()
        self._resize()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Have one thread more while the caller, a thread of the pool, waits."""
        self._resize(+1)
        try:
            yield
        finally:
            self._resize(-1)

    def shutdown(self, cancel_pending: bool = True, timeout: int = 5) -> bool:
        """Let the threads end, for good."""
        with self._resizing:
            self._wanted = 0
        return super().shutdown(cancel_pending, timeout)

    def _resize(self, more: int = 0) -> None:
        with self._resizing:
            self._waiting += more
            if self._wanted:
                self.set_thread_count(self._wanted + min(self._waiting, _MOST_WAITING))


class _Task(WSGITask):
    """Tells the application how to wait, and ends a connection by a reset when it wants that."""

    def get_environment(self) -> dict[str, Any]:
        environ = super().get_environment()
        environ["pollux.wait"] = cast(Any, self.channel).wait
        return environ

    def execute(self) -> None:
        try:
            super().execute()
        except ResetConnection:
            connection = cast(Any, self.channel).socket
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_BY_RST)
            raise


class _JsonErrorTask(ErrorTask):
    """Answers what waitress itself refuses (malformed HTTP, a body too large) with JSON."""

    def execute(self) -> None:
        error = cast(Any, self.request).error
        code, reason = error.code, error.reason
        if code >= 500 and code != 503:
            # An unknown transfer coding is the client's fault: api_v1 1.4 knows no 501.
            code, reason = 400, "Bad Request"
        body = json.dumps({"success": False, "error": f"{reason}: {error.body}"}).encode()
        self.status = f"{code} {reason}"
        self.content_length = len(body)
        self.response_headers = [
            ("Content-Type", "application/json"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        self.set_close_on_finish()
        self.write(body)


class _Channel(HTTPChannel):
    task_class = _Task
    error_task_class = _JsonErrorTask

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._interrupted = threading.Event()
        super().__init__(*arguments, **options)

    def wait(self, seconds: float) -> bool:
        server = cast(Any, self.server)
        with server.task_dispatcher.waiting():
            return not (server.stopping or self._interrupted.wait(seconds))

    def interrupt(self) -> None:
        self._interrupted.set()

    def handle_close(self) -> None:
        self._interrupted.set()
        super().handle_close()


class _Server(TcpWSGIServer):
    channel_class = _Channel
    stopping = False


class WsgiServer:
    """Serves one WSGI application from a background thread.

    ``environ["pollux.wait"](seconds)`` waits without keeping another request from being answered.
    It returns True when the time is over, and False at once when the server stops or, with
    DETECT_DISCONNECT, the client goes away.

    Args:
        app: The application. What its iterables yield is sent as it comes.
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        threads: Requests answered at the same time; more wait in line, first come first served.
        max_body_bytes: A request with a larger body is refused with 413 before it is read.
        detect_disconnect: Keep reading while a request is being answered, so that
            ``environ["waitress.client_disconnected"]()`` turns true when the client goes away.
            A client that half-closes its side then counts as gone.

    Raises:
        OSError: from the constructor, when the address cannot be listened on.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        threads: int = 16,
        max_body_bytes: int = 1 << 30,
        detect_disconnect: bool = False,
    ) -> None:
        self._sock = _listening_socket(host, port)
        self._channels: dict[int, Any] = {}
        adjustments = Adjustments(
            sockets=[self._sock],
            threads=threads,
            ident="pollux",
            connection_limit=4096,
            asyncore_use_poll=hasattr(select, "poll"),
            max_request_body_size=max_body_bytes,
            channel_request_lookahead=1 if detect_disconnect else 0,
            log_socket_errors=False,
        )
        self._dispatcher = _Dispatcher(threads)
        self._server = _Server(
            app,
            self._channels,
            True,
            self._sock,
            dispatcher=self._dispatcher,
            adj=adjustments,
            sockinfo=(
                self._sock.family,
                self._sock.type,
                self._sock.proto,
                self._sock.getsockname(),
            ),
            bind_socket=False,
        )
        self._stopped = False
        self._trigger = cast(Any, self._server.trigger)
        self._thread = threading.Thread(target=self._server.run, name="wsgi", daemon=True)
        self.host = host
        self.port = int(self._sock.getsockname()[1])

    @property
    def base_url(self) -> str:
        """``http://host:port`` without a slash at the end, for clients on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self) -> Self:
        """Begin to answer requests; those sent since the constructor are waiting already."""
        self._thread.start()
        return self

    def stop(self, timeout: float = 5.0) -> None:
        """Stop listening, finish the requests that have come, close every connection. Once.

        Args:
            timeout: Seconds to wait for running requests; what takes longer is cut off.
        """
        if self._stopped:
            return
        self._stopped = True
        if not self._thread.is_alive():
            self._dispatcher.shutdown()
            self._server.close()
            return
        deadline = time.monotonic() + timeout
        self._server.stopping = True
        for channel in self._open_channels():
            channel.interrupt()
        # Sockets belong to the loop's own thread: closing one elsewhere would race with it.
        self._in_loop(lambda: _asyncore_dispatcher.close(self._server))
        while self._busy() and time.monotonic() < deadline:
            time.sleep(0.005)
        self._dispatcher.shutdown(
            cancel_pending=True, timeout=max(1, round(deadline - time.monotonic()))
        )
        self._in_loop(self._close_channels)
        self._thread.join()
        self._trigger.close()

    def __enter__(self) -> Self:
        """Start serving."""
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.stop()

    def _in_loop(self, call: Callable[[], object]) -> None:
        self._trigger.pull_trigger(call)

    def _busy(self) -> bool:
        return any(
            channel.requests or channel.total_outbufs_len for channel in self._open_channels()
        )

    def _open_channels(self) -> list[_Channel]:
        return [c for c in list(self._channels.values()) if isinstance(c, _Channel)]

    def _close_channels(self) -> None:
        for channel in list(self._channels.values()):
            if channel is self._trigger:
                # Only left out, so that the loop ends: it may be about to be pulled, and a
                # descriptor that is closed too early might belong to another file by then.
                channel.del_channel()
            else:
                channel.close()


def serve_until_signal(
    server: WsgiServer,
    *,
    on_ready: Callable[[], object] = lambda: None,
    on_stop: Callable[[], object] = lambda: None,
    timeout: float = 5.0,
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM, then stop gracefully.

    Args:
        server: A server that has not been started.
        on_ready: Called once requests are being answered.
        on_stop: Called when the signal has come, before the server stops.
        timeout: Seconds that running requests have to finish.
    """
    with _stop_signal() as stopping:
        server.start()
        try:
            on_ready()
            # A bounded wait lets Ctrl-C through on Windows, too.
            while not stopping.wait(1.0):
                pass
            on_stop()
        finally:
            server.stop(timeout)


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    stopping = threading.Event()

    def handler(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    previous = {number: signal.signal(number, handler) for number in _stop_signals()}
    try:
        yield stopping
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _stop_signals() -> list[signal.Signals]:
    return [signal.SIGINT, signal.SIGTERM]


def _listening_socket(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        # On Windows SO_REUSEADDR would let two servers share the port.
        alone = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        sock.setsockopt(socket.SOL_SOCKET, alone, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
