"""Parts of a recording, and recordings made of parts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.replay.format import Record
from pollux.replay.recording import Recording
from pollux.replay.timeline import Timeline
from tests.replay.cast_support import (
    FIXTURES,
    events_of,
    judged,
    made_up,
    records_of,
    run,
    trailer_of,
)
from tests.replay.support import (
    CREATED_AT,
    PROPERTY,
    e,
    header,
    ids,
    s,
    short_answer,
    streams,
    write,
)


def cut(path: Path, out: Path, *how: object) -> Path:
    result = run("cut", path, *how, "-o", out, "--force")
    assert result.exit_code == 0, result.output
    return out


def splice(out: Path, *parts: object) -> Path:
    result = run("splice", *parts, "-o", out, "--force")
    assert result.exit_code == 0, result.output
    return out


def header_of(path: Path) -> Any:
    with Recording(path) as recording:
        return recording.header


def test_a_part_has_the_events_that_were_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    part = cut(path, tmp_path / "part.taskcast.jsonl", "--from", 2, "--to", 4)
    assert events_of(part) == events_of(path)[2:4]
    assert [record.code for record in records_of(part)] == ["s", "g", "p", "e", "e"]
    gap = records_of(part)[1].payload
    assert gap == {"from": 0, "to": 2, "reason": "cut"}
    assert trailer_of(part)["reason"] == "cut"
    assert trailer_of(part)["complete"] is False
    assert judged(part).findings == []


def test_a_part_to_the_end_keeps_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    part = cut(path, tmp_path / "part.taskcast.jsonl", "--from", 4)
    assert trailer_of(part)["complete"] is True
    assert records_of(part)[-1].payload["status"] == "succeeded"


def test_a_part_has_a_time_zero_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    part = cut(path, tmp_path / "part.taskcast.jsonl", "--since", "500ms", "--renumber")
    assert header_of(part).created_at == pytest.approx(CREATED_AT + 0.5)
    with Recording(part) as recording:
        cursor = Timeline(recording).cursor(1000)
        cursor.advance_to(99)
        assert cursor.state.head == 0
        cursor.advance_to(100)
        assert (cursor.state.head, cursor.state.status) == (1, "running")
        cursor.advance_to(500)
        assert cursor.state.terminal


@pytest.mark.parametrize(
    ("how", "idx"),
    [
        (("--since", "0.4"), [2, 3, 4, 5]),
        (("--since", "0.4", "--until", "0.7"), [2, 3]),
        (("--until", "300ms"), [0]),
        (("--from", 1, "--until", "1s"), [1, 2, 3, 4]),
        (("--since", "2ms", "--clock", "arrival"), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_part_by_time(tmp_path: Path, how: tuple[object, ...], idx: list[int]) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    assert ids(events_of(cut(path, tmp_path / "part.taskcast.jsonl", *how))) == idx


def test_a_part_by_markers(tmp_path: Path) -> None:
    records = short_answer()
    records.insert(7, Record(0, "m", {"label": "two"}))
    records.insert(5, Record(0, "m", "one"))
    path = write(tmp_path / "a.taskcast.jsonl", records)
    part = tmp_path / "part.taskcast.jsonl"
    cut(path, part, "--from-marker", "one", "--to-marker", "two")
    assert ids(events_of(part)) == [2, 3]
    for option in ("--from-marker", "--to-marker"):
        result = run("cut", path, option, "three")
        assert result.exit_code == 2
        assert "'one', 'two'" in result.output


def test_nothing_is_no_part(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    out = tmp_path / "part.taskcast.jsonl"
    for how in (("--from", 6000), ("--since", "1h"), ("--from", 3, "--to", 3)):
        result = run("cut", path, *how, "-o", out)
        assert result.exit_code == 2
        assert "nothing between" in result.output
        assert not out.exists()


def test_a_renumbered_part_is_a_task_of_its_own(tmp_path: Path) -> None:
    path = made_up(tmp_path / "a.taskcast.jsonl", 3, 2000, "overrun", "talk", ring=50)
    events = events_of(path)
    part = cut(path, tmp_path / "part.taskcast.jsonl", "--from", events[200]["idx"], "--renumber")
    shift = events[200]["idx"]
    assert events_of(part) == [{**event, "idx": event["idx"] - shift} for event in events[200:]]
    assert judged(part, stream=False).findings == []
    assert trailer_of(part)["ring"] == 50


@settings(PROPERTY, max_examples=100)
@given(records=streams(), data=st.data())
def test_cut_then_splice_gives_the_same_events(
    tmp_path: Path, records: list[Record], data: st.DataObject
) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    path.unlink(missing_ok=True)
    write(path, records)
    events = events_of(path)
    if len(events) < 2:
        return
    border = data.draw(st.integers(events[0]["idx"] + 1, events[-1]["idx"]))
    first = cut(path, tmp_path / "1.taskcast.jsonl", "--to", border)
    second = cut(path, tmp_path / "2.taskcast.jsonl", "--from", border)
    assert events_of(first) + events_of(second) == events
    whole = splice(tmp_path / "whole.taskcast.jsonl", first, second)
    assert events_of(whole) == events


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name.partition(".")[0])
@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_a_recording_cut_in_two_and_joined_is_whole_again(
    tmp_path: Path, fixture: Path, place: float
) -> None:
    events = events_of(fixture)
    border = events[int(len(events) * place)]["idx"]
    first = cut(fixture, tmp_path / "1.taskcast.jsonl", "--to", border)
    second = cut(fixture, tmp_path / "2.taskcast.jsonl.gz", "--from", border)
    whole = splice(tmp_path / "whole.taskcast.jsonl", first, second)
    assert events_of(whole) == events
    assert trailer_of(whole)["ring"] == trailer_of(fixture)["ring"]
    assert judged(whole).findings == []
    last, expected = records_of(whole)[-1], records_of(fixture)[-1]
    assert (last.code, last.payload) == (expected.code, expected.payload)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name.partition(".")[0])
def test_a_part_from_any_time_on_is_valid(tmp_path: Path, fixture: Path) -> None:
    events = events_of(fixture)
    origin = header_of(fixture).created_at if not events[0]["idx"] else events[0]["ts"]
    part = tmp_path / "part.taskcast.jsonl"
    for event in events[1 :: max(1, len(events) // 8)]:
        # The border lies within the millisecond of the event, before it or behind it.
        since_ms = max(1, round(event["ts"] * 1000) - round(origin * 1000))
        cut(fixture, part, "--since", f"{since_ms}ms")
        assert judged(part).findings == []
        assert header_of(part).created_at <= min(each["ts"] for each in events_of(part))


def test_recordings_of_two_tasks_become_one(tmp_path: Path) -> None:
    names = [path for path in FIXTURES if path.name.startswith(("tools", "thinking", "chinese"))]
    whole = splice(tmp_path / "whole.taskcast.jsonl", *names, "--pause", "2s")
    events = events_of(whole)
    assert ids(events) == list(range(len(events)))
    assert [event["type"] for event in events].count("ai_message_start") == 1
    assert [event["type"] for event in events].count("task_complete") == 1
    assert judged(whole).findings == []
    statuses = [record.payload["status"] for record in records_of(whole) if record.code == "s"]
    assert statuses == ["running", "succeeded"]
    told = {
        event["data"]["conversation_id"] for event in events if "conversation_id" in event["data"]
    }
    assert told == {header_of(whole).conversation_id}
    totals = [events_of(path)[-1]["data"] for path in names]
    assert events[-1]["data"] == {
        name: sum(total[name] for total in totals)
        for name in ("total_iterations", "total_tool_calls")
    }


def test_the_pause_stands_on_both_clocks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    whole = splice(tmp_path / "whole.taskcast.jsonl", path, path, "--pause", "2s")
    ts = [event["ts"] for event in events_of(whole)]
    # The first part without its end: 5 events, the second one without its beginning.
    assert ts[4] == pytest.approx(CREATED_AT + 0.7)
    assert ts[5] == pytest.approx(CREATED_AT + 1 + 2 + 0.3)
    assert sum(record.delta_ms for record in records_of(whole)) == 2006


def test_tools_of_another_part_get_other_ids(tmp_path: Path) -> None:
    [tools] = [path for path in FIXTURES if path.name.startswith("tools")]
    whole = splice(tmp_path / "whole.taskcast.jsonl", tools, tools)
    calls = [event["data"]["id"] for event in events_of(whole) if event["type"] == "tool_preparing"]
    assert len(calls) == len(set(calls)) == 10
    assert judged(whole).findings == []


def test_what_breaks_off_is_named_by_a_gap_of_one(tmp_path: Path) -> None:
    open_text = [
        s("running", 0),
        *(e(*x) for x in [(0, 0, "ai_message_start"), (1, 1, "text_start")]),
    ]
    open_text.append(e(2, 2, content="Hel", index=1, elapsed=0.0))
    first = write(tmp_path / "a.taskcast.jsonl", open_text, complete=False, reason="interrupted")
    second = write(tmp_path / "b.taskcast.jsonl", short_answer())
    whole = splice(tmp_path / "whole.taskcast.jsonl", first, second)
    assert ids(events_of(whole)) == [0, 1, 2, 4, 5, 6, 7, 8]
    [gap] = [record.payload for record in records_of(whole) if record.code == "g"]
    assert gap == {"from": 3, "to": 4, "reason": "cut"}
    assert judged(whole).findings == []


def test_a_part_from_the_middle_of_another_task_is_joined_behind_a_gap(tmp_path: Path) -> None:
    [tools] = [path for path in FIXTURES if path.name.startswith("tools")]
    part = cut(tools, tmp_path / "part.taskcast.jsonl", "--from", 36)
    first = write(tmp_path / "a.taskcast.jsonl", short_answer(), head=header(title="mine", later=1))
    whole = splice(tmp_path / "whole.taskcast.jsonl", first, part)
    assert ids(events_of(whole))[:7] == [0, 1, 2, 3, 4, 6, 7]
    assert judged(whole).findings == []
    assert header_of(whole).fields["later"] == 1


def test_standard_input_can_be_one_of_the_parts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    result = run("splice", path, "-", data=path.read_bytes())
    assert result.exit_code == 0
    assert json.loads(result.stdout.splitlines()[-1])[2]["complete"] is True


def test_a_cancelled_task_that_goes_on_was_not_cancelled(tmp_path: Path) -> None:
    [cancelled] = [path for path in FIXTURES if path.name.startswith("cancelled")]
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    whole = splice(tmp_path / "whole.taskcast.jsonl", cancelled, path)
    statuses = [record.payload["status"] for record in records_of(whole) if record.code == "s"]
    assert statuses == ["running", "succeeded"]
    assert judged(whole).findings == []
