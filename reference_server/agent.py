"""The agent loop: model calls and tools in turn, told as events, saved as messages."""

import asyncio
import contextlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pollux.reference_server.answer import Answer, ToolCall
from pollux.reference_server.config import RetryPolicy
from pollux.reference_server.model_client import ModelCall, ModelCallError, ModelClient, Usage
from pollux.reference_server.models import ModelSpec
from pollux.reference_server.modes import RunMode, effort
from pollux.reference_server.prompting import model_message, model_messages, system_prompt
from pollux.reference_server.spaces import UserSpace
from pollux.reference_server.tasks import Event, Status, Task
from pollux.reference_server.todo import TodoList
from pollux.reference_server.tools import Tool, ToolContext, offered, run_tool

_log = logging.getLogger(__name__)

_STOPPED = {"message": "the task was cancelled", "reason": "user_stop"}
_CANCELLED_RESULT = {"success": False, "error": "cancelled before it was finished"}


@dataclass(frozen=True)
class Run:
    """What one task is to do, settled before it starts.

    Attributes:
        space: The user's stores.
        conversation_id: Where the messages are saved; the user's is there already.
        model: The model that answers.
        mode: The run mode.
        max_iterations: The most model calls, retries not counted (api_v1 2.2).
        prompt: Text of the prompt that the run names.
        personalization: Content of the personalization that the run names.
        new_title: The title that this send gave the conversation.
    """

    space: UserSpace
    conversation_id: str
    model: ModelSpec
    mode: RunMode
    max_iterations: int
    prompt: str | None = None
    personalization: Mapping[str, Any] | None = None
    new_title: str | None = None


class Agent:
    """Runs one task to its end, whatever the end is.

    Args:
        run: What to do.
        task: Where the events and the status go.
        client: The model.
        retry: What to do when the model does not answer.
    """

    def __init__(self, run: Run, task: Task, client: ModelClient, retry: RetryPolicy) -> None:
        self._run = run
        self._task = task
        self._client = client
        self._retry = retry
        stored = run.space.conversations.load(run.conversation_id)
        metadata = stored["metadata"]
        self._todo = TodoList.restore(metadata.get("todo_list"))
        usage = metadata.get("token_usage") or {}
        self._input_tokens = int(usage.get("input", 0))
        self._output_tokens = int(usage.get("output", 0))
        personal = run.personalization or {}
        self._interval = personal.get("thinking_interval")
        self._tools = {t.name: t for t in offered(personal.get("disabled_tool_categories", []))}
        with_intent = bool(personal.get("tool_intent_enabled", True))
        self._declarations = [
            tool.declaration(with_intent=with_intent) for tool in self._tools.values()
        ]
        self._with_images = "image" in run.model.multimodal
        self._messages = model_messages(
            system_prompt(run.prompt, run.personalization, run.mode),
            stored["messages"],
            run.space.files,
            with_images=self._with_images,
        )
        self._context = ToolContext(run.space.files, self._todo)
        self._used_ids: set[str] = set()
        self._total_tool_calls = 0
        # What was shown and is not saved yet: answers that broke off, then the one coming in.
        self._broken: list[Answer] = []
        self._answer: Answer | None = None
        self._results: dict[str, Mapping[str, Any]] = {}

    async def run(self) -> None:
        """Do all of it. The task has ended when this returns (api_v1 2.3, "End")."""
        if self._run.new_title is not None:
            self._task.emit(
                "conversation_changed",
                {"conversation_id": self._run.conversation_id, "title": self._run.new_title},
            )
        try:
            iterations = await self._iterate()
        except asyncio.CancelledError:
            self._end_cancelled()
            return
        except ModelCallError as error:
            self._end_failed(error.message, error.error_type)
            return
        except Exception:
            _log.exception("task %s failed", self._task.task_id)
            self._end_failed("an internal error ended the task", "internal_error")
            return
        summary = {"total_iterations": iterations, "total_tool_calls": self._total_tool_calls}
        if not self._task.finish(Status.SUCCEEDED, [("task_complete", summary)]):
            self._end_cancelled()

    async def _iterate(self) -> int:
        """Call the model until it asks for no more tools; return the number of calls."""
        for iteration in range(1, self._run.max_iterations + 1):
            answer = await self._ask(iteration)
            for number, call in enumerate(answer.calls(), 1):
                self._stop_if_cancelled()
                await self._use_tool(call, f"{iteration}_{number}")
            more = bool(answer.calls())
            self._save_answer(answer)
            if not more:
                return iteration
        self._task.emit(
            "system_message",
            {"content": f"The limit of {self._run.max_iterations} model calls is reached."},
        )
        return self._run.max_iterations

    async def _ask(self, iteration: int) -> Answer:
        """Make one model call, tried again as the policy says (api_v1 2.4, ``error``)."""
        for attempt in range(1, self._retry.max_attempts + 1):
            answer = self._answer = Answer(self._task.emit, self._used_ids)
            try:
                await self._receive(answer, iteration)
            except ModelCallError as error:
                if not error.passing or attempt == self._retry.max_attempts:
                    raise
                self._broken.append(answer)
                self._answer = None
                delay = self._retry.delay(attempt, error.retry_after)
                self._task.emit(
                    "error",
                    {
                        "message": error.message,
                        "error_type": error.error_type,
                        "retry": True,
                        "retry_in": delay,
                        "attempt": attempt,
                        "max_attempts": self._retry.max_attempts,
                    },
                )
                await asyncio.sleep(delay)
            else:
                # It is whole: what broke off before it is told again by it.
                self._broken.clear()
                self._count_tokens(answer)
                return answer
        raise AssertionError("the last attempt returns or raises")

    async def _receive(self, answer: Answer, iteration: int) -> None:
        call = ModelCall(
            self._messages,
            self._declarations,
            effort(
                self._run.mode,
                iteration,
                thinking_interval=self._interval,
                fast_only=self._run.model.fast_only or not self._run.model.supports_thinking,
                thinking_only=self._run.model.thinking_only,
            ),
        )
        self._stop_if_cancelled()
        async with contextlib.aclosing(self._client.stream(call)) as deltas:
            async for delta in deltas:
                self._stop_if_cancelled()
                answer.add(delta)
        answer.close()

    async def _use_tool(self, call: ToolCall, number: str) -> None:
        arguments = call.parsed()
        shown = {k: v for k, v in (arguments or {}).items() if k != "intent"}
        self._total_tool_calls += 1
        call.action_id = f"tool_{number}_{call.name}"
        self._task.emit(
            "tool_start",
            {
                "id": call.action_id,
                "name": call.name,
                "arguments": shown,
                "preparing_id": call.call_id,
            },
        )
        tool = self._tools.get(call.name)
        result = await run_tool(tool, call.name, arguments, self._context)
        self._results[call.call_id] = result
        self._task.emit(
            "update_action",
            {
                "preparing_id": call.call_id,
                "id": call.action_id,
                "status": "completed",
                "result": result,
                "message": f"{call.name}: {'done' if result['success'] else result['error']}",
            },
        )
        if tool is not None and result["success"]:
            self._tell_changes(tool)

    def _tell_changes(self, tool: Tool) -> None:
        if tool.changes_files:
            self._task.emit("file_tree_update", self._run.space.files.tree())
        if tool.changes_todo:
            self._task.emit("todo_updated", {"todo_list": self._todo.snapshot()})

    def _save_answer(self, answer: Answer) -> None:
        """Save an answer and the results of all its tools in one write (api_v1 2.1)."""
        messages = [answer.as_message()]
        for call in answer.calls():
            result = self._results.get(call.call_id, _CANCELLED_RESULT)
            messages.append(
                {
                    "role": "tool",
                    "tool_call_id": call.call_id,
                    "name": call.name,
                    "content": json.dumps(result, ensure_ascii=False),
                }
            )
        self._save(messages)
        self._answer = None
        self._results = {}

    def _save(self, messages: Sequence[dict[str, Any]]) -> None:
        messages = storable(messages)
        self._run.space.conversations.append(
            self._run.conversation_id,
            messages,
            metadata={
                "todo_list": self._todo.snapshot(),
                "token_usage": {"input": self._input_tokens, "output": self._output_tokens},
            },
        )
        self._messages += [
            model_message(message, self._run.space.files, self._with_images) for message in messages
        ]

    def _save_what_was_shown(self) -> None:
        """Keep what the client has seen of answers that never became whole (api_v1 2.1)."""
        coming_in = [self._answer] if self._answer is not None else []
        texts: list[dict[str, Any]] = []
        for answer in [*self._broken, *coming_in]:
            text, reasoning = answer.blocks.text, answer.blocks.reasoning
            if not text:
                continue
            # A retry that shows the same beginning and more makes the shorter one needless.
            texts = [kept for kept in texts if not text.startswith(kept["content"])]
            message = {"role": "assistant", "content": text, "interrupted": True}
            if reasoning:
                message["reasoning_content"] = reasoning
            texts.append(message)
        if texts:
            self._save(texts)
        self._broken.clear()

    def _end_cancelled(self) -> None:
        answer = self._answer
        events: list[Event] = []
        if answer is not None:
            open_calls = [c for c in answer.calls() if c.call_id not in self._results]
            events = [("update_action", _cancelled_action(call)) for call in open_calls]
            if answer.complete:
                self._save_answer(answer)
        self._save_what_was_shown()
        self._task.finish(Status.CANCELED, [*events, ("task_stopped", _STOPPED)])

    def _end_failed(self, message: str, error_type: str) -> None:
        self._save_what_was_shown()
        event = {"message": message, "error_type": error_type, "retry": False}
        if not self._task.finish(Status.FAILED, [("error", event)], message):
            self._end_cancelled()

    def _count_tokens(self, answer: Answer) -> None:
        usage = answer.usage or self._estimated_usage(answer)
        self._input_tokens += usage.input_tokens
        self._output_tokens += usage.output_tokens
        self._task.emit(
            "token_update",
            {
                "conversation_id": self._run.conversation_id,
                "cumulative_input_tokens": self._input_tokens,
                "cumulative_output_tokens": self._output_tokens,
                "cumulative_total_tokens": self._input_tokens + self._output_tokens,
                "current_context_tokens": usage.input_tokens + usage.output_tokens,
                "updated_at": datetime.now(UTC).isoformat(),
            },
        )

    def _estimated_usage(self, answer: Answer) -> Usage:
        """Four characters a token: for endpoints that report no usage."""
        asked = sum(len(json.dumps(message)) for message in self._messages)
        told = len(answer.blocks.text) + len(answer.blocks.reasoning)
        return Usage(math.ceil(asked / 4), math.ceil(told / 4))

    def _stop_if_cancelled(self) -> None:
        # Chunks may come so fast that the loop never gets to deliver the cancellation.
        if self._task.cancel_requested:
            raise asyncio.CancelledError


def storable(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return MESSAGES with "?" for half characters.

    A model may send the halves of a surrogate pair in two chunks, or one alone. No file and no
    later model call can carry such a half.
    """
    text = json.dumps(messages, ensure_ascii=False)
    cleaned: list[dict[str, Any]] = json.loads(text.encode("utf-8", "replace"))
    return cleaned


def _cancelled_action(call: ToolCall) -> dict[str, Any]:
    started = {} if call.action_id is None else {"id": call.action_id}
    return {
        "preparing_id": call.call_id,
        **started,
        "status": "cancelled",
        "result": dict(_CANCELLED_RESULT),
        "message": f"{call.name}: cancelled",
    }
