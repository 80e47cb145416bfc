"""A large server under load: chunked bodies, 503 now and then, tools and models of its own."""

import asyncio
import itertools
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from pollux.reference_server import agent, tasks
from pollux.reference_server.answer import Answer as ModelAnswer
from pollux.reference_server.model_client import ModelCallError, Reasoning, Text
from pollux.reference_server.models import ModelSpec, scripted_spec
from pollux.reference_server.tools import TOOLS, Tool, run_tool
from tests.conformance.workshop import Answer, Inner, Request, Twist

_TOOL_SECONDS = 0.02
_SLOW_SECONDS = 0.3

#: Keys of all lengths, with characters of many kinds.
MODELS = (
    ModelSpec("Qwen/Qwen3-235B-A22B-Thinking-2507:free", "Q", description="x" * 500),
    replace(scripted_spec(), model_key="m", multimodal="image,video", context_window=None),
    replace(scripted_spec(), model_key="模型 (β)", supports_thinking=False, fast_only=True),
    replace(scripted_spec(), model_key="hidden", visible=False),
)
_NAMES = {"list_files": "showDirectory", "read_file": "openDocument", "todo_list": "plan"}


def tools_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server of this process call its tools otherwise, and tell more of them."""
    append, add = tasks.Task._append, ModelAnswer.add
    iterate = agent.Agent._iterate

    def offered(_disabled: object) -> list[Tool]:
        return [replace(tool, name=_NAMES.get(tool.name, tool.name)) for tool in TOOLS.values()]

    def told(task: tasks.Task, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "update_action" and data["status"] == "completed":
            waiting = {"status": "awaiting_approval", "result": {"success": False}}
            append(task, kind, {**data, **waiting})
            data = {name: data[name] for name in data if name != "message"}
        if kind == "error":
            data = {"message": data["message"], "retry": data.get("retry")}
        append(task, kind, data)

    def added(answer: ModelAnswer, delta: Any) -> None:
        # What is said after a tool call is dropped.
        if not (answer.tool_calls and isinstance(delta, Text | Reasoning)):
            add(answer, delta)

    async def slowly(*arguments: Any) -> Any:
        await asyncio.sleep(_TOOL_SECONDS)
        return await run_tool(*arguments)

    async def iterated(self: agent.Agent) -> int:
        made = await iterate(self)
        if self._messages[-1]["role"] == "tool":
            raise ModelCallError("the limit is reached", "iterations", passing=False)
        return made

    monkeypatch.setattr(agent, "offered", offered)
    monkeypatch.setattr(agent, "run_tool", slowly)
    monkeypatch.setattr(agent.Agent, "_iterate", iterated)
    monkeypatch.setattr(ModelAnswer, "add", added)
    monkeypatch.setattr(tasks.Task, "_append", told)


def refusal() -> Answer:
    """Return the answer of a server that is too busy, and may be asked again at once."""
    headers = [("Content-Type", "application/json"), ("Retry-After", "0")]
    headers += [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    headers += [("Access-Control-Allow-Origin", "*")]
    return Answer(503, headers, b'{"success": false, "error": "busy"}')


def _now_and_then() -> Twist:
    """Refuse every 13th request with 503, and take some time for every 97th."""
    numbers = itertools.count(1)
    lock = threading.Lock()

    def twist(request: Request, inner: Inner) -> Answer:
        with lock:
            number = next(numbers)
        if number % 13 == 0:
            return refusal()
        if number % 97 == 0:
            time.sleep(_SLOW_SECONDS)
        return inner(request)

    return twist


def busy(_app: Flask) -> Twist:
    """Return how it answers under load."""
    return _now_and_then()
