"""What the requests of one session are counted by, and the stories that its tasks tell."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from pollux.replay.faults.story import Story

_MOST_TASKS = 256


@dataclass
class TaskTraffic:
    """The polls of one task.

    Attributes:
        number: Which task of the session it is, from 1.
        polls: How many have begun.
        in_flight: How many are being answered.
        story: What the task tells.
        lock: Held while a poll is made, so that one poll follows another.
    """

    number: int
    polls: int = 0
    in_flight: int = 0
    story: Story = field(default_factory=Story)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Arrival:
    """A request that has begun.

    Attributes:
        number: Of the request in its session, from 1.
        nth: Which poll of its task it is, or else which request of its operation, from 1.
        in_flight: Polls of the same task that were being answered.
        task: Its task, or None.
    """

    number: int
    nth: int
    in_flight: int = 0
    task: TaskTraffic | None = None


class Traffic:
    """The requests of one session; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = 0
        self._operations: Counter[str | None] = Counter()
        self._tasks: dict[str, TaskTraffic] = {}
        self._tasks_seen = 0

    def begin(self, operation: str | None, task_id: str | None) -> Arrival:
        """Count a request that begins."""
        with self._lock:
            self._requests += 1
            self._operations[operation] += 1
            task = None if task_id is None else self._task(task_id)
            if task is None or operation != "pollTask":
                return Arrival(self._requests, self._operations[operation], task=task)
            task.polls += 1
            task.in_flight += 1
            return Arrival(self._requests, task.polls, task.in_flight - 1, task)

    def end_poll(self, task: TaskTraffic) -> None:
        """Count a poll that has been answered, or given up."""
        with self._lock:
            task.in_flight -= 1

    def _task(self, task_id: str) -> TaskTraffic:
        task = self._tasks.pop(task_id, None)
        if task is None:
            self._tasks_seen += 1
            task = TaskTraffic(self._tasks_seen)
        self._tasks[task_id] = task  # the last one is the one asked for last
        if len(self._tasks) > _MOST_TASKS:
            del self._tasks[next(iter(self._tasks))]
        return task
