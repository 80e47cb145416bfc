"""Idle time is shortened and speed is changed on both clocks, and nothing changes its place."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.replay.cast.cap import cap
from pollux.replay.cast.entries import Entry
from pollux.replay.cast.speed import speed
from pollux.replay.format import Record
from pollux.replay.frames import TimeBase
from pollux.replay.recording import Recording
from pollux.replay.timeline import Timeline
from tests.replay.cast_support import entries, events_of, judged, made_up, records_of, run
from tests.replay.support import CREATED_AT, PROPERTY, e, s, short_answer, streams, write

seconds = st.sampled_from([0.0, 0.001, 0.05, 0.3, 1.0, 60.0])
factors = st.sampled_from([0.25, 0.5, 1.0, 1.7, 2.0, 10.0])


def without_times(found: list[Entry]) -> list[tuple[str, Any]]:
    def bare(payload: Any) -> Any:
        return {**payload, "ts": None} if isinstance(payload, dict) and "ts" in payload else payload

    return [(entry.code, bare(entry.payload)) for entry in found]


def times(found: list[Entry]) -> list[float]:
    return [entry.ts for entry in found if entry.ts is not None]


@settings(PROPERTY, max_examples=100)
@given(records=streams(), most=seconds)
def test_cap_changes_only_times_and_never_an_order(records: list[Record], most: float) -> None:
    before = entries(records)
    after = list(cap(before, most, CREATED_AT))
    assert without_times(after) == without_times(before)
    assert [entry.at_ms for entry in after] == sorted(entry.at_ms for entry in after)
    was, now = times(before), times(after)
    for place in range(1, len(was)):
        assert (now[place] >= now[place - 1]) == (was[place] >= was[place - 1])


@settings(PROPERTY, max_examples=100)
@given(records=streams(), most=seconds)
def test_after_cap_no_pause_is_longer(records: list[Record], most: float) -> None:
    after = times(list(cap(entries(records), most, CREATED_AT)))
    latest = CREATED_AT
    for ts in after:
        assert ts - latest <= most + 1e-5
        latest = max(latest, ts)


@settings(PROPERTY, max_examples=50)
@given(records=streams(), most=seconds)
def test_cap_twice_is_cap_once(records: list[Record], most: float) -> None:
    once = list(cap(entries(records), most, CREATED_AT))
    twice = list(cap(once, most, CREATED_AT))
    assert times(twice) == pytest.approx(times(once), abs=1e-5)


def test_cap_shortens_the_silence_between_polls_too() -> None:
    polls = [Record(1000, "p", {"from": 1, "next": 1, "count": 0, "ms": 1}) for _ in range(60)]
    records = [e(0, 0), *polls, e(1, 60_000, delta=100), e(2, 60_500, delta=500)]
    after = list(cap(entries(records), 2.0, CREATED_AT))
    assert [entry.at_ms for entry in after if entry.code == "e"] == [0, 2100, 2600]
    assert after[-3].at_ms == 2000
    assert times(after) == pytest.approx([CREATED_AT, CREATED_AT + 2, CREATED_AT + 2.5])


def test_cap_knows_events_without_a_time_by_their_arrival() -> None:
    records = [Record(delta, "e", {"idx": idx}) for idx, delta in enumerate([0, 9000, 100])]
    assert [entry.at_ms for entry in cap(entries(records), 1.0)] == [0, 1000, 1100]


@settings(PROPERTY, max_examples=100)
@given(records=streams(), factor=factors)
def test_speed_divides_every_time(records: list[Record], factor: float) -> None:
    before = entries(records)
    after = list(speed(before, factor, CREATED_AT))
    assert without_times(after) == without_times(before)
    assert [entry.at_ms for entry in after] == [round(entry.at_ms / factor) for entry in before]
    expected = [CREATED_AT + (ts - CREATED_AT) / factor for ts in times(before)]
    assert times(after) == pytest.approx(expected, abs=1e-6)


def test_what_is_played_is_as_fast_as_was_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    fast = tmp_path / "fast.taskcast.jsonl"
    assert run("speed", path, 4, "-o", fast).exit_code == 0
    with Recording(fast) as recording:
        cursor = Timeline(recording, base=TimeBase.SERVER).cursor(1000)
        cursor.advance_to(100)
        assert cursor.state.head == 3
        cursor.advance_to(250)
        assert cursor.state.terminal


@pytest.mark.parametrize("command", [("cap", "100ms"), ("speed", 3), ("speed", "0.3")])
def test_what_comes_out_is_valid(tmp_path: Path, command: tuple[object, ...]) -> None:
    path = made_up(tmp_path / "a.taskcast.jsonl", events=1500)
    out = tmp_path / "out.taskcast.jsonl"
    assert run(command[0], path, command[1], "-o", out).exit_code == 0
    assert judged(out).findings == []
    assert [event["idx"] for event in events_of(out)] == [e["idx"] for e in events_of(path)]


def test_a_pause_of_the_task_before_its_first_event_is_capped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [s("running", 0), e(0, 30_000)], complete=False)
    out = tmp_path / "out.taskcast.jsonl"
    assert run("cap", path, "1s", "-o", out).exit_code == 0
    assert events_of(out)[0]["ts"] == pytest.approx(CREATED_AT + 1)
    assert [record.code for record in records_of(out)] == ["s", "e"]
