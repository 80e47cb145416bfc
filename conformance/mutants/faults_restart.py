"""Faults that only a kill and a restart show (api_v1 2.3)."""

import json
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import conversations, named_files
from pollux.reference_server.conversations import ConversationStore
from pollux.reference_server.folders import Entry, Folder
from pollux.reference_server.named_files import NamedFiles
from pollux.reference_server.spaces import UserSpaces
from pollux.reference_server.storage import AtomicFile
from pollux.reference_server.tasks import Slot, Status, Task, TaskRefused, TaskRegistry

_LARGE = 20_000
_PIECES = 8
_PIECE_SECONDS = 0.01


def _at_the_start(patch: Patch) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Decorate what is done with the folder of a user before it is used first."""

    def decorator(change: Callable[[Path], None]) -> Callable[[Path], None]:
        @patch.wrap(UserSpaces, "_open")
        def open_space(original: Any, self: UserSpaces, user: str) -> Any:
            change(self._users_dir / user)
            return original(self, user)

        return change

    return decorator


def _in_place(path: Path, data: bytes) -> None:
    """Write a file piece by piece where it lies, as a slow disk does."""
    size = -(-len(data) // _PIECES)
    with path.open("wb", buffering=0) as file:
        for begin in range(0, len(data), size):
            file.write(data[begin : begin + size])
            time.sleep(_PIECE_SECONDS)


class _Journal:
    """A file of lines in the data folder that outlives the process."""

    def __init__(self, patch: Patch, name: str) -> None:
        self.before: frozenset[str] = frozenset()
        self._path = Path()

        @patch.wrap(TaskRegistry, "__init__")
        def init(original: Any, registry: TaskRegistry, config: Any, *more: Any) -> None:
            original(registry, config, *more)
            self._path = config.data_dir / name
            if self._path.exists():
                self.before = frozenset(self._path.read_text().split())

    def add(self, word: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{word}\n")

    def remove(self, word: str) -> None:
        words = self._path.read_text().split()
        self._path.write_text("".join(f"{each}\n" for each in words if each != word))


@mutant("RESTART-TASKS-GONE")
def restart_remembers_tasks(patch: Patch) -> None:
    """Tasks of before the restart are still there, cancelled and without events."""
    journal = _Journal(patch, "tasks")

    @patch.wrap(Slot, "start")
    def start(original: Any, self: Slot, conversation_id: str, job: Any) -> Any:
        journal.add(f"{self.task.user}/{self.task.task_id}")
        return original(self, conversation_id, job)

    @patch.wrap(TaskRegistry, "find")
    def find(original: Any, self: TaskRegistry, user: str, task_id: str) -> Any:
        found = original(self, user, task_id)
        known = f"{user}/{task_id}" in journal.before
        if found is None and known and request.method == "GET":
            found = Task(user, 1000)
            found.task_id = task_id
            found.finish(Status.CANCELED, [])
        return found


@mutant("RESTART-USER-FREE")
def restart_leaves_the_user_busy(patch: Patch) -> None:
    """That a user has a live task is noted on disk, and nobody takes it back after a kill."""
    journal = _Journal(patch, "busy")

    @patch.wrap(Slot, "start")
    def start(original: Any, self: Slot, conversation_id: str, job: Any) -> Any:
        journal.add(self.task.user)
        return original(self, conversation_id, job)

    @patch.wrap(Task, "finish")
    def finish(original: Any, self: Task, *end: Any) -> Any:
        ended = original(self, *end)
        if ended:
            journal.remove(self.user)
        return ended

    @patch.wrap(TaskRegistry, "reserve")
    def reserve(original: Any, self: TaskRegistry, user: str) -> Any:
        if user in journal.before:
            raise TaskRefused("a task of this user is still running")
        return original(self, user)


@mutant("RESTART-CONVERSATIONS-KEPT")
def restart_sweeps_empty_conversations(patch: Patch) -> None:
    """A conversation without messages is taken for a leftover, and deleted at the start."""

    @_at_the_start(patch)
    def sweep(home: Path) -> None:
        for path in (home / "data" / "conversations").glob("conv_*.json"):
            if not json.loads(path.read_bytes())["messages"]:
                path.unlink()


@mutant("RESTART-CONVERSATIONS-KEPT")
def restart_brings_deleted_conversations_back(patch: Patch) -> None:
    """Deleting a conversation only hides it, until the process ends."""
    gone: set[Path] = set()

    @patch.wrap(ConversationStore, "delete")
    def delete(_original: Any, self: ConversationStore, conversation_id: str) -> None:
        self.load(conversation_id)
        gone.add(self._path(conversation_id))
        with self._lock:
            self._summaries().pop(conversation_id, None)
            self._sorted = None

    @patch.wrap(ConversationStore, "_read")
    def read(original: Any, self: ConversationStore, conversation_id: str) -> Any:
        hidden = self._path(conversation_id) in gone
        return None if hidden else original(self, conversation_id)


@mutant("RESTART-CONVERSATIONS-KEPT")
def restart_rewrites_every_conversation(patch: Patch) -> None:
    """At the start every conversation is rewritten, its times in another form."""

    @_at_the_start(patch)
    def rewrite(home: Path) -> None:
        for path in (home / "data" / "conversations").glob("conv_*.json"):
            document = json.loads(path.read_bytes())
            document["updated_at"] = document["updated_at"].replace("T", " ")
            path.write_text(json.dumps(document), encoding="utf-8")


@mutant("RESTART-FILES-KEPT")
def restart_sweeps_empty_files(patch: Patch) -> None:
    """A file without bytes is taken for an upload that broke off, and deleted at the start."""

    @_at_the_start(patch)
    def sweep(home: Path) -> None:
        for path in (home / "project" / "user_upload").rglob("*"):
            if path.is_file() and not path.stat().st_size:
                path.unlink()


@mutant("RESTART-PROMPTS-KEPT")
def restart_tidies_prompts(patch: Patch) -> None:
    """At the start prompts are rewritten with line ends of one kind."""

    @_at_the_start(patch)
    def tidy(home: Path) -> None:
        for path in (home / "data" / "prompts").glob("*.txt"):
            path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))


@mutant("RESTART-PERSONALIZATIONS-KEPT")
def restart_migrates_personalizations(patch: Patch) -> None:
    """At the start personalizations are rewritten in ASCII, and other characters are lost."""

    @_at_the_start(patch)
    def migrate(home: Path) -> None:
        for path in (home / "data" / "personalization").glob("*.json"):
            path.write_bytes(path.read_text(encoding="utf-8").encode("ascii", "replace"))


@mutant("RESTART-KILLED-IN-TASK")
def restart_loses_what_was_written_last(patch: Patch) -> None:
    """A conversation that has become long is written a second later, all changes in one."""
    pending: dict[Path, bytes] = {}
    lock = threading.RLock()

    @patch.wrap(conversations, "atomic_write")
    def write(original: Any, path: Path, data: bytes, *, scratch: Path) -> None:
        if len(json.loads(data)["messages"]) < 4:
            original(path, data, scratch=scratch)
            return

        def flush() -> None:
            with lock:
                newest = pending.pop(path, None)
                if newest is not None and path.exists():
                    original(path, newest, scratch=scratch)

        with lock:
            waiting = path in pending
            pending[path] = data
        if not waiting:
            threading.Timer(1.0, flush).start()

    @patch.wrap(ConversationStore, "_read")
    def read(original: Any, self: ConversationStore, conversation_id: str) -> Any:
        with lock:
            newest = pending.get(self._path(conversation_id))
            return original(self, conversation_id) if newest is None else json.loads(newest)

    @patch.wrap(ConversationStore, "delete")
    def delete(original: Any, self: ConversationStore, conversation_id: str) -> None:
        original(self, conversation_id)
        with lock:
            pending.pop(self._path(conversation_id), None)


@mutant("RESTART-KILLED-IN-UPLOAD")
def restart_shows_half_an_upload(patch: Patch) -> None:
    """A large file is written piece by piece where it lies; whoever reads it waits meanwhile."""
    lock = threading.RLock()

    @patch.wrap(Folder, "put")
    def put(original: Any, self: Folder, temporary: Path, name: str) -> Any:
        data = temporary.read_bytes()
        found = self.find(name)
        if len(data) < _LARGE or (found is not None and found.is_dir):
            return original(self, temporary, name)
        with lock:
            _in_place(self._path / name, data)
            temporary.unlink()
            return Entry.of(name, self._lstat(name))

    @patch.wrap(Folder, "open_file")
    def open_file(original: Any, self: Folder, name: str) -> Any:
        with lock:
            return original(self, name)


@mutant("RESTART-KILLED-IN-SAVE")
def restart_shows_half_a_prompt(patch: Patch) -> None:
    """A large prompt is written piece by piece where it lies; whoever reads it waits meanwhile."""
    lock = threading.RLock()

    @patch.wrap(NamedFiles, "write")
    def write(original: Any, self: NamedFiles, name: str, data: bytes) -> None:
        with lock:
            if len(data) < _LARGE or not self._path(name).exists():
                original(self, name, data)
            else:
                _in_place(self._path(name), data)

    @patch.wrap(NamedFiles, "read")
    def read(original: Any, self: NamedFiles, name: str) -> Any:
        with lock:
            return original(self, name)


@mutant("RESTART-NO-LEFTOVERS")
def restart_leaves_temporary_prompts(patch: Patch) -> None:
    """Prompts and personalizations are written to a name beside their own, then renamed."""

    @patch.wrap(named_files, "atomic_write")
    def write(_original: Any, path: Path, data: bytes, *, scratch: Path) -> None:
        beside = f"{path.stem[:40]}-{secrets.token_hex(4)}{path.suffix}"
        with AtomicFile(path.parent, beside) as file:
            file.write(data)
            time.sleep(_PIECE_SECONDS)
            file.commit(path)


@mutant("RESTART-CONVERSATIONS-KEPT")
def restart_forgets_titles(patch: Patch) -> None:
    """The titles of conversations are in memory only: after a restart they are the first one."""

    @patch.wrap(UserSpaces, "_open")
    def open_space(original: Any, self: UserSpaces, user: str) -> Any:
        folder: Path = self._users_dir / user / "data" / "conversations"
        for path in folder.glob("conv_*.json"):
            document = json.loads(path.read_bytes())
            document["title"] = conversations.DEFAULT_TITLE
            path.write_text(json.dumps(document), encoding="utf-8")
        return original(self, user)
