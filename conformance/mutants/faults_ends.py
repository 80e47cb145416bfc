"""Faults of the last moments of a task, and of the first."""

import json
import threading
from typing import Any

from flask import request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server.agent import Agent
from pollux.reference_server.routes import tasks as task_routes
from pollux.reference_server.tasks import Status, Task

# A moment that is long for a server and short for its clients, in seconds.
_MOMENT = 0.005


def _status_first(patch: Patch, wanted: Status) -> None:
    """Have tasks that end in this way tell one poll their status without their last events."""
    told: dict[str, threading.Event] = {}

    @patch.wrap(Task, "finish")
    def finish(original: Any, self: Task, status: Status, events: Any, error: Any = None) -> Any:
        if status is wanted and (status is Status.CANCELED or not self.cancel_requested):
            polled = told[self.task_id] = threading.Event()
            self._status, self._error = status, error
            polled.wait(4 * _MOMENT)
        return original(self, status, events, error)

    @patch.wrap(Task, "poll")
    def poll(original: Any, self: Task, offset: int) -> Any:
        polled = told.pop(self.task_id, None)
        shown = original(self, offset)
        if polled is not None:
            polled.set()
        return shown


@mutant("POLL-TERMINAL-COMPLETE", upstream=("H-02",))
def polling_tells_the_stop_before_its_event(patch: Patch) -> None:
    """The status of a cancelled task is terminal a moment before ``task_stopped`` is there."""
    _status_first(patch, Status.CANCELED)


@mutant("POLL-TERMINAL-COMPLETE", upstream=("H-02",))
def polling_tells_the_failure_before_its_event(patch: Patch) -> None:
    """The status of a failed task is terminal a moment before its ``error`` event is there."""
    _status_first(patch, Status.FAILED)


@mutant("POLL-TERMINAL-COMPLETE")
def polling_counts_tokens_after_a_failure(patch: Patch) -> None:
    """A tenth of a second after a task has failed a last ``token_update`` comes."""

    @patch.wrap(Task, "finish")
    def finish(original: Any, self: Task, status: Status, events: Any, error: Any = None) -> Any:
        ended = original(self, status, events, error)
        if ended and status is Status.FAILED:
            threading.Timer(0.1, self._append, ("usage_note", {})).start()
        return ended


@mutant("TASK-SUCCEEDS")
def polling_a_task_fails_with_its_tool(patch: Patch) -> None:
    """A tool that cannot do what it was asked ends the task as ``failed``."""

    @patch.wrap(Agent, "_use_tool")
    async def use_tool(original: Any, self: Agent, call: Any, number: str) -> None:
        await original(self, call, number)
        result = self._results[call.call_id]
        if "no-such" in str(call.arguments) and not result["success"]:
            raise RuntimeError("the tool has failed")


@mutant(
    "POLL-NEXT-OFFSET-NOT-NEGATIVE",
    "POLL-NEXT-OFFSET-NOT-BACK",
    "POLL-NEXT-OFFSET-EMPTY",
    upstream=("H-10",),
)
def polling_echoes_a_negative_offset_before_the_first_event(patch: Patch) -> None:
    """A negative ``from`` shows everything; with no event yet it comes back as next_offset."""
    polled: dict[str, threading.Event] = {}

    @patch.wrap(Task, "begin")
    def begin(original: Any, self: Task) -> None:
        polled[self.task_id] = threading.Event()
        original(self)

    @patch.wrap(Task, "emit")
    def emit(original: Any, self: Task, kind: str, data: Any = None) -> None:
        if kind == "ai_message_start":
            polled[self.task_id].wait(0.1)  # a moment without events, which is no fault
        original(self, kind, data)

    @patch.wrap(task_routes, "query_number")
    def query_number(original: Any, name: str, default: int) -> int:
        text = request.args.get(name, "")
        return int(text) if text[:1] == "-" and text[1:].isdecimal() else original(name, default)

    @patch.wrap(Task, "poll")
    def poll(original: Any, self: Task, offset: int) -> bytes:
        payload: dict[str, Any] = json.loads(original(self, max(0, offset)))
        if offset < 0 and not payload["data"]["events"]:
            payload["data"]["next_offset"] = offset
        polled[self.task_id].set()
        return json.dumps(payload).encode()
