"""Faults that only requests of the same moment show."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import sending
from pollux.reference_server.agent import Agent
from pollux.reference_server.files import FileArea, IncomingFile
from pollux.reference_server.http import current_services
from pollux.reference_server.spaces import UserSpace
from pollux.reference_server.tasks import Slot, Task, TaskRefused, TaskRegistry

# A moment that is long for a server and short for its clients, in seconds.
_MOMENT = 0.005


@mutant("SEND-USERS-INDEPENDENT")
def one_task_is_started_at_a_time_for_all_users(patch: Patch) -> None:
    """While the send of one user is being looked at, those of all others are refused as busy."""
    looking = threading.Lock()

    @patch.wrap(TaskRegistry, "reserve")
    @contextlib.contextmanager
    def reserve(original: Any, self: TaskRegistry, user: str) -> Iterator[Slot]:
        if not looking.acquire(blocking=False):
            raise TaskRefused("another task is being started")
        try:
            with original(self, user) as slot:
                yield slot
            time.sleep(4 * _MOMENT)
        finally:
            looking.release()


@mutant("SEND-BUSY-CANCELLING")
def one_task_gives_its_place_away_during_the_cancel(patch: Patch) -> None:
    """While a cancel is being answered the user's place is free; then the task has it again."""

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        mine = current_services().tasks._of(self.user)
        if mine.active is not self or self.status.terminal:
            original(self)
            return
        mine.active = None
        time.sleep(30 * _MOMENT)
        if mine.active is None:
            mine.active = self
        original(self)

    @patch.wrap(Agent, "_end_cancelled")
    def end(original: Any, self: Agent) -> None:
        time.sleep(40 * _MOMENT)  # which is no fault
        original(self)


@mutant("SEND-RACE")
def one_task_place_is_handed_to_all_who_see_the_end(patch: Patch) -> None:
    """In the first moment after the end nobody looks whether somebody else has begun already."""

    class NoLock:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    gates: dict[str, Any] = {}

    @patch.wrap(TaskRegistry, "_of")
    def tasks_of(original: Any, self: TaskRegistry, user: str) -> Any:
        mine = original(self, user)
        gate = gates.setdefault(user, mine.gate)
        last = mine.active
        just_now = (
            last is not None
            and last.status.terminal
            and time.time() - last.updated_at < 4 * _MOMENT
        )
        mine.gate = NoLock() if just_now else gate
        return mine

    @patch.wrap(Task, "__init__")
    def init(original: Any, self: Task, *args: Any) -> None:
        # Called between the look and the note; what takes a moment there makes no difference else.
        time.sleep(_MOMENT)
        original(self, *args)


@mutant("REFUSED-NO-METADATA")
def message_that_loses_a_race_stays_in_the_conversation(patch: Patch) -> None:
    """A send that finds the user free is noted at once; it may still be refused, and stays."""

    @patch.wrap(sending, "send")
    def send(original: Any, services: Any, space: UserSpace, asked: sending.SendRequest) -> Any:
        live = services.tasks._of(space.name).active
        looked_free = live is None or live.status.terminal
        time.sleep(2 * _MOMENT)
        try:
            return original(services, space, asked)
        except TaskRefused:
            if looked_free and asked.conversation_id is not None:
                lost = {"role": "user", "content": asked.message}
                space.conversations.append(asked.conversation_id, [lost])
            raise


@mutant("FILE-UPLOAD-ATOMIC")
def files_mixes_two_uploads_to_one_name(patch: Patch) -> None:
    """Two uploads to one name write into the same temporary file."""
    lock = threading.Lock()
    writing: dict[tuple[object, ...], tuple[bytes, threading.Event]] = {}

    @patch.wrap(FileArea, "_put")
    def put(original: Any, self: FileArea, incoming: IncomingFile, parts: Sequence[str]) -> Any:
        incoming._file.flush()
        data, came = incoming._temporary.read_bytes(), threading.Event()
        with lock:
            first, other = writing.setdefault((self, *parts), (data, came))
        if other is came:
            if self._root.joinpath(*parts).exists():
                came.wait(0.2)  # which is no fault
            with lock:
                del writing[self, *parts]
        else:
            half = min(len(first), len(data)) // 2
            incoming._temporary.write_bytes(first[:half] + data[half:])
            other.set()
            time.sleep(_MOMENT)
        return original(self, incoming, parts)
