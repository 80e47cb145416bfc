"""Faults of isolation (api_v1 1.9): users who see, use or change what is not theirs."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from flask import Flask, g, request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import sending
from pollux.reference_server.conversations import ConversationStore
from pollux.reference_server.files import FileArea
from pollux.reference_server.http import ApiError, current_services
from pollux.reference_server.personalizations import PersonalizationStore
from pollux.reference_server.prompts import PromptStore
from pollux.reference_server.spaces import UserSpace
from pollux.reference_server.storage import StorageError


def _others(space: UserSpace) -> Iterator[UserSpace]:
    """The spaces of all users but the one of SPACE."""
    services = current_services()
    for name in services.users.names():
        if name != space.name:
            yield services.spaces.of(name)


def _open_to_all(patch: Patch, endpoint: str) -> None:
    """Let an operation look among what others have, too, for what its own user has not."""

    @patch.app
    def change(app: Flask) -> None:
        view = app.view_functions[endpoint]

        def open_view(**arguments: Any) -> Any:
            own = g.space
            for space in (own, *_others(own)):
                g.space = space
                with contextlib.suppress(StorageError, ApiError):
                    return view(**arguments)
            g.space = own
            return view(**arguments)

        app.view_functions[endpoint] = open_view


# -- conversations ----------------------------------------------------------------------


@mutant("ISOLATION-CONVERSATION-LIST")
def isolation_one_list_of_conversations_for_all(patch: Patch) -> None:
    """The list of conversations is that of all users."""

    @patch.wrap(ConversationStore, "list")
    def conversations(original: Any, self: ConversationStore, limit: int, offset: int) -> Any:
        stores = [self, *(space.conversations for space in _others(g.space))]
        rows = [row for store in stores for row in original(store, 10**9, 0)[0]]
        rows.sort(key=lambda row: row["updated_at"], reverse=True)
        return tuple(rows[offset : offset + limit]), len(rows)


@mutant("ISOLATION-CONVERSATION-LIST")
def isolation_the_total_counts_everybodys_conversations(patch: Patch) -> None:
    """The list shows one's own conversations, but its total is that of all users."""

    @patch.wrap(ConversationStore, "list")
    def conversations(original: Any, self: ConversationStore, limit: int, offset: int) -> Any:
        rows, total = original(self, limit, offset)
        others = [space.conversations for space in _others(g.space)]
        return rows, total + sum(original(store, 1, 0)[1] for store in others)


@mutant("ISOLATION-CONVERSATION-READ", "ISOLATION-SAME-ANSWER")
def isolation_conversations_are_read_by_all(patch: Patch) -> None:
    """Who knows the id of a conversation can read it, whoever it belongs to."""
    _open_to_all(patch, "conversations.get_conversation")


@mutant("ISOLATION-CONVERSATION-DELETE", "ISOLATION-SAME-ANSWER")
def isolation_conversations_are_deleted_by_all(patch: Patch) -> None:
    """Who knows the id of a conversation can delete it, whoever it belongs to."""
    _open_to_all(patch, "conversations.delete_conversation")


@mutant("ISOLATION-CONVERSATION-SEND", "ISOLATION-SAME-ANSWER")
def isolation_a_send_takes_the_conversation_of_another_user(patch: Patch) -> None:
    """A send to a conversation of another user is taken, as one to a new conversation."""

    @patch.wrap(sending, "send")
    def send(original: Any, services: Any, space: UserSpace, asked: Any) -> Any:
        name = asked.conversation_id or ""
        if any(other.conversations.exists(name) for other in _others(space)):
            asked = dataclasses.replace(asked, conversation_id=None)
        return original(services, space, asked)


@mutant("ISOLATION-CONVERSATION-SEND")
def isolation_a_refused_send_is_noted_in_the_conversation(patch: Patch) -> None:
    """A send to a conversation of another user is refused, and its message stored there."""

    @patch.wrap(sending, "send")
    def send(original: Any, services: Any, space: UserSpace, asked: Any) -> Any:
        name = asked.conversation_id or ""
        for other in _others(space):
            if other.conversations.exists(name):
                other.conversations.append(name, [{"role": "user", "content": asked.message}])
        return original(services, space, asked)


@mutant("ISOLATION-SAME-ANSWER")
def isolation_a_conversation_is_said_to_be_somebody_elses(patch: Patch) -> None:
    """The 404 for a conversation of another user says that it is one."""

    @patch.wrap(ConversationStore, "load")
    def load(original: Any, self: ConversationStore, name: str) -> Any:
        try:
            return original(self, name)
        except StorageError:
            # The threads of tasks load conversations, too; they have no request.
            for other in _others(g.space) if request else ():
                with contextlib.suppress(StorageError):
                    original(other.conversations, name)
                    raise ApiError(404, "this conversation belongs to another user") from None
            raise


# -- tasks ------------------------------------------------------------------------------


@mutant("ISOLATION-TASK-POLL", "ISOLATION-SAME-ANSWER")
def isolation_tasks_are_polled_by_all(patch: Patch) -> None:
    """Who knows the id of a task can poll it, whoever it belongs to."""
    _open_to_all(patch, "tasks.poll_task")


@mutant("ISOLATION-TASK-CANCEL", "ISOLATION-SAME-ANSWER")
def isolation_tasks_are_cancelled_by_all(patch: Patch) -> None:
    """Who knows the id of a task can cancel it, whoever it belongs to."""
    _open_to_all(patch, "tasks.cancel_task")


# -- files ------------------------------------------------------------------------------


@mutant("ISOLATION-FILE-READ", "ISOLATION-SAME-ANSWER")
def isolation_files_are_downloaded_by_all(patch: Patch) -> None:
    """A path that a user has not is looked for among the files of the others."""
    _open_to_all(patch, "files.download_file")


@mutant("ISOLATION-FILE-READ", "ISOLATION-SAME-ANSWER")
def isolation_folders_are_listed_by_all(patch: Patch) -> None:
    """A folder that a user has not is listed as another one has it."""
    _open_to_all(patch, "files.list_files")


@mutant("ISOLATION-FILE-WRITE")
def isolation_a_file_is_kept_once_for_all(patch: Patch) -> None:
    """Of a file that several users have under one path the bytes uploaded last are kept for all."""

    @patch.wrap(FileArea, "store")
    def store(original: Any, self: FileArea, incoming: Any, *, folder: str, filename: str) -> Any:
        item = original(self, incoming, folder=folder, filename=filename)
        for other in _others(g.space):
            with contextlib.suppress(StorageError):
                if not other.files.find(item.path).is_dir:
                    file, _ = self.open(item.path)
                    with file, other.files.receive() as copy:
                        copy.write(file.read())
                        original(other.files, copy, folder=folder, filename=filename)
        return item


# -- prompts and personalizations -------------------------------------------------------


@mutant("ISOLATION-PROMPT-READ")
def isolation_one_list_of_prompts_for_all(patch: Patch) -> None:
    """The list of prompts is that of all users."""

    @patch.wrap(PromptStore, "list")
    def prompts(original: Any, self: PromptStore) -> Any:
        stores = [self, *(space.prompts for space in _others(g.space))]
        found = {item.name: item for store in reversed(stores) for item in original(store)}
        return tuple(found[name] for name in sorted(found))


@mutant("ISOLATION-PROMPT-READ", "ISOLATION-SAME-ANSWER")
def isolation_prompts_are_read_by_all(patch: Patch) -> None:
    """A prompt that a user has not is looked for among those of the others."""
    _open_to_all(patch, "prompts.get_prompt")


@mutant("ISOLATION-PROMPT-WRITE")
def isolation_a_prompt_is_kept_once_for_all(patch: Patch) -> None:
    """Of a prompt that several users have under one name the text saved last is kept for all."""

    @patch.wrap(PromptStore, "save")
    def save(original: Any, self: PromptStore, name: str, content: str) -> None:
        original(self, name, content)
        for other in _others(g.space):
            if other.prompts.exists(name):
                original(other.prompts, name, content)


@mutant("ISOLATION-PROMPT-USE")
def isolation_prompts_are_used_by_all(patch: Patch) -> None:
    """A send may name a prompt of another user."""
    _used_by_all(patch, "_prompt")


@mutant("ISOLATION-PERSONALIZATION-READ", "ISOLATION-SAME-ANSWER")
def isolation_personalizations_are_read_by_all(patch: Patch) -> None:
    """A personalization that a user has not is looked for among those of the others."""
    _open_to_all(patch, "personalizations.get_personalization")


@mutant("ISOLATION-PERSONALIZATION-WRITE")
def isolation_a_personalization_is_kept_once_for_all(patch: Patch) -> None:
    """Of a personalization of one name the content saved last is kept for all users."""

    @patch.wrap(PersonalizationStore, "save")
    def save(original: Any, self: PersonalizationStore, name: str, *args: Any, **more: Any) -> Any:
        for other in _others(g.space):
            if other.personalizations.exists(name):
                original(other.personalizations, name, *args, **more)
        return original(self, name, *args, **more)


@mutant("ISOLATION-PERSONALIZATION-USE")
def isolation_personalizations_are_used_by_all(patch: Patch) -> None:
    """A send may name a personalization of another user."""
    _used_by_all(patch, "_personalization")


def _used_by_all(patch: Patch, look_up: str) -> None:
    """Let a look-up of a send, which takes the user's space among others, fall back to theirs."""

    @patch.wrap(sending, look_up)
    def find(original: Any, *arguments: Any) -> Any:
        own = next(each for each in arguments if isinstance(each, UserSpace))
        for space in (own, *_others(own)):
            with contextlib.suppress(ApiError):
                return original(*(space if each is own else each for each in arguments))
        return original(*arguments)


@mutant("ISOLATION-SAME-ANSWER")
def isolation_conversations_are_made_with_anybodys_prompt(patch: Patch) -> None:
    """A conversation can be made with the name of a prompt that only another user has."""

    @patch.wrap(PromptStore, "exists")
    def exists(original: Any, self: PromptStore, name: str) -> bool:
        services = current_services()
        stores = [services.spaces.of(user).prompts for user in services.users.names()]
        return any(original(store, name) for store in (self, *stores))


@mutant("ISOLATION-SAME-ANSWER")
def isolation_images_of_others_can_be_sent(patch: Patch) -> None:
    """An image counts as there when any user has it."""

    @patch.wrap(sending, "_check_images")
    def check(original: Any, _space: UserSpace, images: list[str]) -> None:
        services = current_services()
        for user in services.users.names():
            with contextlib.suppress(ApiError):
                original(services.spaces.of(user), images)
                return
        raise ApiError(400, "there is no such image")
