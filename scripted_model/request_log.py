"""Remembers what the model was asked, so that a check can see what an implementation sent."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request for a chat completion.

    Attributes:
        number: Counts the requests of one model, from 1.
        received_at: Epoch seconds.
        body: The JSON body as it was sent; {} when it was not a JSON object.
        script_id: The id of the script in it, None without one.
        turn: Which turn of the script it asked for (from 0), None without a script.
        status: The HTTP status it was answered with.
        key: A salted hash that tells whether two requests came with the same ``Authorization``;
            None without the header, whose value is never kept.
    """

    number: int
    received_at: float
    body: Mapping[str, Any]
    script_id: str | None
    turn: int | None
    status: int
    key: str | None

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self.body.get("model", ""))

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The conversation as it was sent, the system prompt included."""
        return _objects(self.body.get("messages"))

    @property
    def system_prompt(self) -> str:
        """The texts of all system and developer messages, joined by lines."""
        return "\n".join(
            str(message.get("content", ""))
            for message in self.messages
            if message.get("role") in ("system", "developer")
        )

    @property
    def tool_names(self) -> list[str]:
        """The names of the functions offered."""
        functions = [tool.get("function") for tool in _objects(self.body.get("tools"))]
        return [str(function.get("name")) for function in _objects(functions)]

    @property
    def reasoning_effort(self) -> str | None:
        """The reasoning effort asked for."""
        effort = self.body.get("reasoning_effort")
        return effort if isinstance(effort, str) else None

    def as_json(self) -> dict[str, Any]:
        """Return the record as the control endpoint sends it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a record that the control endpoint sent."""
        return cls(**value)


def _objects(value: object) -> Sequence[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


class RequestLog:
    """The latest requests, bounded in number and in bytes. Safe to use from any thread.

    Args:
        most: How many requests are kept.
        most_bytes: How many bytes of bodies are kept.
    """

    def __init__(self, most: int = 1000, most_bytes: int = 64 << 20) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: deque[tuple[RecordedRequest, int]] = deque()
        self._bytes = 0
        self._count = 0

    def __len__(self) -> int:
        """How many requests are kept."""
        with self._lock:
            return len(self._kept)

    @property
    def count(self) -> int:
        """How many requests there have been, those no longer kept included."""
        with self._lock:
            return self._count

    def list(self, script_id: str | None = None, after: int = 0) -> Sequence[RecordedRequest]:
        """Return the requests kept, oldest first.

        Args:
            script_id: Only those whose script has this id.
            after: Only those with a greater number.
        """
        with self._lock:
            return [
                request
                for request, _ in self._kept
                if request.number > after and script_id in (None, request.script_id)
            ]

    def clear(self) -> None:
        """Forget all requests; the counting goes on."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def add(
        self,
        *,
        received_at: float,
        body: Mapping[str, Any],
        size: int,
        script_id: str | None,
        turn: int | None,
        status: int,
        key: str | None,
    ) -> RecordedRequest:
        """Keep a request whose body is SIZE bytes long, and forget the oldest ones."""
        with self._lock:
            self._count += 1
            request = RecordedRequest(self._count, received_at, body, script_id, turn, status, key)
            self._kept.append((request, size))
            self._bytes += size
            while len(self._kept) > self._most or (
                self._bytes > self._most_bytes and len(self._kept) > 1
            ):
                self._bytes -= self._kept.popleft()[1]
        return request
