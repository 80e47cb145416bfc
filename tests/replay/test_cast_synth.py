"""What is made up could have been: valid, the same for the same seed, and hard on a client."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.replay.cast.letters import TORTURE
from pollux.replay.recording import Recording
from pollux.replay.timeline import Timeline
from tests.replay.cast_support import events_of, judged, made_up, records_of, shaped, trailer_of
from tests.replay.support import PROPERTY, ids

SCENES = ["talk", "burst", "overrun", "thinking", "tools", "unicode"]


@settings(PROPERTY, max_examples=50)
@given(
    seed=st.integers(),
    events=st.integers(2, 600),
    scenes=st.lists(st.sampled_from(SCENES), max_size=3),
    ring=st.integers(1, 100),
)
def test_what_is_made_up_is_valid_and_the_same_each_time(
    tmp_path: Path, seed: int, events: int, scenes: list[str], ring: int
) -> None:
    path = made_up(tmp_path / "a.taskcast.jsonl", seed, events, *scenes, ring=ring)
    again = made_up(tmp_path / "b.taskcast.jsonl", seed, events, *scenes, ring=ring)
    assert path.read_bytes() == again.read_bytes()
    assert judged(path).findings == []
    assert events_of(path)[-1]["idx"] == events - 1


def test_these_bytes_never_change() -> None:
    # Whoever keeps a seed instead of a file relies on it.
    text = shaped("synth", "--seed", 7, "--events", 300)
    assert text.splitlines()[-1].endswith(PINNED + b'"}]')


PINNED = b"75bdf605297394b38304ee3de9317aa2ea4c4b8add22af6327192cedf97a4ca4"


def test_another_seed_makes_another_recording() -> None:
    assert shaped("synth", "--seed", 1, "--events", 50) != shaped(
        "synth", "--seed", 2, "--events", 50
    )


def test_all_scenes_come_in_one_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    shaped("synth", "--seed", 1, "-o", path)
    events = events_of(path)
    types = [event["type"] for event in events]
    assert types.count("tool_start") > 15
    assert types.count("thinking_chunk") > 50
    pauses = [after["ts"] - before["ts"] for before, after in pairwise(events)]
    assert max(pauses) > 5
    text = "".join(event["data"].get("content", "") for event in events if "chunk" in event["type"])
    assert "\0" in text
    assert "\u200d" in text
    assert any(record.code == "g" for record in records_of(path))
    assert trailer_of(path)["ring"] == 1000


@pytest.mark.parametrize("ring", [1, 30])
def test_an_overrun_loses_events_and_shows_the_ring(tmp_path: Path, ring: int) -> None:
    path = made_up(tmp_path / "a.taskcast.jsonl", 1, 500, "overrun", ring=ring)
    gaps = [record.payload for record in records_of(path) if record.code == "g"]
    assert gaps
    assert {gap["reason"] for gap in gaps} == {"evicted"}
    assert trailer_of(path)["ring"] == ring


def test_without_an_overrun_every_event_is_there(tmp_path: Path) -> None:
    path = made_up(tmp_path / "a.taskcast.jsonl", 1, 3000, "talk", "tools", ring=1000)
    assert ids(events_of(path)) == list(range(3000))


def test_it_can_be_played(tmp_path: Path) -> None:
    path = made_up(tmp_path / "a.taskcast.jsonl.gz", 4, 700)
    with Recording(path) as recording:
        cursor = Timeline(recording).cursor(recording.ring)
        cursor.advance_to(float("inf"))
        assert (cursor.state.head, cursor.state.status) == (700, "succeeded")


def test_the_hard_pieces_are_text_that_json_can_carry() -> None:
    for piece in TORTURE:
        assert piece
        piece.encode()
