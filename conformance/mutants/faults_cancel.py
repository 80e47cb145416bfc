"""Faults of cancelling (api_v1 2.3, "Cancel")."""

import time
from typing import Any

from flask import Response, request

from pollux.conformance.mutants.beginnings import tasks_that_begin_late
from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import config
from pollux.reference_server.agent import Agent
from pollux.reference_server.http import ApiError
from pollux.reference_server.tasks import Status, Task


def _cancels() -> bool:
    return request.method == "POST" and request.path.endswith("/cancel")


@mutant("CANCEL-LIVE", "CANCEL-TERMINAL", "CANCEL-REPEATED")
def cancel_is_answered_with_202(patch: Patch) -> None:
    """A cancel is answered with 202, as if it were done later."""

    @patch.response
    def change(response: Response) -> Response:
        if _cancels() and response.status_code == 200:
            response.status_code = 202
        return response


@mutant(
    "CANCEL-ENDS", "CANCEL-ENDS-WAITING", "CANCEL-ENDS-RIGHT-AFTER-SEND", "CANCEL-ENDS-RETRYING"
)
def cancel_waits_for_the_model(patch: Patch) -> None:
    """A cancel takes effect only when the model sends its next chunk."""

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        time.sleep(0.05)  # by then the model has been asked, however soon the cancel came
        original(self)

    @patch.wrap(Task, "on_cancel")
    def on_cancel(_original: Any, _self: Task, _interrupt: Any) -> None:
        return None


@mutant("CANCEL-ENDS-RIGHT-AFTER-SEND", upstream=("H-06",))
def cancel_right_after_the_send_is_lost(patch: Patch) -> None:
    """A cancel before the task has begun to run has no effect; a later one has."""
    begun = tasks_that_begin_late(patch)

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        if self.task_id in begun:
            original(self)


@mutant("CANCEL-ENDS-RETRYING")
def cancel_waits_for_the_next_try(patch: Patch) -> None:
    """The pause before a failed model call is made again cannot be interrupted."""

    @patch.wrap(config.RetryPolicy, "delay")
    def delay(_original: Any, _self: Any, _attempt: int, _retry_after: Any) -> float:
        time.sleep(20)
        return 0.0


@mutant("CANCEL-TERMINAL", "CANCEL-REPEATED")
def cancel_of_a_finished_task_is_a_conflict(patch: Patch) -> None:
    """Cancelling a task that has ended is refused with 409."""

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        if self.status.terminal:
            raise ApiError(409, "the task has ended")
        original(self)


@mutant("CANCEL-TERMINAL-NO-EFFECT", upstream=("H-05",))
def cancel_touches_a_finished_task(patch: Patch) -> None:
    """Cancelling a task that has ended changes its ``updated_at``."""

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        original(self)
        if self.status.terminal:
            self._updated_at = time.time()


@mutant("CANCEL-REPEATED")
def cancel_a_second_time_is_a_conflict(patch: Patch) -> None:
    """A second cancel of a task that is still live is refused with 409."""

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        if self.cancel_requested:
            raise ApiError(409, "the task is being cancelled")
        original(self)


@mutant("CANCEL-UNKNOWN", "ISOLATION-TASK-CANCEL")
def cancel_of_anything_succeeds(patch: Patch) -> None:
    """Cancelling a task that the user has not is answered with 200, whatever it is."""

    @patch.response
    def change(response: Response) -> Response:
        if _cancels() and response.status_code == 404:
            response.status_code = 200
            response.set_data(b'{"success":true}')
        return response


@mutant("CANCEL-ENDS-WITH-TOOLS")
def cancel_does_not_reach_the_tools(patch: Patch) -> None:
    """A cancel while tools are at work is noticed only when all of them are done."""

    @patch.wrap(Agent, "_use_tool")
    async def use_tool(original: Any, self: Agent, call: Any, number: str) -> None:
        await original(self, call, number)
        if number == "1_8":
            # The eighth tool of one answer takes its time, and cannot be interrupted.
            time.sleep(8)


@mutant("CANCEL-TERMINAL-NO-EFFECT", upstream=("H-05",))
def cancel_of_a_finished_task_stops_the_next_one(patch: Patch) -> None:
    """A second cancel of a task that has ended leaves a stop flag: the next task finds it."""
    flags: set[str] = set()
    cancelled: set[str] = set()

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        if self.status is Status.SUCCEEDED:
            if self.task_id in cancelled:
                flags.add(self.user)
            cancelled.add(self.task_id)
        original(self)

    @patch.wrap(Agent, "run")
    async def run(original: Any, self: Agent) -> None:
        if self._task.user in flags:
            flags.discard(self._task.user)
            Task.cancel(self._task)
        await original(self)


@mutant("CANCEL-ENDS-RIGHT-AFTER-SEND", upstream=("H-06",))
def cancel_right_after_the_send_waits_for_the_whole_run(patch: Patch) -> None:
    """A cancel before the run begins is overwritten: it goes on, and is stopped at its end."""
    begun = tasks_that_begin_late(patch)

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        if self.task_id in begun:
            original(self)
        else:
            self._cancel_requested = not self.status.terminal

    @patch.wrap(Agent, "_stop_if_cancelled")
    def stop(original: Any, self: Agent) -> None:
        if self._task.status is Status.CANCEL_REQUESTED:
            original(self)
