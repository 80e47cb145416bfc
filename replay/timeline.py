"""From a recording to the state of its task at any time: pure, lazy, and in bounded memory."""

import copy
import math
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pollux.replay.format import TERMINAL_STATUSES, Code, Header, Record, index, number
from pollux.replay.frames import Frame, FrameReader, RecordSource, Scan, TaskState, TimeBase
from pollux.replay.window import EventWindow

# What a task is taken for while the recording does not say.
_LIVE_STATUS = "running"
# A place to seek from every so many records; when there are too many, every other is dropped
# and the stride doubles, so that neither a long nor a short recording costs much.
_STRIDE = 512
_MOST_MARKS = 4096


@dataclass(frozen=True, slots=True)
class _Mark:
    """A place to go on from: behind a frame, with the state that it made."""

    scan: Scan
    state: TaskState


class Timeline:
    """The course of one recorded task; any number of cursors may move on it at once.

    Nothing is read before a cursor asks for it, and nothing is held but places to seek from,
    at most a few thousand however long the recording is.

    Args:
        source: The records.
        base: Which clock tells when something happens.
        cap_ms: A longer pause is shortened to so many milliseconds; None: none is.
    """

    def __init__(
        self,
        source: RecordSource,
        *,
        base: TimeBase = TimeBase.SERVER,
        cap_ms: int | None = None,
    ) -> None:
        self._source = source
        self._reader = FrameReader(source, base, cap_ms=cap_ms)
        self._lock = threading.Lock()
        self._marks: list[_Mark] = []
        self._stride = _STRIDE

    @property
    def header(self) -> Header:
        """The recording's header."""
        return self._source.header

    @property
    def created_at(self) -> float:
        """Epoch seconds at which the task was created; where nothing tells, the first ``ts``."""
        known = self.header.created_at
        if known is None:
            first = next(self.events(), {})
            known = number(first.get("ts"))
        return known if known is not None else self.header.recorded_at or 0.0

    def first_status(self) -> str:
        """Return the status that the answer to the send told: the first live one on record."""
        for record in self._before_events():
            if record.code == Code.STATUS and isinstance(record.payload, dict):
                status = str(record.payload.get("status"))
                return _LIVE_STATUS if status in TERMINAL_STATUSES else status
        return _LIVE_STATUS

    def tells_window_start(self) -> bool:
        """Tell whether the recorded server's answers have ``window_start`` (api_v1 2.3.7)."""
        for record in self._before_events():
            if record.code == Code.POLL and isinstance(record.payload, dict):
                return "window_start" in record.payload
        return True

    def cursor(self, ring: int) -> "Cursor":
        """Return a cursor at the beginning whose window holds RING events."""
        return Cursor(self, ring)

    def events(self, end: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the events with idx below END (all without one) as JSON values."""
        head = 0
        for placed in self._source.records():
            payload = placed.record.payload
            if placed.record.code != Code.EVENT or not isinstance(payload, dict):
                continue
            idx = index(payload.get("idx"))
            if idx is None or idx < head:
                continue
            if end is not None and idx >= end:
                return
            head = idx + 1
            yield payload

    def told(self, begin: int) -> Iterator[tuple[int, bytes]]:
        """Yield the events from idx BEGIN on as JSON, each with when it happens, in ms."""
        mark = self._mark_before(0, idx=begin)
        scan = copy.copy(mark.scan) if mark else Scan()
        for frame in self._frames(scan, mark.state if mark else self._beginning()):
            self._note(scan, frame.state)
            for idx, event in frame.events:
                if idx >= begin:
                    yield frame.at_ms, event

    def _beginning(self) -> TaskState:
        return TaskState(status=self.first_status(), updated_at=self.created_at)

    def event_types(self) -> dict[int, str]:
        """Return the type of each event, by its idx."""
        return {event["idx"]: str(event.get("type")) for event in self.events()}

    def _before_events(self) -> Iterator[Record]:
        records = (placed.record for placed in self._source.records())
        return takewhile(lambda record: record.code != Code.EVENT, records)

    def _frames(self, scan: Scan, state: TaskState) -> Iterator[Frame]:
        return self._reader.frames(scan, state)

    def _note(self, scan: Scan, state: TaskState) -> None:
        """Keep a place to seek from, if the last one is far enough behind."""
        with self._lock:
            if self._marks and scan.read - self._marks[-1].scan.read < self._stride:
                return
            self._marks.append(_Mark(copy.copy(scan), state))
            if len(self._marks) > _MOST_MARKS:
                del self._marks[1::2]
                self._stride *= 2

    def _mark_before(self, ring: int, *, ms: float | None = None, idx: int = 0) -> _Mark | None:
        """Return the last mark from which reading on fills a window of RING before a moment.

        Args:
            ring: Size of the window.
            ms: The moment is this time, or else
            idx: the moment before this event.
        """
        with self._lock:
            marks = self._marks
            if ms is None:
                found = bisect_right(marks, idx, key=lambda mark: mark.state.head)
            else:
                found = bisect_right(marks, ms, key=lambda mark: mark.state.at_ms)
            if not found:
                return None
            needed = marks[found - 1].state.head - ring
            found = bisect_right(marks, needed, key=lambda mark: mark.state.head)
            return marks[found - 1] if found else None


class Cursor:
    """A moment of a timeline, with the events that the server keeps at that moment.

    Not safe for threads by itself.

    Attributes:
        position_ms: Milliseconds from the beginning: as far as time has been followed.
        stops: Asked whenever something has happened, with the frame and the head before it;
            true ends that :meth:`advance_to` or :meth:`step`. Seeking does not ask.
    """

    def __init__(self, timeline: Timeline, ring: int) -> None:
        self._timeline = timeline
        self._ring = ring
        self.stops: Callable[[Frame, int], bool] = _never
        self._beginning = timeline._beginning()
        self._state = self._beginning
        self.position_ms = 0.0
        self._restart(None)

    @property
    def state(self) -> TaskState:
        """What the task is told as at this moment."""
        return self._state

    @property
    def window_start(self) -> int:
        """The idx of the oldest event that is kept (api_v1 2.3.7)."""
        return self._window.start if self._state.events else self._state.head

    def events_from(self, offset: int) -> list[bytes]:
        """Return every kept event with idx >= OFFSET as JSON (api_v1 2.3.2)."""
        return self._window.since(offset)

    @property
    def was_cut(self) -> bool:
        """Whether the task was ended by :meth:`cut`."""
        return self._cut

    def advance_to(self, ms: float) -> None:
        """Let everything happen up to MS (``inf``: all); a time that has passed changes nothing."""
        self._advance(ms, self.stops)

    def step(self, events: int = 1) -> None:
        """Let up to EVENTS more events happen, and what follows them before the next event.

        More than that only where more come at once; then nothing else happens. The same goes
        for the moment at which the task is gone, so that nothing is gone before it was told.
        """
        room = events
        while (frame := self._peek()) is not None:
            size = events if frame.state.gone else len(frame.events)
            needed = max(1, min(size, events))
            if size or frame.state.gone:
                if room < needed:
                    break
                room -= needed
            head = self._state.head
            self._show(frame)
            if self.stops(frame, head):
                break

    def seek(self, ms: float) -> None:
        """Go to the time MS, forward or back."""
        mark = self._timeline._mark_before(self._ring, ms=ms)
        if ms < self.position_ms or self._is_behind(mark):
            self._restart(mark)
        self._advance(ms, _never)

    def seek_event(self, idx: int) -> None:
        """Go to the moment at which the event IDX has just happened, forward or back.

        When there is no such event, to the next one behind it.
        """
        mark = self._timeline._mark_before(self._ring, idx=idx)
        if idx < self._state.head or self._is_behind(mark):
            self._restart(mark)
        while self._state.head <= idx and (frame := self._peek()) is not None:
            self._show(frame)

    def cut(self, events: list[bytes], status: str, updated_at: float) -> None:
        """End the task here in another way than recorded; seeking back undoes it.

        Args:
            events: The last events, from ``state.head`` on.
            status: The terminal status.
            updated_at: Epoch seconds, on the recorded server's clock.
        """
        state = self._state
        for idx, event in enumerate(events, start=state.head):
            self._window.append(idx, event)
        self._state = TaskState(
            status=status,
            updated_at=max(state.updated_at, updated_at),
            head=state.head + len(events),
            events=state.events + len(events),
            at_ms=state.at_ms,
        )
        self._cut = True

    def forget_events(self) -> None:
        """Let go of the events that are kept; the state stays."""
        self._window = EventWindow(1)

    def _advance(self, ms: float, stops: Callable[[Frame, int], bool]) -> None:
        while (frame := self._peek()) is not None and frame.at_ms <= ms:
            head = self._state.head
            self._show(frame)
            if stops(frame, head):
                return
        if math.isfinite(ms):
            self.position_ms = max(self.position_ms, ms)

    def _restart(self, mark: _Mark | None) -> None:
        self._scan = copy.copy(mark.scan) if mark else Scan()
        self._state = mark.state if mark else self._beginning
        self._window = EventWindow(self._ring)
        self._frames = self._timeline._frames(self._scan, self._state)
        self._next: Frame | None = None
        self._cut = False
        self.position_ms = float(self._state.at_ms)

    def _is_behind(self, mark: _Mark | None) -> bool:
        return mark is not None and mark.scan.read > self._scan.read

    def _peek(self) -> Frame | None:
        if self._cut:
            return None
        if self._next is None:
            self._next = next(self._frames, None)
            if self._next is None and not self._scan.ended:
                # The end of what is written so far: look again next time.
                self._frames = self._timeline._frames(self._scan, self._state)
        return self._next

    def _show(self, frame: Frame) -> None:
        self._next = None
        self._state = frame.state
        self.position_ms = max(self.position_ms, frame.at_ms)
        for idx, event in frame.events:
            self._window.append(idx, event)
        self._timeline._note(self._scan, self._state)


def _never(_frame: Frame, _head: int) -> bool:
    return False
