"""Puts the scripted model behind an ``openai`` client without a network: httpx2 transports."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import httpx2

from pollux.scripted_model.actions import Action, Cut, Send, Start, Wait, WaitForRelease
from pollux.scripted_model.model import HttpRequest, ScriptedModel
from pollux.scripted_model.waiting import Waited, wait_in_thread

_CUT = "the connection was cut, as the script says"
_CLOSED = "the scripted model was closed"
_TIMED_OUT = "the scripted model was silent for longer than the read timeout"


def _request_of(request: httpx2.Request, body: bytes) -> HttpRequest:
    return HttpRequest(request.method, request.url.path, body, request.headers.get("authorization"))


def _read_timeout(request: httpx2.Request) -> float | None:
    """Return for how many seconds the client bears silence, None for ever."""
    timeout = request.extensions.get("timeout", {}).get("read")
    return timeout if isinstance(timeout, int | float) else None


class ModelTransport(httpx2.BaseTransport):
    """A transport for ``httpx2.Client``; waits block the calling thread.

    A wait ends early when the response is closed from another thread.
    """

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request; returns when the first byte is due."""
        actions = self._model.answer(_request_of(request, request.read()))
        body = _Body(self._model, actions, _read_timeout(request))
        start = body.start()
        return httpx2.Response(start.status, headers=list(start.headers), stream=body)


class _Body(httpx2.SyncByteStream):
    """The rest of an answer, as a stream of bytes."""

    def __init__(
        self, model: ScriptedModel, actions: Iterator[Action], read_timeout: float | None
    ) -> None:
        self._model = model
        self._actions = actions
        self._read_timeout = read_timeout
        self._closed = threading.Event()
        self._heard = time.monotonic()

    def start(self) -> Start:
        with self._model.answering():
            for action in self._actions:
                if isinstance(action, Start):
                    return action
                self._carry_out(action)
        raise AssertionError("an answer has a start")

    def __iter__(self) -> Iterator[bytes]:
        with self._model.answering():
            for action in self._actions:
                if isinstance(action, Send):
                    yield action.data
                    self._heard = time.monotonic()
                else:
                    self._carry_out(action)

    def close(self) -> None:
        """End every wait of this answer, from whatever thread."""
        self._closed.set()

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Cut):
            raise httpx2.ReadError(_CUT)
        if isinstance(action, Wait | WaitForRelease):
            until = None if self._read_timeout is None else self._heard + self._read_timeout
            waited = wait_in_thread(
                self._model.holds, action, is_gone=self._closed.is_set, until=until
            )
            if waited is Waited.TIMED_OUT:
                raise httpx2.ReadTimeout(_TIMED_OUT)
            if waited is not Waited.DONE:
                raise httpx2.ReadError(_CLOSED)


class AsyncModelTransport(httpx2.AsyncBaseTransport):
    """A transport for ``httpx2.AsyncClient`` in asyncio.

    Every wait is a plain await, so that cancelling the task ends it at once; between two chunks
    the event loop gets its turn. Holds may be released from any thread.
    """

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request; returns when the first byte is due."""
        actions = self._model.answer(_request_of(request, await request.aread()))
        body = _AsyncBody(self._model, actions, _read_timeout(request))
        start = await body.start()
        return httpx2.Response(start.status, headers=list(start.headers), stream=body)


class _AsyncBody(httpx2.AsyncByteStream):
    """The rest of an answer, as an asynchronous stream of bytes."""

    def __init__(
        self, model: ScriptedModel, actions: Iterator[Action], read_timeout: float | None
    ) -> None:
        self._model = model
        self._actions = actions
        self._read_timeout = read_timeout
        self._heard = time.monotonic()

    async def start(self) -> Start:
        with self._model.answering():
            await asyncio.sleep(0)
            for action in self._actions:
                if isinstance(action, Start):
                    return action
                await self._carry_out(action)
        raise AssertionError("an answer has a start")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._model.answering():
            for action in self._actions:
                if isinstance(action, Send):
                    yield action.data
                    self._heard = time.monotonic()
                    await asyncio.sleep(0)
                else:
                    await self._carry_out(action)

    async def _carry_out(self, action: Action) -> None:
        match action:
            case Cut():
                raise httpx2.ReadError(_CUT)
            case Wait(seconds):
                await self._wait(None, seconds)
            case WaitForRelease(hold):
                await self._wait(hold, None)

    async def _wait(self, name: str | None, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def wake_in_loop() -> None:
            if not woken.done():
                woken.set_result(None)

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(wake_in_loop)

        patience = None
        if self._read_timeout is not None:
            patience = max(0.0, self._heard + self._read_timeout - time.monotonic())
        limits = [limit for limit in (seconds, patience) if limit is not None]
        with self._model.holds.waiter(name, wake) as shut:
            if shut:
                await asyncio.wait([woken], timeout=min(limits, default=None))
        if self._model.holds.closed:
            raise httpx2.ReadError(_CLOSED)
        is_over = not shut or woken.done() or (seconds is not None and limits[-1] >= seconds)
        if not is_over:
            raise httpx2.ReadTimeout(_TIMED_OUT)
