"""Cancelling (api_v1 2.3, cancel): a live task ends soon, an ended one stays as it is."""

import time
import uuid

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.offered_tools import offered_tools
from pollux.conformance.stage import Stage, Task
from pollux.polling.exchange import Exchange
from pollux.polling.poll import CANCELLED, LIVE
from pollux.scripted_model.builder import call_any, error, hold, say, script, turn

# The reference server takes less than one. Servers are known to wait ten for a model that has
# failed, and that is what a cancel must not wait for.
_SOON_SECONDS = 5.0
_ENDING_SECONDS = 1.0


def _ends_cancelled(
    judge: Judge, requirement: str, task: Task, cancelled: Exchange, *, linger: float = 0.2
) -> bool:
    """Judge that TASK ends soon as canceled or stopped, and that nothing comes afterwards.

    Args:
        judge: The judge of the check.
        requirement: What the end itself is judged by.
        task: The task.
        cancelled: The cancel.
        linger: Seconds in which nothing may come.
    """
    judge.that(
        "CANCEL-LIVE",
        cancelled.status == 200,
        "the cancel of a live task",
        expected="200",
        got=cancelled.summary,
        by=cancelled,
    )
    last = task.ends_within(_SOON_SECONDS)
    if last is None:
        now = task.poll(task.watcher.invariants.head)
        judge.that(
            requirement,
            False,
            "the status of a cancelled task",
            expected=f"canceled or stopped within {_SOON_SECONDS:g} s",
            got=now.status,
            by=(cancelled, now.exchange),
        )
        return False
    right = judge.that(
        requirement,
        last.status in CANCELLED,
        "the status of a cancelled task",
        expected="canceled or stopped",
        got=f"{last.status}, error {last.data.get('error')!r}",
        by=(cancelled, last.exchange),
    )
    # The model goes on to its end: nothing of that may be seen any more.
    task.release()
    head = task.watcher.invariants.head
    for _ in range(3):
        time.sleep(linger / 3)
        after = task.poll(head)
        judge.that(
            "POLL-TERMINAL-COMPLETE",
            after.end <= head,
            "the events after the end of a cancelled task",
            expected=f"none: {last.status} was told with next_offset {last.next_offset}",
            got=f"event {after.end - 1}",
            by=(last.exchange, after.exchange),
        )
    return right


@verifies("CANCEL-LIVE", "CANCEL-ENDS", "POLL-TERMINAL-COMPLETE", needs=["scripted-model"])
def test_a_task_is_cancelled_in_the_midst_of_its_answer(stage: Stage, judge: Judge) -> None:
    """The model has said something, and is silent now; the cancel does not wait for it."""
    task = stage.user.held(say("Once", " upon", " a time"), after=(say(50),))
    if not stage.eventually(lambda: task.poll().end > 0, 10):
        judge.cannot_verify("no event was shown before the cancel")
    _ends_cancelled(judge, "CANCEL-ENDS", task, task.cancel())


@verifies(
    "CANCEL-LIVE",
    "CANCEL-ENDS-WAITING",
    "POLL-TERMINAL-COMPLETE",
    needs=["scripted-model"],
    slow=True,
)
def test_a_task_is_cancelled_while_its_model_is_silent(stage: Stage, judge: Judge) -> None:
    """The model has not said a word yet."""
    task = stage.user.held()
    _ends_cancelled(judge, "CANCEL-ENDS-WAITING", task, task.cancel())


@verifies(
    "CANCEL-LIVE",
    "CANCEL-ENDS-RIGHT-AFTER-SEND",
    "POLL-TERMINAL-COMPLETE",
    needs=["scripted-model"],
    slow=True,
)
def test_a_task_is_cancelled_right_after_its_send(stage: Stage, judge: Judge) -> None:
    """The cancel follows the send without a pause, several times over."""
    for _ in range(6 * stage.budget.repeats):
        name = stage.hold_name()
        task = stage.user.start(script(turn(say("a"), hold(name), say(20))))
        task.hold = name
        cancelled, requirement = task.cancel(), "CANCEL-ENDS-RIGHT-AFTER-SEND"
        if not _ends_cancelled(judge, requirement, task, cancelled, linger=0.03):
            break


@verifies(
    "CANCEL-LIVE",
    "CANCEL-ENDS-RETRYING",
    "POLL-TERMINAL-COMPLETE",
    needs=["scripted-model"],
    slow=True,
)
def test_a_task_is_cancelled_while_it_waits_to_try_again(stage: Stage, judge: Judge) -> None:
    """The model is overloaded and asks for patience; who cancels does not need to have any."""
    name = stage.name("script")
    text = script(turn(error(503, "overloaded", retry_after=20)), id=name)
    task = stage.user.start(text)
    stage.eventually(lambda: bool(stage.model.requests.list(name)), 10)

    def decided() -> bool:
        # Who does not try again needs a moment to end; who does says so, or is silent.
        task.poll(task.watcher.invariants.head)
        return task.ended or any(event["type"] == "error" for event in task.watcher.events)

    stage.eventually(decided, _ENDING_SECONDS)
    if task.poll().terminal:
        judge.not_applicable("CANCEL-ENDS-RETRYING", "the server does not try again")
        judge.not_applicable("POLL-TERMINAL-COMPLETE", "the server does not try again")
        judge.not_applicable("CANCEL-LIVE", "the server does not try again")
        return
    _ends_cancelled(judge, "CANCEL-ENDS-RETRYING", task, task.cancel())


@verifies(
    "CANCEL-LIVE",
    "CANCEL-ENDS-WITH-TOOLS",
    "POLL-TERMINAL-COMPLETE",
    needs=["scripted-model", "tools"],
    slow=True,
)
def test_a_task_is_cancelled_between_tool_calls(stage: Stage, judge: Judge) -> None:
    """The model has called many tools at once; the first of them has begun, or all are done."""
    if not offered_tools(stage):
        return
    name = stage.hold_name()
    text = script(turn(*[call_any()] * 8), turn(hold(name), say("end")))
    task = stage.user.start(text)
    task.hold = name

    def at_work() -> bool:
        task.poll(task.watcher.invariants.head)
        kinds = {event["type"] for event in task.watcher.events}
        return "tool_start" in kinds or stage.model.holds.waiting(name) > 0 or task.ended

    if not stage.eventually(at_work, 15) or task.ended:
        judge.cannot_verify("the implementation did not run the tools that its model called")
    _ends_cancelled(judge, "CANCEL-ENDS-WITH-TOOLS", task, task.cancel())


@verifies("CANCEL-LIVE", "CANCEL-REPEATED")
def test_a_cancel_can_be_repeated(stage: Stage, judge: Judge) -> None:
    """Before and after the end every further cancel is a success, too."""
    task = stage.user.held(say("a")) if stage.scripted else stage.user.start()
    first = task.cancel()
    judge.that(
        "CANCEL-LIVE",
        first.status == 200,
        "the cancel of a task that was just accepted",
        expected="200",
        got=first.summary,
        by=first,
    )
    repeated = [task.cancel() for _ in range(3)]
    task.ends_within(_SOON_SECONDS if stage.scripted else 180)
    repeated.append(task.cancel())
    for exchange in repeated:
        judge.that(
            "CANCEL-REPEATED",
            exchange.status == 200,
            "a repeated cancel",
            expected="200",
            got=exchange.summary,
            by=(first, exchange),
        )


@verifies("CANCEL-TERMINAL", "CANCEL-TERMINAL-NO-EFFECT")
def test_cancelling_an_ended_task_changes_nothing(stage: Stage, judge: Judge) -> None:
    """Status, times, error and events stay; the user's next task runs undisturbed."""
    task = stage.user.start()
    task.end()
    earlier, before = task.poll(0), task.poll(0)
    cancels = [task.cancel(), task.cancel()]
    for exchange in cancels:
        judge.that(
            "CANCEL-TERMINAL",
            exchange.status == 200,
            f"the cancel of a task that is {before.status}",
            expected="200",
            got=exchange.summary,
            by=exchange,
        )
    after = task.poll(0)
    names = ("status", "created_at", "updated_at", "error", "events", "next_offset")
    changed = [
        f"{name} {before.data.get(name)!r} -> {after.data.get(name)!r}"[:200]
        for name in names
        # What changes without a cancel, too, has rules of its own.
        if earlier.data.get(name) == before.data.get(name) != after.data.get(name)
    ]
    judge.that(
        "CANCEL-TERMINAL-NO-EFFECT",
        not changed,
        "a task after it was cancelled when it had ended",
        expected="what it was before",
        got=", ".join(changed),
        by=(before.exchange, *cancels, after.exchange),
    )
    following = stage.user.start()
    last = following.end()
    judge.that(
        "CANCEL-TERMINAL-NO-EFFECT",
        last.status not in CANCELLED,
        "the task that follows",
        expected="not cancelled",
        got=last.status,
        by=(*cancels, last.exchange),
    )


@verifies("CANCEL-UNKNOWN")
def test_cancelling_an_unknown_task_is_404(stage: Stage, judge: Judge) -> None:
    """Neither a UUID of nobody nor a text that is none has a task to cancel."""
    task = stage.user.start()
    known = task.cancel()  # the positive control: a known task is found
    for task_id in (str(uuid.uuid4()), str(uuid.UUID(int=0)), "no-such-task"):
        exchange = stage.user.api.cancel_task(task_id)
        judge.that(
            "CANCEL-UNKNOWN",
            exchange.status == 404 and known.status != 404,
            f"the cancel of the task {task_id!r}",
            expected="404 (and not for a known one)",
            got=f"{exchange.summary}; {known.status} for a known one",
            by=(known, exchange),
        )


@verifies("ISOLATION-TASK-POLL", "ISOLATION-TASK-CANCEL", needs=["two-users"])
def test_a_task_of_another_user_does_not_exist(stage: Stage, judge: Judge) -> None:
    """Another user can neither read nor cancel a task, live or ended."""
    task = stage.user.held(say("mine")) if stage.scripted else stage.user.start()
    control = task.poll()
    _look_and_cancel(stage, judge, task, control.exchange)
    after = task.poll()
    judge.that(
        "ISOLATION-TASK-CANCEL",
        after.status not in CANCELLED and after.status != "cancel_requested",
        "a task that another user has tried to cancel",
        expected=f"untouched: {', '.join(sorted(LIVE))}" if stage.scripted else "untouched",
        got=after.status,
        by=(control.exchange, after.exchange),
    )
    task.release()
    last = task.end()
    judge.that(
        "ISOLATION-TASK-CANCEL",
        last.status not in CANCELLED,
        "the end of a task that another user has tried to cancel",
        expected="not cancelled",
        got=last.status,
        by=last.exchange,
    )
    _look_and_cancel(stage, judge, task, last.exchange)


def _look_and_cancel(stage: Stage, judge: Judge, task: Task, control: Exchange) -> None:
    for from_ in (None, 0, 1000):
        polled = stage.other.api.poll_task(task.id, from_)
        judge.that(
            "ISOLATION-TASK-POLL",
            polled.status == 404,
            "a poll of another user's task",
            expected="404",
            got=polled.summary,
            by=(control, polled),
        )
    cancelled = stage.other.api.cancel_task(task.id)
    judge.that(
        "ISOLATION-TASK-CANCEL",
        cancelled.status == 404,
        "the cancel of another user's task",
        expected="404",
        got=cancelled.summary,
        by=(control, cancelled),
    )
