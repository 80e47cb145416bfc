"""Conversations: create, list, get, delete (api_v1 2.1)."""

from flask import Blueprint, Response, request

from pollux.reference_server.http import (
    ApiError,
    current_services,
    current_space,
    ok,
    query_number,
    read_json_object,
)
from pollux.reference_server.personalizations import PersonalizationNotFound
from pollux.reference_server.prompts import PromptNotFound
from pollux.reference_server.refusals import register_refusals

blueprint = Blueprint("conversations", __name__)
register_refusals(blueprint)

_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100


@blueprint.post("/conversations")
def create_conversation() -> Response:
    """Answer createConversation; nothing is made when a name in the body is unknown."""
    body = read_json_object(allowed=("prompt_name", "personalization_name"), required=False)
    prompt_name = _name(body.get("prompt_name"), "prompt_name")
    personalization_name = _name(body.get("personalization_name"), "personalization_name")
    space = current_space()
    if prompt_name is not None and not space.prompts.exists(prompt_name):
        raise PromptNotFound(f"there is no prompt {prompt_name!r}")
    if personalization_name is not None and not space.personalizations.exists(personalization_name):
        raise PersonalizationNotFound(f"there is no personalization {personalization_name!r}")
    conversation_id = space.conversations.create(
        prompt_name=prompt_name, personalization_name=personalization_name
    )
    return ok({"conversation_id": conversation_id})


@blueprint.get("/conversations")
def list_conversations() -> Response:
    """Answer listConversations: a page, newest change first."""
    limit = query_number("limit", _DEFAULT_LIMIT)
    if not 1 <= limit <= _MAX_LIMIT:
        raise ApiError(400, f"'limit' must lie between 1 and {_MAX_LIMIT}")
    items, total = current_space().conversations.list(limit, query_number("offset", 0))
    return ok({"data": items, "total": total})


@blueprint.get("/conversations/<conversation_id>")
def get_conversation(conversation_id: str) -> Response:
    """Answer getConversation; the messages come with ``full=1`` only."""
    conversation = current_space().conversations.load(conversation_id)
    if request.args.get("full") != "1":
        conversation["messages"] = None
    return ok({"data": conversation})


@blueprint.delete("/conversations/<conversation_id>")
def delete_conversation(conversation_id: str) -> Response:
    """Answer deleteConversation; refused while a task works on it."""
    space = current_space()
    with current_services().tasks.not_in_use(space.name, conversation_id):
        space.conversations.delete(conversation_id)
    return ok({"message": f"conversation {conversation_id} is deleted"})


def _name(value: object, field: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ApiError(400, f"{field!r} must be a text or null")
    return value
