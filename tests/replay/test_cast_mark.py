"""Markers are set, listed and taken away; everything else stays."""

from pathlib import Path

import pytest

from pollux.replay.format import Record
from tests.replay.cast_support import judged, made_up, records_of, run, told
from tests.replay.support import short_answer, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "a.taskcast.jsonl", short_answer())


def marked(path: Path, *how: object) -> Path:
    out = path.with_name("marked.taskcast.jsonl")
    result = run("mark", path, "--add", "here", *how, "-o", out, "--force")
    assert result.exit_code == 0, result.output
    assert judged(out).findings == []
    return out


@pytest.mark.parametrize(
    ("how", "next_idx"),
    [
        (("--idx", 0), 0),
        (("--idx", 4), 4),
        (("--time", "600ms"), 3),
        (("--time", "601ms"), 4),
        (("--time", 0), None),
        (("--time", "1ms", "--clock", "arrival"), None),
    ],
)
def test_a_marker_stands_right_before_its_place(
    path: Path, how: tuple[object, ...], next_idx: int | None
) -> None:
    out = marked(path, *how)
    records = records_of(out)
    [place] = [n for n, record in enumerate(records) if record.code == "m"]
    assert records[place].payload == {"label": "here"}
    if next_idx is not None:
        assert records[place + 1].payload["idx"] == next_idx
    del records[place]
    assert [record.payload for record in records] == [r.payload for r in short_answer()]


def test_a_marker_splits_the_time_of_arrival(path: Path) -> None:
    records = records_of(marked(path, "--time", "1ms", "--clock", "arrival"))
    assert [record.delta_ms for record in records[:3]] == [0, 1, 2]


def test_markers_are_listed(tmp_path: Path) -> None:
    records = short_answer()
    records.insert(4, Record(0, "m", "one"))
    records.insert(8, Record(0, "m", {"label": "two", "more": 1}))
    path = write(tmp_path / "a.taskcast.jsonl", records)
    assert told("mark", path)["markers"] == [
        {"label": "one", "idx": 1, "seconds": 0.1, "arrival_seconds": 0.003, "line": 6},
        {"label": "two", "idx": 4, "seconds": 0.6, "arrival_seconds": 0.003, "line": 10},
    ]
    assert run("mark", path).stdout.splitlines()[1].split() == [
        *("0.600", "s", "before", "event", "4", "two")
    ]


def test_a_marker_is_taken_away_and_nothing_else(path: Path) -> None:
    out = marked(path, "--idx", 3)
    result = run("mark", out, "--remove", "here")
    assert result.stdout_bytes == path.read_bytes()
    result = run("mark", path, "--remove", "here")
    assert result.exit_code == 2
    assert "there is no marker 'here'" in result.stderr


@pytest.mark.parametrize("how", [("--idx", 6), ("--time", "1h")])
def test_a_place_behind_the_end_is_refused(path: Path, how: tuple[object, ...]) -> None:
    result = run("mark", path, "--add", "late", *how)
    assert result.exit_code == 2
    assert "ends before" in result.stderr


def test_a_part_may_begin_and_end_at_markers(tmp_path: Path) -> None:
    path = made_up(tmp_path / "a.taskcast.jsonl", 1, 200, "talk")
    one, two = tmp_path / "1.taskcast.jsonl", tmp_path / "2.taskcast.jsonl"
    assert run("mark", path, "--add", "a", "--idx", 50, "-o", one).exit_code == 0
    assert run("mark", one, "--add", "b", "--idx", 60, "-o", two).exit_code == 0
    part = run("cut", two, "--from-marker", "a", "--to-marker", "b")
    kept = run("events", "-", "--json", data=part.stdout_bytes).stdout.splitlines()
    assert len(kept) == 10
