"""The lazy timeline says at any time what a naive reader of the whole recording would say."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.replay import timeline as timeline_module
from pollux.replay.format import Header, Record
from pollux.replay.frames import TimeBase
from pollux.replay.recording import Recording
from pollux.replay.timeline import Cursor, Timeline
from tests.replay.support import (
    CREATED_AT,
    PROPERTY,
    ListSource,
    e,
    event,
    header,
    ids,
    s,
    short_answer,
    streams,
    write,
)


@pytest.fixture(autouse=True)
def small_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places to seek from come so often that short recordings use them, and thin them out."""
    monkeypatch.setattr(timeline_module, "_STRIDE", 2)
    monkeypatch.setattr(timeline_module, "_MOST_MARKS", 5)


@dataclass
class Naive:
    """The state of a task, computed by going through all records up to a time."""

    status: str = "running"
    head: int = 0
    updated_at: float = CREATED_AT
    window: list[dict[str, Any]] = field(default_factory=list)


def grouped(records: list[Record]) -> list[list[Record]]:
    """Events and statuses in groups that appear together: one, or an answer behind a gap."""
    groups: list[list[Record]] = []
    held = evicted = False
    for record in records:
        if record.code == "g":
            evicted = record.payload["reason"] == "evicted" or evicted
        elif record.code in "sp":
            held = False
            if record.code == "s":
                groups.append([record])
        elif record.code == "e":
            if held:
                groups[-1].append(record)
            else:
                groups.append([record])
            held, evicted = held or evicted, False
    return groups


def naive(records: list[Record], ms: float, ring: int) -> Naive:
    state = Naive()
    if records and records[0].code == "s":
        state.status = records[0].payload["status"]
    origin, begun, now = CREATED_AT, False, 0
    for group in grouped(records):
        ts = group[-1].payload["ts"]
        if group[0].code == "e" and not begun:
            begun = True
            if group[0].payload["idx"] > 0:
                origin = ts
        now = max(now, round(ts * 1000) - round(origin * 1000))
        if now > ms:
            break
        state.updated_at = max(state.updated_at, ts)
        for record in group:
            if record.code == "s":
                state.status = record.payload["status"]
                continue
            if record.payload["idx"] != state.head:
                state.window.clear()
            state.head = record.payload["idx"] + 1
            state.window = [*state.window, record.payload][-ring:]
    return state


def told(cursor: Cursor) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in cursor.events_from(0)]


def assert_same(cursor: Cursor, expected: Naive) -> None:
    assert cursor.state.status == expected.status
    assert cursor.state.head == expected.head
    assert cursor.state.updated_at == expected.updated_at
    assert told(cursor) == expected.window
    start = expected.window[0]["idx"] if expected.window else 0
    assert cursor.window_start == start


times = st.integers(-5, 4000)


@settings(PROPERTY, max_examples=200)
@given(records=streams(), jumps=st.lists(times, max_size=12), ring=st.integers(1, 9))
def test_at_any_time_it_is_what_a_naive_reader_says(
    records: list[Record], jumps: list[int], ring: int
) -> None:
    records = [s("pending", 0), *records]
    timeline = Timeline(ListSource(records))
    # Two cursors, so that one uses the places that the other has left.
    seeker, walker = timeline.cursor(ring), timeline.cursor(ring)
    walked = -10
    for ms in jumps:
        seeker.seek(ms)
        assert_same(seeker, naive(records, max(ms, 0) if ms >= 0 else ms, ring))
        walked = max(walked, ms)
        walker.advance_to(ms)
        assert_same(walker, naive(records, walked, ring))


@settings(PROPERTY, max_examples=200)
@given(records=streams(), ring=st.integers(1, 9), data=st.data())
def test_seeking_an_event_is_stepping_to_it(
    records: list[Record], ring: int, data: st.DataObject
) -> None:
    timeline = Timeline(ListSource(records))
    events = [r.payload for r in records if r.code == "e"]
    if not events:
        return
    cursor = timeline.cursor(ring)
    for _ in range(5):
        wanted = data.draw(st.sampled_from(events))
        cursor.seek_event(wanted["idx"])
        fresh = timeline.cursor(ring)
        while fresh.state.head <= wanted["idx"]:
            fresh.step()
        assert cursor.state.head == fresh.state.head
        assert told(cursor) == told(fresh)
        assert cursor.events_from(wanted["idx"]) or cursor.window_start > wanted["idx"]


@settings(PROPERTY, max_examples=100)
@given(records=streams(gaps=False), data=st.data())
def test_any_chunking_of_polls_tells_the_same_story(
    records: list[Record], data: st.DataObject
) -> None:
    cursor = Timeline(ListSource(records)).cursor(10_000)
    collected: list[dict[str, Any]] = []
    offset = 0
    for ms in sorted(data.draw(st.lists(times, max_size=15))):
        cursor.advance_to(ms)
        events = [json.loads(raw) for raw in cursor.events_from(offset)]
        collected += events
        offset = cursor.state.head
        assert cursor.events_from(offset) == []
    cursor.advance_to(float("inf"))
    collected += [json.loads(raw) for raw in cursor.events_from(offset)]
    assert collected == [r.payload for r in records if r.code == "e"]


def test_events_appear_at_the_time_of_the_server() -> None:
    cursor = Timeline(ListSource(short_answer())).cursor(1000)
    seen = []
    for ms in (0, 99, 100, 299, 400, 999, 1000):
        cursor.advance_to(ms)
        seen.append((ms, cursor.state.status, cursor.state.head))
    assert seen == [
        (0, "pending", 0),
        (99, "pending", 0),
        (100, "running", 1),
        (299, "running", 1),
        (400, "running", 3),
        (999, "running", 5),
        (1000, "succeeded", 6),
    ]


def test_by_arrival_events_appear_when_the_recorder_got_them() -> None:
    records = [
        s("running", 0, delta=5),
        e(0, 10, delta=250),
        e(1, 20),
        e(2, 300, delta=250),
        s("succeeded", 310),
    ]
    cursor = Timeline(ListSource(records), base=TimeBase.ARRIVAL).cursor(1000)
    heads = []
    for ms in (0, 254, 255, 504, 505):
        cursor.advance_to(ms)
        heads.append(cursor.state.head)
    assert heads == [0, 0, 2, 2, 3]
    assert cursor.state.terminal


def evicted(from_: int, to: int) -> Record:
    return Record(0, "g", {"from": from_, "to": to, "reason": "evicted"})


POLLED = Record(100, "p", {"from": 0, "next": 9, "count": 9, "ms": 1})


def test_a_recorder_that_joined_late_begins_with_what_it_found() -> None:
    records = [
        s("running", 0),
        evicted(0, 500),
        e(500, 60_000),
        e(501, 61_000),
        POLLED,
        e(502, 61_040),
    ]
    cursor = Timeline(ListSource(records)).cursor(1000)
    cursor.advance_to(0)
    assert (ids(told(cursor)), cursor.window_start) == ([500, 501], 500)
    assert cursor.state.updated_at == event(501, 61_000)["ts"]
    cursor.advance_to(39)
    assert cursor.state.head == 502
    cursor.advance_to(40)
    assert ids(told(cursor)) == [500, 501, 502]


def test_behind_evicted_events_the_whole_buffer_comes_at_once() -> None:
    """No server would tell a part of it: what it keeps are the last events, as many as fit."""
    records = [
        e(0, 0),
        e(1, 10),
        POLLED,
        evicted(2, 9),
        e(9, 500),
        e(10, 600),
        s("succeeded", 700),
    ]
    cursor = Timeline(ListSource(records)).cursor(2)
    cursor.advance_to(599)
    assert (ids(told(cursor)), cursor.window_start) == ([0, 1], 0)
    cursor.advance_to(600)
    assert (ids(told(cursor)), cursor.window_start, cursor.state.terminal) == ([9, 10], 9, False)
    cursor.advance_to(700)
    assert cursor.state.terminal
    cursor.seek(599)
    assert ids(told(cursor)) == [0, 1]


@pytest.mark.parametrize(
    ("between", "together"),
    [
        (Record(0, "m", "a marker"), True),
        (Record(0, "z", {}), True),
        (Record(0, "h", {"kind": "order", "detail": ""}), True),
        (Record(0, "h", {"kind": "connection", "detail": ""}), False),
        (POLLED, False),
    ],
)
def test_only_what_one_answer_brought_comes_together(between: Record, together: bool) -> None:
    cursor = Timeline(ListSource([evicted(0, 5), e(5, 100), between, e(6, 200)])).cursor(10)
    cursor.advance_to(0)
    assert ids(told(cursor)) == ([5, 6] if together else [5])


def test_a_hole_drops_what_was_before_it_when_the_next_event_comes() -> None:
    records = [e(0, 0), e(1, 10), e(9, 20), e(10, 30)]
    cursor = Timeline(ListSource(records)).cursor(1000)
    cursor.advance_to(19)
    assert (ids(told(cursor)), cursor.window_start) == ([0, 1], 0)
    cursor.advance_to(20)
    assert (ids(told(cursor)), cursor.window_start) == ([9], 9)
    assert [json.loads(raw)["idx"] for raw in cursor.events_from(5)] == [9]


def test_without_the_first_event_time_begins_at_the_first_that_is_there() -> None:
    cursor = Timeline(ListSource([s("running", 0), e(7, 60_000), e(8, 60_040)])).cursor(1000)
    cursor.advance_to(39)
    assert ids(told(cursor)) == [7]
    cursor.advance_to(40)
    assert ids(told(cursor)) == [7, 8]


def test_a_burst_larger_than_the_ring_leaves_its_last_events() -> None:
    cursor = Timeline(ListSource([e(idx, 5) for idx in range(3000)])).cursor(1000)
    cursor.advance_to(5)
    assert (cursor.state.head, cursor.window_start) == (3000, 2000)
    assert ids(told(cursor)) == list(range(2000, 3000))


def test_times_that_go_back_are_taken_for_those_before_them() -> None:
    cursor = Timeline(ListSource([e(0, 100), e(1, 50), e(2, 100)])).cursor(1000)
    cursor.advance_to(99)
    assert cursor.state.head == 0
    cursor.advance_to(100)
    assert (cursor.state.head, cursor.state.at_ms) == (3, 100)
    cursor.seek_event(1)
    assert cursor.state.at_ms == 100


def test_events_that_are_told_twice_or_have_no_idx_are_not_played() -> None:
    records = [e(0, 0), e(1, 0), e(0, 5), Record(0, "e", {"type": "x"}), Record(0, "e", 3), e(2, 9)]
    timeline = Timeline(ListSource(records))
    cursor = timeline.cursor(1000)
    cursor.advance_to(10)
    assert ids(told(cursor)) == [0, 1, 2]
    assert ids(timeline.events()) == [0, 1, 2]
    assert ids(timeline.events(2)) == [0, 1]


def test_an_event_without_a_time_is_placed_by_its_arrival() -> None:
    records = [
        e(0, 100, delta=130),  # arrives 30 ms after it happened
        Record(400, "e", {"idx": 1, "type": "x", "data": {}}),
    ]
    cursor = Timeline(ListSource(records)).cursor(1000)
    cursor.advance_to(499)
    assert cursor.state.head == 1
    cursor.advance_to(500)
    assert cursor.state.head == 2


def test_a_task_that_vanished_is_gone_from_then_on() -> None:
    records = [e(0, 100, delta=130), Record(400, "h", {"kind": "vanished", "detail": "404"})]
    cursor = Timeline(ListSource(records)).cursor(1000)
    cursor.advance_to(499)
    assert not cursor.state.gone
    cursor.advance_to(500)
    assert cursor.state.gone
    cursor.seek(0)
    assert not cursor.state.gone


def test_a_step_brings_events_and_the_status_behind_them() -> None:
    cursor = Timeline(ListSource(short_answer())).cursor(1000)
    cursor.step(0)
    assert (cursor.state.status, cursor.state.head) == ("running", 0)
    cursor.step(5)
    assert (cursor.state.status, cursor.state.head) == ("running", 5)
    cursor.step(5)
    assert (cursor.state.status, cursor.state.head) == ("succeeded", 6)
    assert cursor.position_ms == 1000


def test_what_comes_at_once_takes_a_step_of_its_own() -> None:
    records = [e(0, 0), e(1, 1), evicted(2, 5), e(5, 2), e(6, 2), e(7, 2), POLLED, e(8, 3)]
    gone = Record(0, "h", {"kind": "vanished", "detail": "404"})
    cursor = Timeline(ListSource([*records, gone])).cursor(1000)
    steps = []
    for _ in range(4):
        head = cursor.state.head
        cursor.step(2)
        told_now = ids(told(cursor)[-3:]) if cursor.state.head > head else []
        steps.append((told_now, cursor.state.gone))
    assert steps == [([0, 1], False), ([5, 6, 7], False), ([6, 7, 8], False), ([], True)]


def test_a_step_of_nothing_shows_only_what_precedes_the_first_event() -> None:
    gone = Record(0, "h", {"kind": "vanished", "detail": "404"})
    cursor = Timeline(ListSource([s("running", 0), gone])).cursor(1000)
    cursor.step(0)
    assert not cursor.state.gone


def test_a_cut_ends_the_task_until_it_is_rewound() -> None:
    cursor = Timeline(ListSource(short_answer())).cursor(1000)
    cursor.advance_to(500)
    cursor.cut([b'{"idx":3,"type":"task_stopped","data":{}}'], "canceled", CREATED_AT + 0.5)
    for _ in range(2):
        assert (cursor.state.status, cursor.state.head) == ("canceled", 4)
        assert told(cursor)[-1]["type"] == "task_stopped"
        cursor.advance_to(5000)
    cursor.seek(500)
    assert (cursor.state.status, cursor.state.head, cursor.was_cut) == ("running", 3, False)


def test_without_a_header_the_first_event_tells_the_time() -> None:
    timeline = Timeline(ListSource([e(0, 100), e(1, 150)], Header()))
    assert timeline.created_at == event(0, 100)["ts"]
    cursor = timeline.cursor(1000)
    cursor.advance_to(49)
    assert cursor.state.head == 1
    cursor.advance_to(50)
    assert cursor.state.head == 2


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ([s("pending", 0), s("running", 1)], "pending"),
        ([s("succeeded", 0)], "running"),
        ([e(0, 0), s("pending", 0)], "running"),
        ([], "running"),
    ],
)
def test_the_first_status_is_the_one_that_answered_the_send(
    records: list[Record], status: str
) -> None:
    assert Timeline(ListSource(records)).first_status() == status


def test_window_start_is_told_if_the_recorded_server_did() -> None:
    poll = {"from": 0, "next": 0, "count": 0, "ms": 1}
    assert Timeline(ListSource([])).tells_window_start()
    assert not Timeline(ListSource([Record(0, "p", poll)])).tells_window_start()
    assert Timeline(ListSource([Record(0, "p", {**poll, "window_start": 0})])).tells_window_start()


def test_what_is_appended_to_the_file_is_played_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer()[:6], trailer=False)
    rest = b"".join(
        line
        for line in write(tmp_path / "b.taskcast.jsonl", short_answer())
        .read_bytes()
        .splitlines(keepends=True)[7:]
    )
    with Recording(path) as recording:
        cursor = Timeline(recording).cursor(1000)
        cursor.advance_to(2000)
        assert (cursor.state.head, cursor.state.status) == (3, "running")
        with path.open("ab") as file:
            file.write(rest)
        cursor.advance_to(2001)
        assert (cursor.state.head, cursor.state.status) == (6, "succeeded")


def test_a_long_recording_is_sought_without_reading_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [e(idx, idx) for idx in range(2000)]
    with Recording(write(tmp_path / "a.taskcast.jsonl", records)) as recording:
        reads = 0
        original = recording.records

        class Counting:
            header = header()

            def records(self, place: int | None = None) -> Any:
                nonlocal reads
                for placed in original(place):
                    reads += 1
                    yield placed

        monkeypatch.setattr(timeline_module, "_STRIDE", 50)
        monkeypatch.setattr(timeline_module, "_MOST_MARKS", 4096)
        timeline = Timeline(Counting())
        cursor = timeline.cursor(100)
        cursor.advance_to(2000)
        assert reads < 2010
        reads = 0
        cursor.seek(1500)
        assert ids(told(cursor)) == list(range(1401, 1501))
        assert reads < 300
        reads = 0
        other = timeline.cursor(100)
        other.seek(1900)
        assert ids(told(other)) == list(range(1801, 1901))
        assert reads < 300


def test_places_to_seek_from_stay_few_and_spread_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_module, "_STRIDE", 1)
    monkeypatch.setattr(timeline_module, "_MOST_MARKS", 16)
    timeline = Timeline(ListSource([e(idx, idx) for idx in range(1000)]))
    timeline.cursor(10).advance_to(1000)
    heads = [mark.state.head for mark in timeline._marks]
    assert 8 <= len(heads) <= 16
    assert max(b - a for a, b in zip([0, *heads], [*heads, 1000], strict=True)) <= 128
