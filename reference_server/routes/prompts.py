"""Prompts: list, save, get (api_v1 2.6)."""

from dataclasses import asdict

from flask import Blueprint, Response

from pollux.reference_server.http import ApiError, current_space, ok, read_json_object
from pollux.reference_server.refusals import register_refusals

blueprint = Blueprint("prompts", __name__)
register_refusals(blueprint)


@blueprint.get("/prompts")
def list_prompts() -> Response:
    """Answer listPrompts."""
    return ok({"items": [asdict(item) for item in current_space().prompts.list()]})


@blueprint.post("/prompts")
def save_prompt() -> Response:
    """Answer savePrompt: make or replace one."""
    body = read_json_object(allowed=("name", "content"))
    name, content = body.get("name"), body.get("content", "")
    if not isinstance(name, str):
        raise ApiError(400, "'name' is needed, a text")
    if not isinstance(content, str):
        raise ApiError(400, "'content' must be a text")
    current_space().prompts.save(name, content)
    return ok({"name": name})


@blueprint.get("/prompts/<name>")
def get_prompt(name: str) -> Response:
    """Answer getPrompt."""
    return ok({"name": name, "content": current_space().prompts.load(name)})
