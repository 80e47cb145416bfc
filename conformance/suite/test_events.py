"""Events (api_v1 2.4): their granularity is that of the model's stream, their order has rules."""

import json
import time

import pytest

from pollux.conformance.check import SLOW, verifies
from pollux.conformance.judge import Judge
from pollux.conformance.offered_tools import offered_tools
from pollux.conformance.stage import Stage, Task
from pollux.conformance.stored import data_of
from pollux.polling.poll import as_time
from pollux.scripted_model.builder import (
    call_any,
    error,
    fail,
    malformed,
    pause,
    say,
    script,
    shred,
    think,
    turn,
)
from pollux.scripted_model.script import Say, Think

# What whole seconds, rounded up, may add up to.
_ROUNDED_SECONDS = 2.0

_ODD_CHUNKS = (
    "Hello",
    " ",
    ", ",
    "wörld",
    "\n",
    "\n\n",
    "\t",
    "你",
    "好，世界",
    "👍",
    "🏽",
    "e",
    "\u0301",
    "  two  blanks  ",
    '{"json": true}',
    "<b>&amp;</b>",
    "null",
    "0",
    "\\n",
    "data: [DONE]",
    "a",
    "a",
    "a",
    "...",
)


def _judge_chunks(judge: Judge, requirement: str, task: Task, kind: str, sent: list[str]) -> None:
    got = [text for text in task.watcher.texts(kind) if text]  # EVENT-EMPTY-CHUNK has the others
    place = next((i for i, (a, b) in enumerate(zip(got, sent, strict=False)) if a != b), None)
    place = min(len(got), len(sent)) if place is None else place
    judge.that(
        requirement,
        got == sent,
        f"the {kind} events beside the chunks of the model",
        expected=f"{len(sent)} events; number {place + 1} is {sent[place : place + 3]!r}",
        got=f"{len(got)} events; number {place + 1} is {got[place : place + 3]!r}",
        by=task.poll(0).exchange,
    )


@verifies(
    "EVENT-GRANULARITY-TEXT", "EVENT-FULL-CONTENT", "EVENT-CHUNK-PLACE", needs=["scripted-model"]
)
@pytest.mark.parametrize("chunks", [1, 2, 40, pytest.param(600, marks=SLOW)])
def test_each_chunk_of_text_is_one_event(stage: Stage, judge: Judge, chunks: int) -> None:
    """N chunks of the model make N text_chunk events with exactly these texts."""
    # All of them fit into the buffer, so that none is lost on a slow reader.
    count = min(chunks, stage.target.buffer_size * 6 // 10)
    while True:
        said = say(count)
        task = stage.user.start(script(turn(said)))
        task.end()
        if len(task.watcher.events) == task.watcher.invariants.head or count == 1:
            break
        # So many events of the server's own stand between them that the window ran over.
        count //= 2
    _judge_chunks(judge, "EVENT-GRANULARITY-TEXT", task, "text_chunk", list(said.texts(1)))


@verifies("EVENT-GRANULARITY-TEXT", "EVENT-FULL-CONTENT", needs=["scripted-model"])
def test_chunks_of_every_kind_come_as_they_were_sent(stage: Stage, judge: Judge) -> None:
    """Blanks, line ends, markup, other scripts, and emoji cut in two are not touched."""
    task = stage.user.start(script(turn(say(*_ODD_CHUNKS))))
    task.end()
    _judge_chunks(judge, "EVENT-GRANULARITY-TEXT", task, "text_chunk", list(_ODD_CHUNKS))


@verifies(
    "EVENT-GRANULARITY-TEXT", "EVENT-GRANULARITY-THINKING", needs=["scripted-model"], slow=True
)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_characters_that_the_network_cuts_apart_are_whole(
    stage: Stage, judge: Judge, size: int
) -> None:
    """The bytes of the model's answer come in pieces that end within characters and lines."""
    thought, said = think("思", "é🏽…"), say(*_ODD_CHUNKS)
    task = stage.user.start(script(turn(shred(size), thought, said)), run_mode="thinking")
    task.end()
    _judge_chunks(judge, "EVENT-GRANULARITY-THINKING", task, "thinking_chunk", _texts(thought))
    _judge_chunks(judge, "EVENT-GRANULARITY-TEXT", task, "text_chunk", _texts(said))


@verifies("EVENT-TEXT-ELAPSED", needs=["scripted-model"], slow=True)
def test_the_time_between_chunks_is_told_in_seconds(stage: Stage, judge: Judge) -> None:
    """All the times together are no longer than the whole task, whatever is rounded."""
    began = time.monotonic()
    task = stage.user.start(script(turn(say("a"), pause(0.3), say(*map(str, range(30))))))
    task.end()
    whole = time.monotonic() - began
    told = [event for event in task.watcher.events if event["type"] == "text_chunk"]
    times = [as_time(event["data"].get("elapsed")) or 0.0 for event in told]
    judge.that(
        "EVENT-TEXT-ELAPSED",
        sum(times) <= whole + _ROUNDED_SECONDS,
        f"the elapsed of {len(times)} text chunks of a task that has taken {whole:.1f} s",
        expected=f"not more than that in all, and {_ROUNDED_SECONDS:g} s for what is rounded",
        got=f"{sum(times):.1f} in all, {max(times, default=0.0)!r} the longest",
        by=task.poll(0).exchange,
    )


@verifies("EVENT-GRANULARITY-THINKING", "EVENT-GRANULARITY-TEXT", needs=["scripted-model"])
def test_each_chunk_of_reasoning_is_one_event(stage: Stage, judge: Judge) -> None:
    """Reasoning has the same granularity as text."""
    thought, said = think(*_ODD_CHUNKS, *map(str, range(30))), say(5)
    task = stage.user.start(script(turn(thought, said)), run_mode="thinking")
    task.end()
    _judge_chunks(judge, "EVENT-GRANULARITY-THINKING", task, "thinking_chunk", _texts(thought))
    _judge_chunks(judge, "EVENT-GRANULARITY-TEXT", task, "text_chunk", _texts(said))


@verifies("EVENT-EMPTY-CHUNK", needs=["scripted-model"])
def test_an_empty_chunk_is_no_event(stage: Stage, judge: Judge) -> None:
    """Empty chunks of the model leave no trace."""
    task = stage.user.start(
        script(turn(think("", "a", "", "b"), say("", "one", "", "", "two", ""))),
        run_mode="thinking",
    )
    task.end()
    for kind, whole in (("thinking_chunk", "ab"), ("text_chunk", "onetwo")):
        got = task.watcher.texts(kind)
        judge.that(
            "EVENT-EMPTY-CHUNK",
            "" not in got and "".join(got) == whole,
            f"the {kind} events of an answer with empty chunks",
            expected=f"{whole!r} in all, and none that is empty",
            got=f"{got!r}",
            by=task.poll(0).exchange,
        )


@verifies("EVENT-LIVE", needs=["scripted-model"])
def test_what_the_model_has_said_is_shown_while_it_goes_on(stage: Stage, judge: Judge) -> None:
    """The model is held in the midst of its answer: what came before can be polled already."""
    task = stage.user.held(say("one ", "two ", "three "), after=(say("four"),))
    shown = stage.eventually(lambda: "".join(_polled_texts(task)) == "one two three ", 10)
    now = task.poll()
    judge.that(
        "EVENT-LIVE",
        shown,
        "the text_chunk events while the model is in the midst of its answer",
        expected="'one two three ', in whatever pieces",
        got=f"{task.watcher.texts('text_chunk')} with status {now.status}",
        by=now.exchange,
    )
    task.release()
    task.end()


def _polled_texts(task: Task) -> list[str]:
    task.poll(task.watcher.invariants.head)
    return task.watcher.texts("text_chunk")


@verifies(
    "EVENT-ENVELOPE",
    "EVENT-PAYLOAD",
    "EVENT-MESSAGE-START",
    "EVENT-CHUNK-PLACE",
    "EVENT-FULL-CONTENT",
    "EVENT-TEXT-INDEX",
    "EVENT-TEXT-ELAPSED",
    needs=["scripted-model"],
)
def test_the_events_of_an_answer_keep_their_order(stage: Stage, judge: Judge) -> None:
    """Thinking and text, with pauses: the invariants read every event of the stream."""
    text = script(turn(think(6), pause(0.03), say(6), pause(0.03), say(6)))
    task = stage.user.start(text, run_mode="thinking")
    task.end()
    kinds = {str(event["type"]) for event in task.watcher.events}
    judge.that(
        "EVENT-MESSAGE-START",
        "ai_message_start" in kinds,
        "the types of the events of a task that has thought and spoken",
        expected="ai_message_start among them",
        got=", ".join(sorted(kinds)),
        by=task.poll(0).exchange,
    )


@verifies(
    "EVENT-MESSAGE-START",
    "EVENT-TEXT-INDEX",
    "EVENT-TEXT-ELAPSED",
    "EVENT-TOOL-ANSWERED",
    "EVENT-TOOL-START-PREPARED",
    "EVENT-PAYLOAD",
    needs=["scripted-model", "tools"],
    slow=True,
)
def test_several_rounds_of_tools_and_text_keep_their_order(stage: Stage, judge: Judge) -> None:
    """Three calls of the model, tools between them: counts begin anew, the task does not."""
    if not offered_tools(stage):
        return
    text = script(
        turn(say("Let", " me", " look."), call_any()),
        turn(say("And", " again."), call_any(), call_any()),
        turn(say("Done", ".")),
    )
    task = stage.user.start(text)
    task.end()
    started = [event for event in task.watcher.events if event["type"] == "tool_start"]
    judge.that(
        "EVENT-TOOL-ANSWERED",
        bool(started),
        "the events of a task whose model has called tools",
        expected="a tool_start",
        got="none",
        by=task.poll(0).exchange,
    )


@verifies(
    "TASK-MODEL-FAILURE",
    "TASK-FAILURE-ERROR",
    "TASK-FAILURE-EVENT",
    needs=["scripted-model"],
    slow=True,
)
def test_a_model_that_breaks_off_for_good_fails_the_task(stage: Stage, judge: Judge) -> None:
    """The model's answer ends in an error, every time: the task is `failed`, and says why."""
    task = stage.user.start(
        script(turn(say("half an"), fail("the model is out of order"), repeat=True))
    )
    last = task.end()
    judge.that(
        "TASK-MODEL-FAILURE",
        last.status == "failed",
        "the status of a task whose model fails for good",
        expected="failed",
        got=f"{last.status}, error {last.data.get('error')!r}",
        by=last.exchange,
    )


@verifies("TASK-EXCEPTION", needs=["scripted-model"], slow=True)
def test_an_answer_that_cannot_be_understood_fails_the_task(stage: Stage, judge: Judge) -> None:
    """The model sends what is no JSON, every time; who ends over it says `failed`."""
    task = stage.user.start(script(turn(say("half an"), malformed(), repeat=True)))
    last = task.end()
    errors = [event for event in task.watcher.events if event["type"] == "error"]
    ended_by_error = any(event["data"].get("retry") is not True for event in errors)
    if last.status == "succeeded" and not ended_by_error:
        judge.not_applicable("TASK-EXCEPTION", "the server passes over a damaged chunk")
        return
    judge.that(
        "TASK-EXCEPTION",
        last.status == "failed",
        "the status of a task whose run was ended by an exception",
        expected="failed",
        got=f"{last.status}, with {len(errors)} error events",
        by=last.exchange,
    )


@verifies("EVENT-NO-CREDENTIALS", needs=["scripted-model"], slow=True)
def test_no_error_event_shows_the_account_of_the_model(stage: Stage, judge: Judge) -> None:
    """Neither the key nor the address of the model, nor what it was asked, is told."""
    name = stage.name("script")
    scripts = [
        script(turn(error(401, "who are you"), repeat=True), id=f"{name}-a"),
        script(turn(say("half an"), fail("out of order"), repeat=True), id=f"{name}-b"),
    ]
    secrets = {
        "the address of the model": str(stage.target.model_control).partition("://")[2],
        "the request to the model": name,
    }
    if stage.target.model_key:
        secrets["the key of the model"] = stage.target.model_key
    for text in scripts:
        task = stage.user.start(text)
        last = task.end()
        shown = [event["data"] for event in task.watcher.events if event["type"] == "error"]
        judge.require(
            "TASK-FAILURE-EVENT",
            bool(shown),
            "the events of a task whose model fails",
            expected="an error",
            got=f"none, and the task is {last.status}",
            by=task.poll(0).exchange,
        )
        told = json.dumps([shown, last.data.get("error")], ensure_ascii=False)
        for what, secret in secrets.items():
            judge.that(
                "EVENT-NO-CREDENTIALS",
                secret not in told,
                f"whether an error tells {what}",
                expected="it is withheld",
                got=told[:400],
                by=task.poll(0).exchange,
            )


@verifies("EVENT-TITLE-TRUE")
def test_an_announced_title_is_the_title(stage: Stage, judge: Judge) -> None:
    """What a `conversation_changed` says is what reading the conversation says from then on."""
    task = stage.user.held(say("A title?")) if stage.scripted else stage.user.start()
    stage.eventually(lambda: bool(_titles(task)) or task.ended, 1.0 if stage.scripted else 120.0)
    read = stage.user.api.get_conversation(task.conversation_id)
    announced = _titles(task)
    # While the task is live, every change is announced.
    live = not task.ended
    task.release()
    task.end()
    if not announced:
        read, announced, live = (
            stage.user.api.get_conversation(task.conversation_id),
            _titles(task),
            False,
        )
    if not announced:
        judge.not_applicable("EVENT-TITLE-TRUE", "the task announces no change of its title")
        return
    title = data_of(read).get("title")
    names = {name for name, _ in announced}
    true = title in [told for _, told in announced]
    if not live and not true and names == {task.conversation_id}:
        judge.not_applicable("EVENT-TITLE-TRUE", "the title was changed after the task")
        return
    judge.that(
        "EVENT-TITLE-TRUE",
        names == {task.conversation_id} and true,
        "the conversation_changed events of a task beside its conversation",
        expected=f"{task.conversation_id}, {title!r}",
        got=f"{', '.join(map(str, names))}, {[told for _, told in announced]}",
        by=(read, task.poll(0).exchange),
    )


def _titles(task: Task) -> list[tuple[object, object]]:
    """Poll, and return the id and the title of each conversation_changed so far."""
    task.poll(task.watcher.invariants.head)
    told = [event for event in task.watcher.events if event["type"] == "conversation_changed"]
    return [(event["data"].get("conversation_id"), event["data"].get("title")) for event in told]


def _texts(spoken: Say | Think) -> list[str]:
    return list(spoken.texts(1))
