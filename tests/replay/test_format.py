"""The lines of a recording survive writing and reading, whatever they hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.replay.format import (
    Deltas,
    Header,
    LineError,
    Record,
    header_line,
    parse_header,
    parse_record,
    payload_bytes,
    record_line,
)
from tests.replay.support import json_values

records = st.builds(
    Record, st.integers(0, 2**40), st.text(st.characters(), min_size=1, max_size=3), json_values
)


@given(records)
def test_a_record_survives_its_line_whatever_its_code(record: Record) -> None:
    line = record_line(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parse_record(line) == record


def test_lone_surrogates_survive() -> None:
    record = Record(0, "e", {"content": "\ud83d"})
    assert parse_record(record_line(record)) == record


@given(records)
def test_the_payload_is_handed_on_as_it_is_spelled(record: Record) -> None:
    assert json.loads(payload_bytes(record_line(record))) == record.payload


def test_the_payload_keeps_a_spelling_that_json_libraries_change() -> None:
    spelled = b'{"idx": 3, "ts": 1.50e3, "data": {"text": "]\\u0041"}}'
    line = b'[ 12 , "e" ,  ' + spelled + b" ]\n"
    assert parse_record(line).payload["ts"] == 1500.0
    assert payload_bytes(line) == spelled


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_a_header_keeps_fields_that_nobody_knows(fields: dict[str, object]) -> None:
    header = Header({**fields, "taskcast": 1})
    assert parse_header(header_line(header)).fields == header.fields


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b'[1,"e"]',
        b'[1,"e",{},0]',
        b'[-1,"e",{}]',
        b'[1.5,"e",{}]',
        b'[true,"e",{}]',
        b'["1","e",{}]',
        b'[1,"",{}]',
        b"[1,2,{}]",
        b'[1,"e",NaN]',
        b'[1,"e",1e999]',
        b'[1,"e",{}',
        b'[1,"e","\xff"]',
        b"[" * 100_000,
        b'[1,"e",' + b"9" * 10_000 + b"]",
    ],
)
def test_what_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(LineError):
        parse_record(line)


@pytest.mark.parametrize("line", [b"[]", b"{}", b'{"taskcast":"1"}', b'{"taskcast":0}', b"x"])
def test_what_is_no_header_is_refused(line: bytes) -> None:
    with pytest.raises(LineError):
        parse_header(line)


def test_fields_of_the_wrong_type_count_as_missing() -> None:
    header = Header(
        {"taskcast": 1, "recorded_at": "now", "task": 3, "request": [], "ring": -1, "models": {}}
    )
    assert header.recorded_at is None
    assert header.task_id is None
    assert header.created_at is None
    assert header.request == {}
    assert header.ring is None
    assert header.models is None


@given(st.lists(st.floats(0, 1e6), max_size=200).map(sorted))
def test_deltas_do_not_drift(times: list[float]) -> None:
    deltas = Deltas()
    total = 0
    for seconds in times:
        total += deltas.at(seconds)
        assert total == round(seconds * 1000)


def test_a_time_that_goes_back_makes_a_delta_of_zero() -> None:
    deltas = Deltas()
    assert [deltas.at(t) for t in (1.0, 0.5, 1.001)] == [1000, 0, 1]
