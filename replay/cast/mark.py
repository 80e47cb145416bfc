"""Adds markers to a recording, lists them, and takes them away."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pollux.replay.cast.entries import Entry
from pollux.replay.cast.errors import CastError
from pollux.replay.cast.place import By, Finder, Place, label_of
from pollux.replay.cast.server_time import ServerTime
from pollux.replay.format import Code


@dataclass(frozen=True)
class Marker:
    """A marker and where it stands.

    Attributes:
        label: Its name.
        idx: The idx of the event that comes next.
        seconds: Its time on the server's clock, from time zero on.
        arrival_seconds: Its time of arrival.
        line: Number of its line.
    """

    label: str
    idx: int
    seconds: float
    arrival_seconds: float
    line: int


def markers(entries: Iterable[Entry], created_at: float | None) -> Iterator[Marker]:
    """Yield the markers among ENTRIES."""
    time, head = ServerTime(created_at), 0
    for entry in entries:
        server_ms = time.of(entry)
        if entry.idx is not None:
            head = max(head, entry.idx + 1)
        if entry.code == Code.MARKER:
            yield Marker(label_of(entry), head, server_ms / 1000, entry.at_ms / 1000, entry.line)


def with_marker(
    entries: Iterable[Entry], label: str, place: Place, created_at: float | None, by: By
) -> Iterator[Entry]:
    """Yield ENTRIES with a marker at PLACE.

    It stands right before the event, or before the first record of that time; a place in
    arrival time is kept to the millisecond.

    Raises:
        CastError: when the recording ends before the place.
    """
    time, finder = ServerTime(created_at), Finder(place, by)
    before_ms, set_already = 0, False
    for entry in entries:
        server_ms = time.of(entry)
        trailer = entry.code == Code.TRAILER
        reached = not trailer and finder.before(entry, server_ms, exactly=True)
        if reached and not set_already:
            set_already = True
            at_ms = entry.at_ms
            if place.seconds is not None and by is By.ARRIVAL:
                at_ms = max(before_ms, round(place.seconds * 1000))
            yield Entry(at_ms, Code.MARKER, {"label": label})
        before_ms = entry.at_ms
        yield entry
    if not set_already:
        raise CastError(
            f"the recording ends before {place}: it has {time.ms / 1000:g} s "
            f"and the events up to {finder.head - 1}"
        )


def without_markers(entries: Iterable[Entry], label: str) -> Iterator[Entry]:
    """Yield ENTRIES without the markers of this LABEL.

    Raises:
        CastError: when there is none.
    """
    found = False
    for entry in entries:
        if entry.code == Code.MARKER and label_of(entry) == label:
            found = True
        else:
            yield entry
    if not found:
        raise CastError(f"there is no marker {label!r}: `pollux cast mark FILE` lists them")
