"""Background tasks: their status, their events, one per user at a time (api_v1 2.2, 2.3)."""

import asyncio
import contextlib
import json
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pollux.reference_server.config import ServerConfig
from pollux.reference_server.ring import EventRing

_log = logging.getLogger(__name__)
_encode = json.JSONEncoder(separators=(",", ":")).encode

#: An event before it has an idx and a time: its type and its payload.
Event = tuple[str, Mapping[str, Any]]


class Status(StrEnum):
    """The states of a task; the last three are terminal, and terminal is for ever."""

    PENDING = "pending"
    RUNNING = "running"
    CANCEL_REQUESTED = "cancel_requested"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        """Whether a task in this state has ended."""
        return self in _TERMINAL


_TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED})


class TaskRefused(Exception):
    """A task cannot be started, or its conversation cannot be deleted, because one is live."""


class ServerBusy(Exception):
    """No task can be started now, by anybody; a later try may succeed (api_v1 1.10)."""


class Task:
    """One run of the agent: its status and its events, told together.

    Everything a poll tells is read under one lock, and the end of a task is one step:
    the last events and the terminal status become visible at the same moment
    (api_v1 2.3.8).

    Args:
        user: Name of the user it belongs to.
        buffer_size: Events that are kept.

    Attributes:
        task_id: A UUID.
        conversation_id: Where it saves its messages.
        created_at: Epoch seconds.
        accepted_as: The status that the answer to the send tells; a fast task may be over by then.
    """

    def __init__(self, user: str, buffer_size: int) -> None:
        self.task_id = str(uuid.uuid4())
        self.user = user
        self.conversation_id = ""
        self.accepted_as = Status.PENDING
        self.created_at = time.time()
        self._lock = threading.Lock()
        self._ring = EventRing(buffer_size)
        self._status = Status.PENDING
        self._updated_at = self.created_at
        self._error: str | None = None
        self._cancel_requested = False
        self._interrupt: Callable[[], object] | None = None

    @property
    def status(self) -> Status:
        """The state of this moment."""
        return self._status

    @property
    def updated_at(self) -> float:
        """Epoch seconds of the last event or change of status."""
        return self._updated_at

    @property
    def cancel_requested(self) -> bool:
        """Whether the user wants the task to end."""
        return self._cancel_requested

    def begin(self) -> None:
        """Go from pending to running."""
        with self._lock:
            self._status = self.accepted_as = Status.RUNNING
            self._updated_at = self._now()

    def on_cancel(self, interrupt: Callable[[], object]) -> None:
        """Have INTERRUPT called once, from any thread, when the task is to be cancelled.

        It is called at once where that has been asked for before.
        """
        with self._lock:
            self._interrupt = interrupt
            too_late = self._cancel_requested
        if too_late:
            interrupt()

    def emit(self, kind: str, data: Mapping[str, Any] | None = None) -> None:
        """Append one event.

        Raises:
            RuntimeError: when the task has ended: nothing is ever added then.
        """
        with self._lock:
            if self._status.terminal:
                raise RuntimeError(f"task {self.task_id} has ended, {kind} came too late")
            self._append(kind, data or {})

    def finish(self, status: Status, events: Sequence[Event], error: str | None = None) -> bool:
        """End the task: the last EVENTS and the terminal STATUS in one step.

        Returns:
            False, with nothing done, when a cancel was accepted before: such a task ends as
            canceled only (api_v1 2.3).
        """
        with self._lock:
            if self._cancel_requested and status is not Status.CANCELED:
                return False
            for kind, data in events:
                self._append(kind, data)
            self._status = status
            self._error = error
            self._interrupt = None
            self._updated_at = self._now()
            return True

    def cancel(self) -> None:
        """Ask the task to end. Of a task that has ended or was asked before: no effect."""
        with self._lock:
            if self._status.terminal or self._cancel_requested:
                return
            self._cancel_requested = True
            self._status = Status.CANCEL_REQUESTED
            self._updated_at = self._now()
            interrupt = self._interrupt
        if interrupt is not None:
            interrupt()

    def poll(self, offset: int) -> bytes:
        """Return the JSON answer to a poll from OFFSET (api_v1 2.3.1 to 2.3.8)."""
        with self._lock:
            window = self._ring.window(offset)
            head = _encode(
                {
                    "task_id": self.task_id,
                    "status": self._status,
                    "created_at": self.created_at,
                    "updated_at": self._updated_at,
                    "error": self._error,
                    "next_offset": window.next_offset,
                    "window_start": window.start,
                }
            ).encode()
        return b"".join(
            (
                b'{"success":true,"data":',
                head[:-1],
                b',"events":[',
                b",".join(window.events),
                b"]}}",
            )
        )

    def _append(self, kind: str, data: Mapping[str, Any]) -> None:
        self._updated_at = self._now()
        self._ring.append(kind, data, self._updated_at)

    def _now(self) -> float:
        # The clock of the machine may be set back; the times of a task never go back.
        return max(time.time(), self._updated_at)


#: What a task does. It ends the task itself; whatever it raises ends it as failed.
Job = Callable[[Task], Awaitable[None]]


@dataclass
class _UserTasks:
    """The tasks of one user. GATE makes "is one live?" and "here is one" a single step."""

    gate: threading.Lock = field(default_factory=threading.Lock)
    active: Task | None = None
    finished: deque[Task] = field(default_factory=deque)


class Slot:
    """The right to start one task, held while the send is being prepared."""

    def __init__(self, task: Task, launch: Callable[[Task, Job], None]) -> None:
        self.task = task
        self._launch = launch
        self.started = False

    def start(self, conversation_id: str, job: Job) -> Task:
        """Start the task on CONVERSATION_ID in a thread of its own and return it."""
        self.task.conversation_id = conversation_id
        self.task.begin()
        self.started = True
        self._launch(self.task, job)
        return self.task


class TaskRegistry:
    """All tasks of the process, in memory only (api_v1 2.3).

    Args:
        config: Sizes, times and limits.
        clock: Epoch seconds; for the age of finished tasks.
    """

    def __init__(self, config: ServerConfig, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}
        self._users: dict[str, _UserTasks] = {}
        self._threads: set[threading.Thread] = set()
        self._closing = False

    def find(self, user: str, task_id: str) -> Task | None:
        """Return a task of USER; None for an unknown, expired or another user's task."""
        task = self._tasks.get(task_id)
        if task is None or task.user != user or self._expired(task):
            return None
        return task

    @contextlib.contextmanager
    def reserve(self, user: str) -> Iterator[Slot]:
        """Hold the one place that USER has for a task, and give it back if none is started.

        Whoever comes second waits for the first and is then refused, so that of any number
        of sends at one instant exactly one goes on (api_v1 2.2).

        Raises:
            TaskRefused: a task of this user is live.
            ServerBusy: too many tasks of all users are live, or the server is stopping.
        """
        mine = self._of(user)
        with mine.gate:
            if mine.active is not None and not mine.active.status.terminal:
                raise TaskRefused("a task of this user is still running: poll it or cancel it")
            task = Task(user, self._config.buffer_size)
            self._admit(mine, task)
            slot = Slot(task, self._launch)
            try:
                yield slot
            finally:
                if not slot.started:
                    with self._lock:
                        mine.active = None
                        del self._tasks[task.task_id]

    @contextlib.contextmanager
    def not_in_use(self, user: str, conversation_id: str) -> Iterator[None]:
        """Keep every task of USER from starting, to delete one of the conversations.

        Raises:
            TaskRefused: a live task works on CONVERSATION_ID.
        """
        mine = self._of(user)
        with mine.gate:
            task = mine.active
            if (
                task is not None
                and task.conversation_id == conversation_id
                and not task.status.terminal
            ):
                raise TaskRefused("a task is running in this conversation: cancel it first")
            yield

    def close(self, timeout: float = 5.0) -> None:
        """Refuse new tasks, cancel the live ones and wait until they have saved their state.

        Args:
            timeout: Seconds to wait, in all.
        """
        with self._lock:
            self._closing = True
            live = [task for task in self._tasks.values() if not task.status.terminal]
            threads = list(self._threads)
        for task in live:
            task.cancel()
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _of(self, user: str) -> _UserTasks:
        with self._lock:
            return self._users.setdefault(user, _UserTasks())

    def _admit(self, mine: _UserTasks, task: Task) -> None:
        with self._lock:
            if self._closing:
                raise ServerBusy("the server is stopping")
            live = sum(
                1
                for other in self._users.values()
                if other.active is not None and not other.active.status.terminal
            )
            if live >= self._config.max_running_tasks:
                raise ServerBusy("too many tasks are running, try again in a moment")
            if mine.active is not None:
                mine.finished.append(mine.active)
            while mine.finished and (
                len(mine.finished) > self._config.max_finished_tasks
                or self._expired(mine.finished[0])
            ):
                del self._tasks[mine.finished.popleft().task_id]
            mine.active = task
            self._tasks[task.task_id] = task

    def _expired(self, task: Task) -> bool:
        age = self._clock() - task.updated_at
        return task.status.terminal and age > self._config.task_retention

    def _launch(self, task: Task, job: Job) -> None:
        def work() -> None:
            try:
                asyncio.run(_run(task, job))
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=work, name=f"task-{task.task_id[:8]}", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()


async def _run(task: Task, job: Job) -> None:
    """Run JOB as an asyncio task that ``task.cancel()`` interrupts at whatever it waits for."""
    loop = asyncio.get_running_loop()
    # Scheduled before any interrupt can be, so the job always gets to its first wait.
    work = asyncio.ensure_future(job(task))

    def interrupt() -> None:
        # The loop may have closed between the last event and a late cancel.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(work.cancel)

    task.on_cancel(interrupt)
    try:
        await work
    except asyncio.CancelledError:
        _end(task, Status.CANCELED, "the task was cancelled")
    except Exception:
        _log.exception("task %s failed", task.task_id)
        _end(task, Status.FAILED, "an internal error ended the task")
    if not task.status.terminal:
        _log.error("task %s ended without saying how", task.task_id)
        _end(task, Status.FAILED, "the task broke off")


def _end(task: Task, status: Status, message: str) -> None:
    """End a task whose job did not: a last resort, so that no task stays live for ever."""
    if task.status.terminal:
        return
    failed: list[Event] = [("error", {"message": message, "retry": False})]
    if status is Status.FAILED and task.finish(Status.FAILED, failed, message):
        return
    task.finish(
        Status.CANCELED,
        [("task_stopped", {"message": "the task was cancelled", "reason": "user_stop"})],
    )
