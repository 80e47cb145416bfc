"""The schema of recordings takes what the description shows and refuses what it forbids."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pollux import schemas
from pollux.replay.format import Code
from pollux.replay.recording import Recording
from tests.replay.support import event, short_answer

ROOT = Path(schemas.__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "schemas" / "recording.schema.json").read_text(encoding="utf-8"))
DESCRIPTION = ROOT / "docs" / "recording-format.md"


def valid(kind: str, value: Any) -> bool:
    schema = {"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}
    return Draft202012Validator(schema).is_valid(value)


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_example_of_the_description_is_a_recording(tmp_path: Path) -> None:
    [example] = re.findall(r"```\n(\{\"taskcast.*?)```", DESCRIPTION.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "example.taskcast.jsonl"
    path.write_text(example, encoding="utf-8")
    with Recording(path) as recording:
        assert valid("header", dict(recording.header.fields))
        for placed in recording.records():
            assert valid("record", json.loads(placed.line))
            assert Draft202012Validator(SCHEMA).is_valid(json.loads(placed.line))
        assert recording.warnings() == []
        assert recording.checksum_matches() is True


def test_the_description_names_every_code() -> None:
    text = DESCRIPTION.read_text(encoding="utf-8")
    assert [code for code in Code if f"| `{code}` |" not in text] == []


def test_it_takes_what_is_recorded() -> None:
    for record in short_answer():
        assert valid("record", [record.delta_ms, record.code, record.payload])


@pytest.mark.parametrize(
    "record",
    [
        [0, "z", None],
        [0, "unknown", {"e": 1}],
        [0, "m", "a word"],
        [0, "m", {"label": "a word", "more": 1}],
        [0, "e", {"idx": 0}],
        [0, "s", {"status": "melting", "ts": None}],
        [0, "h", {"kind": "another", "detail": ""}],
    ],
)
def test_what_later_writers_may_add_is_valid(record: Any) -> None:
    assert valid("record", record)


@pytest.mark.parametrize(
    "record",
    [
        [],
        [0, "e"],
        [0, "e", event(0, 0), 1],
        [-1, "e", event(0, 0)],
        [0.5, "e", event(0, 0)],
        [0, "", {}],
        [0, "e", {"type": "x"}],
        [0, "e", {"idx": -1}],
        [0, "s", {"status": "running"}],
        [0, "s", {"ts": 1}],
        [0, "p", {"from": 0}],
        [0, "g", {"from": 0, "to": 0, "reason": "x"}],
        [0, "m", 5],
        [0, "m", {}],
        [0, "h", {"kind": "status"}],
        [0, "x", {"complete": True}],
        [
            0,
            "x",
            {
                "complete": True,
                "reason": "end",
                "status": None,
                "counts": {},
                "ring": None,
                "sha256": "abc",
            },
        ],
    ],
)
def test_what_is_wrong_is_refused(record: Any) -> None:
    assert not valid("record", record)


@pytest.mark.parametrize(
    "header", [{}, {"taskcast": 2}, {"taskcast": 1, "ring": 0}, {"taskcast": 1, "request": "x"}]
)
def test_a_wrong_header_is_refused(header: Any) -> None:
    assert not valid("header", header)
