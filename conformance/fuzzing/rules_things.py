"""Rules for generated requests about files, names and models (api_v1 2.5 to 2.7)."""

import re
from collections.abc import Callable, Mapping

from pollux.conformance.file_area import normal
from pollux.conformance.fuzzing.bodies import json_object
from pollux.conformance.fuzzing.expected import Expected
from pollux.conformance.fuzzing.request import Request
from pollux.conformance.fuzzing.texts import is_name, is_plain, is_plain_value
from pollux.conformance.fuzzing.world import World
from pollux.polling.exchange import FormPart

Rule = Callable[[Request, World, Expected], None]

KNOWN_PREFERENCES = (
    "enabled",
    "self_identify",
    "user_name",
    "profession",
    "tone",
    "considerations",
    "thinking_interval",
    "disabled_tool_categories",
    "default_run_mode",
    "auto_generate_title",
    "tool_intent_enabled",
    "default_model",
)

# Paths and names that no server has a reason to refuse, nor to clean.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}(/[A-Za-z0-9][A-Za-z0-9_-]{0,40}){0,3}")
_PLAIN_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}\.txt")
_LARGE = 100_000


# -- files ------------------------------------------------------------------------------


def file_part(request: Request) -> FormPart | None:
    """Return the file of an upload, if it has one."""
    found = [part for part in request.form if part.name == "file" and part.filename is not None]
    return found[0] if found else None


def form_field(request: Request, name: str) -> str | None:
    """Return a text field of a form, or None without it."""
    found = [part for part in request.form if part.name == name and part.filename is None]
    return found[0].content.decode("utf-8", "replace") if found else None


def _upload_file(request: Request, _world: World, expected: Expected) -> None:
    if request.content is not None:
        expected.fault("ENVELOPE-CONTENT-TYPE", f"a body of {request.content_type}", 400, 415)
        return
    part, folder = file_part(request), form_field(request, "dir") or ""
    if "\0" in folder:
        expected.fault("FILE-ESCAPE-NUL", "a dir that holds a NUL", 400, 404)
    if part is None:
        if form_field(request, "file") is None:
            expected.fault("FILE-UPLOAD-WITHOUT-FILE", "no file", 400)
        expected.free = True
        return
    name = form_field(request, "filename")
    fields = {field.name for field in request.form}
    expected.free |= (
        not fields <= {"file", "filename", "dir"}
        or not _PLAIN_FILE.fullmatch((name if name is not None else part.filename) or "")
        or not (folder == "" or _PLAIN_PATH.fullmatch(folder))
        # What is in a file may be looked at, too.
        or not is_plain(part.content.decode("utf-8", "surrogateescape"))
        or len(part.content) > _LARGE
    )
    expected.wanted.append("FILE-UPLOAD-SHAPE")


def _list_files(request: Request, world: World, expected: Expected) -> None:
    path = request.parameter("path")
    if not path:
        expected.wanted.append("FILE-LIST-ROOT")
    elif path == "/":
        expected.wanted.append("FILE-LEADING-SLASH")
    elif normal(path) in world.files and _exact(path):
        expected.wanted.append("FILE-LIST-FILE")
        expected.also.add(400)
    elif path in world.folders:
        expected.wanted.append("FILE-LIST-SHAPE")
    else:
        _nothing_there(path, world, expected, "FILE-LIST-ABSENT")


def _download_file(request: Request, world: World, expected: Expected) -> None:
    path = request.parameter("path")
    if not path:
        expected.fault("FILE-DOWNLOAD-PATH-MISSING", "no path", 400)
    elif path in world.files:
        expected.wanted.append("FILE-DOWNLOAD-ATTACHMENT")
    elif path in world.folders:
        expected.wanted.append("FILE-ZIP")
    else:
        _nothing_there(path, world, expected, "FILE-DOWNLOAD-ABSENT")


def _exact(path: str) -> bool:
    return path == normal(path)


def _nothing_there(path: str, world: World, expected: Expected, rule: str) -> None:
    """Judge a path that is none of those known; what is odd may be cleaned to one of them."""
    if "\0" in path:
        expected.fault("FILE-ESCAPE-NUL", "a path that holds a NUL", 400, 404)
    elif _PLAIN_PATH.fullmatch(path) and world.mark in path:
        expected.fault(rule, "a path at which there is nothing", 404)
    else:
        expected.free = True


# -- prompts and personalizations -------------------------------------------------------


def _save_prompt(request: Request, _world: World, expected: Expected) -> None:
    fields = json_object(request, expected)
    if fields is None:
        return
    _name("PROMPT", fields, expected)
    content = fields.get("content")
    expected.free |= not fields.keys() <= {"name", "content"}
    if "content" not in fields:
        expected.wanted.append("PROMPT-CONTENT-DEFAULT")
    elif content is None:
        expected.free = True
    elif isinstance(content, str):
        expected.free |= not is_plain(content)
    else:
        expected.fault("COMMON-FIELD-TYPE", "content of another type", 400)
    expected.wanted.append("PROMPT-NAME-VALID")


def _save_personalization(request: Request, _world: World, expected: Expected) -> None:
    fields = json_object(request, expected)
    if fields is None:
        return
    _name("PERSONALIZATION", fields, expected)
    content = fields.get("content")
    expected.free |= not fields.keys() <= {"name", "content"}
    if not isinstance(content, dict):
        what = "content that is no object" if "content" in fields else "no content"
        expected.fault("PERSONALIZATION-CONTENT-REQUIRED", what, 400)
        return
    expected.free |= not is_plain_value(content)
    if content.keys() - set(KNOWN_PREFERENCES):
        expected.wanted.append("PERSONALIZATION-UNKNOWN-KEYS")
    elif content:
        expected.wanted.append("PERSONALIZATION-CLEANED")
    expected.wanted.append("PERSONALIZATION-NAME-VALID")


def _name(kind: str, fields: Mapping[str, object], expected: Expected) -> None:
    name = fields.get("name")
    if name is None or name == "":
        expected.fault(f"{kind}-NAME-MISSING", "no name", 400)
    elif not isinstance(name, str):
        expected.fault("COMMON-FIELD-TYPE", "a name of another type", 400)
    elif not is_name(name):
        expected.fault(f"{kind}-NAME-INVALID", "a name that breaks the rule", 400)


def _get_prompt(request: Request, world: World, expected: Expected) -> None:
    _read("PROMPT", request.place, world.prompts, expected)


def _get_personalization(request: Request, world: World, expected: Expected) -> None:
    _read("PERSONALIZATION", request.place, world.personalizations, expected)


def _read(kind: str, name: str, known: Mapping[str, object], expected: Expected) -> None:
    if name in known:
        expected.wanted.append(f"{kind}-GET-SHAPE")
    elif is_name(name):
        expected.fault(f"{kind}-UNKNOWN", f"the name of no {kind.lower()}", 404)
    elif not name.strip(". ") or "/" in name or "\\" in name or len(name) > 100:
        expected.free = True  # this may well be another path, or none that can be sent
    else:
        what = "a name that breaks the rule"
        expected.fault(f"{kind}-NAME-INVALID-PATH", what, 400, 404)


# -- lists ------------------------------------------------------------------------------


def _always(rule: str) -> Rule:
    def wanted(_request: Request, _world: World, expected: Expected) -> None:
        expected.wanted.append(rule)

    return wanted


THING_RULES: Mapping[str, Rule] = {
    "uploadFile": _upload_file,
    "listFiles": _list_files,
    "downloadFile": _download_file,
    "listPrompts": _always("PROMPT-LIST-SHAPE"),
    "savePrompt": _save_prompt,
    "getPrompt": _get_prompt,
    "listPersonalizations": _always("PERSONALIZATION-LIST-SHAPE"),
    "savePersonalization": _save_personalization,
    "getPersonalization": _get_personalization,
    "listModels": _always("MODEL-LIST-SHAPE"),
    "health": _always("HEALTH-SHAPE"),
}
