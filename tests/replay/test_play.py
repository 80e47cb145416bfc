"""One task of the replay server, without HTTP: its clock, moves by hand, cancel and rewind."""

import json
import threading
from typing import Any

from pollux.replay.clock import Clock, ManualClock, WallClock
from pollux.replay.format import Record
from pollux.replay.play import Play
from pollux.replay.timeline import Timeline
from tests.replay.support import (
    CONVERSATION_ID,
    CREATED_AT,
    TASK_ID,
    ListSource,
    e,
    ids,
    s,
    short_answer,
)


class Seconds:
    """A clock that is set by hand."""

    now = 50.0

    def __call__(self) -> float:
        return self.now


def play_of(records: list[Record], clock: Clock, ring: int = 1000) -> Play:
    return Play(
        Timeline(ListSource(records)),
        clock,
        ring=ring,
        task_id=TASK_ID,
        conversation_id=CONVERSATION_ID,
        message={"message": "Hello"},
    )


def polled(play: Play, offset: int = 0) -> dict[str, Any]:
    answer = play.poll(offset)
    assert answer is not None
    data: dict[str, Any] = json.loads(answer)["data"]
    return data


def test_time_goes_on_from_where_the_task_was_moved_to() -> None:
    seconds = Seconds()
    play = play_of(short_answer(), WallClock(2.0, seconds))
    seconds.now += 0.15625
    assert polled(play)["next_offset"] == 2
    play.move(lambda cursor: cursor.seek(50))
    assert polled(play)["next_offset"] == 0
    seconds.now += 0.03125
    assert polled(play)["next_offset"] == 1
    play.move(lambda cursor: cursor.seek_event(4))
    assert (polled(play)["next_offset"], play.position_ms) == (5, 700)
    seconds.now += 0.15625
    assert (polled(play)["next_offset"], polled(play)["status"]) == (6, "succeeded")


def test_the_end_is_reached_at_once_and_has_a_time() -> None:
    play = play_of(short_answer(), ManualClock())
    play.move(lambda cursor: cursor.advance_to(float("inf")))
    assert (polled(play)["status"], play.position_ms) == ("succeeded", 1000)


def test_rewinding_undoes_a_cancel() -> None:
    play = play_of(short_answer(), ManualClock())
    play.move(lambda cursor: cursor.advance_to(400))
    play.cancel()
    assert not play.live
    assert [event["type"] for event in play.events()][-1] == "task_stopped"
    play.move(lambda cursor: cursor.advance_to(5000))
    assert polled(play)["status"] == "canceled"
    play.move(lambda cursor: cursor.seek(300))
    assert play.live
    assert ids(play.events()) == [0, 1]
    play.move(lambda cursor: cursor.advance_to(5000))
    assert polled(play)["events"] == [r.payload for r in short_answer() if r.code == "e"]


def test_a_cancel_right_after_the_send_ends_an_empty_stream() -> None:
    play = play_of([s("pending", 0), e(0, 500)], ManualClock())
    play.cancel()
    data = polled(play)
    assert (data["status"], data["created_at"]) == ("canceled", CREATED_AT)
    assert [(event["idx"], event["type"]) for event in data["events"]] == [(0, "task_stopped")]
    assert data["events"][0]["ts"] >= CREATED_AT


def test_polls_at_once_tell_the_same_story() -> None:
    records = [e(idx, idx // 10) for idx in range(5000)]
    seconds = Seconds()
    play = play_of(records, WallClock(1.0, seconds), ring=10_000)
    stories: list[list[int]] = [[] for _ in range(4)]
    start = threading.Barrier(5)

    def follow(story: list[int]) -> None:
        start.wait()
        while len(story) < 5000:
            story += ids(polled(play, len(story))["events"])

    threads = [threading.Thread(target=follow, args=(story,)) for story in stories]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        seconds.now += 0.01
        threads[0].join(0.001)
    assert stories == [list(range(5000))] * 4
