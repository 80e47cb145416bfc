"""Deleting conversations (api_v1 2.1), also while a task works on them."""

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, Task
from pollux.conformance.stored import changed, data_of, ids, messages_of, said
from pollux.polling.exchange import Exchange
from pollux.polling.poll import LIVE, TERMINAL
from pollux.scripted_model.builder import say

_SOON_SECONDS = 10.0


@verifies("CONV-DELETE-SHAPE", "CONV-DELETE-GONE")
def test_a_deleted_conversation_is_gone_everywhere(stage: Stage, judge: Judge) -> None:
    """It cannot be read, deleted or written to any more, and is no longer listed."""
    user = stage.user
    task = user.start()
    task.end()
    name = task.conversation_id
    control = user.api.get_conversation(name)
    deleted = user.api.delete_conversation(name)
    judge.that(
        "CONV-DELETE-SHAPE",
        deleted.status == 200,
        "deleting a conversation of which no task is live",
        expected="200",
        got=deleted.summary,
        by=deleted,
    )
    if not (control.ok and deleted.ok):
        judge.cannot_verify("there was no conversation that could be deleted")
    again = {
        "reading": user.api.get_conversation(name),
        "reading all of": user.api.get_conversation(name, full=True),
        "deleting": user.api.delete_conversation(name),
    }
    for what, exchange in again.items():
        _judge_gone(judge, deleted, exchange, f"{what} a deleted conversation", 404)
    sent = user.api.send_message(stage.short_message(), conversation_id=name)
    if sent.status == 202:
        user.task_of(sent).clear()
    _judge_gone(judge, deleted, sent, "a send to a deleted conversation", 404, 400)
    listing = user.api.list_conversations(limit=100)
    judge.that(
        "CONV-DELETE-GONE",
        listing.ok and name not in ids(listing),
        "the list of conversations after one was deleted",
        expected=f"without {name}",
        got=f"{listing.summary}, with it",
        by=(deleted, listing),
    )


def _judge_gone(
    judge: Judge, deleted: Exchange, exchange: Exchange, what: str, *allowed: int
) -> None:
    judge.that(
        "CONV-DELETE-GONE",
        exchange.status in allowed,
        what,
        expected=" or ".join(map(str, allowed)),
        got=exchange.summary,
        by=(deleted, exchange),
    )


@verifies(
    "CONV-DELETE-LIVE",
    "CONV-DELETE-LIVE-ENDS-TASK",
    "CONV-DELETE-LIVE-STAYS-GONE",
    needs=["scripted-model"],
)
def test_a_conversation_is_deleted_while_its_task_is_live(stage: Stage, judge: Judge) -> None:
    """Either it is refused and nothing changes, or the task ends and the conversation is gone."""
    task = stage.user.held(say("I am", " here"))
    before = stage.user.api.get_conversation(task.conversation_id, full=True)
    live = task.poll()
    deleted = stage.user.api.delete_conversation(task.conversation_id)
    if live.status not in LIVE:
        judge.cannot_verify(f"the task was {live.status}, although its model is held")
    judge.that(
        "CONV-DELETE-LIVE",
        deleted.status in (200, 409),
        "deleting a conversation while its task is live",
        expected="409 or 200",
        got=deleted.summary,
        by=(live.exchange, deleted),
    )
    if deleted.status == 200:
        _judge_deleted_live(stage, judge, task, deleted)
        return
    for requirement in ("CONV-DELETE-LIVE-ENDS-TASK", "CONV-DELETE-LIVE-STAYS-GONE"):
        judge.not_applicable(requirement, f"it is refused with {deleted.status}")
    task.release()
    last = task.end()
    after = stage.user.api.get_conversation(task.conversation_id, full=True)
    # What the assistant has said so far may be there already, and grows.
    kept = said(messages_of(after), "user") == said(messages_of(before), "user")
    judge.that(
        "CONV-DELETE-LIVE",
        after.ok and kept and last.status == "succeeded",
        "a conversation that could not be deleted, and its task",
        expected="both as if nothing had happened",
        got=f"the task is {last.status}; {after.summary}; {changed(before, after)}",
        by=(deleted, last.exchange, before, after),
    )


def _judge_deleted_live(stage: Stage, judge: Judge, task: Task, deleted: Exchange) -> None:
    api, name = stage.user.api, task.conversation_id
    readings = [api.get_conversation(name)]
    polls = [deleted]

    def ended() -> bool:
        # The task may be gone with its conversation: 404 everywhere.
        polls.append(api.poll_task(task.id, 0))
        return polls[-1].status == 404 or data_of(polls[-1]).get("status") in TERMINAL

    judge.that(
        "CONV-DELETE-LIVE-ENDS-TASK",
        stage.eventually(ended, _SOON_SECONDS),
        "the task of a conversation that was deleted",
        expected=f"a terminal status within {_SOON_SECONDS:g} s",
        got=f"{polls[-1].summary}, {data_of(polls[-1]).get('status')}",
        by=(deleted, polls[-1]),
    )
    task.release()
    stage.eventually(ended, _SOON_SECONDS)

    def came_back() -> bool:
        readings.append(api.get_conversation(name))
        return readings[-1].status != 404

    stage.eventually(came_back, 0.5)
    listing = api.list_conversations(limit=100)
    back = [reading for reading in readings if reading.status != 404]
    judge.that(
        "CONV-DELETE-LIVE-STAYS-GONE",
        not back and name not in ids(listing),
        "a conversation that was deleted while its task was live",
        expected="404, and not in the list",
        got=f"{back[0].summary if back else '404'}, listed: {name in ids(listing)}",
        by=(deleted, *(back[:1] or readings[-1:]), listing),
    )
