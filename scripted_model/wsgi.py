"""Serves the scripted model, and its control endpoints, as a WSGI application."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from pollux.scripted_model.actions import Action, Cut, Send, Start, Wait, WaitForRelease, whole
from pollux.scripted_model.control_app import ControlApp
from pollux.scripted_model.model import MAX_BODY_BYTES, HttpRequest, ScriptedModel
from pollux.scripted_model.shapes import JSON, error_answer, to_json
from pollux.scripted_model.waiting import Waited, wait_in_thread
from pollux.serving import CutConnection

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class WsgiApp:
    """The WSGI application of a model.

    Args:
        model: The model to serve.
        most_answers: So many answers may be sent, or waiting, at the same time; one more is
            refused with 503. Keep it below the number of threads, so that the control endpoints
            can always be reached.
    """

    def __init__(self, model: ScriptedModel, *, most_answers: int = 1000) -> None:
        self._model = model
        self._control = ControlApp(model)
        self._free = threading.Semaphore(most_answers)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        path = _path_of(environ)
        if path.startswith("/control/"):
            query = {
                key: values[-1] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()
            }
            status, value = self._control.answer(environ["REQUEST_METHOD"], path, query)
            return self._send(whole(status, to_json(value), JSON), environ, start_response)
        return self._chat(environ, start_response)

    def _chat(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterator[bytes]:
        with self._slot() as is_free:
            if is_free:
                with self._model.answering():
                    actions = self._model.answer(_request_of(environ))
                    yield from self._send(actions, environ, start_response)
            else:
                message = "too many answers are being sent, or waiting, at the same time"
                actions = error_answer(503, message, code="too_many_answers")
                yield from self._send(actions, environ, start_response)

    @contextmanager
    def _slot(self) -> Iterator[bool]:
        is_free = self._free.acquire(blocking=False)
        try:
            yield is_free
        finally:
            if is_free:
                self._free.release()

    def _send(
        self,
        actions: Iterable[Action],
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterator[bytes]:
        for action in actions:
            match action:
                case Start(status, headers):
                    start_response(_status_line(status), list(headers))
                case Send(data):
                    if environ["REQUEST_METHOD"] != "HEAD":
                        yield data
                case Wait() | WaitForRelease():
                    waited = wait_in_thread(
                        self._model.holds, action, is_gone=_disconnected(environ)
                    )
                    if waited is not Waited.DONE:
                        raise CutConnection(waited.value)
                case Cut():
                    raise CutConnection("as the script says")


def _disconnected(environ: "WSGIEnvironment") -> Callable[[], bool]:
    """Return what tells whether the client is gone; only waitress knows."""
    found: Callable[[], bool] = environ.get("waitress.client_disconnected", lambda: False)
    return found


def _path_of(environ: "WSGIEnvironment") -> str:
    return str(environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")


def _request_of(environ: "WSGIEnvironment") -> HttpRequest:
    length = str(environ.get("CONTENT_LENGTH") or "0")
    size = min(int(length), MAX_BODY_BYTES + 1) if length.isdecimal() else 0
    return HttpRequest(
        environ["REQUEST_METHOD"],
        _path_of(environ),
        environ["wsgi.input"].read(size),
        environ.get("HTTP_AUTHORIZATION"),
    )


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Scripted"
