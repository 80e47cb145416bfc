"""Joins recordings, one after the other, into the recording of one task."""

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

from pollux.replay.cast.cut import CUT
from pollux.replay.cast.entries import TS_DIGITS, Entry
from pollux.replay.cast.renumber import Renumber
from pollux.replay.cast.sink import Sink
from pollux.replay.cast.source import Source
from pollux.replay.format import Code, Header, index
from pollux.replay.open_tools import OpenTool, follow

# A recording that does not begin with event 0 says so among its first records.
_LOOK_AHEAD = 64
_TOTALS = ("total_iterations", "total_tool_calls")
_TOOL_TYPES = frozenset({"tool_preparing", "tool_intent", "tool_start", "update_action"})


def splice(sources: Sequence[Source], sink: Sink, pause: float = 0.0) -> None:
    """Write SOURCES as one task, with the beginning of the first and the end of the last.

    Idx and times go on from part to part; the ids of task and conversation become those of the
    first, and tool calls with an id of an earlier part get another. Parts of one recording, as
    ``cut`` makes them, fit together as they were.

    Where a part ends in the middle of a block or a tool, or begins in the middle of a stream,
    something is missing: one idx is left out there, and named by a ``g``.

    Args:
        sources: At least one.
        sink: Where they are written to.
        pause: Seconds between one part and the next, on both clocks.
    """
    joined = _Joined(sources[0].header, sink, pause)
    sink.begin(sources[0].header)
    for place, source in enumerate(sources, start=1):
        joined.add(source, first=place == 1, last=place == len(sources))
    sink.finish()


class _Joined:
    """What is written so far, as far as the next part must know it."""

    def __init__(self, header: Header, sink: Sink, pause: float) -> None:
        self._header = self._before = header
        self._sink = sink
        self._pause = pause
        self._open = _Open()
        self._ids = _ToolIds()
        self._totals = dict.fromkeys(_TOTALS, 0)
        self._ring = 0
        self._numbers = Renumber(0)
        # Both clocks: where the last record stands, and what is added in the part at hand.
        self._at_ms = self._by_ms = 0
        self._ts = header.created_at or 0.0
        self._by_seconds = 0.0
        # The idx that comes next, and the one behind the part at hand, as its own file counts.
        self._head = self._end = 0

    def add(self, source: Source, *, first: bool, last: bool) -> None:
        entries = source.entries()
        ahead = list(islice(entries, _LOOK_AHEAD))
        begin = _first_idx(ahead)
        if not first:
            self._go_on(source.header, ahead, begin)
        self._end = begin
        self._before = source.header
        not_before = self._ts
        for entry in chain(ahead, entries):
            if entry.code == Code.TRAILER:
                self._add_trailer(entry, last=last)
            elif first or not _names_the_beginning(entry, begin):
                self._add(entry, not_before, first=first, last=last)

    def _go_on(self, header: Header, ahead: list[Entry], begin: int) -> None:
        """Prepare for a part that is not the first."""
        pause_ms = round(self._pause * 1000)
        known = header.task_id is not None
        if known and (header.task_id, begin) == (self._before.task_id, self._end):
            self._by_seconds += self._pause
            apart = (header.recorded_at or 0.0) - (self._before.recorded_at or 0.0)
            self._by_ms = max(self._at_ms, self._by_ms + round(apart * 1000)) + pause_ms
        else:
            self._ids.next_part()
            zero = header.created_at
            if zero is None or (begin and not _was_cut(ahead)):
                zero = next((e.ts for e in ahead if e.code == "e" and e.ts is not None), zero)
            self._by_seconds = 0.0 if zero is None else self._ts + self._pause - zero
            self._by_ms = self._at_ms + pause_ms
            if begin or self._open.anything:
                gap = {"from": self._head, "to": self._head + 1, "reason": CUT}
                self._sink.add(Entry(self._at_ms, Code.GAP, gap))
                self._head += 1
                self._open = _Open()
        self._numbers = Renumber(self._head - begin)

    def _add(self, entry: Entry, not_before: float, *, first: bool, last: bool) -> None:
        idx, ts = entry.idx, entry.ts
        self._end = max(self._end, _behind(entry))
        self._at_ms = max(self._at_ms, entry.at_ms + self._by_ms)
        if ts is not None:
            moved = ts
            if self._by_seconds:
                moved = max(not_before, round(ts + self._by_seconds, TS_DIGITS))
            self._ts = max(self._ts, moved)
            if moved != ts:
                entry = entry.with_member("ts", moved)
        if not self._keeps(entry, first=first, last=last):
            if idx is not None:
                self._numbers = Renumber(self._numbers.by - 1)
            return
        entry = self._numbers.entry(self._with_ids(entry))
        self._head = max(self._head, _behind(entry))
        if entry.code == Code.EVENT:
            self._open.take(entry.payload)
        self._sink.add(entry._replace(at_ms=self._at_ms))

    def _add_trailer(self, entry: Entry, *, last: bool) -> None:
        payload = entry.payload if isinstance(entry.payload, dict) else {}
        self._ring = max(self._ring, index(payload.get("ring")) or 0)
        if last:
            at_ms = max(self._at_ms, entry.at_ms + self._by_ms)
            whole = Entry(at_ms, Code.TRAILER, {**payload, "ring": self._ring or None})
            self._sink.add(whole)

    def _keeps(self, entry: Entry, *, first: bool, last: bool) -> bool:
        """Tell whether an entry has its place in the whole: one beginning, one end."""
        payload = entry.payload if isinstance(entry.payload, dict) else {}
        if entry.code == Code.STATUS:
            status = payload.get("status")
            if not last and status not in ("pending", "running"):
                return False
            return first or status not in ("pending", self._sink.observed.status)
        kind, data = payload.get("type"), payload.get("data")
        if entry.idx is None or not isinstance(data, dict):
            return True
        if kind == "ai_message_start":
            return first or not self._head
        if not last and kind in ("task_complete", "task_stopped"):
            for name in _TOTALS:
                self._totals[name] += index(data.get(name)) or 0
            return False
        return True

    def _with_ids(self, entry: Entry) -> Entry:
        """Return ENTRY with the ids of the whole."""
        payload = entry.payload
        for mine, whole in (
            (self._before.task_id, self._header.task_id),
            (self._before.conversation_id, self._header.conversation_id),
        ):
            if mine is not None and whole is not None and mine != whole:
                payload = _replaced(payload, mine, whole)
        data = payload.get("data") if isinstance(payload, dict) else None
        if entry.code == Code.EVENT and isinstance(data, dict):
            if payload.get("type") in _TOOL_TYPES:
                payload = {**payload, "data": self._ids.of(data)}
            elif payload.get("type") == "task_complete" and any(self._totals.values()):
                totals = {
                    name: (index(data.get(name)) or 0) + self._totals[name] for name in _TOTALS
                }
                payload = {**payload, "data": {**data, **totals}}
        return entry if payload == entry.payload else entry.with_payload(payload)


class _Open:
    """The blocks and tools of a stream that have not ended yet."""

    def __init__(self) -> None:
        self._blocks: set[str] = set()
        self._tools: tuple[OpenTool, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether the stream breaks off here."""
        return bool(self._blocks or self._tools)

    def take(self, event: dict[str, Any]) -> None:
        """Take the next event."""
        block, _, part = str(event.get("type")).partition("_")
        if block in ("thinking", "text"):
            if part == "end":
                self._blocks.discard(block)
            else:
                self._blocks.add(block)
        elif block == "error":
            self._blocks.clear()  # it cut them off
        self._tools = follow(self._tools, event)


class _ToolIds:
    """Gives tool calls another id where an earlier part has used theirs."""

    def __init__(self) -> None:
        self._earlier: frozenset[str] = frozenset()
        self._used: set[str] = set()
        self._names: dict[str, str] = {}

    def next_part(self) -> None:
        """Begin a part that is no continuation of the one before."""
        self._earlier = frozenset(self._used)
        self._names = {}

    def of(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the payload of a tool's event with the ids of the whole."""
        given = {name: data[name] for name in ("id", "preparing_id") if name in data}
        return {**data, **{name: self._name(value) for name, value in given.items()}}

    def _name(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in self._names:
            name, count = value, 1
            while name in self._earlier:
                count += 1
                name = f"{value}-{count}"
            self._names[value] = name
            self._used.add(name)
        return self._names[value]


def _first_idx(ahead: list[Entry]) -> int:
    """Return where a recording begins: behind what was cut off, or with its first event."""
    cut_off = (_behind(entry) for entry in ahead if _was_cut([entry]))
    events = (entry.idx for entry in ahead if entry.idx is not None)
    return next(cut_off, None) or next(events, 0)


def _behind(entry: Entry) -> int:
    """Return the idx behind an event or a gap; 0 for other records."""
    if entry.code == Code.GAP and isinstance(entry.payload, dict):
        return index(entry.payload.get("to")) or 0
    return 0 if entry.idx is None else entry.idx + 1


def _was_cut(ahead: list[Entry]) -> bool:
    return any(
        entry.code == Code.GAP
        and isinstance(entry.payload, dict)
        and (entry.payload.get("from"), entry.payload.get("reason")) == (0, CUT)
        for entry in ahead
    )


def _names_the_beginning(entry: Entry, begin: int) -> bool:
    if entry.code != Code.GAP or not isinstance(entry.payload, dict):
        return False
    return (entry.payload.get("from"), entry.payload.get("to")) == (0, begin)


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return new if value == old else value
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    if isinstance(value, dict):
        return {name: _replaced(item, old, new) for name, item in value.items()}
    return value
