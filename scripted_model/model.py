"""The scripted model: what HTTP and the in-process transports share."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pollux.scripted_model.actions import Action
from pollux.scripted_model.answer import (
    closing_statements,
    friendly_statements,
    settle,
    status_of,
)
from pollux.scripted_model.chat_request import BadRequest, ChatRequest, read_object
from pollux.scripted_model.cursor import ScriptError
from pollux.scripted_model.holds import Holds
from pollux.scripted_model.parser import parse_script
from pollux.scripted_model.playing import play
from pollux.scripted_model.request_log import RequestLog
from pollux.scripted_model.script import Script, Statement
from pollux.scripted_model.shapes import (
    MODELS,
    Frame,
    error_answer,
    model_answer,
    models_answer,
)
from pollux.scripted_model.tries import Tries

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    import httpx2

IN_PROCESS_BASE_URL = "http://scripted-model.invalid/v1"
"""A base URL for ``openai`` clients that use one of the transports; nothing is looked up."""
MAX_BODY_BYTES = 16 << 20
"""Largest body of a request, in bytes."""
_CHAT = "/v1/chat/completions"
_MODELS = "/v1/models"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as the transports hand it over.

    Attributes:
        method: In capitals.
        path: Without the query.
        body: What is longer than ``MAX_BODY_BYTES`` bytes is refused; the rest need not be read.
        authorization: The value of the ``Authorization`` header; it is never kept.
    """

    method: str
    path: str
    body: bytes = b""
    authorization: str | None = None


class ScriptedModel:
    """A language model that says what the script in the last user message tells it to.

    One model serves any number of users and conversations at once. ``wsgi_app`` serves it over
    HTTP (``pollux.scripted_model.server.ModelServer`` does it all); ``transport`` and
    ``async_transport`` put it behind an ``openai`` client without any network.

    Args:
        clock: Returns epoch seconds.

    Attributes:
        holds: The holds at which answers wait.
        requests: What the model was asked.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.holds = Holds()
        self.requests = RequestLog()
        self._tries = Tries()
        self._clock = clock
        self._salt = secrets.token_bytes(16)
        self._open_lock = threading.Lock()
        self._open = 0

    @property
    def open_answers(self) -> int:
        """How many answers are being sent, or waiting, right now."""
        with self._open_lock:
            return self._open

    def reset(self) -> None:
        """Open all holds that are waited at, and forget releases, tries and requests."""
        self.holds.reset()
        self._tries.clear()
        self.requests.clear()

    def close(self) -> None:
        """End every hold and pause; answers that were waiting are cut off."""
        self.holds.close()

    def wsgi_app(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Serve the model, and its control endpoints, as a WSGI application."""
        from pollux.scripted_model.wsgi import WsgiApp

        return WsgiApp(self)(environ, start_response)

    def transport(self) -> "httpx2.BaseTransport":
        """Return a transport for ``openai.OpenAI(http_client=httpx2.Client(transport=...))``."""
        from pollux.scripted_model.transport import ModelTransport

        return ModelTransport(self)

    def async_transport(self) -> "httpx2.AsyncBaseTransport":
        """Return a transport for ``openai.AsyncOpenAI`` in an asyncio event loop.

        One transport serves any number of clients, threads and event loops.
        """
        from pollux.scripted_model.transport import AsyncModelTransport

        return AsyncModelTransport(self)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count an answer as open for the length of a ``with`` block."""
        with self._open_lock:
            self._open += 1
        try:
            yield
        finally:
            with self._open_lock:
                self._open -= 1

    def answer(self, request: HttpRequest) -> Iterator[Action]:
        """Return the actions that answer a request; nothing has happened yet but the counting."""
        path = request.path.rstrip("/")
        if len(request.body) > MAX_BODY_BYTES:
            message = f"the body is longer than {MAX_BODY_BYTES} bytes"
            return error_answer(413, message, code="body_too_large")
        if path == _CHAT:
            return self._chat(request) if request.method == "POST" else _not_allowed("POST")
        if path == _MODELS or path.startswith(f"{_MODELS}/"):
            if request.method not in ("GET", "HEAD"):
                return _not_allowed("GET, HEAD")
            name = path.removeprefix(_MODELS).removeprefix("/")
            return model_answer(name) if name else models_answer()
        message = f"there is no {request.path[:200]!r} here, only {_CHAT} and {_MODELS}"
        return error_answer(404, message, code="unknown_url")

    def _chat(self, request: HttpRequest) -> Iterator[Action]:
        record: dict[str, Any] = {
            "received_at": self._clock(),
            "body": {},
            "size": len(request.body),
            "script_id": None,
            "turn": None,
            "status": 400,
            "key": self._fingerprint(request.authorization),
        }
        try:
            record["body"] = read_object(request.body)
            chat = ChatRequest.from_body(record["body"])
            script = parse_script(chat.last_user_text)
            if script is not None:
                record["script_id"], record["turn"] = script.id, chat.turn
            statements = self._statements(chat, script, record["key"])
            answer = settle(statements, chat)
        except ScriptError as error:
            return error_answer(400, str(error), code="script_error", param="messages")
        except BadRequest as error:
            return error_answer(400, str(error), code=error.code, param=error.param)
        else:
            record["status"] = status_of(answer, stream=chat.stream)
        finally:
            self.requests.add(**record)
        frame = Frame(
            id=f"chatcmpl-{chat.fingerprint()[:24]}",
            created=int(record["received_at"]),
            model=chat.model,
            include_usage=chat.include_usage,
        )
        return play(answer, frame, stream=chat.stream)

    def _statements(
        self, chat: ChatRequest, script: Script | None, key: str | None
    ) -> tuple[Statement, ...]:
        if script is None:
            thinking = chat.wants_thinking or chat.model == MODELS[1]
            return friendly_statements(thinking=thinking)
        turn = script.turn(chat.turn)
        if turn is None:
            return closing_statements()
        return self._tries.play((key, script.source, chat.turn), turn)

    def _fingerprint(self, authorization: str | None) -> str | None:
        if authorization is None:
            return None
        return hmac.new(self._salt, authorization.encode(), hashlib.sha256).hexdigest()[:16]


def _not_allowed(methods: str) -> Iterator[Action]:
    return error_answer(
        405,
        f"this URL takes {methods} only",
        code="method_not_allowed",
        headers=(("Allow", methods),),
    )
