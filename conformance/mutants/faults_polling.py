"""Faults of polling: shape, status, offsets and the window (api_v1 2.3)."""

import threading
import time
from typing import Any

from flask import request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.conformance.mutants.polls import changed_polls
from pollux.reference_server import ring, tasks
from pollux.reference_server.http import ApiError
from pollux.reference_server.routes import tasks as routes

_LIVE = ("pending", "running", "cancel_requested")


@mutant("POLL-SHAPE")
def polling_leaves_out_the_time_of_creation(patch: Patch) -> None:
    """The answer to a poll has no ``created_at``."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        del data["created_at"]


@mutant("POLL-TASK-FOUND", "POLL-FROM-PAST-END")
def polling_finds_a_task_a_moment_late(patch: Patch) -> None:
    """A task cannot be polled in the first moments after its send was accepted."""

    @changed_polls(patch)
    def change(_data: dict[str, Any], task: tasks.Task, _offset: int) -> None:
        if time.time() - task.created_at < 0.03:
            raise ApiError(404, "not yet")


@mutant("TASK-STATUS-KNOWN")
def polling_invents_a_status(patch: Patch) -> None:
    """A task that is being cancelled is told as ``cancelling``."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        if data["status"] == "cancel_requested":
            data["status"] = "cancelling"


@mutant("TASK-TERMINAL-FOREVER")
def polling_wakes_a_finished_task(patch: Patch) -> None:
    """Every third poll of a finished task tells it as running again."""
    polls: dict[str, int] = {}

    @changed_polls(patch)
    def change(data: dict[str, Any], task: tasks.Task, _offset: int) -> None:
        if data["status"] not in _LIVE:
            polls[task.task_id] = polls.get(task.task_id, 0) + 1
            if polls[task.task_id] % 3 == 2:
                data["status"] = "running"


@mutant("POLL-IDX-START")
def polling_counts_from_one(patch: Patch) -> None:
    """The first event of a task has idx 1."""

    @patch.wrap(tasks.Task, "poll")
    def poll(original: Any, self: tasks.Task, offset: int) -> Any:
        return original(self, max(0, offset - 1))

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        for event in data["events"]:
            event["idx"] += 1
        data["next_offset"] += 1
        data["window_start"] += 1


@mutant("POLL-IDX-STEP", "POLL-OFFSET-GAPLESS")
def polling_leaves_out_every_tenth_idx(patch: Patch) -> None:
    """No event ever gets an idx that is divisible by ten, 0 excepted."""

    def outer(idx: int) -> int:
        return idx + max(0, idx - 1) // 9

    def inner(offset: int) -> int:
        return next(idx for idx in range(max(0, offset * 9 // 10 - 2), offset + 1)
                    if outer(idx) >= offset)  # fmt: skip

    @patch.wrap(tasks.Task, "poll")
    def poll(original: Any, self: tasks.Task, offset: int) -> Any:
        return original(self, inner(min(offset, 10_000)))

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        for event in data["events"]:
            event["idx"] = outer(event["idx"])
        if data["events"]:
            data["next_offset"] = data["events"][-1]["idx"] + 1
        else:
            data["next_offset"] = outer(data["next_offset"] - 1) + 1
        data["window_start"] = outer(data["window_start"])


@mutant("POLL-EVENT-IMMUTABLE", "POLL-CONCURRENT-AGREES", "POLL-UPDATED-AT")
def polling_tells_the_time_of_the_poll(patch: Patch) -> None:
    """The ``ts`` of an event is not that of the event but that of the poll."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        data["updated_at"] = time.time()
        for event in data["events"]:
            event["ts"] = data["updated_at"]


@mutant("POLL-EVENTS-ORDERED", "POLL-OFFSET-COMPLETE")
def polling_shows_the_last_event_twice(patch: Patch) -> None:
    """An answer with many events shows the last one of them twice."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        if len(data["events"]) > 5:
            data["events"].append(data["events"][-1])


@mutant("POLL-OFFSET-GAPLESS", "POLL-IDX-STEP")
def polling_loses_the_hundredth_event(patch: Patch) -> None:
    """The event with idx 99 never comes."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        data["events"] = [event for event in data["events"] if event["idx"] != 99]


@mutant("POLL-OFFSET-COMPLETE")
def polling_shows_a_page_of_hundred(patch: Patch) -> None:
    """Once its end has been told, an answer about a task holds a hundred events at most."""
    told: set[str] = set()

    @changed_polls(patch)
    def change(data: dict[str, Any], task: tasks.Task, _offset: int) -> None:
        if task.task_id in told and len(data["events"]) > 100:
            data["events"] = data["events"][:100]
            data["next_offset"] = data["events"][-1]["idx"] + 1
        if data["status"] not in _LIVE:
            told.add(task.task_id)


@mutant("POLL-OFFSET-RESPECTED")
def polling_repeats_the_event_before_the_offset(patch: Patch) -> None:
    """A poll returns the event before its offset again."""

    @patch.wrap(ring.EventRing, "window")
    def window(original: Any, self: ring.EventRing, offset: int) -> Any:
        return original(self, max(0, offset - 1))


@mutant("POLL-NEXT-OFFSET")
def polling_goes_on_with_the_last_event(patch: Patch) -> None:
    """The ``next_offset`` is the idx of the last event, not the one after it."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        if len(data["events"]) > 1:
            data["next_offset"] -= 1


@mutant("POLL-NEXT-OFFSET-EMPTY", "POLL-NEXT-OFFSET-NOT-BACK")
def polling_goes_back_to_the_start_when_there_is_nothing(patch: Patch) -> None:
    """The ``next_offset`` of an answer without events is 0."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, offset: int) -> None:
        # Past the end it would be judged as that.
        if not data["events"] and offset == data["next_offset"]:
            data["next_offset"] = 0


@mutant(
    "POLL-NEXT-OFFSET-NOT-NEGATIVE",
    "POLL-NEXT-OFFSET-NOT-BACK",
    "POLL-NEXT-OFFSET-EMPTY",
    "POLL-OFFSET-COMPLETE",
    "POLL-FROM-INVALID",
    upstream=("H-10",),
)
def polling_echoes_a_negative_offset(patch: Patch) -> None:
    """A negative ``from`` is taken, and comes back as ``next_offset``."""

    @patch.wrap(routes, "query_number")
    def query_number(original: Any, name: str, default: int) -> int:
        text = request.args.get(name, "")
        return int(text) if text[:1] == "-" and text[1:].isdecimal() else original(name, default)

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, offset: int) -> None:
        if offset < 0:
            data["events"] = []
            data["next_offset"] = offset


@mutant("POLL-FROM-DEFAULT", "POLL-OFFSET-COMPLETE")
def polling_without_an_offset_begins_at_the_end(patch: Patch) -> None:
    """Once its end has been told, a poll without ``from`` shows nothing of a short task."""
    told: set[str] = set()

    @changed_polls(patch)
    def change(data: dict[str, Any], task: tasks.Task, _offset: int) -> None:
        is_short = data["next_offset"] < 500  # of a long one the window has moved
        if is_short and task.task_id in told and "from" not in request.args:
            data["events"] = []
        if data["status"] not in _LIVE:
            told.add(task.task_id)


@mutant("POLL-FROM-INVALID")
def polling_rounds_a_fractional_offset(patch: Patch) -> None:
    """A fractional ``from`` is taken as the whole number below it."""

    @patch.wrap(routes, "query_number")
    def query_number(original: Any, name: str, default: int) -> int:
        whole, dot, _ = request.args.get(name, "").partition(".")
        return int(whole) if dot and whole.isdecimal() else original(name, default)


@mutant("POLL-FROM-PAST-END")
def polling_refuses_an_offset_past_the_end(patch: Patch) -> None:
    """A ``from`` past the end is refused with 400."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, offset: int) -> None:
        if offset > data["next_offset"]:
            raise ApiError(400, "there is no such event yet")


def _capacity(patch: Patch, size: int) -> None:
    @patch.wrap(ring.EventRing, "__init__")
    def init(original: Any, self: ring.EventRing, _capacity: int) -> None:
        original(self, size)


@mutant("RING-WINDOW-KEPT")
def polling_keeps_one_event_too_few(patch: Patch) -> None:
    """Only the last 999 events are kept."""
    _capacity(patch, 999)


@mutant("RING-WINDOW-BOUNDED")
def polling_keeps_one_event_too_many(patch: Patch) -> None:
    """The last 1001 events are kept."""
    _capacity(patch, 1001)


@mutant("RING-BELOW-WINDOW")
def polling_below_the_window_shows_nothing(patch: Patch) -> None:
    """A poll from below the window returns no events."""

    @patch.wrap(ring.EventRing, "window")
    def window(original: Any, self: ring.EventRing, offset: int) -> Any:
        below = self.start > 0 and offset < self.start
        return original(self, self.next_idx if below else offset)


@mutant("RING-WINDOW-START-TRUE")
def polling_tells_a_window_that_never_moves(patch: Patch) -> None:
    """The ``window_start`` stays 0 after the buffer has begun to forget."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        data["window_start"] = 0


@mutant("POLL-TERMINAL-COMPLETE", "POLL-FROM-PAST-END", upstream=("H-02",))
def polling_tells_the_end_before_the_last_event(patch: Patch) -> None:
    """The status is ``succeeded`` a moment before the last event is there, for one poll."""
    early: dict[str, threading.Event] = {}

    @patch.wrap(tasks.Task, "finish")
    def finish(original: Any, self: tasks.Task, status: tasks.Status, *rest: Any) -> Any:
        if status is tasks.Status.SUCCEEDED and not self.cancel_requested:
            polled = early[self.task_id] = threading.Event()
            self._status = status
            polled.wait(0.05)
            del early[self.task_id]
        return original(self, status, *rest)

    @changed_polls(patch)
    def change(data: dict[str, Any], task: tasks.Task, offset: int) -> None:
        polled = early.get(task.task_id)
        if polled is not None and offset > data["next_offset"]:
            data["status"] = "running"  # what is past the end is for another rule
        elif polled is not None:
            polled.set()


@mutant("POLL-TS-ORDERED")
def polling_dates_the_end_of_a_text_back(patch: Patch) -> None:
    """A ``text_end`` has the time at which the task was made."""

    @changed_polls(patch)
    def change(data: dict[str, Any], task: tasks.Task, _offset: int) -> None:
        for event in data["events"]:
            if event["type"] == "text_end":
                event["ts"] = task.created_at


@mutant("POLL-TS-AFTER-CREATED")
def polling_dates_the_start_before_the_task(patch: Patch) -> None:
    """The first event of a task is older than the task."""

    @changed_polls(patch)
    def change(data: dict[str, Any], task: tasks.Task, _offset: int) -> None:
        for event in data["events"]:
            if event["idx"] == 0:
                event["ts"] = task.created_at - 1


@mutant("POLL-UPDATED-AT")
def polling_forgets_to_move_the_time_of_change(patch: Patch) -> None:
    """The ``updated_at`` stays the time at which the task was made."""

    @changed_polls(patch)
    def change(data: dict[str, Any], task: tasks.Task, _offset: int) -> None:
        data["updated_at"] = task.created_at


@mutant("POLL-UNKNOWN-TASK", "ISOLATION-TASK-POLL", "RESTART-TASKS-GONE")
def polling_an_unknown_task_is_a_bad_request(patch: Patch) -> None:
    """Polling a task that does not exist is answered with 400."""

    @patch.wrap(routes, "_task")
    def task(original: Any, task_id: str) -> Any:
        try:
            return original(task_id)
        except ApiError as error:
            raise error if request.method == "POST" else ApiError(400, "no such task") from None


@mutant("POLL-AFTER-END", "COMMON-PREFIX")
def polling_forgets_a_task_that_was_read_to_its_end(patch: Patch) -> None:
    """Once a poll has told the end, the task is gone."""
    told: set[str] = set()

    @changed_polls(patch)
    def change(data: dict[str, Any], task: tasks.Task, _offset: int) -> None:
        if task.task_id in told:
            raise ApiError(404, "there is no such task")
        if data["status"] not in _LIVE:
            told.add(task.task_id)


@mutant("POLL-CONCURRENT-SUCCEEDS", "POLL-TASK-FOUND")
def polling_takes_one_poll_at_a_time(patch: Patch) -> None:
    """A poll during another poll of the same task is refused with 409."""
    lock = threading.Lock()

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        if not lock.acquire(blocking=False):
            raise ApiError(409, "another poll is being answered")
        if data["status"] in _LIVE:
            time.sleep(0.05)
        lock.release()


@mutant("TASK-SUCCEEDS")
def polling_a_finished_task_is_told_as_stopped(patch: Patch) -> None:
    """A task that has used a tool and came to its own end is told as ``stopped``."""
    used: set[str] = set()

    @patch.wrap(tasks.Task, "emit")
    def emit(original: Any, self: tasks.Task, kind: str, data: Any = None) -> None:
        if kind == "tool_start":
            used.add(self.task_id)
        original(self, kind, data)

    @changed_polls(patch)
    def change(data: dict[str, Any], task: tasks.Task, _offset: int) -> None:
        if data["status"] == "succeeded" and task.task_id in used:
            data["status"] = "stopped"


@mutant("TASK-SUCCESS-WITHOUT-ERROR")
def polling_a_success_has_an_error(patch: Patch) -> None:
    """The ``error`` of a task that succeeded is the text "none"."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        if data["status"] == "succeeded":
            data["error"] = "none"


def _end_differently(patch: Patch, wanted: str, change: Any) -> None:
    """Change how tasks end whose failure has WANTED as its ``error_type``, or any."""

    @patch.wrap(tasks.Task, "finish")
    def finish(
        original: Any, self: tasks.Task, status: tasks.Status, events: Any, error: Any = None
    ) -> Any:
        kind = events[-1][1].get("error_type", "") if events else ""
        if status is tasks.Status.FAILED and wanted in (kind, "any"):
            status, events, error = change(events, error)
        return original(self, status, events, error)


@mutant("TASK-MODEL-FAILURE", "TASK-EXCEPTION", upstream=("H-07",))
def polling_a_failed_model_call_succeeds(patch: Patch) -> None:
    """A task whose model call fails for good ends as ``succeeded``, without an error."""
    _end_differently(patch, "any", lambda events, _error: (tasks.Status.SUCCEEDED, events, None))


@mutant("TASK-EXCEPTION", upstream=("H-08",))
def polling_an_exception_succeeds(patch: Patch) -> None:
    """A task whose model sends what is no JSON ends as ``succeeded``."""
    complete = ("task_complete", {"total_iterations": 1, "total_tool_calls": 0})
    _end_differently(
        patch,
        "malformed_stream",
        lambda events, _error: (tasks.Status.SUCCEEDED, [*events, complete], None),
    )


@mutant("TASK-FAILURE-ERROR")
def polling_a_failure_has_no_reason(patch: Patch) -> None:
    """The ``error`` of a task that failed is null."""
    _end_differently(patch, "any", lambda events, _error: (tasks.Status.FAILED, events, None))


@mutant("TASK-FAILURE-EVENT", "EVENT-CHUNK-PLACE")
def polling_a_failure_has_no_event(patch: Patch) -> None:
    """A task that failed has no ``error`` event, and none about a try that failed."""
    _end_differently(patch, "any", lambda _events, error: (tasks.Status.FAILED, [], error))

    @patch.wrap(tasks.Task, "emit")
    def emit(original: Any, self: tasks.Task, kind: str, data: Any = None) -> None:
        if kind != "error":
            original(self, kind, data)
