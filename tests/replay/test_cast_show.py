"""What a recording holds, its events, and where two of them differ."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from pollux.replay.format import Record
from tests.replay.cast_support import FIXTURES, events_of, made_up, run, shaped, told
from tests.replay.support import (
    CONVERSATION_ID,
    PROPERTY,
    TASK,
    TASK_ID,
    e,
    event,
    header,
    ids,
    s,
    short_answer,
    streams,
    write,
)


def fixture(name: str) -> Path:
    return next(path for path in FIXTURES if path.name.startswith(name))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "a.taskcast.jsonl", short_answer())


# -- info ---------------------------------------------------------------------------------


def test_info_tells_both_clocks_gaps_anomalies_markers_and_the_end(tmp_path: Path) -> None:
    records = [
        s("running", 0, delta=5),
        e(0, 100, delta=100),
        Record(0, "m", {"label": "here"}),
        Record(7, "h", {"kind": "status", "detail": "503", "status": 503}),
        Record(0, "g", {"from": 1, "to": 4, "reason": "hole"}),
        e(4, 2100, "later_type", delta=3000),
        e(6, 2200),
    ]
    path = write(tmp_path / "a.taskcast.jsonl", records, complete=False, reason="interrupted")
    info = told("info", path)
    assert info["counts"] == {"s": 1, "e": 3, "m": 1, "h": 1, "g": 1}
    assert info["types"] == {"text_chunk": 2, "later_type": 1}
    assert (info["first_idx"], info["next_idx"], info["lost"]) == (0, 7, 4)
    assert info["gaps"] == [
        {"from": 1, "to": 4, "reason": "hole"},
        {"from": 5, "to": 6, "reason": None},
    ]
    assert info["anomaly_kinds"] == {"status": 1}
    assert info["anomalies"] == [{"kind": "status", "detail": "503", "line": 5}]
    [marker] = info["markers"]
    assert (marker["label"], marker["idx"], marker["seconds"]) == ("here", 1, 0.1)
    assert (info["server_seconds"], info["arrival_seconds"]) == (2.2, 3.112)
    assert info["longest_pause"] == 2.0
    assert (info["complete"], info["reason"], info["status"]) == (False, "interrupted", "running")
    assert info["header"]["task"] == TASK


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name.partition(".")[0])
def test_info_shows_every_recording_as_a_table(path: Path) -> None:
    result = run("info", path)
    assert result.exit_code == 0
    assert "longest pause" in result.stdout


def test_info_says_where_the_ring_is_known_from(tmp_path: Path) -> None:
    def ring_of(name: str, **fields: Any) -> tuple[int, str]:
        head = header(**({"ring": fields.pop("ring")} if "ring" in fields else {}))
        path = write(tmp_path / name, fields.pop("records", short_answer()), head=head, **fields)
        info = told("info", path)
        return info["ring"], info["ring_from"]

    assert ring_of("a", ring=7) == (7, "header")
    assert ring_of("b") == (1000, "default")
    assert told("info", fixture("burst-gap"))["ring_from"] == "trailer"
    cut_off = [
        Record(0, "p", {"from": 0, "next": 12, "count": 10, "ms": 1, "window_start": 2}),
        *(e(idx, 0) for idx in range(2, 12)),
    ]
    assert ring_of("c", records=cut_off, trailer=False) == (10, "records")


def test_info_of_a_recording_that_was_cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 20)
    info = told("info", path)
    assert info["complete"] is False
    assert info["warnings"][0] == "the last line is unfinished and was dropped"
    assert "there is no trailer" in run("info", path).stdout


# -- events -------------------------------------------------------------------------------


def picked(path: Path, *how: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shaped("events", path, "--json", *how).splitlines()]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ((), [0, 1, 2, 3, 4, 5]),
        (("--type", "text_chunk"), [2, 3]),
        (("--type", "text_start", "--type", "text_end"), [1, 4]),
        (("--from", 2, "--to", 4), [2, 3]),
        (("--since", "0.4", "--until", "0.7"), [2, 3]),
        (("--until", "2ms", "--clock", "arrival"), []),
        (("--grep", "Hello"), [2, 4]),
        (("--grep", "Hello", "--type", "text_end"), [4]),
    ],
)
def test_events_are_picked(path: Path, how: tuple[object, ...], expected: list[int]) -> None:
    assert ids(picked(path, *how)) == expected


def test_events_are_printed_as_they_are_spelled(path: Path) -> None:
    whole = shaped("events", path, "--json")
    assert whole.splitlines() == [
        line[line.index(b"{") : -1] for line in path.read_bytes().splitlines() if b'"e",' in line
    ]


def test_events_in_a_table(path: Path) -> None:
    lines = shaped("events", path).decode().splitlines()
    assert len(lines) == 7
    assert re.fullmatch(r"\s+2\s+0\.400  text_chunk\s+\"Hello \"", lines[3])


def test_the_text_that_events_make(path: Path) -> None:
    assert shaped("events", path, "--text").decode() == "Hello there\n"
    tools = shaped("events", fixture("tools"), "--text").decode()
    assert "(thinking) First a plan." in tools
    assert "[read_file: completed]" in tools
    gap = shaped("events", fixture("burst-gap"), "--text").decode()
    assert "[1500 events are not here]" in gap


def test_what_would_move_a_cursor_is_escaped(tmp_path: Path) -> None:
    records = [e(0, 0, content="a\x1b[31m\u202eb\ud800\x00", index=1, elapsed=0.0)]
    path = write(tmp_path / "a.taskcast.jsonl", records, complete=False)
    text = shaped("events", path, "--text").decode()
    assert text == "a\\u001b[31m\\u202eb\\ud800\\u0000\n"
    assert "\x1b" not in shaped("events", path).decode()


# -- diff ---------------------------------------------------------------------------------


@settings(PROPERTY, max_examples=60)
@given(records=streams())
def test_a_recording_does_not_differ_from_itself(tmp_path: Path, records: list[Record]) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    path.unlink(missing_ok=True)
    write(path, records)
    assert told("diff", path, path) == {"equal": True, "difference": None}
    assert told("diff", path, path, "--all")["equal"] is True


def other_run(path: Path, out: Path) -> Path:
    """The same task, at another time, with other ids."""
    text = path.read_text("utf-8")
    text = text.replace(TASK_ID, "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")
    text = text.replace(CONVERSATION_ID, "conv_20270101_010101_001").replace("call_a", "call_b")
    out.write_text(re.sub(r'"ts":1769182965', '"ts":1769199999', text), "utf-8")
    return out


def with_tools() -> list[Record]:
    call: dict[str, Any] = {"id": "call_a", "name": "read_file"}
    start: dict[str, Any] = {
        "id": "tool_1",
        "name": "read_file",
        "arguments": {},
        "preparing_id": "call_a",
    }
    result = {"success": True}
    return [
        s("running", 0),
        e(0, 1, "ai_message_start", conversation_id=CONVERSATION_ID, task_id=TASK_ID),
        e(1, 2, "tool_preparing", **call, message="", intent=None),
        e(2, 3, "tool_start", **start),
        e(3, 4, "update_action", preparing_id="call_a", status="completed", result=result),
        e(4, 5, "conversation_changed", conversation_id=CONVERSATION_ID, title=TASK_ID),
        s("succeeded", 5),
    ]


def test_generated_ids_and_times_are_no_difference(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", with_tools())
    other = other_run(path, tmp_path / "b.taskcast.jsonl")
    assert told("diff", path, other)["equal"] is True
    assert run("diff", path, other).stdout == "No difference.\n"


def test_an_id_that_is_another_one_is_a_difference(tmp_path: Path) -> None:
    records = with_tools()
    records[4] = e(3, 4, "update_action", preparing_id="call_z", status="completed", result={})
    left = write(tmp_path / "a.taskcast.jsonl", with_tools())
    right = write(tmp_path / "b.taskcast.jsonl", records)
    found = told("diff", left, right, code=1)["difference"]
    assert found["path"] == "data.preparing_id"


def test_the_first_difference_is_shown_with_what_stands_before_it(
    tmp_path: Path, path: Path
) -> None:
    records = short_answer()
    records[6] = e(3, 600, content="world", index=2, elapsed=0.2)
    other = write(tmp_path / "b.taskcast.jsonl", records)
    answer = told("diff", path, other, "--context", 2, code=1)
    assert answer["equal"] is False
    difference = answer["difference"]
    assert difference["path"] == "data.content"
    assert (difference["left"]["line"], difference["right"]["line"]) == (8, 8)
    assert [same["payload"]["idx"] for same in difference["before"]] == [1, 2]
    shown = run("diff", path, other)
    assert shown.exit_code == 1
    assert "They differ in data.content" in shown.stdout
    assert '- e {"idx": 3' in shown.stdout
    assert '+ e {"idx": 3' in shown.stdout


def test_one_that_ends_earlier_differs(tmp_path: Path, path: Path) -> None:
    shorter = write(tmp_path / "b.taskcast.jsonl", short_answer()[:-2])
    difference = told("diff", path, shorter, code=1)["difference"]
    assert difference["right"] is None
    assert "(it has ended)" in run("diff", path, shorter).stdout


def test_events_that_do_not_matter_are_passed_over(tmp_path: Path, path: Path) -> None:
    records = short_answer()
    more = [*records[:5], Record(0, "e", event(2, 400, "token_update", x=1))]
    for record in records[5:]:
        payload = record.payload
        shift = {"idx": payload["idx"] + 1} if record.code == "e" else {}
        more.append(Record(0, record.code, {**payload, **shift}))
    other = write(tmp_path / "b.taskcast.jsonl", more)
    assert told("diff", path, other, code=1)["difference"]["path"] == "type"
    assert told("diff", path, other, "--ignore", "token_update")["equal"] is True


def test_what_depends_on_a_poll_is_compared_when_asked(tmp_path: Path, path: Path) -> None:
    records = [record for record in short_answer() if record.code != "p"]
    other = write(tmp_path / "b.taskcast.jsonl", records)
    assert told("diff", path, other)["equal"] is True
    assert told("diff", path, other, "--all", code=1)["equal"] is False


def test_a_number_of_another_kind_is_a_difference(tmp_path: Path) -> None:
    left = write(tmp_path / "a.taskcast.jsonl", [e(0, 0, "x", n=1)])
    right = write(tmp_path / "b.taskcast.jsonl", [e(0, 0, "x", n=True)])
    assert told("diff", left, right, code=1)["difference"]["path"] == "data.n"


def test_standard_input_is_compared(path: Path) -> None:
    assert run("diff", path, "-", data=path.read_bytes()).exit_code == 0


def test_a_long_recording_differs_where_it_was_changed(tmp_path: Path) -> None:
    left = made_up(tmp_path / "a.taskcast.jsonl.gz", 5, 2000, "talk")
    right = made_up(tmp_path / "b.taskcast.jsonl", 5, 2000, "talk")
    assert told("diff", left, right)["equal"] is True
    idx = events_of(left)[1500]["idx"]
    right.write_bytes(right.read_bytes().replace(b'{"idx":%d,' % idx, b'{"more":0,"idx":%d,' % idx))
    difference = told("diff", left, right, code=1)["difference"]
    assert (difference["path"], difference["right"]["payload"]["idx"]) == ("more", idx)
