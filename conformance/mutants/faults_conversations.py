"""Faults of making, listing, reading and deleting conversations (api_v1 2.1)."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import conversations, sending
from pollux.reference_server.conversations import ConversationNotFound, ConversationStore
from pollux.reference_server.http import ApiError, current_space, ok
from pollux.reference_server.names import NameRefused
from pollux.reference_server.personalizations import PersonalizationStore
from pollux.reference_server.prompts import PromptStore
from pollux.reference_server.routes import conversations as routes
from pollux.reference_server.storage import AtomicFile
from pollux.reference_server.tasks import TaskRefused, TaskRegistry

View = Callable[..., Any]


def _answers(patch: Patch, endpoint: str) -> Callable[[Callable[[dict[str, Any]], None]], None]:
    """Decorate a function that changes the JSON of the successes of one operation in place."""

    def decorator(change: Callable[[dict[str, Any]], None]) -> None:
        @patch.response
        def changed(response: Response) -> Response:
            if request.endpoint == f"conversations.{endpoint}" and response.status_code == 200:
                payload = response.get_json()
                change(payload)
                response.set_data(ok(payload).get_data())
            return response

    return decorator


def _view(patch: Patch, endpoint: str) -> Callable[[Callable[[View, str], Any]], None]:
    """Decorate a function that stands before a view: it gets the view and a conversation id."""

    def decorator(fault: Callable[[View, str], Any]) -> None:
        @patch.app
        def change(app: Flask) -> None:
            name = f"conversations.{endpoint}"
            view = app.view_functions[name]

            def changed(conversation_id: str) -> Any:
                return fault(view, conversation_id)

            app.view_functions[name] = changed

    return decorator


# -- making one -------------------------------------------------------------------------


@mutant("CONV-CREATE-SHAPE")
def conversation_id_is_called_id(patch: Patch) -> None:
    """The answer to a creation calls the id of the conversation `id`."""

    @_answers(patch, "create_conversation")
    def change(payload: dict[str, Any]) -> None:
        payload["id"] = payload.pop("conversation_id")


@mutant("CONV-CREATE-BODY-OPTIONAL")
def conversation_of_null_names_is_refused(patch: Patch) -> None:
    """A creation takes null for a name that is wrong, instead of none."""

    @patch.wrap(routes, "read_json_object")
    def read(original: Any, **options: Any) -> Any:
        body = original(**options)
        if None in body.values():
            raise ApiError(400, "a name must be a text")
        return body


@mutant("CONV-CREATE-NAMES", upstream=("H-38",))
def conversation_list_knows_no_names(patch: Patch) -> None:
    """The list takes the names of prompt and personalization from where nobody writes them."""

    @patch.wrap(conversations, "_summary")
    def summary(original: Any, document: Any) -> Any:
        return original(document) | {"custom_prompt_name": None, "personalization_name": None}


@mutant("CONV-CREATE-NAME-INVALID", upstream=("H-16",))
def conversation_of_any_name_is_made(patch: Patch) -> None:
    """A creation stores the names in its body unchecked, paths among them."""
    for store in (PromptStore, PersonalizationStore):

        @patch.wrap(store, "exists")
        def exists(original: Any, self: Any, name: str) -> bool:
            try:
                return bool(original(self, name))
            except NameRefused:
                return True


@mutant("CONV-CREATE-NAME-UNKNOWN", "COMMON-NO-SERVER-ERROR")
def conversation_of_an_unknown_prompt_is_a_server_error(patch: Patch) -> None:
    """A creation with the name of a prompt that does not exist ends in an exception."""

    @patch.wrap(PromptStore, "exists")
    def exists(original: Any, self: PromptStore, name: str) -> bool:
        if not original(self, name):
            raise KeyError(name)
        return True


@mutant("CONV-ID-PATTERN")
def conversation_ids_begin_with_the_day(patch: Patch) -> None:
    """The date in the ids has day, month and year in this order."""

    @patch.wrap(ConversationStore, "_next_id")
    def next_id(original: Any, self: ConversationStore) -> str:
        name = str(original(self))
        year, month, day = name[5:9], name[9:11], name[11:13]
        return f"conv_{day}{month}{year}{name[13:]}"


@mutant("CONV-ID-UNIQUE", upstream=("H-28",))
def conversations_of_one_millisecond_share_an_id(patch: Patch) -> None:
    """The id is the time to the millisecond, and who comes second overwrites the first."""

    @patch.wrap(ConversationStore, "_next_id")
    def next_id(_original: Any, _self: ConversationStore) -> str:
        now = datetime.now(UTC)
        return f"conv_{now:%Y%m%d_%H%M%S}_{now.microsecond // 1000:03d}"

    patch.replace(AtomicFile, "commit_new", AtomicFile.commit)


@mutant("CONV-ID-MALFORMED", upstream=("H-29",))
def conversation_ids_need_no_prefix(patch: Patch) -> None:
    """An id without its prefix is completed, instead of being no id."""

    @patch.app
    def change(app: Flask) -> None:
        @app.before_request
        def complete() -> None:
            name = (request.view_args or {}).get("conversation_id")
            if name is not None and request.view_args is not None and name[:1].isdigit():
                request.view_args["conversation_id"] = f"conv_{name}"


# -- the list ---------------------------------------------------------------------------


@mutant("CONV-LIST-SHAPE")
def conversation_list_tells_no_model(patch: Patch) -> None:
    """The items of the list have no `model_key`."""
    fields = [name for name in conversations._METADATA_IN_SUMMARY if name != "model_key"]
    patch.replace(conversations, "_METADATA_IN_SUMMARY", tuple(fields))


@mutant("CONV-LIST-COMPLETE")
def conversation_list_loses_another_one_with_a_deleted_one(patch: Patch) -> None:
    """With a deleted conversation the one that was used last is struck from the list, too."""

    @patch.wrap(ConversationStore, "delete")
    def delete(original: Any, self: ConversationStore, name: str) -> None:
        original(self, name)
        rows, _ = self.list(1, 0)
        if rows and rows[0]["messages_count"] and self._index is not None:
            del self._index[rows[0]["id"]]
            self._sorted = None


@mutant("CONV-LIST-CONSISTENT", upstream=("H-38",))
def conversation_list_counts_the_users_messages(patch: Patch) -> None:
    """The `messages_count` of the list is the number of the user's messages alone."""

    @patch.wrap(conversations, "_summary")
    def summary(original: Any, document: Any) -> Any:
        count = sum(message["role"] == "user" for message in document["messages"])
        return original(document) | {"messages_count": count}


@mutant("CONV-LIST-LIMIT")
def conversation_list_of_one_is_a_list_of_twenty(patch: Patch) -> None:
    """A limit of 1 is taken for none."""

    @patch.wrap(ConversationStore, "list")
    def rows(original: Any, self: ConversationStore, limit: int, offset: int) -> Any:
        return original(self, limit if limit > 1 else 20, offset)


@mutant("CONV-LIST-LIMIT-DEFAULT")
def conversation_list_has_fifty_items_by_default(patch: Patch) -> None:
    """Without a limit up to 50 conversations are listed."""
    patch.replace(routes, "_DEFAULT_LIMIT", 50)


@mutant("CONV-LIST-OFFSET")
def conversation_list_never_ends(patch: Patch) -> None:
    """Past the last conversation the list shows the last one again."""

    @patch.wrap(ConversationStore, "list")
    def rows(original: Any, self: ConversationStore, limit: int, offset: int) -> Any:
        found, total = original(self, limit, offset)
        return (found, total) if found else original(self, limit, max(0, total - 1))


@mutant("CONV-LIST-PAGES", "CONV-LIST-OFFSET")
def conversation_pages_skip_one(patch: Patch) -> None:
    """Every page but the first begins one conversation too late."""

    @patch.wrap(ConversationStore, "list")
    def rows(original: Any, self: ConversationStore, limit: int, offset: int) -> Any:
        return original(self, limit, offset + 1 if offset else 0)


@mutant("CONV-LIST-OUT-OF-RANGE")
def conversation_list_of_none_is_a_list_of_twenty(patch: Patch) -> None:
    """A limit of 0 is taken for none: `limit or 20`."""

    @patch.wrap(routes, "query_number")
    def number(original: Any, name: str, default: int) -> Any:
        return original(name, default) or default


@mutant("CONV-LIST-NOT-A-NUMBER")
def conversation_list_ignores_what_is_no_number(patch: Patch) -> None:
    """A limit or an offset that is no number is taken for none."""

    @patch.wrap(routes, "query_number")
    def number(original: Any, name: str, default: int) -> Any:
        text = request.args.get(name, "0").lstrip("-")
        return original(name, default) if text.isdigit() else default


@mutant("CONV-LIST-NOT-A-NUMBER", "COMMON-NO-SERVER-ERROR", upstream=("H-13",))
def conversation_list_fails_on_what_is_no_number(patch: Patch) -> None:
    """A limit or an offset that is no number ends in an exception."""

    @patch.wrap(routes, "query_number")
    def number(original: Any, name: str, default: int) -> Any:
        int(request.args.get(name, "0"))
        return original(name, default)


@mutant("CONV-LIST-ORDER")
def conversation_list_is_sorted_by_creation(patch: Patch) -> None:
    """The list begins with the conversation that was made last, used or not."""

    @patch.wrap(ConversationStore, "list")
    def rows(original: Any, self: ConversationStore, limit: int, offset: int) -> Any:
        every, total = original(self, 10**9, 0)
        found = sorted(every, key=lambda row: row["id"], reverse=True)
        return tuple(found[offset : offset + limit]), total


@mutant("CONV-LIST-TOTAL")
def conversation_total_is_that_of_the_page(patch: Patch) -> None:
    """The `total` is the number of items on the page."""

    @patch.wrap(ConversationStore, "list")
    def rows(original: Any, self: ConversationStore, limit: int, offset: int) -> Any:
        found, _ = original(self, limit, offset)
        return found, len(found)


# -- reading one ------------------------------------------------------------------------


@mutant("CONV-GET-SHAPE")
def conversation_has_no_metadata(patch: Patch) -> None:
    """Reading a conversation does not tell its metadata."""

    @_answers(patch, "get_conversation")
    def change(payload: dict[str, Any]) -> None:
        del payload["data"]["metadata"]


@mutant("CONV-GET-WITHOUT-MESSAGES")
def conversation_always_comes_with_its_messages(patch: Patch) -> None:
    """Reading a conversation gives its messages, asked for or not."""

    @_view(patch, "get_conversation")
    def get(_view: View, name: str) -> Any:
        return ok({"data": current_space().conversations.load(name)})


@mutant("CONV-GET-FULL")
def conversation_without_messages_has_null_for_them(patch: Patch) -> None:
    """Reading an empty conversation with `full=1` gives null instead of an empty list."""

    @_answers(patch, "get_conversation")
    def change(payload: dict[str, Any]) -> None:
        payload["data"]["messages"] = payload["data"]["messages"] or None


@mutant("CONV-GET-UNKNOWN")
def conversation_of_the_future_is_a_bad_request(patch: Patch) -> None:
    """Reading a conversation whose id is of a time to come is answered with 400."""

    @_view(patch, "get_conversation")
    def get(view: View, name: str) -> Any:
        if name > f"conv_{datetime.now(UTC):%Y%m%d}~" and conversations.ID_PATTERN.fullmatch(name):
            raise ApiError(400, "there cannot be such a conversation yet")
        return view(conversation_id=name)


# -- deleting one -----------------------------------------------------------------------


@mutant("CONV-DELETE-SHAPE")
def conversation_is_deleted_without_a_word(patch: Patch) -> None:
    """The answer to a deletion has no `message`."""

    @_answers(patch, "delete_conversation")
    def change(payload: dict[str, Any]) -> None:
        del payload["message"]


@mutant(
    "CONV-DELETE-UNKNOWN",
    "CONV-DELETE-GONE",
    "CONV-ID-MALFORMED",
    "ISOLATION-CONVERSATION-DELETE",
)
def conversation_deletion_always_succeeds(patch: Patch) -> None:
    """Deleting what does not exist is a success: what was wanted is the case."""

    @_view(patch, "delete_conversation")
    def delete(view: View, name: str) -> Any:
        with contextlib.suppress(ConversationNotFound):
            return view(conversation_id=name)
        return ok({"message": f"conversation {name} is deleted"})


@mutant("CONV-DELETE-GONE")
def conversation_that_was_deleted_can_be_written_to(patch: Patch) -> None:
    """A send to a deleted conversation begins a new one."""
    deleted: set[str] = set()

    @patch.wrap(ConversationStore, "delete")
    def delete(original: Any, self: ConversationStore, name: str) -> None:
        original(self, name)
        deleted.add(name)

    @patch.wrap(sending, "parse_send")
    def parse(original: Any, body: dict[str, Any]) -> Any:
        name = body.get("conversation_id")
        gone = isinstance(name, str) and name in deleted
        return original({**body, "conversation_id": None} if gone else body)


@mutant("CONV-DELETE-LIVE")
def conversation_in_use_is_a_bad_request(patch: Patch) -> None:
    """Deleting a conversation while its task is live is refused with 400."""

    @_view(patch, "delete_conversation")
    def delete(view: View, name: str) -> Any:
        try:
            return view(conversation_id=name)
        except TaskRefused as error:
            raise ApiError(400, str(error)) from None


@mutant("CONV-DELETE-LIVE")
def conversation_in_use_is_refused_and_its_task_cancelled(patch: Patch) -> None:
    """Deleting a conversation while its task is live is refused, but ends the task."""

    @patch.wrap(TaskRegistry, "not_in_use")
    @contextlib.contextmanager
    def not_in_use(original: Any, self: TaskRegistry, user: str, name: str) -> Iterator[None]:
        try:
            with original(self, user, name):
                yield
        except TaskRefused:
            _cancel_active(self, user)
            raise


@mutant("CONV-DELETE-LIVE-ENDS-TASK", upstream=("H-27",))
def conversation_is_deleted_under_its_task(patch: Patch) -> None:
    """A conversation can be deleted while its task is live, and the task goes on."""

    @patch.wrap(TaskRegistry, "not_in_use")
    @contextlib.contextmanager
    def not_in_use(_original: Any, _self: TaskRegistry, _user: str, _name: str) -> Iterator[None]:
        yield


@mutant("CONV-DELETE-LIVE-STAYS-GONE", upstream=("H-27",))
def conversation_comes_back_with_the_end_of_its_task(patch: Patch) -> None:
    """A conversation is deleted and its task cancelled, which saves what it has said."""

    @patch.wrap(TaskRegistry, "not_in_use")
    @contextlib.contextmanager
    def not_in_use(_original: Any, self: TaskRegistry, user: str, _name: str) -> Iterator[None]:
        yield
        _cancel_active(self, user)

    @patch.wrap(ConversationStore, "append")
    def append(original: Any, self: ConversationStore, name: str, *args: Any, **more: Any) -> None:
        if not self.exists(name):
            made = self.create()
            self._path(made).rename(self._path(name))
            path = self._path(name)
            path.write_bytes(path.read_bytes().replace(made.encode(), name.encode()))
        original(self, name, *args, **more)


def _cancel_active(registry: TaskRegistry, user: str) -> None:
    task = registry._of(user).active
    if task is not None:
        task.cancel()
        time.sleep(0.05)
