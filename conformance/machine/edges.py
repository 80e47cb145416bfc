"""A task that stops around every edge of its window, and is polled there by chance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pollux.conformance.effort import Effort
from pollux.conformance.errors import CannotVerifyError
from pollux.conformance.judge import Judge
from pollux.conformance.machine.play import Step
from pollux.conformance.machine.polls import FailedPlan, Window
from pollux.conformance.machine.shorten import shortened
from pollux.conformance.stage import Stage
from pollux.scripted_model.builder import hold, say, script, turn
from pollux.scripted_model.script import Statement

_SHORTENING_SECONDS = 10.0
_HELD_SECONDS = 60.0


@dataclass(frozen=True)
class Stop:
    """A place in a task where its model is held after so many chunks of text."""

    hold: str
    chunks: int


def poll_at_every_edge(stage: Stage, judge: Judge) -> None:
    """One task stops just before, at and past the size of its buffer, and is polled anyhow."""
    statements, stops = _stairs(stage)
    task = stage.user.start(script(turn(*statements)))
    window = Window(task)
    plans = max(2, stage.budget.examples // len(stops))
    for stop in stops:
        if not stage.model.holds.wait_until_held(stop.hold, stage.seconds(_HELD_SECONDS)):
            judge.cannot_verify("the scripted model was not asked for the next chunk")
        if stop.chunks and not window.follow(f"w{stop.chunks} "):
            judge.cannot_verify("a chunk of the model was not shown while it is held")
        if not _holds(stage, judge, window, plans):
            return
        stage.model.holds.release(stop.hold)
    if not window.follow(None):
        judge.cannot_verify("the task did not end")
    _holds(stage, judge, window, plans)


def _around_text(stage: Stage) -> int:
    """Return how many events there are before and beside the chunks of a live task."""
    task = stage.user.held(say(1))
    window = Window(task)
    if not window.follow("w1 "):
        stage.judge.cannot_verify("a chunk of the model was not shown while it is held")
    task.release()
    task.end()
    return window.head - 1


def _stairs(stage: Stage) -> tuple[list[Statement], list[Stop]]:
    """Return what the model says, held before it, after one chunk, and around every edge.

    What an implementation puts around the chunks is its own affair.
    """
    size, around = stage.target.buffer_size, _around_text(stage)
    thorough = stage.budget.effort is Effort.THOROUGH
    edges = (size, 2 * size, 5 * size) if thorough else (size, 2 * size)
    steps = range(-3, 4) if thorough else range(-1, 2)
    wanted = {0, 1} | {max(1, edge - around + step) for edge in edges for step in steps}
    statements: list[Statement] = []
    stops: list[Stop] = []
    said = 0
    for chunks in sorted(wanted):
        if chunks > said:
            statements.append(say(chunks - said))
            said = chunks
        stops.append(Stop(stage.hold_name(), chunks))
        statements.append(hold(stops[-1].hold))
    return [*statements, say("the end")], stops


def _holds(stage: Stage, judge: Judge, window: Window, plans: int) -> bool:
    """Poll the task by chance, and charge what is wrong by the shortest plan that shows it."""
    failed = window.made(plans)
    if failed is None:
        return True

    def again(steps: Sequence[Step]) -> FailedPlan | None:
        try:
            return window.played(steps)
        except CannotVerifyError:
            return None  # what was found stands, whatever becomes of the server now

    found = shortened(failed, again, stage.seconds(_SHORTENING_SECONDS)).failure
    plan = ", ".join(map(str, found.steps))
    message = f"{found.breach.message} ({window.head} events so far; polls: {plan})"
    judge.breached(replace(found.breach, message=message, exchanges=found.exchanges))
    return False
