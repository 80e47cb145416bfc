"""What a conversation remembers of its tasks (api_v1 2.1), also of those that were broken off."""

from collections.abc import Sequence

import pytest

from pollux.conformance.check import SLOW, verifies
from pollux.conformance.haste import TIGHT, is_quick
from pollux.conformance.judge import Judge
from pollux.conformance.offered_tools import offered_tools
from pollux.conformance.stage import Stage, Task
from pollux.conformance.stored import (
    Message,
    data_of,
    messages_of,
    said,
    since_last_user,
    text_of,
    tool_calls_of,
    unanswered,
)
from pollux.polling.exchange import Exchange
from pollux.polling.poll import LIVE, Poll
from pollux.scripted_model.builder import (
    call,
    call_any,
    call_raw,
    fail,
    hold,
    say,
    script,
    think,
    turn,
)

_ROLES = ("user", "assistant", "tool")
_PLAIN_MESSAGE = "Please answer with one short sentence about the sea."
# So many tools of one answer take a moment, whatever the tool.
_MANY_CALLS = 30


def _history(task: Task) -> Exchange:
    """Read the whole conversation of TASK."""
    return task.user.api.get_conversation(task.conversation_id, full=True)


@verifies("CONV-HISTORY-COMPLETE", "CONV-MESSAGE-SHAPE")
def test_a_conversation_keeps_what_was_said(stage: Stage, judge: Judge) -> None:
    """The message of the user, then the text of the assistant as its events showed it."""
    texts = [
        script(
            turn(think("Hm", "?"), say("Grüß", " Gott, ", "世界 ", "👍🏽", "\n\n  two", " lines"))
        ),
        script(turn(say(40), say("end"))),
    ]
    if not stage.scripted:
        texts = [_PLAIN_MESSAGE]
    for text in texts[:1] if is_quick(stage) else texts:
        task = stage.user.start(text, run_mode="thinking" if stage.scripted else None)
        last = task.end()
        if last.status != "succeeded":
            judge.cannot_verify(f"the task is {last.status}: {last.data.get('error')!r}")
        reading = _history(task)
        rows = messages_of(reading)
        _judge_shapes(judge, reading, rows)
        asked = said(rows, "user")
        judge.that(
            "CONV-HISTORY-COMPLETE",
            asked[-1:] == [text],
            "the message of the user in the conversation of a task that has succeeded",
            expected=repr(text[:200]),
            got=repr(asked[-1][:200]) if asked else "none",
            by=(task.sent, reading),
        )
        shown = "".join(task.watcher.texts("text_chunk"))
        kept = "".join(said(since_last_user(rows), "assistant"))
        judge.that(
            "CONV-HISTORY-COMPLETE",
            kept.strip() == shown.strip(),
            "the text of the assistant in the conversation of a task that has succeeded",
            expected=f"{shown[-200:]!r} at the end, as the events showed it",
            got=repr(kept[-200:]),
            by=(task.poll(0).exchange, reading),
        )


def _judge_shapes(judge: Judge, reading: Exchange, rows: Sequence[Message]) -> None:
    for number, message in enumerate(rows):
        wrong = _wrong_with(message)
        judge.that(
            "CONV-MESSAGE-SHAPE",
            not wrong,
            f"message {number} of a conversation, of the role {message.get('role')!r}",
            expected="role, content and timestamp, and what belongs to its role",
            got=wrong,
            by=reading,
        )


def _wrong_with(message: Message) -> str:
    """Return what is wrong with the shape of a stored message; nothing is an empty text."""
    lacking = [name for name in ("role", "content", "timestamp") if name not in message]
    if message.get("role") == "tool":
        lacking += [name for name in ("tool_call_id", "name") if not message.get(name)]
    if lacking:
        return f"no {', '.join(lacking)}"
    if message["role"] not in _ROLES:
        return f"the role {message['role']!r}"
    for one in tool_calls_of(message):
        function = one.get("function")
        texts = [one.get("id"), *(_texts_of(function) if isinstance(function, dict) else [None])]
        if one.get("type") != "function" or not all(isinstance(text, str) for text in texts):
            return f"the tool call {one!r:.200}"
    return ""


def _texts_of(function: Message) -> list[object]:
    return [function.get("name"), function.get("arguments")]


def _judge_results(judge: Judge, requirement: str, reading: Exchange, when: str) -> None:
    """Judge that the result of every stored tool call is stored, too."""
    rows = messages_of(reading)
    missing = unanswered(rows)
    calls = sum(len(tool_calls_of(message)) for message in rows)
    judge.that(
        requirement,
        not missing,
        f"the {calls} tool calls stored {when}",
        expected="a tool message for each of them",
        got=f"none for {len(missing)} of them, such as {', '.join(missing[:3])}",
        by=reading,
    )


@verifies(
    "CONV-HISTORY-TOOL-RESULTS", "CONV-MESSAGE-SHAPE", needs=["scripted-model", "tools"], slow=True
)
def test_the_results_of_tools_are_kept(stage: Stage, judge: Judge) -> None:
    """One tool, several at once, one that does not exist, one with arguments that are none."""
    if not offered_tools(stage):
        return
    first = stage.user.start(script(turn(say("Let me", " see."), call_any()), turn(say("Done."))))
    first.end()
    reading = _history(first)
    names = _called(messages_of(reading))
    if not names:
        judge.cannot_verify("no tool call is stored: does the implementation offer its model any?")
    _judge_results(judge, "CONV-HISTORY-TOOL-RESULTS", reading, "after one call")
    text = script(
        turn(call_any(), call_any(), call_any()),
        turn(say("And"), call("no_such_tool", x=1), call_raw(names[0], "{not json")),
        turn(say("Done", " again.")),
    )
    second = stage.user.start(text, conversation_id=first.conversation_id)
    second.end()
    reading = _history(second)
    _judge_results(judge, "CONV-HISTORY-TOOL-RESULTS", reading, "after several calls")
    _judge_shapes(judge, reading, messages_of(reading))


def _called(rows: Sequence[Message]) -> list[str]:
    functions = [one.get("function") for message in rows for one in tool_calls_of(message)]
    return [str(function.get("name")) for function in functions if isinstance(function, dict)]


@verifies("CONV-HISTORY-TOOL-RESULTS-CANCEL", needs=["scripted-model", "tools"], slow=True)
@pytest.mark.parametrize("moment", ["during an answer", "between answers", "during tools"])
def test_a_cancel_leaves_no_tool_call_without_a_result(
    stage: Stage, judge: Judge, moment: str
) -> None:
    """Whenever the cancel comes, the conversation can be gone on with."""
    if not offered_tools(stage):
        return
    user = stage.user
    for _ in range(2 if moment == "during tools" else 1):
        task = _cancelled_task(stage, judge, moment)
        reading = _history(task)
        requirement = "CONV-HISTORY-TOOL-RESULTS-CANCEL"
        _judge_results(judge, requirement, reading, f"after a cancel {moment}")
        name = stage.name("script")
        following = user.start(
            script(turn(say("Going", " on.")), id=name), conversation_id=task.conversation_id
        )
        last = following.end()
        # The scripted model is more patient than others, which refuse such a request.
        told = [
            missing
            for request in stage.model.requests.list(name)
            for missing in unanswered(request.messages)
        ]
        judge.that(
            requirement,
            last.status == "succeeded" and not told,
            f"the next task in a conversation after a cancel {moment}",
            expected="succeeded, its model told the result of every call",
            got=f"{last.status}, without the results of {', '.join(told[:3]) or 'no call'}",
            by=(following.sent, last.exchange, reading),
        )


def _cancelled_task(stage: Stage, judge: Judge, moment: str) -> Task:
    """Start a task that calls tools, cancel it at this MOMENT, and wait for its end."""
    name = stage.hold_name()
    turns = {
        "during an answer": [turn(say("Now"), call_any(), hold(name), call_any())],
        "between answers": [turn(call_any(), call_any()), turn(hold(name), call_any())],
        "during tools": [turn(*[call_any() for _ in range(_MANY_CALLS)]), turn(say("end"))],
    }
    task = stage.user.start(script(*turns[moment]))
    task.hold = name
    if moment == "during tools":
        # Without a pause: the tools of most servers take no longer than a few polls.
        task.watcher.run(_tool_has_started, pace=TIGHT, stall=stage.seconds(15))
        reached = any(event["type"] == "tool_start" for event in task.watcher.events)
    else:
        reached = stage.model.holds.wait_until_held(name, stage.seconds(15))
    if not reached:
        judge.cannot_verify("the implementation did not call a tool")
    task.cancel()
    if task.ends_within(10) is None:
        judge.cannot_verify("the cancelled task did not end")
    return task


def _tool_has_started(poll: Poll) -> bool:
    return poll.terminal or any(event["type"] == "tool_start" for event in poll.events)


@verifies("CONV-HISTORY-CANCEL-TEXT", needs=["scripted-model"])
@pytest.mark.parametrize("chunks", [1, 3, pytest.param(150, marks=SLOW)])
def test_text_shown_before_a_cancel_is_kept(stage: Stage, judge: Judge, chunks: int) -> None:
    """What the user has seen of a cancelled answer is in the conversation."""
    task = stage.user.held(say(chunks))
    shown = "".join(say(chunks).texts(1))
    if not stage.eventually(lambda: _shows(task, shown), 10):
        judge.cannot_verify("the text was not shown before the cancel")
    cancelled = task.cancel()
    if task.ends_within(10) is None:
        judge.cannot_verify("the cancelled task did not end")
    _judge_kept(judge, "CONV-HISTORY-CANCEL-TEXT", task, shown, cancelled)


def _shows(task: Task, text: str) -> bool:
    task.poll(task.watcher.invariants.head)
    return "".join(task.watcher.texts("text_chunk")) == text


def _judge_kept(judge: Judge, requirement: str, task: Task, shown: str, *before: Exchange) -> None:
    """Judge that the text SHOWN is in the history, marked as unfinished or not."""
    reading = _history(task)
    kept = [text_of(message) for message in since_last_user(messages_of(reading))]
    judge.that(
        requirement,
        any(shown.strip() in text for text in (*kept, "".join(kept))),
        "the messages after the user's in the conversation of a task that was broken off",
        expected=f"the text that was shown, {shown[-100:]!r} at its end",
        got=f"{[text[-100:] for text in kept]}",
        by=(*before, task.poll(0).exchange, reading),
    )


@verifies("CONV-HISTORY-FAILURE-TEXT", needs=["scripted-model"], slow=True)
def test_text_shown_before_a_failure_is_kept(stage: Stage, judge: Judge) -> None:
    """What the user has seen of an answer in which the model broke down is kept."""
    text = script(turn(say("Half", " an", " answer"), fail("the model is out of order")))
    task = stage.user.start(text)
    last = task.end()
    if last.status == "succeeded":
        judge.cannot_verify("the task succeeded, although its model failed")
    _judge_kept(judge, "CONV-HISTORY-FAILURE-TEXT", task, "Half an answer", last.exchange)


@verifies("CONV-TITLE-ANNOUNCED")
def test_a_new_title_is_announced_in_the_events(stage: Stage, judge: Judge) -> None:
    """Whoever polls the task gets to know each title that the conversation is given meanwhile."""
    user = stage.user
    name = user.conversation()
    first = user.api.get_conversation(name)
    titles: dict[str, Exchange] = {}
    if stage.scripted:
        task = user.held(say("A title?"), conversation_id=name)
        stage.eventually(lambda: _look_at_title(task, first, titles) or bool(titles), 1.0)
        task.release()
    else:
        task = user.start(conversation_id=name)
        stage.eventually(lambda: _look_at_title(task, first, titles), 120.0)
    last = task.end()
    if not titles:
        judge.not_applicable("CONV-TITLE-ANNOUNCED", "the title did not change during the task")
    announced = [
        event["data"].get("title")
        for event in task.watcher.events
        if event["type"] == "conversation_changed"
    ]
    for title, reading in titles.items():
        judge.that(
            "CONV-TITLE-ANNOUNCED",
            title in announced,
            f"the events of a task in which the title became {title!r}",
            expected=f"a conversation_changed with the title {title!r}",
            got=f"conversation_changed with {announced}" if announced else "no such event",
            by=(first, reading, last.exchange),
        )


def _look_at_title(task: Task, first: Exchange, titles: dict[str, Exchange]) -> bool:
    """Note the title if it is a new one and the task is live; tell whether the task has ended."""
    reading = task.user.api.get_conversation(task.conversation_id)
    poll = task.poll(task.watcher.invariants.head)
    title = data_of(reading).get("title")
    new = reading.ok and isinstance(title, str) and title != data_of(first).get("title")
    if new and poll.status in LIVE:
        titles[str(title)] = reading
    return poll.terminal
