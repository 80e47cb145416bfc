"""A recording at a glance: its length, events, statuses, gaps and markers, in bounded memory."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pollux.replay.format import Code, Header, loads
from pollux.replay.frames import Frame, FrameReader, RecordSource, Scan, TaskState, TimeBase
from pollux.replay.recording import Placed

_MOST_SAMPLES = 2048
_MOST_NOTES = 1000


@dataclass
class _Found:
    """What was found so far; lists are bounded, ``samples`` by leaving out every other."""

    events: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    markers: list[dict[str, Any]] = field(default_factory=list)


class Overview:
    """What a viewer draws of a recording; safe for threads.

    Reads the records once, when it is asked for the first time, and those that are appended
    later whenever it is asked again.

    Args:
        source: The records.
        base: Which clock tells when something happens.
        cap_ms: A longer pause is shortened to so many milliseconds.
    """

    def __init__(self, source: RecordSource, base: TimeBase, cap_ms: int | None) -> None:
        self._source = source
        self._reader = FrameReader(_Marking(source, self._mark), base, cap_ms=cap_ms)
        self._scan = Scan()
        self._state = TaskState(status="")
        self._found = _Found()
        self._stride = 1
        self._lock = threading.Lock()

    def as_dict(self, budget: int | None = None) -> dict[str, Any]:
        """Return it as JSON data; all times in milliseconds from the beginning.

        Args:
            budget: How many further changes to read at most, None: all there are. When there
                are more, ``read_on`` is true: ask again.

        Raises:
            DamagedRecording: when the recording cannot be read.
        """
        with self._lock:
            more = self._read_on(budget)
            found, state = self._found, self._state
            return {
                "duration_ms": self._scan.last_ms - self._scan.cut_ms,
                "events": found.events,
                "next_idx": state.head,
                "status": state.status or None,
                "ended": self._scan.ended,
                "read_on": more,
                "samples": list(found.samples),
                "statuses": list(found.statuses),
                "gaps": list(found.gaps),
                "markers": list(found.markers),
            }

    def marker_ms(self, label: str) -> int | None:
        """Return when the first marker LABEL is, or None without one.

        Raises:
            DamagedRecording: when the recording cannot be read.
        """
        markers = self.as_dict()["markers"]
        return next((marker["at_ms"] for marker in markers if marker["label"] == label), None)

    def _read_on(self, budget: int | None) -> bool:
        """Read the frames that are new; tell whether there may be more than BUDGET of them."""
        frames = self._reader.frames(self._scan, self._state)
        read = 0
        for frame in islice(frames, budget):
            read += 1
            if frame.state.status != self._state.status:
                change = {"at_ms": frame.at_ms, "status": frame.state.status}
                _note(self._found.statuses, change)
            if frame.events:
                self._events(frame)
            self._state = frame.state
        return read == budget

    def _events(self, frame: Frame) -> None:
        last, head = frame.events[-1][0], self._state.head
        for idx, _ in frame.events:
            if idx > head:
                _note(self._found.gaps, {"at_ms": frame.at_ms, "from": head, "to": idx})
            head = idx + 1
        samples = self._found.samples
        before = self._found.events
        self._found.events += len(frame.events)
        if before // self._stride == self._found.events // self._stride:
            return
        kind = str(loads(frame.events[-1][1]).get("type"))
        samples.append({"at_ms": frame.at_ms, "idx": last, "type": kind})
        if len(samples) > _MOST_SAMPLES:
            del samples[1::2]
            self._stride *= 2

    def _mark(self, payload: Any) -> None:
        label = payload.get("label") if isinstance(payload, dict) else payload
        at_ms = self._scan.last_ms - self._scan.cut_ms
        _note(self._found.markers, {"at_ms": at_ms, "label": str(label), "idx": self._state.head})


class _Marking:
    """A source that tells of each marker as it is passed."""

    def __init__(self, source: RecordSource, on_marker: Any) -> None:
        self._source = source
        self._on_marker = on_marker

    @property
    def header(self) -> Header:
        return self._source.header

    def records(self, place: int | None = None) -> Iterator[Placed]:
        for placed in self._source.records(place):
            if placed.record.code == Code.MARKER:
                self._on_marker(placed.record.payload)
            yield placed


def _note(notes: list[dict[str, Any]], note: dict[str, Any]) -> None:
    if len(notes) < _MOST_NOTES:
        notes.append(note)
