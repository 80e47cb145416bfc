"""Faults of what a conversation keeps of its tasks, and of its title (api_v1 2.1)."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import agent
from pollux.reference_server.agent import Agent
from pollux.reference_server.answer import Answer
from pollux.reference_server.storage import atomic_write, encode_json

Message = dict[str, Any]


def _saves(patch: Patch) -> Callable[[Callable[[list[Message]], list[Message]]], None]:
    """Decorate a function that changes the messages that a task saves."""

    def decorator(change: Callable[[list[Message]], list[Message]]) -> None:
        @patch.wrap(Agent, "_save")
        def save(original: Any, self: Agent, messages: list[Message]) -> None:
            original(self, change(messages))

    return decorator


@mutant("CONV-MESSAGE-SHAPE")
def history_of_tools_without_names(patch: Patch) -> None:
    """The messages with the results of tools do not tell the name of the tool."""

    @_saves(patch)
    def change(messages: list[Message]) -> list[Message]:
        return [{k: v for k, v in message.items() if k != "name"} for message in messages]


@mutant("CONV-HISTORY-COMPLETE")
def history_lacks_the_last_words(patch: Patch) -> None:
    """The last chunk of an answer is shown, but not saved."""

    @patch.wrap(Answer, "as_message")
    def message(original: Any, self: Answer) -> Message:
        pieces = self.blocks._pieces["text"]
        return {**original(self), "content": "".join(pieces[:-1] or pieces)}


@mutant("CONV-HISTORY-COMPLETE", upstream=("H-42",))
def history_is_overwritten_with_the_title(patch: Patch) -> None:
    """The new title is written into a copy of the conversation from before the answer."""

    @patch.wrap(Agent, "_iterate")
    async def iterate(original: Any, self: Agent) -> int:
        run = self._run
        store = run.space.conversations
        before = store.load(run.conversation_id)
        iterations: int = await original(self)
        if run.new_title is not None:
            path = store._path(run.conversation_id)
            atomic_write(path, encode_json(before), scratch=store._scratch)
            store._note(before)
        return iterations


@mutant("CONV-HISTORY-TOOL-RESULTS")
def history_lacks_the_result_of_a_broken_call(patch: Patch) -> None:
    """A tool call with arguments that are no JSON is saved without a result."""

    @_saves(patch)
    def change(messages: list[Message]) -> list[Message]:
        return [m for m in messages if "not a valid JSON object" not in m["content"]]


@mutant("CONV-HISTORY-TOOL-RESULTS-CANCEL", upstream=("H-30",))
def history_lacks_the_results_after_a_cancel(patch: Patch) -> None:
    """A cancel during tools saves all calls, and the results of those that were done."""
    cancelled = json.dumps(agent._CANCELLED_RESULT)

    @patch.wrap(agent, "run_tool")
    async def run_tool(original: Any, *arguments: Any) -> Any:
        # Tools that take a moment, as most do: that is no fault.
        await asyncio.sleep(0.01)
        return await original(*arguments)

    @_saves(patch)
    def change(messages: list[Message]) -> list[Message]:
        return [message for message in messages if message["content"] != cancelled]


@mutant("CONV-HISTORY-CANCEL-TEXT", upstream=("H-31",))
def history_lacks_what_a_cancelled_task_has_said(patch: Patch) -> None:
    """The text that was shown before a cancel is not saved."""
    _forget(patch, cancelled=True)


@mutant("CONV-HISTORY-FAILURE-TEXT", upstream=("H-31",))
def history_lacks_what_a_failed_task_has_said(patch: Patch) -> None:
    """The text that was shown before a failure is not saved."""
    _forget(patch, cancelled=False)


def _forget(patch: Patch, *, cancelled: bool) -> None:
    @patch.wrap(Agent, "_save_what_was_shown")
    def save(original: Any, self: Agent) -> None:
        if self._task.cancel_requested is not cancelled:
            original(self)


@mutant("CONV-TITLE-ANNOUNCED")
def title_is_changed_in_silence(patch: Patch) -> None:
    """The new title of a conversation is told by no event."""

    @patch.wrap(Agent, "__init__")
    def init(original: Any, self: Agent, run: agent.Run, *rest: Any) -> None:
        original(self, dataclasses.replace(run, new_title=None), *rest)
