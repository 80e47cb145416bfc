"""``POST /messages``: start a background task (api_v1 2.2)."""

from flask import Blueprint, Response

from pollux.reference_server import sending
from pollux.reference_server.http import current_services, current_space, ok, read_json_object

blueprint = Blueprint("messages", __name__)


@blueprint.post("/messages")
def send_message() -> Response:
    """Start a task and say how to follow it: 202."""
    request = sending.parse_send(read_json_object(allowed=sending.FIELDS))
    task = sending.send(current_services(), current_space(), request)
    return ok(
        {
            "task_id": task.task_id,
            "conversation_id": task.conversation_id,
            "status": task.accepted_as,
            "created_at": task.created_at,
        },
        status=202,
    )
