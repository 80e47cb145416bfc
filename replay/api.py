"""API v1 as far as a client of one task needs it, told from recordings: a Flask application."""

from typing import cast

from flask import Blueprint, Flask, Response, request

from pollux.replay.http import (
    Refused,
    check_token,
    failure,
    install,
    json_body,
    json_bytes,
    number_from_query,
    ok,
)
from pollux.replay.play import Play
from pollux.replay.session import NoSuchConversation, Session, TaskIsLive
from pollux.replay.sessions import SESSION_KEY
from pollux.schemas.openapi import API_PREFIX

_LARGEST_BODY = 4 << 20
_DEFAULT_MODELS = [
    {
        "model_key": "replay",
        "name": "Replay",
        "description": "Plays a recording.",
        "visible": True,
        "supports_thinking": True,
        "fast_only": False,
        "thinking_only": False,
        "supports_reasoning_effort": True,
        "multimodal": "none",
        "context_window": None,
        "max_output_tokens": None,
    }
]


def create_app(control: Blueprint, *, token: str | None = None) -> Flask:
    """Return the application; it finds the session of a request in its WSGI environment.

    Args:
        control: The control API.
        token: The only token that is taken; None takes any.
    """
    app = Flask("pollux.replay", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_BODY
    app.url_map.merge_slashes = False
    app.register_blueprint(_api(token), url_prefix=API_PREFIX)
    app.register_blueprint(control, url_prefix="/__replay")
    install(app)
    return app


def current() -> Session:
    """Return the session that the current request belongs to."""
    return cast(Session, request.environ[SESSION_KEY])


def _api(token: str | None) -> Blueprint:
    api = Blueprint("api", __name__)

    @api.before_request
    def _preflight_or_token() -> Response | None:
        if request.method == "OPTIONS":
            return Response(status=204)
        if request.endpoint not in ("api.models", "api.health"):
            check_token(token)
        return None

    @api.post("/messages")
    def _send() -> Response:
        try:
            play = current().send(json_body("sendMessage", required=True))
        except NoSuchConversation as error:
            raise Refused(404, str(error)) from None
        except TaskIsLive as error:
            raise Refused(409, str(error)) from None
        accepted = {
            "task_id": play.task_id,
            "conversation_id": play.conversation_id,
            "status": play.first_status,
            "created_at": play.created_at,
        }
        return ok(accepted, 202)

    @api.get("/tasks/<task_id>")
    def _poll(task_id: str) -> Response:
        answer = _play(task_id).poll(number_from_query("from", 0))
        return failure(404, "there is no such task") if answer is None else json_bytes(answer)

    @api.post("/tasks/<task_id>/cancel")
    def _cancel(task_id: str) -> Response:
        _play(task_id).cancel()
        return ok()

    @api.post("/conversations")
    def _create_conversation() -> Response:
        json_body("createConversation", required=False)
        return ok({"conversation_id": current().create_conversation().id})

    @api.get("/conversations")
    def _list_conversations() -> Response:
        limit, offset = number_from_query("limit", 20), number_from_query("offset", 0)
        if not 1 <= limit <= 100:
            raise Refused(400, "limit must lie between 1 and 100")
        conversations = current().conversations()
        page = [conversation.item() for conversation in conversations[offset : offset + limit]]
        return ok({"data": page, "total": len(conversations)})

    @api.get("/conversations/<conversation_id>")
    def _get_conversation(conversation_id: str) -> Response:
        full = request.args.get("full") == "1"
        try:
            return ok({"data": current().conversation(conversation_id).document(full=full)})
        except NoSuchConversation as error:
            raise Refused(404, str(error)) from None

    @api.delete("/conversations/<conversation_id>")
    def _delete_conversation(conversation_id: str) -> Response:
        try:
            current().delete_conversation(conversation_id)
        except NoSuchConversation as error:
            raise Refused(404, str(error)) from None
        except TaskIsLive as error:
            raise Refused(409, str(error)) from None
        return ok({"message": f"conversation {conversation_id} is deleted"})

    @api.get("/models", endpoint="models")
    def _models() -> Response:
        models = current().models()
        return ok({"items": _DEFAULT_MODELS if models is None else models})

    @api.get("/health", endpoint="health")
    def _health() -> Response:
        return ok({"status": "ok"})

    def _play(task_id: str) -> Play:
        play = current().play(task_id)
        if play is None:
            raise Refused(404, "there is no such task")
        return play

    return api
