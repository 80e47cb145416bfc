"""What the model is told: the system prompt and the history of the conversation."""

import base64
import mimetypes
from collections.abc import Mapping, Sequence
from typing import Any

from pollux.reference_server.files import FileArea
from pollux.reference_server.modes import RunMode
from pollux.reference_server.paths import FileAreaError

DEFAULT_PROMPT = (
    "You are a careful assistant. You can use tools to read and change the user's files and to "
    "keep a todo list. Use them only where they help, and say in the end what you have done."
)
_PLAN_FIRST = "Before you start, make a plan: put its steps into the todo list, then follow it."
_LARGEST_IMAGE = 10 * 1024 * 1024


def system_prompt(
    prompt: str | None, personalization: Mapping[str, Any] | None, mode: RunMode
) -> str:
    """Return the system prompt of a run.

    Args:
        prompt: The prompt that the run names; it takes the place of the default text.
        personalization: The personalization that the run names; one that is not
            ``enabled`` changes nothing.
        mode: A deep run is asked to plan first.
    """
    parts = [DEFAULT_PROMPT if prompt is None else prompt]
    if personalization is not None and personalization["enabled"]:
        parts.append(_about_the_user(personalization))
    if mode is RunMode.DEEP:
        parts.append(_PLAN_FIRST)
    return "\n\n".join(part for part in parts if part)


def _about_the_user(personalization: Mapping[str, Any]) -> str:
    lines = [
        (personalization["self_identify"], "Your name is {}."),
        (personalization["user_name"], "Call the user {}."),
        (personalization["profession"], "The user's profession: {}."),
        (personalization["tone"], "Answer in this tone: {}."),
    ]
    told = [sentence.format(value) for value, sentence in lines if value]
    considerations = personalization["considerations"]
    if considerations:
        told.append("Keep in mind:\n" + "\n".join(f"- {text}" for text in considerations))
    return "\n".join(told)


def model_messages(
    system: str, history: Sequence[Mapping[str, Any]], files: FileArea, *, with_images: bool
) -> list[dict[str, Any]]:
    """Return the messages of a model call in OpenAI's shape.

    Args:
        system: The system prompt; left out when it is empty.
        history: The stored messages of the conversation, oldest first.
        files: Where the images of the messages lie.
        with_images: Whether the model can see images; otherwise it is told their names.
    """
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    return messages + [model_message(stored, files, with_images) for stored in history]


def model_message(stored: Mapping[str, Any], files: FileArea, with_images: bool) -> dict[str, Any]:
    """Return one stored message in OpenAI's shape."""
    role, content = stored["role"], stored["content"]
    if role == "tool":
        return {"role": "tool", "tool_call_id": stored["tool_call_id"], "content": content}
    if role == "assistant" and stored.get("tool_calls"):
        return {"role": "assistant", "content": content, "tool_calls": stored["tool_calls"]}
    images = stored.get("images") or []
    if not images:
        return {"role": role, "content": content}
    if not with_images:
        names = ", ".join(images)
        return {"role": role, "content": f"{content}\n\n[Images sent along: {names}]".strip()}
    parts = [{"type": "text", "text": content}] if content else []
    return {"role": role, "content": parts + [_image_part(files, path) for path in images]}


def _image_part(files: FileArea, path: str) -> dict[str, Any]:
    try:
        file, item = files.open(path)
        with file:
            data = file.read(_LARGEST_IMAGE + 1)
    except FileAreaError:
        return {"type": "text", "text": f"[The image {path} is not there any more.]"}
    if len(data) > _LARGEST_IMAGE:
        return {"type": "text", "text": f"[The image {item.path} is too large to be shown.]"}
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    url = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return {"type": "image_url", "image_url": {"url": url}}
