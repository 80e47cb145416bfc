"""From records to frames: what changes for clients, and when. Pure, one record at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from pollux.replay.format import (
    EVICTED,
    TERMINAL_STATUSES,
    VANISHED,
    WITHIN_AN_ANSWER,
    Code,
    Header,
    Record,
    index,
    number,
    payload_bytes,
)
from pollux.replay.open_tools import OpenTool, follow
from pollux.replay.recording import Placed


class TimeBase(StrEnum):
    """Which of a recording's two clocks tells when something happens."""

    SERVER = "server"
    ARRIVAL = "arrival"


class RecordSource(Protocol):
    """Where the records come from: a :class:`Recording`, or a list in tests."""

    @property
    def header(self) -> Header:
        """The first line."""
        ...

    def records(self, place: int | None = None) -> Iterator[Placed]:
        """Yield the records from PLACE on, None being the first; see :class:`Recording`."""
        ...


@dataclass(frozen=True, slots=True)
class TaskState:
    """What a server that stands at some moment of the recording would tell of its task.

    Attributes:
        status: One of the statuses of API v1 (api_v1 2.3).
        error: The text that a failed task tells.
        updated_at: Epoch seconds of the last event or change, on the server's clock.
        head: idx that the next event will get.
        events: How many events were told so far; gaps are not counted.
        at_ms: Milliseconds from the beginning to the last event or change.
        gone: Whether the server no longer knows the task (404).
        tools: The tool calls that have no result yet.
    """

    status: str
    error: str | None = None
    updated_at: float = 0.0
    head: int = 0
    events: int = 0
    at_ms: int = 0
    gone: bool = False
    tools: tuple[OpenTool, ...] = ()

    @property
    def terminal(self) -> bool:
        """Whether the task has ended."""
        return self.status in TERMINAL_STATUSES


@dataclass(frozen=True, slots=True)
class Frame:
    """Something that changes what clients are told.

    Attributes:
        at_ms: When it happens, in ms from the beginning.
        state: What the task is told as from then on.
        events: The events that it brings, as JSON, each with its idx.
    """

    at_ms: int
    state: TaskState
    events: tuple[tuple[int, bytes], ...] = ()


@dataclass(slots=True)
class Scan:
    """How far the records were read, and what is needed to go on from there.

    Attributes:
        place: Where the next record stands; None at the first.
        read: How many records were read.
        arrival_ms: Arrival time of the last one.
        last_ms: Time of the last frame as recorded; none is before it.
        cut_ms: How much of that time the cap on pauses has taken out.
        origin_ms: Time zero on the server's clock, once that is known.
        lag_ms: The smallest distance seen between the two clocks: the best guess of their
            difference.
        begun: Whether there was an event.
        evicted: Whether the next event stands behind a gap of evicted events.
        ended: Whether the trailer was read: nothing can come any more.
    """

    place: int | None = None
    read: int = 0
    arrival_ms: int = 0
    last_ms: int = 0
    cut_ms: int = 0
    origin_ms: int | None = None
    lag_ms: int | None = None
    begun: bool = False
    evicted: bool = False
    ended: bool = False


class FrameReader:
    """Reads the frames of a recording, from its beginning or from where a scan stands.

    Args:
        source: The records.
        base: Which clock tells when something happens.
        cap_ms: A longer pause between two frames is shortened to so many ms; None: none is.
    """

    def __init__(self, source: RecordSource, base: TimeBase, *, cap_ms: int | None = None) -> None:
        self._source = source
        self._base = base
        self._cap_ms = cap_ms

    def frames(self, scan: Scan, state: TaskState) -> Iterator[Frame]:
        """Yield the frames behind SCAN, which is kept up to date.

        Args:
            scan: Where to begin; whenever a frame is yielded, it stands right behind it.
            state: What the task is told as there.
        """
        # The events of an answer behind a gap: the server had just these when it was asked, so
        # they come together, at the moment of the last. See "Gaps" in the format's description.
        held: list[Placed] = []
        for placed in self._source.records(scan.place):
            record, payload = placed.record, placed.record.payload
            if held and _ends_an_answer(record):
                state = self._with_events(scan, state, held)
                yield Frame(state.at_ms, state, _raw(held))
                held = []
            scan.place = placed.end
            scan.read += 1
            scan.arrival_ms += record.delta_ms
            if record.code == Code.TRAILER:
                scan.ended = True
                return
            if not isinstance(payload, dict):
                continue
            if record.code == Code.EVENT:
                idx = index(payload.get("idx"))
                if idx is None or idx < state.head:
                    continue
                if held or scan.evicted:
                    scan.evicted = False
                    held.append(placed)
                    continue
                state = self._with_events(scan, state, [placed])
            elif record.code == Code.STATUS and isinstance(payload.get("status"), str):
                state = self._with_status(scan, state, payload)
            elif record.code == Code.ANOMALY and payload.get("kind") == VANISHED:
                state = replace(state, at_ms=self._time(scan, None), gone=True)
            else:
                scan.evicted = scan.evicted or _is_eviction(record)
                continue
            yield Frame(state.at_ms, state, _raw([placed]) if record.code == Code.EVENT else ())
        if held:
            state = self._with_events(scan, state, held)
            yield Frame(state.at_ms, state, _raw(held))

    def _with_events(self, scan: Scan, state: TaskState, events: list[Placed]) -> TaskState:
        tools = state.tools
        for placed in events:
            tools = follow(tools, placed.record.payload)
        last = events[-1].record.payload
        ts = number(last.get("ts"))
        if not scan.begun and ts is not None and events[0].record.payload["idx"] > 0:
            scan.origin_ms = round(ts * 1000)  # the beginning is lost: time begins here
        scan.begun = True
        return TaskState(
            state.status,
            state.error,
            state.updated_at if ts is None else max(state.updated_at, ts),
            last["idx"] + 1,
            state.events + len(events),
            self._time(scan, ts),
            False,
            tools,
        )

    def _with_status(self, scan: Scan, state: TaskState, payload: dict[str, Any]) -> TaskState:
        ts, error = number(payload.get("ts")), payload.get("error")
        return replace(
            state,
            status=payload["status"],
            error=error if isinstance(error, str) else None,
            updated_at=state.updated_at if ts is None else max(state.updated_at, ts),
            at_ms=self._time(scan, ts),
        )

    def _time(self, scan: Scan, ts: float | None) -> int:
        """Return when a frame happens, in ms from the beginning; never before the last one."""
        if self._base is TimeBase.ARRIVAL:
            at_ms = scan.arrival_ms
        elif ts is None:
            at_ms = scan.arrival_ms - (scan.lag_ms or 0)
        else:
            if scan.origin_ms is None:
                created_at = self._source.header.created_at
                scan.origin_ms = round((ts if created_at is None else created_at) * 1000)
            at_ms = round(ts * 1000) - scan.origin_ms
            lag_ms = scan.arrival_ms - at_ms
            scan.lag_ms = lag_ms if scan.lag_ms is None else min(scan.lag_ms, lag_ms)
        pause_ms = max(0, at_ms - scan.last_ms)
        if self._cap_ms is not None:
            scan.cut_ms += max(0, pause_ms - self._cap_ms)
        scan.last_ms += pause_ms
        return scan.last_ms - scan.cut_ms


def _raw(events: list[Placed]) -> tuple[tuple[int, bytes], ...]:
    return tuple((placed.record.payload["idx"], payload_bytes(placed.line)) for placed in events)


def _is_eviction(record: Record) -> bool:
    return record.code == Code.GAP and record.payload.get("reason") == EVICTED


def _ends_an_answer(record: Record) -> bool:
    """Tell whether RECORD cannot stand among the events of one answer."""
    if record.code == Code.ANOMALY and isinstance(record.payload, dict):
        return record.payload.get("kind") not in WITHIN_AN_ANSWER
    return record.code in (Code.POLL, Code.STATUS, Code.TRAILER)
