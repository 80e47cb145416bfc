"""Restarts (api_v1 2.3): a kill in the midst of a task takes the tasks away, and nothing else.

Whoever shares the target with these checks loses tasks and connections, so they run alone: the
last of a run, never beside others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, Task, User
from pollux.conformance.stored import changed, data_of, disturbed, ids, pages
from pollux.conformance.storm import Storm, Work, server_of
from pollux.polling.client import ApiClient
from pollux.polling.exchange import Exchange
from pollux.polling.poll import LIVE, TERMINAL
from pollux.scripted_model.builder import say

_LONG_MESSAGE = "Write the numbers from 1 to 400 in words, each on a line of its own, nothing else."
_MOST_CONVERSATIONS = 20
_UNKNOWN_TASK = "00000000-0000-4000-8000-000000000000"


@verifies(
    "RESTART-TASKS-GONE",
    "RESTART-USER-FREE",
    "RESTART-CONVERSATIONS-KEPT",
    "RESTART-KILLED-IN-TASK",
    "RESTART-NO-LEFTOVERS",
    "COMMON-UNAVAILABLE",
    needs=["restart"],
    slow=True,
)
def test_killed_in_the_midst_of_a_task(
    stage: Stage, judge: Judge, pytestconfig: pytest.Config
) -> None:
    """A task is live, another user's tasks come and go, conversations are being created."""
    user = stage.user
    earlier = _ended_task(user)
    deleted = user.conversation()
    user.api.delete_conversation(deleted)
    resting = [_read(user, name) for name in (earlier.conversation_id, user.conversation())]
    live = _live_task(stage, user, _ended_task(user).conversation_id)
    talk_of_user = _Talk(
        live.conversation_id, _up_to_the_user(_read(user, live.conversation_id)), [live.id]
    )
    tasks = [task.id for task in user.tasks]
    known = _listed(user)
    was_live = live.poll(0).status in LIVE

    usual = [exchange.status for exchange in _asked(user.api)]
    storm = Storm(stage, server_of(pytestconfig))
    created: list[str] = []
    storm.worker(user.token, _creating(created))
    talks = {user: talk_of_user} | _talking(stage, storm)
    storm.strike(
        ready=lambda: bool(created) and all(talk.tasks for talk in talks.values()),
        while_starting=lambda api: _answers_well(judge, api, usual),
    )

    listed = _listed(user)
    untitled = data_of(resting[-1]).get("title")
    for before in resting:
        _conversation_is_kept(judge, user, before, listed, untitled)
    for name in created:
        _created_is_kept(judge, user, name, listed)
    _deleted_stays_away(judge, user, deleted, listed)
    _new_ones_are_whole(judge, user, listed - known - set(created))
    for somebody, talk in talks.items():
        _tasks_are_gone(judge, somebody, {*talk.tasks, *(tasks if somebody is user else ())})
        whole = _history_is_kept(judge, somebody, talk)
        _is_free(judge, somebody, talk.conversation_id if whole else None)
    if not was_live:
        judge.cannot_verify("the task had ended before the kill: it could not keep the user busy")


@dataclass
class _Talk:
    """A conversation in which a user's tasks run.

    Attributes:
        conversation_id: The conversation.
        messages: What was stored in it for certain.
        tasks: Ids of its tasks.
    """

    conversation_id: str
    messages: list[Any]
    tasks: list[str] = field(default_factory=list)


def _ended_task(user: User) -> Task:
    task = user.start()
    task.end()
    return task


def _live_task(stage: Stage, user: User, conversation_id: str) -> Task:
    if stage.scripted:
        return user.held(say("I am", " still", " thinking"), conversation_id=conversation_id)
    return user.start(_LONG_MESSAGE, conversation_id=conversation_id)


def _read(user: User, conversation_id: str) -> Exchange:
    """Read a conversation, which must work."""
    exchange = user.api.get_conversation(conversation_id, full=True)
    user.stage.judge.require(
        "CONV-GET-SHAPE",
        exchange.status == 200 and isinstance(data_of(exchange).get("messages"), list),
        "reading a conversation",
        expected="200 with its messages",
        got=exchange.summary,
        by=exchange,
    )
    return exchange


def _up_to_the_user(reading: Exchange) -> list[Any]:
    """Return the messages up to the last one of the user: what follows is still being made."""
    messages: list[Any] = data_of(reading)["messages"]
    mine = [n for n, message in enumerate(messages, 1) if message.get("role") == "user"]
    return messages[: mine[-1] if mine else 0]


def _listed(user: User) -> set[str]:
    return {name for page in pages(user) for name in ids(page)}


# -- the storm ----------------------------------------------------------------------------


def _creating(created: list[str]) -> Work:
    def create(api: ApiClient) -> bool:
        exchange = api.create_conversation()
        if exchange.status == 200:
            created.append(str(exchange.payload.get("conversation_id")))
        return exchange.answered and len(created) < _MOST_CONVERSATIONS

    return create


def _talking(stage: Stage, storm: Storm) -> dict[User, _Talk]:
    """Have the second user, if there is one and the model is quick, send one message after another.

    So there is hardly a moment at which nothing is being written into that conversation.
    """
    if not stage.scripted or len(stage.users) < 2:
        return {}
    first = _ended_task(stage.other)
    before = _read(stage.other, first.conversation_id)
    talk = _Talk(first.conversation_id, data_of(before)["messages"])

    def speak(api: ApiClient) -> bool:
        # What stands behind the script is only there to make the conversation long.
        text = f"{stage.short_message()}\n{'And so on. ' * 3000}"
        sent = api.send_message(text, conversation_id=talk.conversation_id)
        task_id = str(sent.payload.get("task_id"))
        while sent.status == 202:
            poll = api.poll_task(task_id, 0)
            if not poll.ok:
                return poll.answered
            if data_of(poll).get("status") in TERMINAL:
                reading = api.get_conversation(talk.conversation_id, full=True)
                if reading.ok:
                    talk.messages = data_of(reading)["messages"]
                    talk.tasks.append(task_id)
                return reading.answered
        return sent.answered

    storm.worker(stage.other.token, speak)
    return {stage.other: talk}


def _asked(api: ApiClient) -> list[Exchange]:
    return [
        api.health(),
        api.list_models(),
        api.list_conversations(limit=1),
        api.list_prompts(),
        api.list_files(),
        api.poll_task(_UNKNOWN_TASK),
    ]


def _answers_well(judge: Judge, api: ApiClient, usual: Sequence[int]) -> None:
    """Ask a server that is starting: it answers as it always does, or 503, or not at all."""
    for exchange, status in zip(_asked(api), usual, strict=True):
        if exchange.answered:
            judge.that(
                "COMMON-UNAVAILABLE",
                exchange.status == status
                or (exchange.status == 503 and exchange.payload.get("success") is False),
                f"{exchange.operation} while the server is starting",
                expected=f"{status}, or 503 and the failure object",
                got=exchange.summary,
                by=exchange,
            )


# -- what is left of it -------------------------------------------------------------------


def _tasks_are_gone(judge: Judge, user: User, tasks: Iterable[str]) -> None:
    for task_id in tasks:
        exchange = user.api.poll_task(task_id, 0)
        judge.that(
            "RESTART-TASKS-GONE",
            exchange.status == 404,
            "a poll of a task of before the restart",
            expected="404",
            got=exchange.summary,
            by=exchange,
        )


def _conversation_is_kept(
    judge: Judge, user: User, before: Exchange, listed: set[str], untitled: object
) -> None:
    name = str(data_of(before).get("id"))
    after = user.api.get_conversation(name, full=True)
    # It may have got a title between the reading and the kill, but has not lost one.
    lost = data_of(after).get("title") == untitled != data_of(before).get("title")
    other = changed(before, after) if lost else disturbed(before, after)
    judge.that(
        "RESTART-CONVERSATIONS-KEPT",
        after.ok and not other and name in listed,
        "a conversation after the restart",
        expected="listed, and as it was",
        got=f"{_whether(name in listed)}, {other or after.summary}",
        by=(before, after),
    )


def _created_is_kept(judge: Judge, user: User, name: str, listed: set[str]) -> None:
    user.made(name)
    reading = user.api.get_conversation(name, full=True)
    judge.that(
        "RESTART-CONVERSATIONS-KEPT",
        reading.ok and data_of(reading).get("messages") == [] and name in listed,
        "a conversation that was created just before the kill",
        expected="listed, 200 and no messages",
        got=f"{_whether(name in listed)}, {reading.summary}",
        by=reading,
    )


def _deleted_stays_away(judge: Judge, user: User, name: str, listed: set[str]) -> None:
    reading = user.api.get_conversation(name)
    judge.that(
        "RESTART-CONVERSATIONS-KEPT",
        reading.status == 404 and name not in listed,
        "a conversation that was deleted before the restart",
        expected="not listed, 404",
        got=f"{_whether(name in listed)}, {reading.summary}",
        by=reading,
    )


def _new_ones_are_whole(judge: Judge, user: User, new: set[str]) -> None:
    """Judge what a request that was never answered may have made: then it is there as a whole."""
    judge.held("RESTART-NO-LEFTOVERS")
    for name in sorted(new):
        user.made(name)
        reading = user.api.get_conversation(name, full=True)
        judge.that(
            "RESTART-NO-LEFTOVERS",
            reading.ok and isinstance(data_of(reading).get("messages"), list),
            "a conversation that is listed after the restart, and was not before",
            expected="200 with its messages",
            got=reading.summary,
            by=reading,
        )


def _history_is_kept(judge: Judge, user: User, talk: _Talk) -> bool:
    name, count = talk.conversation_id, len(talk.messages)
    is_listed = name in _listed(user)
    reading = user.api.get_conversation(name, full=True)
    after = data_of(reading).get("messages")
    messages = after if isinstance(after, list) else []
    return judge.that(
        "RESTART-KILLED-IN-TASK",
        reading.ok and messages[:count] == talk.messages and is_listed,
        "the conversation of a task in whose midst the server was killed",
        expected=f"listed, and the {count} messages that were stored before",
        got=f"{_whether(is_listed)}, {reading.summary}, {len(messages)} messages"
        + ("" if len(messages) < count else ", others"),
        by=reading,
    )


def _is_free(judge: Judge, user: User, conversation_id: str | None) -> None:
    """Judge that USER can send, to the conversation of the live task if that is still whole."""
    fields = {} if conversation_id is None else {"conversation_id": conversation_id}
    exchange = user.api.send_message(user.stage.short_message(), **fields)
    judge.that(
        "RESTART-USER-FREE",
        exchange.status == 202,
        "a send after the restart, to the conversation of the task that was live",
        expected="202",
        got=exchange.summary,
        by=exchange,
    )
    if exchange.status == 202:
        user.task_of(exchange).end()


def _whether(listed: bool) -> str:
    return "listed" if listed else "not listed"
