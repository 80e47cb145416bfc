"""Polling and cancelling tasks (api_v1 2.3)."""

from flask import Blueprint, Response

from pollux.reference_server.http import ApiError, current_services, current_space, ok, query_number
from pollux.reference_server.tasks import Task

blueprint = Blueprint("tasks", __name__)


@blueprint.get("/tasks/<task_id>")
def poll_task(task_id: str) -> Response:
    """Tell the status of a task and its events from ``from`` on."""
    return Response(_task(task_id).poll(query_number("from", 0)), content_type="application/json")


@blueprint.post("/tasks/<task_id>/cancel")
def cancel_task(task_id: str) -> Response:
    """Ask a task to end; of one that has ended, nothing changes."""
    _task(task_id).cancel()
    return ok()


def _task(task_id: str) -> Task:
    task = current_services().tasks.find(current_space().name, task_id)
    if task is None:
        raise ApiError(404, "there is no such task")
    return task
