"""Sends that race (api_v1 2.2): of two users, with a cancel, with the end of a task."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pollux.conformance.check import verifies
from pollux.conformance.gate import Gate, together
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, Task, User
from pollux.conformance.stored import changed, data_of
from pollux.conformance.suite.test_one_task import at_once, send_through, tally
from pollux.polling.exchange import Exchange
from pollux.polling.poll import LIVE, TERMINAL
from pollux.scripted_model.builder import hold, say, script, turn

_FEW = 6
_CLIENTS = 4
_END_SECONDS = 20.0


def _accepted(user: User, exchanges: Sequence[Exchange]) -> list[Task]:
    return [user.task_of(exchange) for exchange in exchanges if exchange.status == 202]


def _judge_one(judge: Judge, exchanges: Sequence[Exchange], what: str) -> None:
    accepted = [exchange for exchange in exchanges if exchange.status == 202]
    judge.that(
        "SEND-RACE",
        len(accepted) == 1 and all(exchange.status in (202, 409) for exchange in exchanges),
        what,
        expected=f"202 once and 409 {len(exchanges) - 1} times",
        got=tally(exchanges),
        by=[*accepted, *exchanges][:5],
    )


@verifies("SEND-RACE", "SEND-USERS-INDEPENDENT", needs=["scripted-model", "two-users"], slow=True)
def test_of_the_sends_of_two_users_at_the_same_instant_each_has_one_accepted(
    stage: Stage, judge: Judge
) -> None:
    """The sends of both wait for each other before their last byte."""
    for _ in range(2 * stage.budget.repeats):
        name = stage.hold_name()
        body = {"message": script(turn(say("one"), hold(name), say("end")))}
        for user in stage.users:
            user.free()
        gate = Gate(stage, _FEW * len(stage.users))
        calls = [
            partial(send_through, gate, user, body) for _ in range(_FEW) for user in stage.users
        ]
        exchanges = together(calls)
        each = [(user, exchanges[n :: len(stage.users)]) for n, user in enumerate(stage.users)]
        tasks = [task for user, mine in each for task in _accepted(user, mine)]
        for user, mine in each:
            if not judge.that(
                "SEND-USERS-INDEPENDENT",
                any(exchange.status == 202 for exchange in mine) or not tasks,
                f"{_FEW} sends of {user.label} at the same instant as those of another user",
                expected="202 for one of them",
                got=tally(mine),
                by=mine[:3],
            ):
                continue
            what = f"{_FEW} sends of {user.label} at the same instant, beside those of another user"
            _judge_one(judge, mine, what)
        stage.model.holds.release(name)
        for task in tasks:
            task.end()


@verifies("SEND-RACE", "REFUSED-NO-METADATA", needs=["scripted-model"], slow=True)
def test_of_sends_to_different_conversations_at_the_same_instant_one_is_accepted(
    stage: Stage, judge: Judge
) -> None:
    """Each goes to a conversation of its own; those whose send is refused stay as they were."""
    user = stage.user
    for _ in range(stage.budget.repeats):
        user.free()
        before = [user.api.get_conversation(user.conversation(), full=True) for _ in range(_FEW)]
        name = stage.hold_name()
        message = script(turn(say("one"), hold(name), say("end")))
        places = [str(data_of(reading).get("id")) for reading in before]
        exchanges = at_once(
            stage, user, [{"message": message, "conversation_id": place} for place in places]
        )
        tasks = _accepted(user, exchanges)
        what = f"{_FEW} sends of one user to different conversations at the same instant"
        _judge_one(judge, exchanges, what)
        stage.model.holds.release(name)
        for task in tasks:
            task.end()
        for reading, exchange in zip(before, exchanges, strict=True):
            if 400 <= exchange.status < 500:
                after = user.api.get_conversation(str(data_of(reading).get("id")), full=True)
                judge.that(
                    "REFUSED-NO-METADATA",
                    reading.ok and not changed(reading, after),
                    "a conversation to which a send was refused, while another was accepted",
                    expected="what it was before",
                    got=changed(reading, after) or after.summary,
                    by=(reading, exchange, after),
                )


@verifies("SEND-BUSY-CANCELLING", "SEND-RACE", needs=["scripted-model"], slow=True)
def test_of_sends_at_the_instant_of_a_cancel_none_meets_a_live_task(
    stage: Stage, judge: Judge
) -> None:
    """A cancel and some sends are let go at once: who is accepted comes after the end."""
    user = stage.user
    for _ in range(3 * stage.budget.repeats):
        task = user.held(say("I am", " busy"))
        name = stage.hold_name()
        body = {"message": script(turn(say("one"), hold(name), say("end")))}
        gate = Gate(stage, _FEW + 1)
        sends = [partial(send_through, gate, user, body) for _ in range(_FEW)]
        calls: list[Callable[[], Exchange]] = [partial(_cancel, task, gate), *sends]
        cancelled, *exchanges = together(calls)
        # Once a send is accepted, a task that has ended may be gone.
        after = user.api.poll_task(task.id, 0)
        ended = data_of(after).get("status") in TERMINAL or after.status == 404
        accepted = _accepted(user, exchanges)
        judge.that(
            "SEND-BUSY-CANCELLING",
            ended or not accepted,
            f"{_FEW} sends at the same instant as a cancel",
            expected="409 as long as the task is live",
            got=f"{tally(exchanges)}; then the task was {data_of(after).get('status')}",
            by=(cancelled, *exchanges[:3], after),
        )
        judge.that(
            "SEND-RACE",
            len(accepted) <= 1 and all(exchange.status in (202, 409) for exchange in exchanges),
            f"{_FEW} sends at the same instant as a cancel",
            expected="202 once at most",
            got=tally(exchanges),
            by=(cancelled, *exchanges[:3]),
        )
        stage.model.holds.release(name)
        task.release()
        for each in (*accepted, task):
            each.clear()


@verifies("SEND-AFTER-END", "SEND-RACE", needs=["scripted-model"], slow=True)
def test_of_those_who_see_the_end_at_once_one_may_send(stage: Stage, judge: Judge) -> None:
    """Several clients poll without a pause, and send as soon as they have seen the end."""
    user = stage.user
    for _ in range(3 * stage.budget.repeats):
        task = user.held(say("I am", " busy"))
        name = stage.hold_name()
        body = {"message": script(turn(say("one"), hold(name), say("end")))}
        gate = Gate(stage, _CLIENTS + 1)
        clients = [partial(_follow_and_send, stage, task, gate, body) for _ in range(_CLIENTS)]
        calls: list[Callable[[], Exchange | None]] = [partial(_release, task, gate), *clients]
        exchanges = [sent for sent in together(calls) if sent is not None]
        accepted = _accepted(user, exchanges)
        what = f"{_CLIENTS} sends of clients that have all seen the end of a task"
        if judge.that(
            "SEND-AFTER-END",
            bool(accepted),
            what,
            expected="202 for one of them",
            got=tally(exchanges),
            by=exchanges,
        ):
            live = all(each.poll().status in LIVE for each in accepted)
            if not live:
                judge.cannot_verify("the accepted task ended, although its model is held")
            _judge_one(judge, exchanges, what)
        stage.model.holds.release(name)
        for each in accepted:
            each.clear()


def _cancel(task: Task, gate: Gate) -> Exchange:
    gate.wait()
    return task.cancel()


def _release(task: Task, gate: Gate) -> None:
    gate.wait()
    task.release()


def _follow_and_send(stage: Stage, task: Task, gate: Gate, body: Mapping[str, str]) -> Exchange:
    """Poll TASK without a pause until its end, then send BODY."""
    api = task.user.api
    gate.wait()
    until = time.monotonic() + stage.seconds(_END_SECONDS)
    poll = api.poll_task(task.id, 0)
    # Once another client's send is accepted, the task may be gone.
    while data_of(poll).get("status") in LIVE:
        if time.monotonic() > until:
            stage.judge.cannot_verify("the task did not end, although its model was released")
        poll = api.poll_task(task.id, 0)
    return api.request("POST", "/messages", operation="sendMessage", body=body)
