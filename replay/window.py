"""The events that a server still keeps: the last N, without a hole."""


class EventWindow:
    """The last RING events, found by idx (api_v1 2.3.6).

    A poll costs what it returns, not what is kept, and an event more costs the same however
    many there are.

    Args:
        ring: Events kept, at least 1.
    """

    def __init__(self, ring: int) -> None:
        if ring < 1:
            raise ValueError("a buffer of events keeps at least 1")
        self._ring = ring
        # May hold up to twice the ring; what lies before `start` is dropped now and then.
        self._events: list[bytes] = []
        self._first = 0

    @property
    def end(self) -> int:
        """The idx that the next event will get, if there is no gap before it."""
        return self._first + len(self._events)

    @property
    def start(self) -> int:
        """The idx of the oldest event that is kept; ``end`` when there is none."""
        return max(self._first, self.end - self._ring)

    def append(self, idx: int, event: bytes) -> None:
        """Add the event IDX. One beyond ``end`` drops all before it: a window has no hole.

        Args:
            idx: At least ``end``.
            event: The event as JSON.
        """
        if idx != self.end:
            self._events.clear()
            self._first = idx
        self._events.append(event)
        if len(self._events) >= 2 * self._ring:
            kept = self.start
            del self._events[: kept - self._first]
            self._first = kept

    def since(self, offset: int) -> list[bytes]:
        """Return every kept event with idx >= OFFSET, in order (api_v1 2.3.2)."""
        return self._events[max(offset, self.start) - self._first :]
