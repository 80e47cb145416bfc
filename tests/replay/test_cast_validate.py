"""What is wrong with a recording is found at its line, and mended where that can be."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.replay.format import Record, record_line
from pollux.replay.recording import Recording
from tests.replay.cast_support import (
    FIXTURES,
    ROOT,
    judged,
    made_up,
    records_of,
    run,
    told,
    trailer_of,
)
from tests.replay.support import PROPERTY, e, s, short_answer, streams, write

Lines = list[bytes]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "a.taskcast.jsonl", short_answer())


def fixed(path: Path) -> Path:
    out = path.with_name("fixed.taskcast.jsonl")
    result = run("validate", path, "--fix", "--file-only", "-o", out, "--force")
    assert result.exit_code == 0, result.output
    assert judged(out, stream=False).findings == []
    with Recording(out) as recording:
        assert recording.checksum_matches() is True
    return out


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name.partition(".")[0])
def test_what_was_recorded_is_valid(fixture: Path) -> None:
    result = run("validate", fixture)
    assert result.exit_code == 0
    assert "valid, " in result.stdout


def test_the_example_of_the_description_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "recording-format.md").read_text("utf-8")
    example = text[text.index('{"taskcast"') :].partition("```")[0]
    path = tmp_path / "a.taskcast.jsonl"
    path.write_text(example, encoding="utf-8")
    assert judged(path).findings == []


def without(place: int) -> Callable[[Lines], Lines]:
    return lambda lines: lines[:place] + lines[place + 1 :]


def with_line(place: int, line: bytes) -> Callable[[Lines], Lines]:
    return lambda lines: [*lines[:place], line, *lines[place + 1 :]]


def swapped(place: int) -> Callable[[Lines], Lines]:
    return lambda lines: [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]


def with_trailer(name: str, value: object) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        delta, code, payload = json.loads(lines[-1])
        return [*lines[:-1], record_line(Record(delta, code, {**payload, name: value}))]

    return change


# Line 1 is the header, 2 pending, 3 a poll, 4 running, 5 .. 10 the events, 11 the end, 12 the
# trailer. Each change breaks one thing, and what is said of the trailer follows from it.
FAULTS: dict[str, tuple[Callable[[Lines], Lines], list[tuple[int, str]]]] = {
    "no trailer": (without(11), [(11, "trailer")]),
    "an event is missing": (without(6), [(7, "gap"), (11, "counts"), (11, "sha256")]),
    "events in the wrong order": (swapped(5), [(6, "gap"), (7, "order"), (12, "sha256")]),
    "a broken line": (with_line(6, b"[0,\n"), [(7, "line"), (8, "gap")]),
    "a wrong count": (with_trailer("counts", {"e": 6}), [(12, "counts")]),
    "a wrong checksum": (with_trailer("sha256", "0" * 64), [(12, "sha256")]),
    "another status": (with_trailer("status", "failed"), [(12, "status")]),
    "a trailer in the middle": (lambda x: [*x, x[4]], [(13, "trailer")]),
    "a gap that is none": (
        with_line(3, b'[0,"g",{"from":0,"to":9,"reason":"hole"}]\n'),
        [(4, "gap"), (12, "counts")],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_at_its_line_and_mended(path: Path, name: str) -> None:
    change, expected = FAULTS[name]
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    answer = told("validate", path, code=1)
    found = [(finding["line"], finding["rule"]) for finding in answer["findings"]]
    assert set(expected) <= set(found)
    assert answer["valid"] is False
    assert answer["count"] == len(found)
    fixed(path)


UNMENDED = [
    (b'[0,"e",{"type":"x"}]\n', 'record[2]: "idx" is a required property'),
    (b'[0,"m",5]\n', "record[2]: 5 is not valid"),
    (b'[0,"s",{"status":"running"}]\n', '"ts" is a required property'),
]


@pytest.mark.parametrize(("line", "message"), UNMENDED)
def test_what_breaks_the_schema_stays_broken(path: Path, line: bytes, message: str) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line, *lines[2:]]))
    result = run("validate", path, "--fix", "-o", path.with_name("b.jsonl"))
    assert result.exit_code == 1
    assert f"{path}:3: schema: " in result.stdout
    assert message in result.stdout


STREAMS = [
    (e(0, 100, "text_start"), 5, "EVENT-MESSAGE-START"),
    (e(3, 600, content="", index=2, elapsed=0.2), 8, "EVENT-EMPTY-CHUNK"),
    (e(3, 600, content="There", index=2, elapsed=0.2), 9, "EVENT-FULL-CONTENT"),
    (e(3, 350, content="there", index=2, elapsed=0.2), 8, "POLL-TS-ORDERED"),
    (e(0, -1, "ai_message_start"), 5, "POLL-TS-AFTER-CREATED"),
    (e(4, 700, "text_end", full=1), 9, "EVENT-PAYLOAD"),
    (Record(0, "e", {"idx": 4}), 9, "EVENT-ENVELOPE"),
]


@pytest.mark.parametrize(("event", "line", "rule"), STREAMS)
def test_what_the_server_did_wrong_is_found_and_left(
    tmp_path: Path, event: Record, line: int, rule: str
) -> None:
    records = short_answer()
    records[3 + event.payload["idx"]] = event
    path = write(tmp_path / "a.taskcast.jsonl", records)
    found = [(each.line, each.rule, each.about) for each in judged(path).findings]
    assert (line, rule, "stream") in found
    assert run("validate", path, "--file-only").exit_code == 0
    out = tmp_path / "b.taskcast.jsonl"
    assert run("validate", path, "--fix", "-o", out).exit_code == 1
    assert out.read_bytes() == path.read_bytes()


def test_what_comes_behind_the_end_is_found(tmp_path: Path) -> None:
    records = [*short_answer(), e(6, 1000), s("running", 1001)]
    verdict = judged(write(tmp_path / "a.taskcast.jsonl", records, status="running"))
    rules = [finding.rule for finding in verdict.findings]
    assert "POLL-TERMINAL-COMPLETE" in rules
    assert "TASK-TERMINAL-FOREVER" in rules
    assert "complete" in rules


def test_types_that_nobody_knows_are_no_fault(tmp_path: Path) -> None:
    records = short_answer()
    records.insert(9, e(6, 1000, "later_type", any="thing"))
    records.insert(2, Record(0, "later", None))
    assert judged(write(tmp_path / "a.taskcast.jsonl", records)).findings == []


def test_a_gap_gets_a_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [s("running", 0), e(3, 0), e(9, 5)], complete=False)
    gaps = [record.payload for record in records_of(fixed(path)) if record.code == "g"]
    assert gaps == [
        {"from": 0, "to": 3, "reason": "unknown"},
        {"from": 4, "to": 9, "reason": "unknown"},
    ]


def test_a_ring_that_is_too_small_is_corrected(tmp_path: Path) -> None:
    path = made_up(tmp_path / "a.taskcast.jsonl", 1, 1000, "overrun", ring=40)
    assert trailer_of(path)["ring"] == 40
    path.write_bytes(path.read_bytes().replace(b'"ring":40', b'"ring":4'))
    assert [finding.rule for finding in judged(path).findings] == ["ring"]
    assert trailer_of(fixed(path))["ring"] == 40


def test_an_incomplete_recording_is_no_fault_but_a_note(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.taskcast.jsonl", short_answer()[:5], complete=False, status="running"
    )
    answer = told("validate", path)
    assert answer["notes"] == ["the recording is incomplete: end"]


@settings(PROPERTY, max_examples=60)
@given(records=streams(), data=st.data(), packed=st.booleans())
def test_whatever_is_cut_off_can_be_mended(
    tmp_path: Path, records: list[Record], data: st.DataObject, packed: bool
) -> None:
    path = tmp_path / ("a.taskcast.jsonl" + ".gz" * packed)
    path.unlink(missing_ok=True)
    write(path, records)
    os.truncate(path, data.draw(st.integers(0, path.stat().st_size)))
    kept = [(each.code, each.payload) for each in records_of(fixed(path)) if each.code != "g"]
    expected = [(each.code, each.payload) for each in records if each.code != "g"]
    assert kept == expected[: len(kept)]


def test_the_mended_recording_may_go_to_standard_output(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    result = run("validate", path, "--fix")
    assert result.exit_code == 0
    assert result.stdout_bytes == whole
    assert "the last line is cut (mended)" in result.stderr
    assert run("validate", path, "--fix", "--json").exit_code == 2


def test_many_findings_are_counted_and_not_all_listed(tmp_path: Path) -> None:
    records = [e(2 * idx, idx) for idx in range(1, 1500)]
    path = write(tmp_path / "a.taskcast.jsonl", records, complete=False, status=None)
    answer = told("validate", path, "--file-only", code=1)
    assert (answer["count"], len(answer["findings"])) == (1499, 1000)
    assert "... and 499 more" in run("validate", path, "--file-only").stdout
