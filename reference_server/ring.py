"""The event buffer of one task: the last N events, each serialised once (api_v1 2.3.6)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# One encoder for all: json.dumps would make a new one for every event.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Window:
    """The events that one poll is told.

    Attributes:
        events: Serialised events in the order of their idx, without a hole.
        next_offset: The offset to poll from next: the idx that the next event will get.
        start: idx of the oldest event still kept; the next idx when none is kept.
    """

    events: list[bytes]
    next_offset: int
    start: int


class EventRing:
    """Keeps the last CAPACITY events under ever growing indices.

    Reading costs what is returned, not what is kept: the place of an event follows from its
    idx. Not safe for threads by itself; the task that owns it holds its lock.

    Args:
        capacity: Events kept, at least 1.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("the capacity of an event ring is at least 1")
        self._capacity = capacity
        self._slots: list[bytes] = []
        self._next = 0

    def __len__(self) -> int:
        """Return how many events are kept."""
        return len(self._slots)

    @property
    def next_idx(self) -> int:
        """The idx that the next event will get; idx starts at 0 (api_v1 2.3.1)."""
        return self._next

    @property
    def start(self) -> int:
        """The idx of the oldest event that is kept (api_v1 2.3.7)."""
        return self._next - len(self._slots)

    def append(self, kind: str, data: Mapping[str, Any], ts: float) -> int:
        """Add an event and return its idx; the oldest one goes when the ring is full.

        Args:
            kind: The type of the event.
            data: Its payload.
            ts: Epoch seconds.
        """
        idx = self._next
        event = {"idx": idx, "type": kind, "data": data, "ts": ts}
        serialised = _encode(event).encode("utf-8", "replace")
        if len(self._slots) < self._capacity:
            self._slots.append(serialised)
        else:
            self._slots[idx % self._capacity] = serialised
        self._next = idx + 1
        return idx

    def window(self, offset: int) -> Window:
        """Return every kept event with idx >= OFFSET.

        An offset below the window gives the window from its start; one past the end gives
        nothing and the true end, so that a client that lost count heals (api_v1 2.3.5).
        """
        first = max(offset, self.start)
        if first >= self._next:
            return Window([], self._next, self.start)
        if len(self._slots) < self._capacity:
            return Window(self._slots[first:], self._next, self.start)
        left, right = first % self._capacity, self._next % self._capacity
        if left < right:
            events = self._slots[left:right]
        else:
            events = self._slots[left:] + self._slots[:right]
        return Window(events, self._next, self.start)
