"""Events (api_v1 2.4): their granularity is that of the model's stream, their order has rules."""

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, Task
from pollux.scripted_model.builder import call_any, fail, pause, say, script, think, turn
from pollux.scripted_model.script import Say, Think

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
    got = task.watcher.texts(kind)
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
@pytest.mark.parametrize("chunks", [1, 2, 40, 600])
def test_each_chunk_of_text_is_one_event(stage: Stage, judge: Judge, chunks: int) -> None:
    """N chunks of the model make N text_chunk events with exactly these texts."""
    # All of them fit into the buffer, so that none is lost on a slow reader.
    said = say(min(chunks, stage.target.buffer_size * 6 // 10))
    task = stage.user.start(script(turn(said)))
    task.end()
    _judge_chunks(judge, "EVENT-GRANULARITY-TEXT", task, "text_chunk", list(said.texts(1)))


@verifies("EVENT-GRANULARITY-TEXT", "EVENT-FULL-CONTENT", needs=["scripted-model"])
def test_chunks_of_every_kind_come_as_they_were_sent(stage: Stage, judge: Judge) -> None:
    """Blanks, line ends, markup, other scripts, and emoji cut in two are not touched."""
    task = stage.user.start(script(turn(say(*_ODD_CHUNKS))))
    task.end()
    _judge_chunks(judge, "EVENT-GRANULARITY-TEXT", task, "text_chunk", list(_ODD_CHUNKS))


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
    _judge_chunks(judge, "EVENT-EMPTY-CHUNK", task, "thinking_chunk", ["a", "b"])
    _judge_chunks(judge, "EVENT-EMPTY-CHUNK", task, "text_chunk", ["one", "two"])


@verifies("EVENT-LIVE", needs=["scripted-model"])
def test_what_the_model_has_said_is_shown_while_it_goes_on(stage: Stage, judge: Judge) -> None:
    """The model is held in the midst of its answer: what came before can be polled already."""
    task = stage.user.held(say("one ", "two ", "three "), after=(say("four"),))
    shown = stage.eventually(lambda: _polled_texts(task) == ["one ", "two ", "three "], 10)
    now = task.poll()
    judge.that(
        "EVENT-LIVE",
        shown,
        "the text_chunk events while the model is in the midst of its answer",
        expected="'one ', 'two ', 'three '",
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
    "EVENT-TOOL-ANSWERED",
    "EVENT-TOOL-START-PREPARED",
    "EVENT-PAYLOAD",
    needs=["scripted-model", "tools"],
)
def test_every_tool_that_starts_is_answered(stage: Stage, judge: Judge) -> None:
    """Two rounds of tools with text around them; each start has been prepared, and is answered."""
    name = stage.name("script")
    text = script(
        turn(say("Let me", " look."), call_any()),
        turn(call_any(), call_any()),
        turn(say("Done.")),
        id=name,
    )
    task = stage.user.start(text)
    task.end()
    offered = any(request.tool_names for request in stage.model.requests.list(name))
    started = [event for event in task.watcher.events if event["type"] == "tool_start"]
    if not offered:
        judge.cannot_verify("the implementation offers its model no tools")
    judge.that(
        "EVENT-TOOL-ANSWERED",
        bool(started),
        "the events of a task whose model has called tools",
        expected="a tool_start",
        got="none",
        by=task.poll(0).exchange,
    )


@verifies(
    "TASK-MODEL-FAILURE", "TASK-FAILURE-ERROR", "TASK-FAILURE-EVENT", needs=["scripted-model"]
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


def _texts(spoken: Say | Think) -> list[str]:
    return list(spoken.texts(1))
