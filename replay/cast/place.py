"""Places in a recording: before an event, a time, or a marker."""

from dataclasses import dataclass
from enum import StrEnum

from pollux.replay.cast.entries import Entry
from pollux.replay.format import Code


class By(StrEnum):
    """Which clock a time is of."""

    SERVER = "server"
    ARRIVAL = "arrival"


@dataclass(frozen=True)
class Place:
    """A place in a recording; of the fields one is set.

    Attributes:
        idx: Before this event, and behind the last one before it.
        seconds: Before the first record of this time, from time zero on.
        marker: Before the marker of this name.
    """

    idx: int | None = None
    seconds: float | None = None
    marker: str | None = None

    def __str__(self) -> str:
        """Return how a message names the place."""
        if self.idx is not None:
            return f"event {self.idx}"
        if self.seconds is not None:
            return f"{self.seconds:g} s"
        return f"the marker {self.marker!r}"


class Finder:
    """Tells when a place is reached.

    Args:
        place: The place; None is never reached.
        by: Which clock its time is of.

    Attributes:
        head: The idx behind the last event seen.
        reached: Whether the place lies behind.
    """

    def __init__(self, place: Place | None, by: By = By.SERVER) -> None:
        self._place = place
        self._by = by
        self.head = 0
        self.reached = False

    def before(self, entry: Entry, server_ms: int, *, exactly: bool = False) -> bool:
        """Take the next record; tell whether the place lies before it.

        Args:
            entry: The record.
            server_ms: Its time on the server's clock.
            exactly: Before an event means right before it, and not behind the one before it.
        """
        if self.reached or self._place is None:
            return self.reached
        place, idx = self._place, entry.idx
        if place.idx is not None:
            behind = self.head >= place.idx and not exactly
            self.reached = behind or (idx is not None and idx >= place.idx)
        elif place.seconds is not None:
            at_ms = entry.at_ms if self._by is By.ARRIVAL else server_ms
            self.reached = at_ms >= round(place.seconds * 1000)
        else:
            self.reached = entry.code == Code.MARKER and label_of(entry) == place.marker
        if idx is not None:
            self.head = max(self.head, idx + 1)
        return self.reached


def label_of(marker: Entry) -> str:
    """Return the name of a marker."""
    payload = marker.payload
    return str(payload.get("label", "") if isinstance(payload, dict) else payload)
