"""Faults that show only after a certain sequence of calls, each of which alone is right."""

from typing import Any

from flask import Flask

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import sending
from pollux.reference_server.conversations import DEFAULT_TITLE, ConversationStore
from pollux.reference_server.http import current_services, current_space
from pollux.reference_server.named_files import NamedFiles
from pollux.reference_server.spaces import UserSpace
from pollux.reference_server.storage import atomic_write, encode_json
from pollux.reference_server.tasks import Task, TaskRegistry


@mutant("PROMPT-LIST-COMPLETE")
def sequence_a_save_takes_longer_names_along(patch: Patch) -> None:
    """A save clears up what an earlier one may have left, which it finds by how a name begins."""

    @patch.wrap(NamedFiles, "write")
    def write(original: Any, self: NamedFiles, name: str, data: bytes) -> None:
        original(self, name, data)
        if self._suffix == ".txt" and len(name) > 1:
            for path in self._folder.glob(f"{name}?*{self._suffix}"):
                path.unlink()


@mutant("PROMPT-APPLIED")
def sequence_a_prompt_is_used_as_it_was_first(patch: Patch) -> None:
    """The text of a prompt is read for the first run that names it, and kept for all others."""
    texts: dict[tuple[str, str], str] = {}

    @patch.wrap(sending, "_prompt")
    def prompt(original: Any, space: UserSpace, request: Any, *rest: Any) -> Any:
        found = original(space, request, *rest)
        if request.prompt_name is None or found is None:
            return found
        return texts.setdefault((space.name, request.prompt_name), found)


@mutant("CONV-DELETE-GONE")
def sequence_a_cancel_brings_a_deleted_conversation_back(patch: Patch) -> None:
    """The cancel of an ended task saves its conversation, whether that is still there or not."""

    @patch.app
    def change(app: Flask) -> None:
        view = app.view_functions["tasks.cancel_task"]

        def cancel(task_id: str) -> Any:
            answer = view(task_id=task_id)
            space = current_space()
            task = current_services().tasks.find(space.name, task_id)
            if task is not None and task.status.terminal:
                _save(space.conversations, task.conversation_id)
            return answer

        app.view_functions["tasks.cancel_task"] = cancel


def _save(store: ConversationStore, name: str) -> None:
    if store.exists(name):
        return
    stamp = store._stamp()
    document = {
        "id": name,
        "title": DEFAULT_TITLE,
        "created_at": stamp,
        "updated_at": stamp,
        "messages": [],
        "metadata": {},
    }
    atomic_write(store._path(name), encode_json(document), scratch=store._scratch)
    store._note(document)


@mutant("CANCEL-TERMINAL-NO-EFFECT", upstream=("H-05",))
def sequence_a_late_cancel_ends_the_next_task_of_its_conversation(patch: Patch) -> None:
    """A cancel leaves a flag at the conversation, which the next task there takes for its own."""
    flags: set[str] = set()

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        if self.status.terminal:
            flags.add(self.conversation_id)
        original(self)

    @patch.wrap(TaskRegistry, "_launch")
    def launch(original: Any, self: TaskRegistry, task: Task, job: Any) -> None:
        if task.conversation_id in flags:
            flags.remove(task.conversation_id)
            task.cancel()
        original(self, task, job)


@mutant("ISOLATION-CONVERSATION-DELETE")
def sequence_a_stranger_strikes_a_conversation_off_the_list(patch: Patch) -> None:
    """A delete strikes the id off all lists before it looks for a conversation of the user."""

    @patch.app
    def change(app: Flask) -> None:
        view = app.view_functions["conversations.delete_conversation"]

        def delete(conversation_id: str) -> Any:
            services = current_services()
            for name in services.users.names():
                store = services.spaces.of(name).conversations
                if name != current_space().name:
                    with store._lock:
                        store._summaries().pop(conversation_id, None)
                        store._sorted = None
            return view(conversation_id=conversation_id)

        app.view_functions["conversations.delete_conversation"] = delete
