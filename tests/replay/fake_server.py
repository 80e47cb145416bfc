"""A server of one task that does to its clients whatever a test wants."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from pollux.serving import CutConnection, WsgiServer
from tests.replay.support import CONVERSATION_ID, CREATED_AT, TASK_ID, event

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Status, headers, body.
Answer = tuple[int, dict[str, str], bytes]


def failure(status: int, **headers: str) -> Callable[[], Answer]:
    body = json.dumps({"success": False, "error": f"no: {status}"}).encode()
    return lambda: (status, {name.replace("_", "-"): v for name, v in headers.items()}, body)


def text(status: int, body: str) -> Callable[[], Answer]:
    return lambda: (status, {}, body.encode())


def cut() -> Answer:
    raise CutConnection


class FakeServer:
    """Tells PER_POLL more of EVENTS at each poll, and the end with the last of them.

    Attributes:
        reactions: What is done to the next polls in place of an answer; None is an answer.
        send_reactions: The same for messages.
        requests: Method and path with query of every request.
        ring: Events kept.
    """

    def __init__(
        self,
        events: Iterable[dict[str, Any]] = (),
        *,
        per_poll: int = 2,
        ring: int = 1000,
        end: str = "succeeded",
    ) -> None:
        self.events = list(events)
        self.reactions: deque[Callable[[], Answer] | None] = deque()
        self.send_reactions: deque[Callable[[], Answer] | None] = deque()
        self.requests: list[str] = []
        self.bodies: list[Any] = []
        self.tokens: set[str] = set()
        self.per_poll = per_poll
        self.ring = ring
        self.end = end
        self.told = 0
        self.polled = threading.Event()
        self.wsgi = WsgiServer(self._answer, threads=2)

    def __enter__(self) -> "FakeServer":
        self.wsgi.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.wsgi.stop()

    @property
    def url(self) -> str:
        return self.wsgi.base_url

    def _answer(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterator[bytes]:
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        target = f"{environ['REQUEST_METHOD']} {path}" + (f"?{query}" if query else "")
        self.requests.append(target)
        self.tokens.add(environ.get("HTTP_AUTHORIZATION", ""))
        if length := int(environ.get("CONTENT_LENGTH") or 0):
            self.bodies.append(json.loads(environ["wsgi.input"].read(length)))
        status, headers, body = self._react(path, query)
        start_response(f"{status} X", [("Content-Type", "application/json"), *headers.items()])
        yield body

    def _react(self, path: str, query: str) -> Answer:
        if path.endswith("/messages"):
            reaction = self.send_reactions.popleft() if self.send_reactions else None
            return (reaction or self._accept)()
        if "/tasks/" in path:
            reaction = self.reactions.popleft() if self.reactions else None
            self.polled.set()
            return reaction() if reaction else self._poll(int(parse_qs(query)["from"][0]))
        if path.endswith("/models"):
            return 200, {}, b'{"success":true,"items":[{"model_key":"fake"}]}'
        if "/conversations/" in path:
            return 200, {}, b'{"success":true,"data":{"id":"c","title":"Old","messages":[]}}'
        return failure(404)()

    def _accept(self) -> Answer:
        body = {
            "success": True,
            "task_id": TASK_ID,
            "conversation_id": CONVERSATION_ID,
            "status": "pending",
            "created_at": CREATED_AT,
        }
        return 202, {}, json.dumps(body).encode()

    def _poll(self, offset: int) -> Answer:
        self.told = min(len(self.events), self.told + self.per_poll)
        over = self.told == len(self.events) and self.end
        start = max(0, self.told - self.ring)
        data = {
            "task_id": TASK_ID,
            "status": self.end if over else "running",
            "created_at": CREATED_AT,
            "updated_at": self.events[self.told - 1]["ts"] if self.told else CREATED_AT,
            "error": None,
            "events": self.events[max(start, offset) : self.told],
            "next_offset": max(offset, self.told),
        }
        return 200, {}, json.dumps({"success": True, "data": data}).encode()


def words(count: int) -> list[dict[str, Any]]:
    return [event(idx, idx * 10) for idx in range(count)]
