"""Whatever lasting faults do to a task: it tells one story, however it is asked."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pollux.replay.faults.story import Hold, Story
from tests.replay.support import PROPERTY, event, ids


class Recorded:
    """A server that has told its first HEAD events, and keeps the last RING of them."""

    def __init__(self, ring: int) -> None:
        self.ring = ring
        self.head = 0
        self.ended = False

    def answer(self, offset: int) -> dict[str, Any]:
        start = max(0, self.head - self.ring)
        events = [event(idx, idx * 10) for idx in range(max(offset, start), self.head)]
        data = {
            "status": "succeeded" if self.ended else "running",
            "updated_at": event(0, max(0, self.head - 1) * 10)["ts"],
            "error": None,
            "events": events,
            "next_offset": self.head,
            "window_start": start,
        }
        return {"success": True, "data": data}


def ask(server: Recorded, story: Story, offset: int) -> tuple[dict[str, Any], bool]:
    told = story.tell(server.answer(story.true_offset(offset)), offset)
    return told.data, told.lawful


actions = st.lists(
    st.one_of(
        st.tuples(st.just("more"), st.integers(1, 6)),
        st.tuples(st.just("poll"), st.integers(0, 40)),
        st.tuples(st.just("follow"), st.just(0)),
        st.tuples(st.just("add"), st.just(0)),
        st.tuples(st.just("evict"), st.integers(0, 40)),
        st.tuples(st.just("empty"), st.integers(1, 3)),
        st.tuples(st.just("batch"), st.integers(1, 6)),
        st.tuples(st.just("late"), st.integers(1, 3)),
    ),
    max_size=40,
)


def change(story: Story, server: Recorded, what: str, number: int) -> None:
    if what == "add":
        story.add({"type": "unknown", "data": {"number": story.head}}, server.head)
    elif what == "evict":
        story.floor = max(story.floor, min(number, story.told_number(server.head)))
    elif what == "empty":
        story.holds.append(Hold(story.head, polls=number))
    elif what == "batch":
        story.holds.append(Hold(story.head, events=number))
    elif what == "late":
        story.late_polls += number


@PROPERTY
@given(actions, st.integers(1, 12))
def test_all_answers_tell_the_same_story(steps: list[tuple[str, int]], ring: int) -> None:
    server, story = Recorded(ring), Story()
    seen: dict[int, dict[str, Any]] = {}
    known = 0
    for what, number in steps:
        if what == "more":
            server.head += number
            continue
        change(story, server, what, number)
        offset = min(number, story.head) if what == "poll" else known
        data, lawful = ask(server, story, offset)
        told = ids(data["events"])
        assert lawful
        assert told == list(range(told[0], told[0] + len(told))) if told else True
        assert all(data["window_start"] <= idx and offset <= idx for idx in told)
        assert not told or data["next_offset"] == told[-1] + 1
        assert offset <= data["next_offset"] <= story.told_number(server.head)
        times = [entry["ts"] for entry in data["events"]]
        assert times == sorted(times)
        for entry in data["events"]:
            assert seen.setdefault(entry["idx"], entry) == entry
        known = data["next_offset"]


@PROPERTY
@given(actions)
def test_who_follows_next_offset_gets_every_event_once(steps: list[tuple[str, int]]) -> None:
    server, story = Recorded(10_000), Story()
    told: list[dict[str, Any]] = []
    offset = 0
    data: dict[str, Any] = {}
    for what, number in [*steps, ("end", 0)] + [("follow", 0)] * 200:
        if what == "more":
            server.head += number
        elif what == "end":
            server.ended = True
        elif what != "evict":
            change(story, server, what, number)
            data, _ = ask(server, story, offset)
            told += data["events"]
            offset = data["next_offset"]
    assert data["status"] == "succeeded"
    assert ids(told) == list(range(len(told)))
    recorded = [entry["data"] for entry in told if entry["type"] != "unknown"]
    assert recorded == [event(idx, 0)["data"] for idx in range(server.head)]
