"""What clients asked of a replay and what they were told: the proof of every verdict on them."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

#: Requests, and acknowledgements, that the journal of one session keeps.
_MOST = 20_000

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of a client and what it was answered.

    Attributes:
        number: Of this request in its session, from 1, in the order in which they began.
        at: Epoch seconds at which it began.
        since_ms: Milliseconds from the beginning of the session to the beginning of the request,
            on a clock that never goes back.
        took_ms: Milliseconds until its answer was handed to the network, or given up.
        client: Who asked, as far as that can be told: address and user agent, never the token.
        method: HTTP method.
        path: Without the prefix of the session, query included.
        operation: Its operation id in ``openapi.yaml``, or None.
        task_id: The task that it is about, or None.
        poll: Which poll of that task it is, from 1; None when it is no poll.
        offset: ``from`` of a poll as it was understood; None when it is no poll, or a bad one.
        in_flight: Polls of the same task that were still being answered when it began.
        http_status: The status that the client was answered with; 0 when there was no answer.
        told_status: The status of the task that the answer told, or None.
        next_offset: That of the answer, or None.
        events: The idx of each event in the answer, in its order.
        window_start: That of the answer, or None.
        faults: The fault rules that fired, by their names, in order.
        retry_after: The ``Retry-After`` of the answer in seconds, or None.
        position_ms: Where the task stood in its recording, in ms; None when it is not about one.
        intact: Whether the answer reached the network as API v1 wants it: whole, and such as a
            right server could have given it. A fault may well be one that API v1 allows.
    """

    number: int
    at: float
    since_ms: float
    took_ms: float
    client: str
    method: str
    path: str
    operation: str | None = None
    task_id: str | None = None
    poll: int | None = None
    offset: int | None = None
    in_flight: int = 0
    http_status: int = 0
    told_status: str | None = None
    next_offset: int | None = None
    events: tuple[int, ...] = ()
    window_start: int | None = None
    faults: tuple[str, ...] = ()
    retry_after: float | None = None
    position_ms: float | None = None
    intact: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ack:
    """What a client says that it has shown (``POST /__replay/ack``, or a line on its stdout).

    Attributes:
        since_ms: Milliseconds from the beginning of the session.
        idx: The event; of a gap the first event behind it.
        client: Who says so.
        gap: The events that the client says are lost to it: the first of them, and the first
            behind them; None when it has shown an event.
    """

    since_ms: float
    idx: int
    client: str = ""
    gap: tuple[int, int] | None = None


class _Kept(Generic[_Item]):
    """The last of what was added; the lock of the journal guards it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.items: list[_Item] = []
        self.dropped = 0

    @property
    def added(self) -> int:
        return self.dropped + len(self.items)

    def add(self, item: _Item) -> None:
        self.items.append(item)
        if len(self.items) > self._most:
            self.drop(1)

    def drop(self, count: int) -> None:
        self.dropped += min(count, len(self.items))
        del self.items[:count]

    def since(self, position: int) -> tuple[int, list[_Item]]:
        return self.added, self.items[max(0, position - self.dropped) :]

    def clear(self) -> None:
        self.items.clear()
        self.dropped = 0


class Journal:
    """The requests of one session, in the order in which they ended; safe for threads.

    Args:
        now: Seconds of a clock that never goes back.
        most: Requests kept, and as many acknowledgements; the oldest are dropped first, and
            counted.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        self._now = now
        self._began = now()
        self._entries = _Kept[Entry](most)
        self._acks = _Kept[Ack](most)
        self._last_ms = 0.0
        self._changed = threading.Condition(threading.RLock())

    def since_ms(self) -> float:
        """Return the milliseconds since the session began."""
        return (self._now() - self._began) * 1000

    def add(self, entry: Entry) -> None:
        """Write down a request that has ended."""
        with self._changed:
            self._entries.add(entry)
            self._last_ms = max(self._last_ms, entry.since_ms + entry.took_ms)
            self._changed.notify_all()

    def ack(self, ack: Ack) -> None:
        """Write down what a client has shown."""
        with self._changed:
            self._acks.add(ack)
            self._changed.notify_all()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The requests that have ended."""
        with self._changed:
            return tuple(self._entries.items)

    @property
    def acks(self) -> tuple[Ack, ...]:
        """What clients have shown."""
        with self._changed:
            return tuple(self._acks.items)

    def since(self, position: int) -> tuple[int, list[Entry]]:
        """Return what was added behind POSITION, and the position behind that; 0 is the first."""
        with self._changed:
            return self._entries.since(position)

    def acks_since(self, position: int) -> tuple[int, list[Ack]]:
        """Return what was acknowledged behind POSITION, and the position behind that."""
        with self._changed:
            return self._acks.since(position)

    @property
    def added(self) -> int:
        """How many entries were added, those that were dropped included."""
        with self._changed:
            return self._entries.added

    @property
    def dropped(self) -> int:
        """How many entries were dropped because there were too many."""
        return self._entries.dropped

    @property
    def whole(self) -> bool:
        """Whether all is there: nothing was dropped, neither requests nor acknowledgements."""
        with self._changed:
            return not self._entries.dropped and not self._acks.dropped

    def __len__(self) -> int:
        """How many requests and acknowledgements are kept."""
        return len(self._entries.items) + len(self._acks.items)

    def drop(self, count: int) -> None:
        """Drop the COUNT oldest requests, and as many acknowledgements: others need the room."""
        with self._changed:
            self._entries.drop(count)
            self._acks.drop(count)

    def silent_ms(self) -> float:
        """Return the milliseconds since the last request ended, or the session began."""
        with self._changed:
            return self.since_ms() - self._last_ms

    def wait_for(self, fulfilled: Callable[[], bool], timeout: float) -> bool:
        """Wait until FULFILLED, looked at after each change, or TIMEOUT seconds; tell which."""
        with self._changed:
            return self._changed.wait_for(fulfilled, timeout)

    def clear(self) -> None:
        """Forget everything and begin anew."""
        with self._changed:
            self._entries.clear()
            self._acks.clear()
            self._began = self._now()
            self._last_ms = 0.0
            self._changed.notify_all()

    def as_dict(self) -> Mapping[str, Any]:
        """Return the journal as JSON data."""
        return {
            "dropped": self.dropped,
            "requests": [entry.as_dict() for entry in self.entries],
            "acks": [asdict(ack) for ack in self.acks],
        }
