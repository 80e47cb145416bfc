"""Faults of what names a conversation, and of where it is looked for."""

import unicodedata
from typing import Any

from flask import Flask, request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import sending
from pollux.reference_server.conversations import ConversationStore
from pollux.reference_server.http import current_space, ok


@mutant("CONV-ID-MALFORMED")
def conversation_ids_may_have_digits_of_any_script(patch: Patch) -> None:
    r"""An id is looked at with ``\d``, and its digits are read as the numbers that they are."""

    @patch.app
    def change(app: Flask) -> None:
        @app.before_request
        def normalise() -> None:
            name = (request.view_args or {}).get("conversation_id")
            if name is not None and request.view_args is not None:
                request.view_args["conversation_id"] = unicodedata.normalize("NFKC", name)


@mutant("CONV-ID-MALFORMED", "CONV-GET-SHAPE", upstream=("H-29",))
def conversation_index_is_read_as_one(patch: Patch) -> None:
    """The index that lies beside the conversations is read as one of them."""

    @patch.app
    def change(app: Flask) -> None:
        view = app.view_functions["conversations.get_conversation"]

        def get(conversation_id: str) -> Any:
            if conversation_id != "index":
                return view(conversation_id=conversation_id)
            rows, _ = current_space().conversations.list(100, 0)
            index = {str(row["id"]): row for row in rows}
            return ok({"data": {**index, "messages": None}})

        app.view_functions["conversations.get_conversation"] = get


@mutant("CONV-LIST-COMPLETE", upstream=("H-38",))
def conversation_list_looks_where_nothing_is_written(patch: Patch) -> None:
    """Conversations that a message has made are stored where the list does not look."""
    made: set[str] = set()

    @patch.wrap(sending, "_save_user_message")
    def save(original: Any, space: Any, asked: Any, *args: Any, **more: Any) -> Any:
        conversation_id, title = original(space, asked, *args, **more)
        if asked.conversation_id is None:
            made.add(conversation_id)
        return conversation_id, title

    @patch.wrap(ConversationStore, "list")
    def rows(original: Any, self: ConversationStore, limit: int, offset: int) -> Any:
        every = [row for row in original(self, 10**9, 0)[0] if row["id"] not in made]
        return tuple(every[offset : offset + limit]), len(every)
