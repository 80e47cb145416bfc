"""Personalizations: list, save, get (api_v1 2.6)."""

from dataclasses import asdict

from flask import Blueprint, Response

from pollux.reference_server.http import (
    ApiError,
    current_services,
    current_space,
    ok,
    read_json_object,
)
from pollux.reference_server.refusals import register_refusals

blueprint = Blueprint("personalizations", __name__)
register_refusals(blueprint)


@blueprint.get("/personalizations")
def list_personalizations() -> Response:
    """Answer listPersonalizations."""
    return ok({"items": [asdict(item) for item in current_space().personalizations.list()]})


@blueprint.post("/personalizations")
def save_personalization() -> Response:
    """Answer savePersonalization: make or replace one; absent fields take the defaults."""
    body = read_json_object(allowed=("name", "content"))
    name, content = body.get("name"), body.get("content")
    if not isinstance(name, str):
        raise ApiError(400, "'name' is needed, a text")
    if not isinstance(content, dict):
        raise ApiError(400, "'content' is needed, a JSON object")
    models = current_services().models
    saved = current_space().personalizations.save(name, content, model_keys=models)
    return ok({"name": name, "content": saved})


@blueprint.get("/personalizations/<name>")
def get_personalization(name: str) -> Response:
    """Answer getPersonalization."""
    models = current_services().models
    content = current_space().personalizations.load(name, model_keys=models)
    return ok({"name": name, "content": content})
