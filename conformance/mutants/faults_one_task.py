"""Faults of the rule of one task at a time for each user (api_v1 2.2)."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import sending
from pollux.reference_server.agent import Agent
from pollux.reference_server.http import ApiError, current_services
from pollux.reference_server.sending import SendRequest
from pollux.reference_server.services import Services
from pollux.reference_server.spaces import UserSpace
from pollux.reference_server.tasks import Slot, Status, Task, TaskRefused, TaskRegistry

_POLLED = "polled_by_a_mutant"


_Look = Callable[[TaskRegistry, str], None]


def _reserves(patch: Patch) -> Callable[[_Look], None]:
    """Decorate a function that may change the tasks of a user before a place is looked for."""

    def decorator(before: _Look) -> None:
        @patch.wrap(TaskRegistry, "reserve")
        @contextlib.contextmanager
        def reserve(original: Any, self: TaskRegistry, user: str) -> Iterator[Slot]:
            before(self, user)
            with original(self, user) as slot:
                yield slot

    return decorator


@mutant("SEND-RACE", upstream=("H-01",))
def one_task_is_looked_for_and_noted_in_two_steps(patch: Patch) -> None:
    """Between the look whether a task is live and the note of the new one others may look."""

    class NoLock:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    @patch.wrap(TaskRegistry, "_of")
    def tasks_of(original: Any, self: TaskRegistry, user: str) -> Any:
        mine = original(self, user)
        mine.gate = NoLock()
        return mine

    @patch.wrap(Task, "__init__")
    def init(original: Any, self: Task, *args: Any) -> None:
        # Called between the two steps; what takes a moment there makes no difference else.
        time.sleep(0.005)
        original(self, *args)


def _lets_pass(patch: Patch, *, same: bool) -> None:
    """Accept a send to the conversation of a live task, or to another one, if it was polled."""

    @patch.wrap(Task, "poll")
    def poll(original: Any, self: Task, offset: int) -> bytes:
        setattr(self, _POLLED, True)
        return bytes(original(self, offset))

    @patch.wrap(sending, "send")
    def send(original: Any, services: Services, space: UserSpace, asked: SendRequest) -> Task:
        mine = services.tasks._of(space.name)
        live = mine.active
        if (
            live is not None
            and not live.status.terminal
            and hasattr(live, _POLLED)
            and (asked.conversation_id == live.conversation_id) is same
        ):
            mine.active = None
            try:
                started: Task = original(services, space, asked)
            finally:
                mine.active = live
            return started
        return original(services, space, asked)  # type: ignore[no-any-return]


@mutant("SEND-BUSY-SAME-CONVERSATION")
def one_task_more_in_the_same_conversation(patch: Patch) -> None:
    """A message to the conversation of a live task that is being polled starts another one."""
    _lets_pass(patch, same=True)


@mutant("SEND-BUSY-OTHER-CONVERSATION")
def one_task_more_in_another_conversation(patch: Patch) -> None:
    """While a task is polled, a message to any other conversation starts another one."""
    _lets_pass(patch, same=False)


@mutant("SEND-BUSY-OTHER-CONVERSATION", "SEND-RACE")
def one_task_in_each_conversation(patch: Patch) -> None:
    """Only a send to the conversation of the live task is refused."""

    @patch.wrap(sending, "send")
    def send(original: Any, services: Services, space: UserSpace, asked: SendRequest) -> Task:
        mine = services.tasks._of(space.name)
        live = mine.active
        if live is not None and asked.conversation_id != live.conversation_id:
            mine.active = None
        return original(services, space, asked)  # type: ignore[no-any-return]


@mutant("SEND-BUSY-CANCELLING", upstream=("H-04",))
def one_task_that_is_being_cancelled_does_not_count(patch: Patch) -> None:
    """A cancel frees the user's place at once, although the task takes a moment to end."""

    @_reserves(patch)
    def before(registry: TaskRegistry, user: str) -> None:
        mine = registry._of(user)
        if mine.active is not None and mine.active.status is Status.CANCEL_REQUESTED:
            mine.active = None

    @patch.wrap(Agent, "_end_cancelled")
    def end(original: Any, self: Agent) -> None:
        time.sleep(0.05)
        original(self)


@mutant("SEND-AFTER-END")
def one_task_keeps_its_place_until_the_end_is_told_twice(patch: Patch) -> None:
    """The place is freed by the second poll that tells of the end, or after a second."""
    told: dict[str, int] = {}

    @patch.wrap(Task, "poll")
    def poll(original: Any, self: Task, offset: int) -> bytes:
        answer = bytes(original(self, offset))
        if Status(json.loads(answer)["data"]["status"]).terminal:
            told[self.task_id] = told.get(self.task_id, 0) + 1
        return answer

    @_reserves(patch)
    def before(registry: TaskRegistry, user: str) -> None:
        task = registry._of(user).active
        told_once = task is not None and told.get(task.task_id) == 1
        if task is not None and told_once and time.time() - task.updated_at < 1:
            raise TaskRefused("a task of this user is still running")


@mutant("SEND-USERS-INDEPENDENT")
def one_task_of_the_first_user_blocks_the_second(patch: Patch) -> None:
    """While a task of a user is live, users further down the list cannot send."""

    @_reserves(patch)
    def before(registry: TaskRegistry, user: str) -> None:
        for other, theirs in list(registry._users.items()):
            live = theirs.active is not None and not theirs.active.status.terminal
            if other < user and live:
                raise TaskRefused("the server works for somebody else")


@mutant("REFUSED-NO-TASK")
def one_task_place_is_kept_by_a_refused_send(patch: Patch) -> None:
    """A send with a prompt that does not exist takes the user's place, for a while."""

    @patch.wrap(sending, "_prompt")
    def prompt(original: Any, space: UserSpace, *rest: Any) -> Any:
        try:
            return original(space, *rest)
        except ApiError:
            registry = current_services().tasks
            task = Task(space.name, 10)
            mine = registry._of(space.name)
            if mine.active is None or mine.active.status.terminal:
                mine.active = task
                threading.Timer(1.0, task.finish, (Status.FAILED, [])).start()
            raise
