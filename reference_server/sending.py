"""Sending a message: check everything, take the user's one place, save, start (api_v1 2.2)."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pollux.reference_server.agent import Agent, Run
from pollux.reference_server.conversations import DEFAULT_TITLE, ConversationNotFound
from pollux.reference_server.http import ApiError
from pollux.reference_server.model_client import ModelClient
from pollux.reference_server.models import ModelSpec
from pollux.reference_server.modes import RunMode
from pollux.reference_server.names import NameRefused, check_name
from pollux.reference_server.paths import FileAreaError
from pollux.reference_server.personalizations import PersonalizationNotFound
from pollux.reference_server.prompts import PromptNotFound
from pollux.reference_server.services import Services
from pollux.reference_server.spaces import UserSpace
from pollux.reference_server.tasks import Job, Task

DEFAULT_MAX_ITERATIONS = 100
FIELDS = frozenset(
    {
        "message",
        "images",
        "conversation_id",
        "model_key",
        "run_mode",
        "thinking_mode",
        "max_iterations",
        "prompt_name",
        "personalization_name",
    }
)
_LONGEST_TITLE = 50


@dataclass(frozen=True)
class SendRequest:
    """The body of ``sendMessage`` with every field of the right type; None is absent."""

    message: str
    images: list[str]
    conversation_id: str | None
    model_key: str | None
    run_mode: RunMode | None
    max_iterations: int
    prompt_name: str | None
    personalization_name: str | None


def parse_send(body: Mapping[str, Any]) -> SendRequest:
    """Read the fields of a send.

    Raises:
        ApiError: 400, with the field and what it may be.
    """
    request = SendRequest(
        message=(_text(body, "message") or "").strip(),
        images=_texts(body, "images"),
        conversation_id=_text(body, "conversation_id"),
        model_key=_text(body, "model_key"),
        run_mode=_run_mode(body),
        max_iterations=_max_iterations(body),
        prompt_name=_name(body, "prompt_name"),
        personalization_name=_name(body, "personalization_name"),
    )
    if not request.message and not request.images:
        raise ApiError(400, "message or images is needed, and one of them must not be empty")
    return request


def send(services: Services, space: UserSpace, request: SendRequest) -> Task:
    """Start the task of one send and return it.

    Everything is checked before the first effect, so that a refused send leaves no trace
    (api_v1 1.12).

    Raises:
        ApiError: 400 for an unknown model or a missing image, 404 for an unknown conversation,
            prompt or personalization.
        TaskRefused: a task of this user is live (409).
        ServerBusy: no task can be started now (503).
    """
    metadata = _metadata(space, request)
    prompt = _prompt(space, request, metadata)
    personalization = _personalization(services, space, request, metadata)
    _check_images(space, request.images)
    personal = personalization if personalization and personalization["enabled"] else {}
    model = _model(services, request.model_key, personal.get("default_model"))
    mode = request.run_mode or RunMode(personal.get("default_run_mode") or RunMode.FAST)
    with services.tasks.reserve(space.name) as slot:
        conversation_id, new_title = _save_user_message(
            space, request, model, mode, auto_title=personal.get("auto_generate_title", True)
        )
        run = Run(
            space=space,
            conversation_id=conversation_id,
            model=model,
            mode=mode,
            max_iterations=request.max_iterations,
            prompt=prompt,
            personalization=personalization,
            new_title=new_title,
        )
        return slot.start(conversation_id, _job(services, run))


def _job(services: Services, run: Run) -> Job:
    async def job(task: Task) -> None:
        task.emit("ai_message_start")
        config = services.config
        async with ModelClient(run.model, services.models.scripted, config.model_timeout) as client:
            await Agent(run, task, client, config.retry).run()

    return job


def _metadata(space: UserSpace, request: SendRequest) -> Mapping[str, Any]:
    if request.conversation_id is None:
        return {}
    try:
        metadata: Mapping[str, Any] = space.conversations.load(request.conversation_id)["metadata"]
    except ConversationNotFound:
        raise ApiError(404, "there is no such conversation") from None
    return metadata


def _prompt(space: UserSpace, request: SendRequest, metadata: Mapping[str, Any]) -> str | None:
    """Return the text of the prompt of this call, else of the conversation's, else None."""
    if request.prompt_name is not None:
        try:
            return space.prompts.load(request.prompt_name)
        except PromptNotFound as error:
            raise ApiError(404, str(error)) from None
    named = metadata.get("custom_prompt_name")
    # One that is gone meanwhile is as if it had never been named.
    with contextlib.suppress(PromptNotFound):
        return space.prompts.load(named) if named else None
    return None


def _personalization(
    services: Services, space: UserSpace, request: SendRequest, metadata: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the personalization of this call, else of the conversation's, else None."""
    models = list(services.models)
    if request.personalization_name is not None:
        try:
            return space.personalizations.load(request.personalization_name, model_keys=models)
        except PersonalizationNotFound as error:
            raise ApiError(404, str(error)) from None
    named = metadata.get("personalization_name")
    with contextlib.suppress(PersonalizationNotFound):
        return space.personalizations.load(named, model_keys=models) if named else None
    return None


def _check_images(space: UserSpace, images: list[str]) -> None:
    for path in images:
        try:
            is_file = not space.files.find(path).is_dir
        except FileAreaError:
            is_file = False
        if not is_file:
            raise ApiError(400, f"the image {path!r} is not among the user's files")


def _model(services: Services, asked: str | None, personal: str | None) -> ModelSpec:
    if asked is not None and asked not in services.models:
        known = ", ".join(services.models)
        raise ApiError(400, f"there is no model {asked!r}: this server has {known}")
    return services.models.get(asked or personal or "", services.models.default)


def _save_user_message(
    space: UserSpace, request: SendRequest, model: ModelSpec, mode: RunMode, *, auto_title: bool
) -> tuple[str, str | None]:
    """Save the message, in a new conversation if none is named; return the id and a new title."""
    conversation_id = request.conversation_id
    if conversation_id is None:
        conversation_id = space.conversations.create()
    title = None
    if auto_title and space.conversations.load(conversation_id)["title"] == DEFAULT_TITLE:
        title = _title(request.message)
    message: dict[str, Any] = {"role": "user", "content": request.message}
    if request.images:
        message["images"] = request.images
    metadata: dict[str, Any] = {"run_mode": mode, "model_key": model.model_key}
    if request.prompt_name:
        metadata["custom_prompt_name"] = request.prompt_name
    if request.personalization_name:
        metadata["personalization_name"] = request.personalization_name
    try:
        space.conversations.append(conversation_id, [message], title=title, metadata=metadata)
    except ConversationNotFound:
        raise ApiError(404, "there is no such conversation") from None
    return conversation_id, title


def _title(message: str) -> str | None:
    """Return the first 50 characters of the first message, on one line; None when it is empty."""
    return " ".join(message.split())[:_LONGEST_TITLE].strip() or None


def _text(body: Mapping[str, Any], field: str) -> str | None:
    value = body.get(field)
    if value is not None and not isinstance(value, str):
        raise ApiError(400, f"{field} must be a text or null")
    return value


def _texts(body: Mapping[str, Any], field: str) -> list[str]:
    value = body.get(field)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ApiError(400, f"{field} must be a list of texts or null")
    return value


def _run_mode(body: Mapping[str, Any]) -> RunMode | None:
    thinking = body.get("thinking_mode")
    if thinking is not None and not isinstance(thinking, bool):
        raise ApiError(400, "thinking_mode must be true, false or null")
    text = _text(body, "run_mode")
    if text is None:
        if thinking is None:
            return None
        return RunMode.THINKING if thinking else RunMode.FAST
    try:
        return RunMode(text.lower())
    except ValueError:
        raise ApiError(400, f"run_mode must be one of {', '.join(RunMode)}") from None


def _max_iterations(body: Mapping[str, Any]) -> int:
    value = body.get("max_iterations")
    if value is None:
        return DEFAULT_MAX_ITERATIONS
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ApiError(400, "max_iterations must be a whole number of at least 1")
    return value


def _name(body: Mapping[str, Any], field: str) -> str | None:
    text = _text(body, field)
    if text is None:
        return None
    try:
        return check_name(text)
    except NameRefused as error:
        raise ApiError(400, f"{field}: {error}") from None
