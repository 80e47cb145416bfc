"""Models and health: the two operations that need no token (api_v1 1.6, 2.7)."""

from flask import Blueprint, Response

from pollux.reference_server.http import current_services, ok

blueprint = Blueprint("models", __name__)


@blueprint.get("/models")
def list_models() -> Response:
    """List the visible models."""
    return ok({"items": current_services().models.visible_items()})


@blueprint.get("/health")
def health() -> Response:
    """Say that the server answers."""
    return ok({"status": "ok"})
