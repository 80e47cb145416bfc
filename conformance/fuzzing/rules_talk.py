"""Rules for generated requests about conversations, messages and tasks (api_v1 2.1 to 2.3)."""

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from pollux.conformance.fuzzing.bodies import json_object
from pollux.conformance.fuzzing.expected import Expected
from pollux.conformance.fuzzing.request import Request
from pollux.conformance.fuzzing.texts import (
    Number,
    is_name,
    is_plain,
    number,
    says_something,
)
from pollux.conformance.fuzzing.world import World

Rule = Callable[[Request, World, Expected], None]

CONVERSATION_ID = re.compile(r"conv_[0-9]{8}_[0-9]{6}_[0-9]{3}")
RUN_MODES = ("fast", "thinking", "deep")

# An id or a name that no proxy and no framework looks at twice.
_SIMPLE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_MOST_ITERATIONS = 1000
#: The fields of a send.
SEND_FIELDS = (
    "message",
    "images",
    "conversation_id",
    "model_key",
    "run_mode",
    "thinking_mode",
    "max_iterations",
    "prompt_name",
    "personalization_name",
)
_TEXT_FIELDS = (
    "message",
    "conversation_id",
    "model_key",
    "run_mode",
    "prompt_name",
    "personalization_name",
)


def _create_conversation(request: Request, world: World, expected: Expected) -> None:
    fields = json_object(request, expected, optional=True)
    if fields is None:
        return
    expected.free |= not fields.keys() <= {"prompt_name", "personalization_name"}
    for field, known in (
        ("prompt_name", world.prompts),
        ("personalization_name", world.personalizations),
    ):
        value = fields.get(field)
        if value is None:
            continue
        if not isinstance(value, str):
            expected.fault("COMMON-FIELD-TYPE", f"{field} of another type", 400)
        elif value in known:
            expected.wanted.append("CONV-CREATE-NAMES")
        elif not value or is_name(value):
            expected.free = True  # unknown, or empty: refused or taken
        else:
            expected.fault("CONV-CREATE-NAME-INVALID", f"a {field} that breaks the rule", 400)
    expected.wanted.append("CONV-CREATE-BODY-OPTIONAL")


def _list_conversations(request: Request, _world: World, expected: Expected) -> None:
    for name, least, most in (("limit", 1, 100), ("offset", 0, 2**31)):
        text = request.parameter(name)
        kind = Number.GOOD if text is None else number(text)
        if text is None:
            continue
        if kind is Number.NONE:
            expected.fault("CONV-LIST-NOT-A-NUMBER", f"{name} {text!r}", 400)
        elif kind is Number.GOOD and least <= int(text) <= most:
            expected.wanted.append(f"CONV-LIST-{name.upper()}")
        elif kind in (Number.GOOD, Number.NEGATIVE):
            expected.wanted.append("CONV-LIST-OUT-OF-RANGE")
            expected.also.add(400)
        else:
            expected.free = True
    expected.wanted.append("CONV-LIST-SHAPE")


def _get_conversation(request: Request, world: World, expected: Expected) -> None:
    full = request.parameter("full")
    if full == "1":
        expected.wanted.append("CONV-GET-FULL")
    elif full is not None:
        expected.free = True
    _conversation(request.place, world, expected, "CONV-GET")


def _delete_conversation(request: Request, world: World, expected: Expected) -> None:
    if world.live:
        expected.also.add(409)
    _conversation(request.place, world, expected, "CONV-DELETE")


def _conversation(name: str, world: World, expected: Expected, verb: str) -> None:
    if name in world.conversations:
        expected.wanted.append(f"{verb}-SHAPE")
    elif name in world.deleted:
        expected.fault("CONV-DELETE-GONE", "a conversation that was deleted", 404)
    elif CONVERSATION_ID.fullmatch(name):
        expected.fault(f"{verb}-UNKNOWN", "a conversation that does not exist", 404)
    else:
        _strange_place(name, expected, "CONV-ID-MALFORMED", "an id that is none", 404)


def _strange_place(name: str, expected: Expected, rule: str, what: str, status: int) -> None:
    """Judge a variable of a path that is nothing: what is odd may be refused with 400, too."""
    if _SIMPLE.fullmatch(name):
        expected.fault(rule, what, status)
    elif not name.strip(". ") or "/" in name or "\\" in name or len(name) > 100:
        expected.free = True  # this may well be another path, or none that can be sent
    else:
        expected.fault(rule, what, 400, 404)


def _poll_task(request: Request, world: World, expected: Expected) -> None:
    _task(request, world, expected, "POLL-UNKNOWN-TASK")


def _cancel_task(request: Request, world: World, expected: Expected) -> None:
    _task(request, world, expected, "CANCEL-UNKNOWN")
    if request.place in world.tasks:
        live = request.place in world.live
        expected.wanted.append("CANCEL-LIVE" if live else "CANCEL-TERMINAL")


def _task(request: Request, world: World, expected: Expected, rule: str) -> None:
    name = request.place
    if name in world.tasks or name in world.forgotten:
        return  # the story of a task is judged by its invariants
    if _is_uuid(name):
        expected.fault(rule, "a task that does not exist", 404)
    else:
        _strange_place(name, expected, rule, "a task that does not exist", 404)
        # It may be looked at whether the id is a UUID.
        expected.free |= not expected.faults


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _send_message(request: Request, world: World, expected: Expected) -> None:
    fields = json_object(request, expected)
    if fields is None:
        return
    expected.free |= not fields.keys() <= set(SEND_FIELDS)
    # One task at a time: another one may be live.
    expected.also.add(409)
    for name in _TEXT_FIELDS:
        if not isinstance(fields.get(name), str | None):
            expected.fault("COMMON-FIELD-TYPE", f"{name} of another type", 400)
    if not isinstance(fields.get("thinking_mode"), bool | None):
        expected.fault("COMMON-FIELD-TYPE", "thinking_mode of another type", 400)
    _words(fields, expected)
    _place(fields, world, expected)
    _model(fields, world, expected)
    _iterations(fields.get("max_iterations"), expected)
    _names(fields, world, expected)
    if "thinking_mode" in fields:
        expected.wanted.append("SEND-THINKING-MODE")
    expected.wanted.append("SEND-SHAPE")


def _words(fields: Mapping[str, Any], expected: Expected) -> None:
    images, message = fields.get("images"), fields.get("message")
    if images:
        if not isinstance(images, list) or not all(isinstance(entry, str) for entry in images):
            expected.fault("COMMON-FIELD-TYPE", "images of another type", 400)
        expected.free = True  # whether there are such images is the server's to say
    elif images not in (None, []):
        expected.fault("COMMON-FIELD-TYPE", "images of another type", 400)
    elif message is None or message == "":
        expected.fault("SEND-MESSAGE-REQUIRED", "nothing to say", 400)
    elif isinstance(message, str):
        if not message.strip(" \t\r\n"):
            expected.fault("SEND-MESSAGE-BLANK", "a message of blanks", 400)
        elif not (is_plain(message) and says_something(message)):
            expected.free = True


def _place(fields: Mapping[str, Any], world: World, expected: Expected) -> None:
    name = fields.get("conversation_id")
    if isinstance(name, str):
        if not name:
            expected.free = True
        elif name in world.conversations:
            expected.wanted.append("SEND-GIVEN-CONVERSATION")
        elif name in world.deleted:
            expected.fault("CONV-DELETE-GONE", "a conversation that was deleted", 404, 400)
        else:
            what = "a conversation_id of nothing"
            expected.fault("SEND-CONVERSATION-UNKNOWN", what, 404, 400)
    elif "conversation_id" in fields:
        expected.wanted.append("SEND-NEW-CONVERSATION")


def _model(fields: Mapping[str, Any], world: World, expected: Expected) -> None:
    key, mode = fields.get("model_key"), fields.get("run_mode")
    if isinstance(key, str):
        if key in world.models:
            expected.wanted.append("MODEL-KEY-ACCEPTED")
        else:
            expected.free = True
    elif "model_key" in fields:
        expected.wanted.append("SEND-MODEL-DEFAULT")
    if isinstance(mode, str) and mode.lower() not in RUN_MODES:
        if not mode.strip() or not mode.isascii():
            expected.free = True  # an empty one may be absent, and "ﬁ" in another case is no matter
        else:
            expected.fault("SEND-RUN-MODE-INVALID", f"the run_mode {mode!r}", 400)
    elif "run_mode" in fields:
        expected.wanted.append("SEND-RUN-MODE")


def _iterations(value: Any, expected: Expected) -> None:
    if value is None:
        return
    if isinstance(value, bool | str | list | dict) or value < 1 or value != int(value):
        expected.fault("SEND-MAX-ITERATIONS-INVALID", f"max_iterations {value!r}", 400)
    elif isinstance(value, float) or value > _MOST_ITERATIONS:
        expected.free = True


def _names(fields: Mapping[str, Any], world: World, expected: Expected) -> None:
    for kind, known in (("prompt", world.prompts), ("personalization", world.personalizations)):
        name = fields.get(f"{kind}_name")
        if not isinstance(name, str) or name in known:
            continue
        if is_name(name):
            what = f"a {kind}_name that does not exist"
            expected.fault(f"SEND-{kind.upper()}-UNKNOWN", what, 404)
        elif name:
            expected.fault("SEND-NAME-INVALID", f"a {kind}_name that breaks the rule", 400)
        else:
            expected.free = True


TALK_RULES: Mapping[str, Rule] = {
    "createConversation": _create_conversation,
    "listConversations": _list_conversations,
    "getConversation": _get_conversation,
    "deleteConversation": _delete_conversation,
    "sendMessage": _send_message,
    "pollTask": _poll_task,
    "cancelTask": _cancel_task,
}
