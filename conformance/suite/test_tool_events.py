"""What the events say of tools (api_v1 2.4), beside what the model has asked for."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.offered_tools import Tool, offered_tools
from pollux.conformance.stage import Stage, Task
from pollux.polling.poll import Event
from pollux.scripted_model import parse_script
from pollux.scripted_model.answer import ToolCall, settle
from pollux.scripted_model.builder import call, call_any, say, script, turn
from pollux.scripted_model.chat_request import ChatRequest
from pollux.scripted_model.request_log import RecordedRequest
from pollux.scripted_model.script import Call
from pollux.scripted_model.tool_choice import HARMFUL_WORDS, SAFE_WORDS, words_of

_TEXT = ' "in  many" pieces: 世界\n\\ 👍🏽 '


@verifies(
    "TASK-SUCCEEDS",
    "EVENT-TOOL-CALL-ID",
    "EVENT-TOOL-ARGUMENTS",
    "EVENT-TOOL-ANSWERED",
    "EVENT-TOOL-START-PREPARED",
    needs=["scripted-model", "tools"],
)
def test_tools_are_told_as_the_model_has_called_them(stage: Stage, judge: Judge) -> None:
    """Each event of a tool has the id, the name and the arguments of the model's call."""
    tools = offered_tools(stage)
    if not tools:
        return
    with_arguments = _call_with_arguments(stage, tools) or call_any()
    name = stage.name("script")
    turns = [turn(with_arguments), turn(say("And"), call_any(), with_arguments)]
    turns.append(turn(say("Done.")))
    task = stage.user.start(script(*turns, id=name))
    last = task.end()
    requests = stage.model.requests.list(name)
    asked = {call.id: call for request in requests for call in _calls(request)}
    prepared = _of_type(task, "tool_preparing")
    started = _of_type(task, "tool_start")
    shown = task.poll(0).exchange
    judge.require(
        "EVENT-TOOL-ANSWERED",
        bool(prepared) and bool(started),
        f"the events of a task whose model has called {len(asked)} tools",
        expected="tool_preparing and tool_start",
        got=f"{len(prepared)} and {len(started)} of them",
        by=shown,
    )
    judge.that(
        "TASK-SUCCEEDS",
        last.status == "succeeded",
        "the status of a task some of whose tools could not do what they were asked",
        expected="succeeded: the model has answered to the end",
        got=f"{last.status}, error {last.data.get('error')!r}",
        by=shown,
    )
    for event in prepared:
        judge.that(
            "EVENT-TOOL-CALL-ID",
            event["data"].get("id") in asked,
            "the id of a tool_preparing",
            expected=f"one of {', '.join(asked)}",
            got=f"{event['data'].get('id')!r} in event {event['idx']}",
            by=shown,
        )
    for event in started:
        data = event["data"]
        made = asked.get(str(data.get("preparing_id")))
        if made is None:
            continue  # that is the matter of EVENT-TOOL-START-PREPARED
        judge.that(
            "EVENT-TOOL-ARGUMENTS",
            data.get("name") == made.name and _has_all(data.get("arguments"), made.arguments),
            "the name and the arguments of a tool_start",
            expected=f"{made.name} {made.arguments}",
            got=f"{data.get('name')} {json.dumps(data.get('arguments'), ensure_ascii=False)}",
            by=shown,
        )


def _call_with_arguments(stage: Stage, tools: Sequence[Tool]) -> Call | None:
    """Return a call of a tool that only reads, with a text for each argument that is one.

    Whether the tool can do anything with them is not the matter here.
    """
    for tool in tools:
        words = words_of(str(tool["name"]))
        if words & SAFE_WORDS and not words & HARMFUL_WORDS:
            properties = (tool.get("parameters") or {}).get("properties") or {}
            # A server may ask for an intent by an argument, and tell it in its own place.
            texts = [
                key
                for key, value in properties.items()
                if value.get("type") == "string" and key != "intent"
            ]
            if texts:
                values = {key: f"{stage.name('no-such')} {_TEXT}" for key in texts}
                whole = call(str(tool["name"]), values)
                # Blanks, characters and escapes lie at the joints.
                size = len((whole.arguments or "").encode())
                return call(str(tool["name"]), values, split=range(1, size))
    return None


def _calls(request: RecordedRequest) -> list[ToolCall]:
    """Return the tool calls with which the scripted model has answered REQUEST."""
    chat = ChatRequest.from_body(dict(request.body))
    read = parse_script(chat.last_user_text)
    played = read.turn(chat.turn) if read else None
    if played is None or request.status != 200:
        return []
    return [step for step in settle(played.statements, chat).steps if isinstance(step, ToolCall)]


def _of_type(task: Task, kind: str) -> list[Event]:
    return [event for event in task.watcher.events if event["type"] == kind]


def _has_all(arguments: object, sent: str) -> bool:
    """Tell whether ARGUMENTS have what the model SENT; a server may add some of its own."""
    wanted: Mapping[str, Any] = json.loads(sent or "{}")
    return isinstance(arguments, dict) and all(
        name in arguments and arguments[name] == value for name, value in wanted.items()
    )
