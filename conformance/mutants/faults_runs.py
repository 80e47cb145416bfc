"""Faults of how long a task goes on, and what it depends on (api_v1 2.2)."""

import asyncio
import dataclasses
import time
from typing import Any

from flask import Flask, request

from pollux import serving
from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import sending
from pollux.reference_server.agent import Agent, Run
from pollux.reference_server.config import RetryPolicy
from pollux.reference_server.http import current_services, current_space
from pollux.reference_server.tasks import Task

_MOST_UNREAD = 100


# -- max_iterations ---------------------------------------------------------------------


@mutant("SEND-MAX-ITERATIONS-DEFAULT")
def run_has_no_limit_by_default(patch: Patch) -> None:
    """Without `max_iterations` a task makes as many model calls as the model wants."""
    patch.replace(sending, "DEFAULT_MAX_ITERATIONS", 10**6)


@mutant("SEND-MAX-ITERATIONS-DEFAULT")
def run_ends_after_fifty_calls_by_default(patch: Patch) -> None:
    """Without `max_iterations` a task makes 50 model calls."""
    patch.replace(sending, "DEFAULT_MAX_ITERATIONS", 50)


@mutant("SEND-MAX-ITERATIONS-DEFAULT")
def run_without_a_limit_by_null(patch: Patch) -> None:
    """A null `max_iterations` means a single model call."""

    @patch.wrap(sending, "_max_iterations")
    def limit(original: Any, body: Any) -> Any:
        return 1 if body.get("max_iterations", ...) is None else original(body)


def _with_limit(patch: Patch, change: Any) -> None:
    @patch.wrap(Agent, "__init__")
    def init(original: Any, self: Agent, run: Run, *rest: Any) -> None:
        limit = change(run.max_iterations)
        original(self, dataclasses.replace(run, max_iterations=limit), *rest)


@mutant("SEND-MAX-ITERATIONS-LIMIT")
def run_makes_two_calls_at_least(patch: Patch) -> None:
    """A `max_iterations` of 1 allows two model calls."""
    _with_limit(patch, lambda limit: max(limit, 2))


@mutant("SEND-MAX-ITERATIONS-LIMIT", "SEND-MAX-ITERATIONS-DEFAULT")
def run_makes_one_call_more_than_it_may(patch: Patch) -> None:
    """The limit is looked at after a model call instead of before it."""
    _with_limit(patch, lambda limit: limit + 1)


@mutant("SEND-MAX-ITERATIONS-ENDS")
def run_never_ends_at_its_limit(patch: Patch) -> None:
    """A task that has made its last allowed model call waits for something that never comes."""

    @patch.wrap(Agent, "_iterate")
    async def iterate(original: Any, self: Agent) -> int:
        made: int = await original(self)
        if self._messages[-1]["role"] == "tool":
            await asyncio.sleep(3600)
        return made


@mutant("SEND-MAX-ITERATIONS-RETRIES")
def run_counts_retries(patch: Patch) -> None:
    """A task tries a model call only as often as it has iterations."""

    @patch.wrap(Agent, "__init__")
    def init(original: Any, self: Agent, run: Run, task: Any, client: Any, retry: Any) -> None:
        policy: RetryPolicy = retry
        attempts = min(policy.max_attempts, run.max_iterations)
        original(self, run, task, client, dataclasses.replace(policy, max_attempts=attempts))


@mutant("SEND-MAX-ITERATIONS-INVALID", upstream=("H-33",))
def run_takes_true_for_one(patch: Patch) -> None:
    """`max_iterations` true is 1, as it is for Python."""

    @patch.wrap(sending, "_max_iterations")
    def limit(original: Any, body: Any) -> Any:
        return 1 if body.get("max_iterations") is True else original(body)


@mutant("SEND-MAX-ITERATIONS-INVALID", upstream=("H-33",))
def run_takes_nothing_for_the_default(patch: Patch) -> None:
    """`max_iterations` 0 means the default: `value or 100`."""

    @patch.wrap(sending, "_max_iterations")
    def limit(original: Any, body: Any) -> Any:
        value = body.get("max_iterations")
        return original(
            {**body, "max_iterations": None} if value == 0 and value is not False else body
        )


# -- connections ------------------------------------------------------------------------


@mutant("TASK-RUNS-UNPOLLED")
def run_waits_for_its_readers(patch: Patch) -> None:
    """A task stops when too many of its events are unread, until somebody polls them."""
    read: dict[str, int] = {}

    @patch.wrap(Task, "poll")
    def poll(original: Any, self: Task, offset: int) -> Any:
        read[self.task_id] = self._ring.next_idx
        return original(self, offset)

    @patch.wrap(Task, "emit")
    def emit(original: Any, self: Task, *event: Any) -> None:
        while self._ring.next_idx - read.get(self.task_id, 0) > _MOST_UNREAD:
            if self.cancel_requested:
                break
            time.sleep(0.002)
        original(self, *event)


@mutant("TASK-SURVIVES-DISCONNECT")
def run_ends_with_the_connection_of_a_poll(patch: Patch) -> None:
    """A poll waits a moment for news; the client that hangs up meanwhile takes the task along."""

    @patch.wrap(serving.WsgiServer, "__init__")
    def init(original: Any, self: serving.WsgiServer, *args: Any, **options: Any) -> None:
        original(self, *args, **{**options, "detect_disconnect": True})

    @patch.app
    def change(app: Flask) -> None:
        view = app.view_functions["tasks.poll_task"]

        def poll(task_id: str) -> Any:
            task = current_services().tasks.find(current_space().name, task_id)
            if task is not None and not task.status.terminal:
                time.sleep(0.02)
                if request.environ["waitress.client_disconnected"]():
                    task.cancel()
            return view(task_id=task_id)

        app.view_functions["tasks.poll_task"] = poll


@mutant("SEND-MAX-ITERATIONS-INVALID", upstream=("H-33",))
def run_of_a_negative_number_of_calls_succeeds(patch: Patch) -> None:
    """`max_iterations` -1 is accepted: the task makes no model call, and succeeds."""

    @patch.wrap(sending, "_max_iterations")
    def limit(original: Any, body: Any) -> Any:
        value = body.get("max_iterations")
        return 0 if isinstance(value, int) and value < 0 else original(body)
