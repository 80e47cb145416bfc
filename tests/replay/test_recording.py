"""Recordings open whatever happened to them, and say what is missing."""

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.replay.errors import DamagedRecording, NewerFormat, NotARecording, RecordingExists
from pollux.replay.format import Header, Record
from pollux.replay.recording import Recording
from pollux.replay.writer import RecordingWriter
from tests.replay.support import PROPERTY, header, json_values, s, short_answer, streams, write

NAMES = ["a.taskcast.jsonl", "a.taskcast.jsonl.gz"]
NO_TRAILER = "there is no trailer: the recording was cut off or is still being written"


def records_of(recording: Recording) -> list[Record]:
    return [placed.record for placed in recording.records()]


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_recording_opens_without_a_warning(tmp_path: Path, name: str) -> None:
    with Recording(write(tmp_path / name, short_answer(), ring=300)) as recording:
        assert recording.name == "a"
        assert recording.header.task_id == header().task_id
        assert records_of(recording)[:-1] == short_answer()
        assert recording.warnings() == []
        assert recording.checksum_matches() is True
        assert recording.ring == 300
        trailer = recording.trailer()
    assert trailer is not None
    assert trailer["counts"] == {"s": 3, "p": 1, "e": 6}


@settings(PROPERTY, max_examples=50)
@given(
    records=st.lists(
        st.builds(Record, st.integers(0, 99), st.text(min_size=1, max_size=2), json_values)
    ),
    fields=st.dictionaries(st.text(), json_values, max_size=3),
    name=st.sampled_from(NAMES),
)
def test_what_is_written_is_read(
    tmp_path: Path, records: list[Record], fields: dict[str, object], name: str
) -> None:
    path = tmp_path / name
    path.unlink(missing_ok=True)
    head = Header({**fields, "taskcast": 1})
    write(path, records, head=head, trailer=False)
    with Recording(path) as recording:
        assert recording.header.fields == head.fields
        assert records_of(recording) == records


def opens_with_a_warning(path: Path, records: list[Record]) -> None:
    whole_lines = path.read_bytes().count(b"\n")
    with Recording(path) as recording:
        assert recording.warnings()
        found = records_of(recording)[: len(records)]  # behind them may stand a trailer
    assert found == records[: len(found)]
    assert len(found) >= whole_lines - 1


def test_cut_at_any_byte_it_opens_with_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        opens_with_a_warning(path, short_answer())


@settings(PROPERTY, max_examples=100)
@given(records=streams(), data=st.data())
def test_any_recording_cut_anywhere_opens_with_a_warning(
    tmp_path: Path, records: list[Record], data: st.DataObject
) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    path.unlink(missing_ok=True)
    write(path, records)
    os.truncate(path, data.draw(st.integers(0, path.stat().st_size - 1)))
    opens_with_a_warning(path, records)


def test_cut_at_any_byte_a_compressed_recording_opens_with_a_warning(tmp_path: Path) -> None:
    data = write(tmp_path / "whole.taskcast.jsonl.gz", short_answer()).read_bytes()
    cut = tmp_path / "cut.taskcast.jsonl.gz"
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        with Recording(cut) as recording:
            assert recording.warnings()
            found = records_of(recording)
            assert found[: len(short_answer())] == short_answer()[: len(found)]


@settings(PROPERTY, max_examples=100)
@given(records=streams(), data=st.data())
def test_any_compressed_recording_cut_anywhere_opens_with_a_warning(
    tmp_path: Path, records: list[Record], data: st.DataObject
) -> None:
    path = tmp_path / "a.taskcast.jsonl.gz"
    path.unlink(missing_ok=True)
    write(path, records)
    os.truncate(path, data.draw(st.integers(0, path.stat().st_size - 1)))
    with Recording(path) as recording:
        assert recording.warnings()
        found = records_of(recording)[: len(records)]
    assert found == records[: len(found)]


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        (1, NO_TRAILER),
        (4, NO_TRAILER),
        (7, f"{NO_TRAILER}; what came after event 2 is missing"),
        (11, f"{NO_TRAILER}; the task's end (succeeded) is in it"),
    ],
)
def test_what_was_cut_off_says_what_is_missing(tmp_path: Path, lines: int, missing: str) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))
    with Recording(path) as recording:
        assert recording.warnings() == [missing]


def test_every_line_can_be_read_before_the_compressed_stream_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.taskcast.jsonl.gz"
    with RecordingWriter(path) as writer:
        writer.begin(header())
        for number, record in enumerate(short_answer(), start=1):
            writer.write(record)
            writer.flush()
            with Recording(path) as recording:
                assert records_of(recording) == short_answer()[:number]


def test_a_damaged_compressed_stream_gives_what_can_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl.gz", short_answer())
    data = bytearray(path.read_bytes())
    data[-1] ^= 0xFF  # the length at the very end: the text itself is whole
    path.write_bytes(data)
    with Recording(path) as recording:
        [warning, *_] = recording.warnings()
        assert "damaged" in warning


def test_garbage_behind_a_compressed_stream_is_told_and_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl.gz", short_answer())
    path.write_bytes(path.read_bytes() + b"garbage")
    with Recording(path) as recording:
        [warning] = recording.warnings()
        assert "damaged" in warning
        assert records_of(recording)[:-1] == short_answer()


def test_joined_gzip_files_are_one_text(tmp_path: Path) -> None:
    text = write(tmp_path / "a.taskcast.jsonl", short_answer()).read_bytes()
    path = tmp_path / "b.taskcast.jsonl.gz"
    path.write_bytes(gzip.compress(text[:700]) + gzip.compress(text[700:]))
    with Recording(path) as recording:
        assert records_of(recording)[:-1] == short_answer()
        assert recording.warnings() == []
        assert recording.checksum_matches() is True


def test_a_large_compressed_recording_is_read_from_anywhere(tmp_path: Path) -> None:
    # Larger than what is held in memory, and than one block.
    big = [Record(1, "m", {"label": f"{number:07}" * 100}) for number in range(8_000)]
    with Recording(write(tmp_path / "a.taskcast.jsonl.gz", big)) as recording:
        places = [placed.end for placed in recording.records()]
        placed = next(recording.records(places[6_999]))
    assert placed.record == big[7_000]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_followed_while_it_is_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with RecordingWriter(path) as writer:
        writer.begin(header())
        with Recording(path) as recording:
            assert recording.warnings()[-1] == NO_TRAILER
            writer.write(s("running", 0))
            writer.flush()
            [first] = recording.records()
            writer.write(s("succeeded", 5))
            writer.flush()
            [second] = recording.records(first.end)
            writer.finish(0, complete=True, reason="end")
            assert second.record.payload["status"] == "succeeded"
            assert recording.warnings() == []


def test_a_half_written_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [s("running", 0)], trailer=False)
    with Recording(path) as recording, path.open("ab") as file:
        file.write(b'[5,"m","on')
        file.flush()
        [first] = recording.records()
        file.write(b'e"]\n')
        file.flush()
        [second] = recording.records(first.end)
    assert second.record == Record(5, "m", "one")


def test_a_last_line_that_lacks_only_its_end_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    with Recording(path) as recording:
        assert recording.trailer() is not None
        assert recording.warnings() == ["the last line has no line end"]


def test_comments_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    path.write_bytes(b'{"taskcast":1}\n# a remark\n\n[1,"m","one"]\n  \n#[2,"m","no"]\n')
    with Recording(path) as recording:
        assert records_of(recording) == [Record(1, "m", "one")]


def test_a_trailer_longer_than_a_block_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer(), reason="x" * 50_000)
    with Recording(path) as recording:
        trailer = recording.trailer()
    assert trailer is not None
    assert len(trailer["reason"]) == 50_000


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = b'[0,"e",{"idx":0,\n'
    path.write_bytes(b"".join(lines))
    with Recording(path) as recording, pytest.raises(DamagedRecording, match="line 5") as caught:
        records_of(recording)
    assert caught.value.line == 5


def test_a_changed_file_does_not_match_its_checksum(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    path.write_bytes(path.read_bytes().replace(b"Hello there", b"Hallo there"))
    with Recording(path) as recording:
        assert recording.checksum_matches() is False


def test_without_a_trailer_there_is_nothing_to_compare(tmp_path: Path) -> None:
    with Recording(write(tmp_path / "a.taskcast.jsonl", [], trailer=False)) as recording:
        assert recording.checksum_matches() is None


def test_an_incomplete_recording_says_why(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [], complete=False, reason="vanished")
    with Recording(path) as recording:
        assert recording.warnings() == ["the recording is incomplete: vanished"]


def test_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    path.write_text('{"taskcast":2}\n')
    with pytest.raises(NewerFormat, match="use a newer pollux"):
        Recording(path)


@pytest.mark.parametrize("data", [b"\n", b"[]\n", b"hello", b"{}\n", b'{"a":1}', b"\x1f\x8b"])
def test_another_file_is_no_recording(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    path.write_bytes(data)
    with pytest.raises(NotARecording, match="taskcast"):
        Recording(path)


def test_an_existing_file_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    before = path.read_bytes()
    with pytest.raises(RecordingExists, match="--force"):
        RecordingWriter(path)
    assert path.read_bytes() == before
    with RecordingWriter(path, force=True):
        pass  # nothing was begun: nothing is lost
    assert path.read_bytes() == before
    with RecordingWriter(path, force=True) as writer:
        writer.begin(header())
    assert len(path.read_bytes().splitlines()) == 1


def test_a_new_file_without_a_header_is_removed(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "a.taskcast.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_lines_are_compact_json(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [Record(5, "m", {"label": "é"})])
    line = path.read_text(encoding="utf-8").splitlines()[1]
    assert line == json.dumps([5, "m", {"label": "é"}], ensure_ascii=False, separators=(",", ":"))
