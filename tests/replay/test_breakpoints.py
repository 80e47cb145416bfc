"""Breakpoints: how they are written, and where a task stands still."""

import json
from pathlib import Path
from typing import Any

import pytest

from pollux.replay.breakpoints import BadBreakpoint, parse_breakpoint, parse_breakpoints
from pollux.replay.clock import ManualClock, PollClock, WallClock
from pollux.replay.format import Record
from pollux.replay.play import Play, Stop
from pollux.replay.timeline import Timeline
from tests.replay.support import CONVERSATION_ID, TASK_ID, ListSource, e, event, s, short_answer
from tests.replay.test_play import Seconds


def matches(text: str, told: dict[str, Any], head: int | None = None) -> bool:
    return parse_breakpoint(text).matches(told, told["idx"] if head is None else head)


def test_an_event_is_met_by_its_members() -> None:
    told = event(3, 0, "tool_start", name="write_file", tries=2, ok=True, none=None)
    told["data"]["tasks"] = [{"status": "open"}, {"status": "done it"}]
    for text in (
        "type=tool_start",
        "data.name=write_file",
        'data.name="write_file"',
        "data.tries=2",
        "data.ok=true",
        "data.ok",
        "data.tasks.0.status=open",
        'data.tasks.1.status="done it"',
        "  type=tool_start   data.tries=2 idx=3 ",
        "data.none=null",
    ):
        assert matches(text, told), text
    for text in (
        "type=tool",
        'data.tries="2"',
        "data.ok=1",
        "data.none",
        "data.absent",
        "data.tasks.2.status=open",
        "data.name.0=w",
        "type=tool_start data.tries=3",
        "idx=4",
    ):
        assert not matches(text, told), text


def test_an_idx_is_reached_even_if_it_was_lost_in_a_gap() -> None:
    assert matches("idx=5", event(9, 0), head=5)
    assert matches("idx=9", event(9, 0), head=5)
    assert not matches("idx=4", event(9, 0), head=5)
    assert not matches("idx=10", event(9, 0), head=5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "=3",
        ".data",
        "data.",
        "a..b",
        'type="x',
        'type="x"y',
        "idx=x",
        "idx=-1",
        'data.x="\\q"',
    ],
)
def test_a_bad_breakpoint_is_refused_with_what_is_right(text: str) -> None:
    with pytest.raises(BadBreakpoint) as caught:
        parse_breakpoint(text)
    assert "breakpoint" in str(caught.value)


def test_the_examples_of_the_documentation_can_be_read() -> None:
    text = (Path(__file__).parents[2] / "docs" / "replay.md").read_text(encoding="utf-8")
    block = text.split("### Breakpoints")[1].split("```")[1]
    lines = [line.split("   ")[0] for line in block.strip().splitlines()]
    assert len(lines) == 6
    parse_breakpoints(lines)


def play_of(records: list[Record], clock: Any, *breakpoints: str) -> Play:
    return Play(
        Timeline(ListSource(records)),
        clock,
        ring=1000,
        task_id=TASK_ID,
        conversation_id=CONVERSATION_ID,
        message={"message": "Hello"},
        breakpoints=parse_breakpoints(breakpoints),
    )


def head(play: Play) -> int:
    answer = play.poll(0)
    assert answer is not None
    next_offset: int = json.loads(answer)["data"]["next_offset"]
    return next_offset


def test_time_stops_behind_the_event_and_goes_on_from_there() -> None:
    seconds = Seconds()
    play = play_of(short_answer(), WallClock(1.0, seconds), "type=text_chunk")
    seconds.now += 0.625
    assert head(play) == 3
    moment = play.moment
    assert (moment.stop, moment.playing) == (Stop("type=text_chunk", 2), False)
    assert moment.position_ms == 400
    seconds.now += 60
    assert head(play) == 3
    play.tune(playing=True)
    assert play.moment.stop is None
    seconds.now += 0.25
    assert (head(play), play.position_ms) == (4, 600)
    play.stop_at(())
    play.tune(playing=True)
    seconds.now += 60
    assert head(play) == 6


def test_polls_and_steps_stop_there_too_but_seeking_does_not() -> None:
    play = play_of(short_answer(), PollClock(4), "idx=2")
    assert [head(play), head(play)] == [3, 3]
    play = play_of(short_answer(), ManualClock(), "idx=2", "idx=4")
    play.move(lambda cursor: cursor.step(10))
    assert (head(play), play.moment.stop) == (3, Stop("idx=2", 2))
    play.move(lambda cursor: cursor.advance_to(5000))
    assert (head(play), play.moment.stop) == (5, Stop("idx=4", 4))
    play.move(lambda cursor: cursor.seek(50))
    play.move(lambda cursor: cursor.seek(5000))
    assert (head(play), play.moment.stop) == (6, None)


def test_a_stopped_task_can_be_cancelled() -> None:
    play = play_of([e(0, 0), e(1, 10), s("succeeded", 20)], PollClock(9), "idx=0")
    assert head(play) == 1
    play.cancel()
    assert (head(play), play.state.status) == (2, "canceled")


def test_events_that_come_together_are_stopped_behind_as_a_whole() -> None:
    gap = Record(0, "g", {"from": 1, "to": 5, "reason": "evicted"})
    records = [e(0, 0), gap, e(5, 10), e(6, 20), s("succeeded", 30)]
    play = play_of(records, ManualClock(), "idx=3")
    play.move(lambda cursor: cursor.advance_to(5000))
    assert (head(play), play.moment.stop) == (7, Stop("idx=3", 5))
    assert not play.state.terminal
