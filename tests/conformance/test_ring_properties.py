"""Polls by chance: the edges of the window they come to, and servers that are wrong only there."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pollux.conformance.effort import Budget, Effort
from pollux.conformance.machine.play import Step
from pollux.conformance.machine.polls import BAD, offset_of
from pollux.conformance.outcome import Outcome
from tests.conformance.machine_workshop import RING, judged
from tests.conformance.workshop import (
    BUFFER_SIZE,
    Answer,
    Inner,
    Request,
    Twist,
    Workshop,
    failure,
    having,
)

_DECLARED = {
    "RING-WINDOW-KEPT",
    "RING-WINDOW-BOUNDED",
    "RING-BELOW-WINDOW",
    "POLL-OFFSET-COMPLETE",
    "POLL-OFFSET-GAPLESS",
    "POLL-OFFSET-RESPECTED",
    "POLL-EVENT-IMMUTABLE",
    "POLL-NEXT-OFFSET",
    "POLL-FROM-INVALID",
    "POLL-FROM-PAST-END",
    "POLL-CONCURRENT-SUCCEEDS",
    "POLL-CONCURRENT-AGREES",
}
_LIVE = ("running", "pending")


def _near(mark: int, by: int) -> Step:
    return Step("near", {"mark": mark, "by": by})


@pytest.mark.parametrize(
    ("move", "head", "offset"),
    [
        (Step("follow"), 300, 17),
        (_near(0, -1), 300, 0),
        (_near(1, -1), 300, 99),
        (_near(1, 1), 300, 101),
        (_near(1, 0), 150, 0),
        (_near(2, 0), 300, 200),
        (_near(3, 1), 300, 301),
        (Step("within", {"percent": 0}), 300, 100),
        (Step("within", {"percent": 99}), 300, 298),
        (Step("far", {"far": 0}), 300, 1300),
        (Step("bad", {"bad": 0}), 300, "-1"),
        (Step("missing"), 300, None),
    ],
)
def test_a_move_is_an_offset_beside_the_window(
    move: Step, head: int, offset: int | str | None
) -> None:
    assert offset_of(move, 17, head, 200) == offset


def test_the_reference_server_is_polled_at_every_edge(workshop: Workshop) -> None:
    heads: set[int] = set()
    asked: set[str] = set()

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.is_poll:
            asked.add(request.query)
        if request.is_poll and answer.ok and answer.json["data"]["status"] in _LIVE:
            heads.add(answer.json["data"]["next_offset"])
        return answer

    report = judged(workshop, twist, RING)
    assert having(report, Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR) == set()
    assert having(report, Outcome.PASS) >= _DECLARED
    edges = {edge + by for edge in (BUFFER_SIZE, 2 * BUFFER_SIZE) for by in (-1, 0, 1)}
    assert heads >= edges
    assert any(query in asked for query in (f"from={bad}" for bad in BAD))


def test_a_thorough_run_goes_further(workshop: Workshop) -> None:
    heads: set[int] = set()

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.is_poll and answer.ok and answer.json["data"]["status"] in _LIVE:
            heads.add(answer.json["data"]["next_offset"])
        return answer

    budget = Budget(Effort.THOROUGH, examples=4)
    report = judged(workshop, twist, RING, budget=budget)
    assert having(report, Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR) == set()
    assert heads >= {5 * BUFFER_SIZE + by for by in range(-3, 4)}


Data = dict[str, Any]


def _polls(change: Callable[[Data, int], object]) -> Callable[[], Twist]:
    """Make a twist that changes the answers to polls, by the number of events there are."""

    def make() -> Twist:
        def twist(request: Request, inner: Inner) -> Answer:
            answer = inner(request)
            if request.is_poll and answer.ok:
                body = answer.json
                environ = request.environ | {"QUERY_STRING": "from=999999999"}
                head = inner(Request(environ)).json["data"]["next_offset"]
                change(body["data"], head)
                answer.json = body
            return answer

        return twist

    return make


def _from(data: Data, first: int) -> None:
    data["events"] = [event for event in data["events"] if event["idx"] >= first]
    data["window_start"] = max(data["window_start"], first)


def _loses_the_first_at_the_second_round(data: Data, head: int) -> None:
    """Keep one event too few when the ring has just gone round twice, and at no other time."""
    if head == 2 * BUFFER_SIZE and data["status"] in _LIVE:
        _from(data, head - BUFFER_SIZE + 1)


def _sees_nothing_when_the_ring_is_just_full(data: Data, head: int) -> None:
    """Take a full ring for an empty one."""
    if head == BUFFER_SIZE and data["status"] in _LIVE and data["window_start"] == 0:
        first = data["events"][0]["idx"] if data["events"] else -1
        if first == 0:
            data["events"] = []
            data["next_offset"] = 0


def _counts_on_at_the_end(data: Data, head: int) -> None:
    """Count one too many where exactly one event is asked for, once the window has moved."""
    if len(data["events"]) == 1 and head > BUFFER_SIZE and data["status"] in _LIVE:
        data["next_offset"] += 1


def _reads_the_first_number() -> Twist:
    """Read a `from` as far as it is a number."""

    def twist(request: Request, inner: Inner) -> Answer:
        if request.is_poll and request.query in ("from=1%2C2", "from=1.5"):
            request.query = "from=1"
        return inner(request)

    return twist


def _busy_under_load() -> Twist:
    """Refuse polls of a live task that come in the same moment, once the window moves."""
    inside = 0
    change = threading.Condition()

    def twist(request: Request, inner: Inner) -> Answer:
        nonlocal inside
        answer = inner(request)
        if not request.is_poll or not answer.ok or not answer.json["data"]["window_start"]:
            return answer
        with change:
            inside += 1
            change.notify_all()
            # Each waits for company, so that polls of the same moment do meet.
            crowded = change.wait_for(lambda: inside > 1, timeout=0.05)
            inside -= 1
        return failure(400) if crowded else answer

    return twist


@dataclass(frozen=True)
class _Fault:
    twist: Callable[[], Twist]
    red: str


_FAULTS = {
    "loses the first at the second round": _Fault(
        _polls(_loses_the_first_at_the_second_round), "RING-WINDOW-KEPT"
    ),
    "sees nothing when just full": _Fault(
        _polls(_sees_nothing_when_the_ring_is_just_full), "POLL-OFFSET-COMPLETE"
    ),
    "counts on at the end": _Fault(_polls(_counts_on_at_the_end), "POLL-NEXT-OFFSET"),
    "reads the first number": _Fault(_reads_the_first_number, "POLL-FROM-INVALID"),
}


@pytest.mark.parametrize("name", _FAULTS)
def test_a_fault_at_an_edge_is_shown_by_few_polls(workshop: Workshop, name: str) -> None:
    fault = _FAULTS[name]
    report = judged(workshop, fault.twist(), RING, budget=Budget(examples=20))
    assert fault.red in having(report, Outcome.FAIL)
    assert not report.having(Outcome.HARNESS_ERROR)
    row = next(row for row in report.having(Outcome.FAIL) if row.id == fault.red)
    plans = [item for item in row.evidence if "polls: " in item.message]
    own = not plans or min(len(item.exchanges) for item in plans) <= 2
    assert own, [item.message for item in plans]


def test_polls_that_are_refused_at_the_same_moment_are_seen(workshop: Workshop) -> None:
    report = judged(workshop, _busy_under_load(), RING)
    assert "POLL-CONCURRENT-SUCCEEDS" in having(report, Outcome.FAIL)
    assert not report.having(Outcome.HARNESS_ERROR)
