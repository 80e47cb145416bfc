"""What a task does with its settings, and that it needs nobody's connection (api_v1 2.2)."""

import http.client
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.offered_tools import offered_tools
from pollux.conformance.stage import Stage, Task, User
from pollux.conformance.stored import messages_of, said, since_last_user
from pollux.polling.exchange import Exchange
from pollux.polling.http import PREFIX, segment
from pollux.scripted_model.builder import call_any, error, hold, say, script, turn

_DEFAULT_ITERATIONS = 100
#: What the model says in the last call that a task may make, and in the one after it.
_LAST, _TOO_MANY = "the last one", "one too many"
_SOON_SECONDS = 10.0
_LONGEST_SECONDS = 300.0
#: After how many seconds a client goes away that has asked for something. A server may never see
#: what was asked by one that goes at once.
_MOMENTS = (0.0, 0.002, 0.01, 0.03)
#: How often a send that nobody waits for is made until it starts a task.
_TRIES = 3


# -- max_iterations ---------------------------------------------------------------------


@verifies(
    "SEND-MAX-ITERATIONS-LIMIT",
    "SEND-MAX-ITERATIONS-ENDS",
    needs=["scripted-model", "tools"],
    slow=True,
)
def test_a_task_makes_as_many_model_calls_as_it_may(stage: Stage, judge: Judge) -> None:
    """The model asks for one more tool every time; the limit is reached exactly, and ends it."""
    if not offered_tools(stage):
        return
    for limit in (1, 2, 5):
        task = _tireless(stage, limit, max_iterations=limit)
        ended = _goes_on(stage, task, _has_ended)
        _judge_calls(judge, "SEND-MAX-ITERATIONS-LIMIT", task, limit)
        judge.that(
            "SEND-MAX-ITERATIONS-ENDS",
            ended,
            f"a task with max_iterations {limit} that has made its last model call",
            expected=f"a terminal status, or an event every {_SOON_SECONDS:g} s",
            got=task.poll().status,
            by=(task.sent, task.poll(0).exchange),
        )
        task.clear()
        if not ended:
            break


@verifies("SEND-MAX-ITERATIONS-DEFAULT", needs=["scripted-model", "tools"], slow=True)
def test_a_task_makes_100_model_calls_by_default(stage: Stage, judge: Judge) -> None:
    """Absent means 100; null is taken for absent, as far as a few calls can show."""
    if not offered_tools(stage):
        return
    rule = "SEND-MAX-ITERATIONS-DEFAULT"
    task = _tireless(stage, _DEFAULT_ITERATIONS)
    _goes_on(stage, task, _has_said_enough)
    _goes_on(stage, task, _has_ended)
    _judge_calls(judge, rule, task, _DEFAULT_ITERATIONS)
    task.clear()
    task = _tireless(stage, 8, max_iterations=None)
    _goes_on(stage, task, _has_said_enough)
    judge.that(
        rule,
        _says(task, _LAST),
        "a task with max_iterations null, whose model asks for a tool 8 times",
        expected="8 model calls",
        got=f"fewer; the task is {task.poll().status}",
        by=(task.sent, task.poll(0).exchange),
    )
    task.clear()


def _tireless(stage: Stage, calls: int, **fields: Any) -> Task:
    """Start a task whose model asks for a tool CALLS times, and says something in the last."""
    turns = [turn(call_any()) for _ in range(calls - 1)]
    turns += [turn(say(_LAST), call_any()), turn(say(_TOO_MANY))]
    return stage.user.start(script(*turns), **fields)


def _has_ended(task: Task) -> bool:
    return task.ended


def _has_said_enough(task: Task) -> bool:
    return _says(task, _LAST) or task.ended


def _goes_on(stage: Stage, task: Task, reached: Callable[[Task], bool]) -> bool:
    """Watch TASK until REACHED; tell whether it was before nothing came of it for a while.

    Tools may take their time: what counts is that the task gets on.
    """
    latest = time.monotonic() + stage.seconds(_LONGEST_SECONDS)
    while not reached(task):
        head = task.watcher.invariants.head

        def news(head: int = head) -> bool:
            return task.poll(head).end > head or task.ended

        if not stage.eventually(news, _SOON_SECONDS):
            return reached(task)
        if time.monotonic() > latest:
            stage.judge.cannot_verify(
                f"the task gets on, but has not come so far in {_LONGEST_SECONDS:g} s"
            )
    return True


def _says(task: Task, text: str) -> bool:
    task.poll(task.watcher.invariants.head)
    return text in task.watcher.texts("text_chunk")


def _judge_calls(judge: Judge, requirement: str, task: Task, limit: int) -> None:
    reached, exceeded = _says(task, _LAST), _says(task, _TOO_MANY)
    kinds = {event["type"] for event in task.watcher.events}
    if not reached and not kinds & {"tool_preparing", "tool_start", "update_action"}:
        judge.cannot_verify("the implementation does not call tools for its model")
    judge.that(
        requirement,
        reached and not exceeded,
        f"the model calls of a task that may make {limit}, whose model always asks for a tool",
        expected=str(limit),
        got=f"{'more' if exceeded else limit if reached else 'fewer'}; it is {task.poll().status}",
        by=(task.sent, task.poll(0).exchange),
    )


@verifies("SEND-MAX-ITERATIONS-RETRIES", needs=["scripted-model"])
def test_a_retry_is_no_further_iteration(stage: Stage, judge: Judge) -> None:
    """A server that tries a failed call again does so with max_iterations 1, too."""
    shown = []
    for limit in (10, 1):
        name = stage.name("script")
        text = script(turn(error(503, times=1, retry_after=0), say("Here", " I am.")), id=name)
        task = stage.user.start(text, max_iterations=limit)
        last = task.end()
        shown.append("Here I am." in "".join(task.watcher.texts("text_chunk")))
        if not shown[0]:
            judge.not_applicable("SEND-MAX-ITERATIONS-RETRIES", "the server does not try again")
            return
    judge.that(
        "SEND-MAX-ITERATIONS-RETRIES",
        shown[-1],
        "a task with max_iterations 1 whose model call fails once",
        expected="a second try, as with max_iterations 10",
        got=f"{last.status}, error {last.data.get('error')!r}",
        by=(task.sent, last.exchange),
    )


# -- prompt and personalization ---------------------------------------------------------


@verifies("SEND-PROMPT-PRECEDENCE", needs=["scripted-model"], slow=True)
def test_the_prompt_of_a_send_wins_over_that_of_the_conversation(
    stage: Stage, judge: Judge
) -> None:
    """Both are seen in what the model is told; without either it is told neither."""

    def save(name: str, mark: str) -> Exchange:
        return stage.user.api.save_prompt(name, f"Remember the word {mark}.")

    _judge_precedence(stage, judge, "prompt", save)


@verifies("SEND-PERSONALIZATION-PRECEDENCE", needs=["scripted-model"], slow=True)
def test_the_personalization_of_a_send_wins_over_that_of_the_conversation(
    stage: Stage, judge: Judge
) -> None:
    """Both are seen in what the model is told; without either it is told neither."""

    def save(name: str, mark: str) -> Exchange:
        fields = ("self_identify", "user_name", "profession", "tone")
        content = {"enabled": True, **dict.fromkeys(fields, mark), "considerations": [mark]}
        return stage.user.api.save_personalization(name, content)

    _judge_precedence(stage, judge, "personalization", save)


def _judge_precedence(
    stage: Stage, judge: Judge, kind: str, save: Callable[[str, str], Exchange]
) -> None:
    user, field = stage.user, f"{kind}_name"
    marks = {stage.name(): f"mark{number}{stage.random.getrandbits(40):010x}" for number in "12"}
    for name, mark in marks.items():
        saved = save(name, mark)
        judge.require(
            f"{kind.upper()}-SAVE-SHAPE",
            saved.ok,
            f"saving a {kind}",
            expected="200",
            got=saved.summary,
            by=saved,
        )
    own, other = marks
    made = [user.api.create_conversation({field: own}) for _ in range(2)]
    for exchange in made:
        judge.require(
            "CONV-CREATE-NAMES",
            exchange.ok,
            f"creating a conversation with a saved {kind}",
            expected="200",
            got=exchange.summary,
            by=exchange,
        )
        found_id = exchange.payload.get("conversation_id")
        judge.require(
            "CONV-CREATE-SHAPE",
            isinstance(found_id, str),
            "the id of a new conversation",
            expected="a conversation_id",
            got=exchange.summary,
            by=exchange,
        )
        user.made(str(found_id))
    places = [{"conversation_id": exchange.payload.get("conversation_id")} for exchange in made]
    rows: list[tuple[str, dict[str, Any], set[str]]] = [
        (f"that names a {kind}", {field: other}, {other}),
        (f"in a conversation with a {kind}", places[0], {own}),
        (f"that names another {kind} than its conversation", {**places[1], field: other}, {other}),
        (f"without any {kind}", {}, set()),
    ]
    for what, fields, expected in rows:
        sent, told = _told(stage, judge, **fields)
        found = {name for name, mark in marks.items() if mark in told}
        if kind == "personalization" and expected and not found and fields == {field: other}:
            judge.cannot_verify("the model is told nothing of an enabled personalization")
        judge.that(
            f"SEND-{kind.upper()}-PRECEDENCE",
            found == expected,
            f"what the model is told in the task of a send {what}",
            expected=", ".join(map(marks.__getitem__, expected)) or "neither of two marks",
            got=", ".join(sorted(map(marks.__getitem__, found))) or "neither of two marks",
            by=sent,
        )


def _told(stage: Stage, judge: Judge, **fields: Any) -> tuple[Exchange, str]:
    """Run a task with these FIELDS; return its send, and all that its model was told."""
    name = stage.name("script")
    task = stage.user.start(script(turn(say("ok")), id=name), **fields)
    task.end()
    found = stage.model.requests.list(name)
    if not found:
        judge.cannot_verify("the scripted model was not asked for an answer")
    return task.sent, json.dumps([list(request.messages) for request in found])


# -- connections ------------------------------------------------------------------------


@verifies("TASK-RUNS-UNPOLLED", slow=True)
def test_a_task_goes_on_when_nobody_polls_it(stage: Stage, judge: Judge) -> None:
    """The first poll comes when the whole answer is in the conversation, and shows the end."""
    _judge_kept(stage, judge)
    task = stage.user.start(script(turn(say(200))) if stage.scripted else None)
    written, reading = _is_written(stage, stage.user, task.conversation_id)
    judge.that(
        "TASK-RUNS-UNPOLLED",
        written,
        "the conversation of a task that nobody polls",
        expected="the answer of the assistant in the end",
        got=f"{len(messages_of(reading))} messages, none of the assistant",
        by=(task.sent, reading),
    )
    last = task.end()
    judge.that(
        "TASK-RUNS-UNPOLLED",
        last.status == "succeeded" or not stage.scripted,
        "the end of a task that was not polled for a while",
        expected="succeeded",
        got=f"{last.status}, error {last.data.get('error')!r}",
        by=(task.sent, last.exchange),
    )


def _judge_kept(stage: Stage, judge: Judge) -> None:
    """See to it that a conversation shows that its task has ended: the control of the rest."""
    task = stage.user.start()
    last = task.end()
    reading = stage.user.api.get_conversation(task.conversation_id, full=True)
    judge.require(
        "CONV-HISTORY-COMPLETE",
        last.status != "succeeded" or any(said(messages_of(reading), "assistant")),
        "the conversation of a task that has succeeded",
        expected="the answer of the assistant",
        got="none",
        by=(task.sent, last.exchange, reading),
    )


def _is_written(stage: Stage, user: User, conversation_id: str) -> tuple[bool, Exchange]:
    """Wait for an answer of the assistant; tell whether it came, and the last reading."""
    readings: list[Exchange] = []

    def answered() -> bool:
        readings[:] = [user.api.get_conversation(conversation_id, full=True)]
        return any(said(since_last_user(messages_of(readings[0])), "assistant"))

    return stage.eventually(answered, 15 if stage.scripted else 180), readings[0]


@verifies("TASK-SURVIVES-DISCONNECT")
def test_a_task_survives_that_its_send_is_dropped(stage: Stage, judge: Judge) -> None:
    """The client goes before the answer to the send has come; the task goes on."""
    user = stage.user
    _judge_kept(stage, judge)
    place = user.conversation()
    name = stage.hold_name()
    text = script(turn(say("a"), hold(name), say("b", "c")))
    body = {"message": text if stage.scripted else stage.short_message(), "conversation_id": place}
    if not any(_starts_a_task(stage, user, body, name) for _ in range(_TRIES)):
        judge.cannot_verify("the send did not start a task")
    if stage.scripted:
        stage.model.holds.release(name)
    written, reading = _is_written(stage, user, place)
    answer = "".join(said(messages_of(reading), "assistant"))
    judge.that(
        "TASK-SURVIVES-DISCONNECT",
        # What comes after the hold was said when nobody was there any more.
        written and (not stage.scripted or "b" in answer),
        "the conversation of a task whose send was dropped by the client",
        expected="the whole answer of the assistant in the end",
        got=repr(answer),
        by=reading,
    )


@verifies("TASK-SURVIVES-DISCONNECT")
def test_a_task_survives_that_its_polls_are_dropped(stage: Stage, judge: Judge) -> None:
    """The client goes away in the midst of a few polls, with news in them and without."""
    user = stage.user
    task = user.held(say("a")) if stage.scripted else user.start()
    for moment in _MOMENTS:
        for offset in (0, task.poll(0).end):
            with _request(stage, user, "GET", f"/tasks/{segment(task.id)}?from={offset}"):
                time.sleep(moment)
    task.release()
    last = task.end()
    judge.that(
        "TASK-SURVIVES-DISCONNECT",
        last.status == "succeeded" or (not stage.scripted and last.status == "failed"),
        "the end of a task of which polls were dropped by the client",
        expected="succeeded",
        got=f"{last.status}, error {last.data.get('error')!r}",
        by=(task.sent, last.exchange),
    )


def _starts_a_task(stage: Stage, user: User, body: dict[str, Any], name: str) -> bool:
    """Send BODY and go before its answer is read; tell whether its task came to the hold NAME.

    A server that is busy may have refused it. A task that is only late comes to the hold while
    the next try is refused.
    """
    with _request(stage, user, "POST", "/messages", body) as connection:
        if not stage.scripted:
            return connection.getresponse().status == HTTPStatus.ACCEPTED
        return stage.model.holds.wait_until_held(name, stage.seconds(_SOON_SECONDS / 2))


@contextmanager
def _request(
    stage: Stage, user: User, method: str, path: str, body: dict[str, Any] | None = None
) -> Iterator[http.client.HTTPConnection]:
    """Send a request on a connection of its own, which is closed hard in the end."""
    parts = urlsplit(stage.target.base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=stage.seconds(10))
    headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    try:
        connection.request(method, f"{parts.path}{PREFIX}{path}", content, headers)
        yield connection
    finally:
        _drop(connection)


def _drop(connection: http.client.HTTPConnection) -> None:
    """Close a connection hard, as a crash of the client does."""
    if connection.sock is not None:
        linger = struct.pack("ii", 1, 0)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()
