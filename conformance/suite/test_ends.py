"""The ends of tasks (api_v1 2.3.8): told together with the last events, and nothing after them."""

import time
from collections.abc import Callable
from functools import partial

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.gate import Gate, together
from pollux.conformance.haste import first_terminal
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, Task
from pollux.polling.poll import Poll
from pollux.scripted_model.builder import error, say

_ROUNDS = 4
_POLLERS = 3
_LINGER_SECONDS = 0.25

_ENDS = ("by itself", "by a cancel", "by a failure")


@verifies("POLL-TERMINAL-COMPLETE", "TASK-TERMINAL-FOREVER", needs=["scripted-model"], slow=True)
@pytest.mark.parametrize("how", _ENDS)
def test_whoever_sees_the_end_has_seen_everything(stage: Stage, judge: Judge, how: str) -> None:
    """Several pollers without a pause; the first terminal answer of each has every event."""
    for number in range(_ROUNDS * stage.budget.repeats):
        # A failure comes in place of an answer: nothing is said before it.
        failing = how == "by a failure"
        task = stage.user.held(
            *(() if failing else (say("one", " two"),)),
            after=(error(400, "no"),) if failing else (say("three"),),
        )
        gate = Gate(stage, _POLLERS + 1)
        calls: list[Callable[[], Poll | None]] = [partial(_end, task, gate, how)]
        calls += [partial(_follow, task, gate)] * _POLLERS
        lasts = [last for last in together(calls) if last is not None]
        if number == 0:
            # Nothing comes later, either.
            time.sleep(_LINGER_SECONDS)
        after = task.poll(0)
        for last in lasts:
            told = max(last.end, last.next_offset or 0)
            judge.that(
                "POLL-TERMINAL-COMPLETE",
                after.end == told,
                f"the events of a task that has ended {how}, after its end was told",
                expected=f"none: {last.status} was told with next_offset {last.next_offset}",
                got=f"{after.end - told} more",
                by=(last.exchange, after.exchange),
            )


def _end(task: Task, gate: Gate, how: str) -> None:
    gate.wait()
    if how == "by a cancel":
        task.cancel()
    else:
        task.release()


def _follow(task: Task, gate: Gate) -> Poll:
    gate.wait()
    return first_terminal(task)
