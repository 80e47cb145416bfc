"""One task at a time per user (api_v1 2.2): who is refused, and that nothing comes of it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.gate import Gate, together
from pollux.conformance.haste import first_terminal, is_quick
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, Task, User
from pollux.conformance.stored import data_of, disturbed, ids, messages_of, said
from pollux.polling.exchange import Exchange
from pollux.polling.poll import LIVE, TERMINAL, Poll
from pollux.scripted_model.builder import hold, say, script, turn

_LONG_MESSAGE = "Write the numbers from 1 to 400 in words, each on a line of its own, nothing else."


def _live_task(stage: Stage, user: User, **fields: Any) -> Task:
    """Start a task that stays live: held by the script, or long by what it is asked for."""
    if stage.scripted:
        return user.held(say("I am", " busy"), **fields)
    return user.start(_LONG_MESSAGE, **fields)


def _refused_as_busy(
    judge: Judge, requirement: str, task: Task, what: str, exchange: Exchange, before: Poll
) -> None:
    """Judge a send during TASK: its 409 counts only if the task was live before and after."""
    # Once the send is accepted, a task that has ended may be gone.
    after = task.user.api.poll_task(task.id, 0)
    status = data_of(after).get("status", f"answered with {after.status}")
    if exchange.status == 202:
        task.user.task_of(exchange)
    if before.status not in LIVE or status not in LIVE:
        judge.cannot_verify(
            f"the first task was {before.status} before and {status} after the second send: "
            "it did not live long enough to be in its way"
        )
    judge.that(
        requirement,
        exchange.status == 409,
        f"a send {what} while a task is {status}",
        expected="409",
        got=exchange.summary,
        by=(before.exchange, exchange, after),
    )


@verifies(
    "SEND-BUSY-SAME-CONVERSATION",
    "SEND-BUSY-OTHER-CONVERSATION",
    "REFUSED-NO-CONVERSATION",
    "REFUSED-NO-METADATA",
    "REFUSED-NO-TASK",
)
def test_a_busy_user_is_refused_and_nothing_comes_of_it(stage: Stage, judge: Judge) -> None:
    """409 in every conversation; afterwards everything is as before, and the user is free."""
    user = stage.user
    earlier = user.start()
    earlier.end()
    places = [earlier.conversation_id, user.conversation()]
    task = _live_task(stage, user)
    before = task.poll()
    untouched = [user.api.get_conversation(name, full=True) for name in places]
    listed = user.api.list_conversations(limit=100)

    same = user.api.send_message("again", conversation_id=task.conversation_id)
    _refused_as_busy(
        judge, "SEND-BUSY-SAME-CONVERSATION", task, "to the same conversation", same, before
    )
    others = {}
    for name in places:
        others[name] = user.api.send_message(
            "elsewhere", conversation_id=name, run_mode="deep", max_iterations=7
        )
        what = "to another conversation"
        _refused_as_busy(judge, "SEND-BUSY-OTHER-CONVERSATION", task, what, others[name], before)
    new = user.api.send_message("somewhere new")
    _refused_as_busy(
        judge, "SEND-BUSY-OTHER-CONVERSATION", task, "to a new conversation", new, before
    )

    if new.status == 409:
        _no_new_conversation(judge, user, listed, new)
    for name, reading in zip(places, untouched, strict=True):
        if others[name].status == 409:
            again = user.api.get_conversation(name, full=True)
            judge.that(
                "REFUSED-NO-METADATA",
                reading.ok and not disturbed(reading, again),
                "a conversation to which a send was refused",
                expected="what it was before",
                got=disturbed(reading, again),
                by=(reading, others[name], again),
            )
    _end_and_send_again(stage, judge, task)


def _no_new_conversation(judge: Judge, user: User, before: Exchange, refused: Exchange) -> None:
    after = user.api.list_conversations(limit=100)
    new = [item for item in ids(after) if item not in ids(before)]
    judge.that(
        "REFUSED-NO-CONVERSATION",
        after.ok and not new and before.payload.get("total") == after.payload.get("total"),
        "the list of conversations after refused sends",
        expected=f"no new conversation, total {before.payload.get('total')}",
        got=f"total {after.payload.get('total')}, new: {', '.join(new) or 'none'}",
        by=(before, refused, after),
    )
    for name in new:
        user.made(name)


def _end_and_send_again(stage: Stage, judge: Judge, task: Task) -> None:
    """End TASK; had a refused send started one, the next send would be refused for it."""
    if stage.scripted:
        task.release()
        last = task.end()
    else:
        task.cancel()
        found = task.ends_within(60)
        if found is None:
            judge.cannot_verify("the first task did not end after a cancel")
        last = found
    exchange = task.user.api.send_message(stage.short_message())
    judge.that(
        "REFUSED-NO-TASK",
        exchange.status == 202,
        "a send after the end of the only task that was accepted",
        expected="202",
        got=exchange.summary,
        by=(last.exchange, exchange),
    )
    if exchange.status == 202:
        task.user.task_of(exchange).end()


@verifies("SEND-AFTER-END")
def test_who_has_seen_the_end_may_send_at_once(stage: Stage, judge: Judge) -> None:
    """Poll without a pause; the send right after the first terminal answer is accepted."""
    rounds = 2 if is_quick(stage) or not stage.scripted else 8 * stage.budget.repeats
    task = stage.user.start()
    for _ in range(rounds):
        last = first_terminal(task, 120)
        exchange = stage.user.api.send_message(stage.short_message())
        judge.that(
            "SEND-AFTER-END",
            exchange.status == 202,
            "a send right after a poll has shown a terminal status",
            expected="202",
            got=exchange.summary,
            by=(last.exchange, exchange),
        )
        if exchange.status != 202:
            break
        task = stage.user.task_of(exchange)
    task.end()


@verifies("SEND-BUSY-CANCELLING", needs=["scripted-model"])
def test_a_cancelled_task_is_in_the_way_until_its_end(stage: Stage, judge: Judge) -> None:
    """Between the cancel and the terminal status a send is refused."""
    user = stage.user
    for _ in range(1 if is_quick(stage) else 4 * stage.budget.repeats):
        task = user.held(say("I", " am", " busy"))
        cancelled = task.cancel()
        exchange = user.api.send_message(stage.short_message())
        # Once the send is accepted, a task that has ended may be gone.
        after = user.api.poll_task(task.id, 0)
        status = data_of(after).get("status")
        if exchange.status == 202:
            user.task_of(exchange)
        judge.that(
            "SEND-BUSY-CANCELLING",
            # 202 is right when the task had ended by then: a cancel may take effect at once.
            exchange.status == 409
            or (exchange.status == 202 and (status in TERMINAL or after.status == 404)),
            "a send right after a cancel",
            expected="409 as long as the task is live",
            got=f"{exchange.summary}, and the task was {status} afterwards",
            by=(cancelled, exchange, after),
        )
        if exchange.status == 409 and task.ends_within(10) is None:
            judge.cannot_verify("the cancelled task did not end")
        for other in user.tasks:
            other.clear()


_RACE = ("SEND-RACE", "REFUSED-NO-CONVERSATION", "REFUSED-NO-METADATA")


@verifies(*_RACE, needs=["scripted-model"])
def test_of_a_few_sends_at_the_same_instant_exactly_one_is_accepted(
    stage: Stage, judge: Judge
) -> None:
    """All requests wait before their last byte; then they are let go at once."""
    for _ in range(stage.budget.repeats):
        _race(stage, judge, 8, new=True)


@verifies(*_RACE, needs=["scripted-model"], slow=True)
@pytest.mark.parametrize(("sends", "rounds"), [(2, 4), (8, 1), (32, 1)])
@pytest.mark.parametrize("where", ["new conversations", "one conversation"])
def test_of_sends_at_the_same_instant_exactly_one_is_accepted(
    stage: Stage, judge: Judge, sends: int, rounds: int, where: str
) -> None:
    """A few and many, each to a new conversation or all to the same one."""
    for _ in range(rounds * stage.budget.repeats):
        _race(stage, judge, sends, new=where == "new conversations")


def _race(stage: Stage, judge: Judge, sends: int, *, new: bool) -> None:
    user = stage.user
    user.free()
    place = None if new else user.conversation()
    listed = user.api.list_conversations(limit=100)
    name = stage.hold_name()
    message = script(turn(say("one"), hold(name), say("end")))
    exchanges = at_once(stage, user, [{"message": message, "conversation_id": place}] * sends)
    accepted = [exchange for exchange in exchanges if exchange.status == 202]
    tasks = [user.task_of(exchange) for exchange in accepted]
    polls = [task.poll() for task in tasks]
    judge.that(
        "SEND-RACE",
        len(accepted) == 1 and all(exchange.status in (202, 409) for exchange in exchanges),
        f"{sends} sends of one user at the same instant",
        expected=f"202 once and 409 {sends - 1} times",
        got=tally(exchanges),
        by=[*accepted[:3], *(poll.exchange for poll in polls[:3])] or exchanges[:3],
    )
    if polls and any(poll.status not in LIVE for poll in polls):
        judge.cannot_verify("the accepted task ended, although its model is held")
    after = user.api.list_conversations(limit=100)
    made = [item for item in ids(after) if item not in ids(listed)]
    for item in made:
        user.made(item)
    stage.model.holds.release(name)
    for task in tasks:
        task.end()
    if len(tasks) != 1:
        return  # what the others have done is no matter of refused ones
    wanted = 1 if new else 0
    judge.that(
        "REFUSED-NO-CONVERSATION",
        len(made) <= wanted,
        f"the conversations made by {sends} sends of which one was accepted",
        expected=f"not more than {wanted}",
        got=f"{len(made)}",
        by=(listed, after),
    )
    reading = user.api.get_conversation(tasks[0].conversation_id, full=True)
    asked = said(messages_of(reading), "user")
    judge.that(
        "REFUSED-NO-METADATA",
        len(asked) == 1,
        f"the conversation of {sends} sends of which one was accepted",
        expected="one message of the user",
        got=f"{len(asked)}",
        by=(*accepted, reading),
    )


def at_once(stage: Stage, user: User, bodies: Sequence[Mapping[str, Any]]) -> list[Exchange]:
    """Send all BODIES to /messages so that their last bytes leave at the same instant."""
    gate = Gate(stage, len(bodies))
    return together([partial(send_through, gate, user, body) for body in bodies])


def send_through(gate: Gate, user: User, body: Mapping[str, Any]) -> Exchange:
    """Send BODY to /messages, its last byte only when all others have come to the GATE."""
    return user.api.request(
        "POST", "/messages", operation="sendMessage", body=body, before_last_byte=gate.once()
    )


@verifies("SEND-USERS-INDEPENDENT", needs=["two-users"])
def test_two_users_never_block_each_other(stage: Stage, judge: Judge) -> None:
    """While one user's task is live, the other one's send is accepted, and the other way round."""
    pairs = [(stage.user, stage.other), (stage.other, stage.user)]
    for one, other in pairs[:1] if is_quick(stage) else pairs:
        other.free()
        task = _live_task(stage, one)
        before = task.poll()
        exchange = other.api.send_message(stage.short_message())
        after = task.poll()
        if exchange.status == 202:
            other.task_of(exchange).end()
        if before.status not in LIVE or after.status not in LIVE:
            judge.cannot_verify("the first user's task did not live long enough")
        judge.that(
            "SEND-USERS-INDEPENDENT",
            exchange.status == 202,
            f"a send of {other.label} while a task of {one.label} is live",
            expected="202",
            got=exchange.summary,
            by=(before.exchange, exchange, after.exchange),
        )
        task.clear()


def tally(exchanges: Sequence[Exchange]) -> str:
    """Return how often each status came."""
    counts: dict[str, int] = {}
    for exchange in exchanges:
        key = str(exchange.status) if exchange.answered else "no answer"
        counts[key] = counts.get(key, 0) + 1
    return ", ".join(f"{key} {count} times" for key, count in sorted(counts.items()))
