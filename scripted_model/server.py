"""Runs the scripted model over HTTP, in a background thread or in the foreground."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from pollux.scripted_model.model import MAX_BODY_BYTES, ScriptedModel
from pollux.scripted_model.wsgi import WsgiApp
from pollux.serving import WsgiServer, serve_until_signal

_CONTROL_THREADS = 16
"""Threads that no answer can take: for the control endpoints."""


class ModelServer:
    """A scripted model served over HTTP.

    Args:
        model: The model; None makes a new one.
        host: Address to listen on. Whoever reaches it can use and control the model.
        port: TCP port; 0 takes a free one.
        most_answers: So many answers may be sent, or waiting, at the same time; each takes a
            thread. One more is refused with 503.

    Raises:
        OSError: when the address cannot be listened on.

    Attributes:
        model: The model.
        url: ``http://host:port`` of the model.
        base_url: The same with ``/v1``: what ``OPENAI_BASE_URL`` is set to.
    """

    def __init__(
        self,
        model: ScriptedModel | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        most_answers: int = 112,
    ) -> None:
        self.model = ScriptedModel() if model is None else model
        self._server = WsgiServer(
            WsgiApp(self.model, most_answers=most_answers),
            host=host,
            port=port,
            threads=most_answers + _CONTROL_THREADS,
            max_body_bytes=2 * MAX_BODY_BYTES,  # what lies between is refused in OpenAI's shape
            detect_disconnect=True,
        )
        self.url = self._server.base_url
        self.base_url = f"{self.url}/v1"

    def start(self) -> Self:
        """Begin to answer."""
        self._server.start()
        return self

    def stop(self, timeout: float = 5.0) -> None:
        """Close the model, which cuts off what waits, and stop within TIMEOUT seconds."""
        self.model.close()
        self._server.stop(timeout)

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

    def serve_until_signal(self, on_ready: Callable[[], object]) -> None:
        """Serve in the foreground until SIGINT or SIGTERM; ON_READY is called once it answers."""
        serve_until_signal(self._server, on_ready=on_ready, on_stop=self.model.close)
