"""What a server answers becomes records; where it breaks its promises, that is noted."""

from typing import Any

import pytest

from pollux.replay.intake import BadAnswer, Entry, Intake
from tests.replay.support import CREATED_AT, event, ids


def answer(events: list[Any], status: str = "running", **more: Any) -> dict[str, Any]:
    known = [entry["idx"] for entry in events if isinstance(entry, dict) and "idx" in entry]
    return {
        "task_id": "t",
        "status": status,
        "created_at": CREATED_AT,
        "updated_at": events[-1]["ts"] if known else CREATED_AT,
        "error": None,
        "events": events,
        "next_offset": known[-1] + 1 if known else 0,
        **more,
    }


def codes(entries: list[Entry]) -> str:
    return "".join(str(code) for code, _ in entries)


def payloads(entries: list[Entry], code: str) -> list[dict[str, Any]]:
    return [payload for found, payload in entries if found == code]


def test_a_live_status_stands_before_the_events_and_an_end_behind_them() -> None:
    intake = Intake()
    assert codes(intake.accepted("pending", CREATED_AT)) == "s"
    first = intake.answered(0, answer([event(0, 10), event(1, 20)]), 3.4)
    assert codes(first) == "psee"
    assert payloads(first, "s") == [{"status": "running", "ts": event(0, 10)["ts"]}]
    assert payloads(first, "p") == [{"from": 0, "next": 2, "count": 2, "ms": 3}]
    last = intake.answered(2, answer([event(2, 30)], "failed", error="no", window_start=0), 1)
    assert codes(last) == "pes"
    assert payloads(last, "s") == [{"status": "failed", "ts": event(2, 30)["ts"], "error": "no"}]
    assert payloads(last, "p")[0]["window_start"] == 0
    assert intake.terminal
    assert intake.head == 3


def test_the_first_status_of_a_task_that_was_joined_is_as_old_as_the_task() -> None:
    entries = Intake().answered(0, answer([event(0, 500)]), 1)
    assert payloads(entries, "s") == [{"status": "running", "ts": CREATED_AT}]


def test_a_requested_cancel_stands_behind_the_events() -> None:
    intake = Intake()
    entries = intake.answered(0, answer([event(0, 10)], "cancel_requested"), 1)
    assert codes(entries) == "pes"


def test_an_end_is_never_before_the_last_event() -> None:
    entries = Intake().answered(0, answer([event(0, 90)], "succeeded", updated_at=CREATED_AT), 1)
    assert payloads(entries, "s")[0]["ts"] == event(0, 90)["ts"]


def test_the_same_status_is_told_once() -> None:
    intake = Intake()
    intake.answered(0, answer([]), 1)
    assert codes(intake.answered(0, answer([]), 1)) == "p"


def test_a_window_that_moved_on_is_a_gap_and_shows_the_size_of_the_buffer() -> None:
    intake = Intake()
    intake.answered(0, answer([event(0, 0)]), 1)
    entries = intake.answered(1, answer([event(idx, 9) for idx in range(50, 80)]), 1)
    assert codes(entries) == "pg" + "e" * 30
    assert payloads(entries, "g") == [{"from": 1, "to": 50, "reason": "evicted"}]
    assert (intake.lost, intake.ring, intake.head) == (49, 30, 80)


def test_the_start_of_the_window_shows_the_size_of_the_buffer() -> None:
    intake = Intake()
    intake.answered(0, answer([event(idx, 0) for idx in range(40)], window_start=0), 1)
    assert intake.ring is None
    intake.answered(40, answer([event(40, 0)], window_start=11), 1)
    assert intake.ring == 30


def test_a_hole_within_an_answer_is_a_gap_too() -> None:
    entries = Intake().answered(0, answer([event(0, 0), event(3, 0)]), 1)
    assert codes(entries) == "psege"
    assert payloads(entries, "g") == [{"from": 1, "to": 3, "reason": "hole"}]


def test_events_that_were_told_before_are_noted_and_left_out() -> None:
    intake = Intake()
    intake.answered(0, answer([event(0, 0), event(1, 0)]), 1)
    entries = intake.answered(2, answer([event(0, 0), event(1, 0), event(2, 0)]), 1)
    assert ids(payloads(entries, "e")) == [2]
    [anomaly] = payloads(entries, "h")
    assert (anomaly["kind"], anomaly["detail"]) == ("order", "2 events that were told before")


def test_an_event_without_an_idx_is_kept_as_an_anomaly() -> None:
    [*_, anomaly] = payloads(Intake().answered(0, answer([{"type": "x"}]), 1), "h")
    assert anomaly["event"] == {"type": "x"}


def test_a_next_offset_that_loses_events_is_noted_and_not_followed() -> None:
    intake = Intake()
    entries = intake.answered(0, answer([event(0, 0), event(1, 0)], next_offset=9), 1)
    assert payloads(entries, "h")[0]["detail"] == "next_offset is 9, the last event has idx 1"
    assert intake.head == 2


def test_events_behind_an_end_are_noted() -> None:
    intake = Intake()
    intake.answered(0, answer([event(0, 0)], "succeeded"), 1)
    entries = intake.answered(1, answer([event(1, 5)], "succeeded"), 1)
    assert codes(entries) == "phe"
    assert payloads(entries, "h")[0]["kind"] == "late"


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"status": 3, "events": []}, {"status": "running"}, answer([]) | {"events": {}}],
)
def test_what_is_no_task_is_refused_and_changes_nothing(data: Any) -> None:
    intake = Intake()
    with pytest.raises(BadAnswer):
        intake.answered(0, data, 1)
    assert (intake.head, intake.status) == (0, None)
