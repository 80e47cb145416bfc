"""What answers about one task must agree on: silent on right servers, precise on wrong ones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.polling import answers, invariants
from pollux.polling.invariants import TaskInvariants
from pollux.schemas.requirements import load_requirements
from tests.polling.exchanges import Notebook, exchange
from tests.polling.simulated import CREATED, TASK_ID, SimulatedTask

Data = dict[str, Any]


def test_every_rule_that_may_be_charged_is_in_the_catalogue() -> None:
    known = load_requirements()
    assert {rule for rule in answers.rules() | invariants.rules() if rule not in known} == set()


class _Watch:
    def __init__(self, ring: int = 1000) -> None:
        self.notebook = Notebook()
        self.invariants = TaskInvariants(TASK_ID, self.notebook, ring=ring)

    def see(self, task: SimulatedTask, asked: int, **changes: Any) -> None:
        self.invariants.observe(task.answer({**task.data(asked), **changes}), asked)


_STEPS = st.tuples(
    st.integers(0, 15),
    st.lists(st.sampled_from(["follow", "start", "past", "back"]), max_size=4),
)


@given(
    ring=st.sampled_from([3, 10, 1000]),
    echo=st.booleans(),
    tell_window=st.booleans(),
    chunks=st.integers(0, 40),
    steps=st.lists(_STEPS, max_size=8),
    status=st.sampled_from(["succeeded", "failed", "canceled"]),
)
def test_a_right_server_is_never_charged_however_it_is_polled(
    ring: int,
    echo: bool,
    tell_window: bool,
    chunks: int,
    steps: list[tuple[int, list[str]]],
    status: str,
) -> None:
    task = SimulatedTask(ring=ring, echo=echo, tell_window=tell_window)
    story = SimulatedTask()
    story.say(chunks)
    if status == "failed":
        story.events[-1] |= {"type": "error", "data": {"message": "no"}}
    watch = _Watch(ring)
    offset = 0
    for new, polls in [*steps, (len(story.events), ["follow", "follow", "start", "back"])]:
        task.events += story.events[len(task.events) :][:new]
        if len(task.events) == len(story.events):
            task.status, task.error = status, "no" if status == "failed" else None
        for kind in polls:
            asked = {
                "follow": offset,
                "start": 0,
                "past": len(task.events) + 2,
                "back": max(0, offset - 5),
            }[kind]
            poll = watch.invariants.observe(task.poll(asked), asked)
            assert poll is not None
            if kind == "follow":
                offset = poll.next_offset or 0
    assert watch.invariants.questions == []
    watch.invariants.settle()
    assert watch.notebook.broken == set()
    assert watch.notebook.held_rules >= {"POLL-SHAPE", "POLL-NEXT-OFFSET", "POLL-TS-ORDERED"}


def test_a_whole_story_gives_every_rule_something_to_look_at() -> None:
    watch, task = _Watch(ring=20), SimulatedTask(ring=20)
    watch.see(task, 0)
    task.add("ai_message_start")
    watch.see(task, 0)
    watch.see(task, 1)
    task.events.clear()
    task.say(30)
    for asked in (0, 25, 35, 40):
        watch.see(task, asked)
    task.status = "succeeded"
    watch.see(task, 34)
    watch.see(task, 34)
    watch.invariants.settle()
    assert watch.notebook.broken == set()
    assert watch.notebook.held_rules >= {
        "POLL-IDX-START",
        "POLL-EVENTS-ORDERED",
        "POLL-EVENT-IMMUTABLE",
        "POLL-OFFSET-GAPLESS",
        "POLL-NEXT-OFFSET",
        "POLL-NEXT-OFFSET-EMPTY",
        "POLL-NEXT-OFFSET-NOT-BACK",
        "POLL-TERMINAL-COMPLETE",
        "RING-BELOW-WINDOW",
        "RING-WINDOW-BOUNDED",
        "RING-WINDOW-KEPT",
        "RING-WINDOW-START-TRUE",
        "TASK-SUCCESS-WITHOUT-ERROR",
        "TASK-TERMINAL-FOREVER",
    }


def _ended(chunks: int = 5, **settings: Any) -> SimulatedTask:
    task = SimulatedTask(**settings)
    task.say(chunks)
    task.status = "succeeded"
    return task


def test_an_answer_is_only_held_against_one_that_came_before_it_was_asked_for() -> None:
    watch, task = _Watch(), SimulatedTask()
    early = task.poll(0)
    task.say(3)
    task.status = "succeeded"
    late = task.poll(0)
    # The first poll was asked for before the end was told, and comes in after it.
    watch.invariants.observe(late, 0)
    watch.invariants.observe(early, 0)
    watch.invariants.settle()
    assert watch.notebook.broken == set()


def test_a_kind_of_breach_is_told_once_with_its_exchange() -> None:
    watch, task = _Watch(), _ended()
    for _ in range(3):
        watch.see(task, 0, next_offset=3)
    [breach] = watch.notebook.breaches
    assert breach.requirement == "POLL-NEXT-OFFSET"
    assert breach.got == "3"
    assert breach.exchanges[0].operation == "pollTask"


def test_two_answers_that_contradict_each_other_are_both_shown() -> None:
    watch, task = _Watch(), _ended()
    watch.see(task, 0)
    task.events[4]["data"]["content"] = "other"
    watch.see(task, 2)
    [breach] = watch.notebook.breaches
    assert breach.requirement == "POLL-EVENT-IMMUTABLE"
    assert len(breach.exchanges) == 2


def _change(asked: int, change: Callable[[Data], object]) -> Callable[[_Watch], None]:
    def play(watch: _Watch) -> None:
        task = _ended()
        watch.see(task, 0)
        data = task.data(asked)
        change(data)
        watch.invariants.observe(task.answer(data), asked)

    return play


def _delete(idx: int) -> Callable[[Data], object]:
    return lambda data: data["events"].__delitem__(idx)


def _put(name: str, value: object) -> Callable[[Data], object]:
    return lambda data: data.__setitem__(name, value)


def _event(number: int, **fields: object) -> Callable[[Data], object]:
    return lambda data: data["events"].__setitem__(number, {**data["events"][number], **fields})


@pytest.mark.parametrize(
    ("play", "broken"),
    [
        (_change(0, _put("task_id", "another")), {"POLL-SHAPE"}),
        (_change(0, _delete(3)), {"POLL-OFFSET-GAPLESS"}),
        (_change(0, _delete(-1)), {"POLL-OFFSET-COMPLETE", "POLL-NEXT-OFFSET"}),
        (_change(0, lambda data: data["events"].reverse()), {"POLL-EVENTS-ORDERED"}),
        (_change(3, lambda data: data["events"].clear()), {"POLL-OFFSET-COMPLETE"}),
        (
            _change(9, _put("next_offset", 8)),
            {"POLL-NEXT-OFFSET-NOT-BACK", "POLL-NEXT-OFFSET-EMPTY"},
        ),
        (_change(9, _put("next_offset", 10)), {"POLL-NEXT-OFFSET-EMPTY"}),
        (_change(50, _put("next_offset", 51)), {"POLL-FROM-PAST-END"}),
        (_change(50, _put("next_offset", 8)), {"POLL-FROM-PAST-END"}),
        (_change(0, _put("status", "failed")), {"TASK-TERMINAL-FOREVER", "TASK-FAILURE-ERROR"}),
        (_change(0, _put("status", "running")), {"TASK-TERMINAL-FOREVER"}),
        (_change(0, _put("error", "oops")), {"TASK-SUCCESS-WITHOUT-ERROR"}),
        (_change(0, _put("updated_at", CREATED)), {"POLL-UPDATED-AT"}),
        (_change(0, _put("window_start", 2)), {"RING-WINDOW-START-TRUE"}),
        (_change(2, _event(0, type="noise")), {"POLL-EVENT-IMMUTABLE"}),
    ],
)
def test_a_wrong_answer_after_right_ones(play: Callable[[_Watch], None], broken: set[str]) -> None:
    watch = _Watch()
    play(watch)
    assert watch.notebook.broken == broken


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (_event(0, idx="0"), set()),  # not an event that can be read: the gap is what is seen
        (_event(2, ts="now"), {"EVENT-ENVELOPE"}),
        (_event(2, data=[]), {"EVENT-ENVELOPE"}),
        (_event(2, type=""), {"EVENT-ENVELOPE"}),
        (_event(2, data={"content": 5, "index": 1, "elapsed": 0}), {"EVENT-PAYLOAD"}),
        (_event(3, ts=CREATED - 1), {"POLL-TS-ORDERED", "POLL-TS-AFTER-CREATED"}),
        (_event(2, data={"content": "x", "index": 1, "elapsed": 0}), {"EVENT-FULL-CONTENT"}),
        (_event(0, type="noise"), {"EVENT-MESSAGE-START"}),
        (_event(8, type="task_stopped", data={"message": "x", "reason": "y"}), set()),
    ],
)
def test_a_wrong_event(change: Callable[[Data], object], broken: set[str]) -> None:
    watch, task = _Watch(), _ended()
    data = task.data(0)
    change(data)
    watch.invariants.observe(task.answer(data), 0)
    watch.invariants.settle()
    assert watch.notebook.broken >= broken
    assert bool(watch.notebook.broken) or not broken


def test_an_event_that_comes_after_the_end_is_charged_to_the_end() -> None:
    watch, task = _Watch(), _ended()
    watch.see(task, 0)
    task.add("system_message", content="one more")
    watch.see(task, 9)
    assert watch.notebook.broken == {"POLL-TERMINAL-COMPLETE"}


@pytest.mark.parametrize("first", ["the end", "the rest"])
def test_an_end_before_what_another_poller_has_seen(first: str) -> None:
    watch, task = _Watch(), _ended()
    short = {**task.data(0), "events": task.data(0)["events"][:-1], "next_offset": 8}
    # Both were on their way at once, so that neither was known to the other.
    answers = [task.answer(short), task.poll(0)]
    answers[1] = replace(answers[1], sent=answers[0].sent)
    for answer in answers if first == "the end" else answers[::-1]:
        watch.invariants.observe(answer, 0)
    assert watch.notebook.broken == {"POLL-TERMINAL-COMPLETE"}


def test_an_end_that_was_claimed_and_never_came() -> None:
    watch, task = _Watch(), SimulatedTask()
    watch.see(task, 50, next_offset=30)
    assert watch.notebook.broken == set()  # it may have had thirty events by then
    task.say(5)
    task.status = "succeeded"
    watch.see(task, 0)
    watch.invariants.settle()
    assert watch.notebook.broken == {"POLL-FROM-PAST-END"}


@pytest.mark.parametrize(("chunks", "broken"), [(2, {"POLL-IDX-STEP"}), (40, set[str]())])
def test_a_hole_that_nobody_can_fill_any_more_may_have_been_one_answer(
    chunks: int, broken: set[str]
) -> None:
    watch, task = _Watch(ring=10), SimulatedTask(ring=10)
    task.say(2)
    data = task.data(0)
    del data["events"][3]
    watch.invariants.observe(task.answer(data), 0)
    assert watch.invariants.questions == [3]
    for _ in range(chunks - 2):
        task.add("noise")
    # Asked for again, it is still missing; or the window has moved on, and nobody knows.
    watch.invariants.observe(task.poll(4), 4)
    watch.invariants.settle()
    assert watch.notebook.broken == {"POLL-OFFSET-GAPLESS"} | broken


@pytest.mark.parametrize("later", [True, False])
def test_what_an_answer_left_out_at_its_beginning(later: bool) -> None:
    watch, task = _Watch(ring=10), _ended(20)  # 24 events, the last 10 of them kept
    data = SimulatedTask(ring=10, events=task.events, status="succeeded").data(16)
    watch.invariants.observe(task.answer({**data, "events": data["events"][2:]}), 16)
    assert watch.invariants.questions == [0]
    if later:
        task.ring = 10
        watch.see(task, 0)
    watch.invariants.settle()
    # Shown later it had been there; never shown again it was lost before its time.
    assert watch.notebook.broken == {"POLL-OFFSET-COMPLETE" if later else "RING-WINDOW-KEPT"}


def test_a_window_that_is_too_large() -> None:
    watch, task = _Watch(ring=10), _ended(20)
    watch.see(task, 0)
    assert watch.notebook.broken == {"RING-WINDOW-BOUNDED"}


def test_nothing_below_the_window() -> None:
    watch, task = _Watch(ring=10), _ended(20, ring=10)
    watch.see(task, 14)
    watch.see(task, 2, events=[], next_offset=2)
    assert watch.notebook.broken == {"RING-BELOW-WINDOW"}


def test_a_window_start_that_later_answers_prove_wrong() -> None:
    watch, task = _Watch(ring=10), _ended(20, ring=10)
    watch.see(task, 23, window_start=20)
    assert watch.notebook.broken == set()
    watch.see(task, 0)
    assert watch.notebook.broken == {"RING-WINDOW-START-TRUE"}


@pytest.mark.parametrize(
    ("status", "asked", "ended", "gone", "broken"),
    [
        (404, 0, False, False, {"POLL-TASK-FOUND"}),
        (404, 9, True, False, {"POLL-AFTER-END"}),
        (404, 9, True, True, set()),
        (404, 500, False, False, {"POLL-FROM-PAST-END"}),
        (400, None, False, False, set()),
        (503, 0, False, False, set()),
        (429, 0, False, False, set()),
        (0, 0, False, False, set()),
    ],
)
def test_a_poll_that_is_refused(
    status: int, asked: int | None, ended: bool, gone: bool, broken: set[str]
) -> None:
    watch, task = _Watch(), _ended()
    if ended:
        watch.see(task, 0)
    if gone:
        watch.invariants.may_be_gone()
    refused = exchange({"success": False, "error": "no"}, status=status, sent=99, received=100)
    assert watch.invariants.observe(refused, asked) is None
    assert watch.notebook.broken == broken


def test_of_a_long_task_only_so_many_events_are_kept() -> None:
    notebook = Notebook()
    kept = TaskInvariants(TASK_ID, notebook, ring=10, keep=20)
    task = SimulatedTask(ring=10)
    for _ in range(40):
        for _ in range(8):
            task.add("noise")
        kept.observe(task.poll(kept.head), kept.head)
    assert len(kept.events) == 20
    assert kept.head == 320
    assert notebook.broken == set()
