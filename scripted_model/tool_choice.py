"""Chooses, for ``call any``, a tool that does no harm, and makes up its arguments."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pollux.scripted_model.chat_request import BadRequest, Json
from pollux.scripted_model.schema_values import CannotMake, make_arguments


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SAFE_WORDS = _words(
    "list ls read get search find view show describe count stat status info lookup cat head tail "
    "exists check help time date now echo ping version weather calculate"
)
"""A tool with one of these words in its name is thought to read only."""

HARMFUL_WORDS = _words(
    "delete remove rm write edit update create make mkdir new set put post send mail exec execute "
    "run shell bash sh command cmd terminal process kill stop start restart move mv rename copy cp "
    "upload install uninstall deploy publish pay buy order drop reset clear save append insert add "
    "modify patch replace apply commit push merge sql eval python script code browser click type "
    "agent delegate spawn ask wait sleep input confirm approve finish done submit"
)
"""A tool with one of these words in its name is never chosen: it may change something, act
outside, wait for somebody, or end the run."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def words_of(name: str) -> set[str]:
    """Return the words of a tool's name: ``listFiles`` and ``list_files`` are list, files."""
    return {word.lower() for word in _WORD.findall(name)}


def any_call(tools: Sequence[Json]) -> tuple[str, str]:
    """Choose a safe tool, and return its name and the text of its arguments.

    First come the tools whose names read like reading, those with the fewest required arguments
    before the others; then the ones that need no arguments. A tool whose arguments cannot be
    made is passed over.

    Raises:
        BadRequest: when no tool is left.
    """
    if not tools:
        raise BadRequest("'call any': the request offers no tools", "tools", "no_tools")
    for tool in _candidates(tools):
        try:
            return str(tool["name"]), make_arguments(_schema_of(tool))
        except CannotMake:
            continue
    names = ", ".join(str(tool["name"]) for tool in tools)[:300]
    raise BadRequest(
        f"'call any': none of the tools offered ({names}) reads like a safe one, or needs no "
        "arguments and is not known to be harmful",
        "tools",
        "no_safe_tool",
    )


def call_of(tools: Sequence[Json], name: str) -> str:
    """Return arguments for the tool NAME, made from its JSON schema.

    Raises:
        BadRequest: when the request does not offer it, or its arguments cannot be made.
    """
    for tool in tools:
        if tool["name"] == name:
            try:
                return make_arguments(_schema_of(tool))
            except CannotMake as error:
                raise BadRequest(f"'call {name} auto': {error}", "tools", "no_arguments") from error
    raise BadRequest(f"'call {name} auto': the request offers no such tool", "tools", "no_tools")


def _candidates(tools: Sequence[Json]) -> Iterable[Json]:
    harmless = [tool for tool in tools if not words_of(tool["name"]) & HARMFUL_WORDS]
    safe = [tool for tool in harmless if words_of(tool["name"]) & SAFE_WORDS]
    yield from sorted(safe, key=_required)
    yield from (tool for tool in harmless if tool not in safe and not _required(tool))


def _schema_of(tool: Json) -> Mapping[str, Any]:
    schema = tool.get("parameters")
    return schema if isinstance(schema, dict) else {}


def _required(tool: Json) -> int:
    required = _schema_of(tool).get("required")
    return len(required) if isinstance(required, list) else 0
