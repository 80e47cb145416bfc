"""Faults of prompts (api_v1 2.6)."""

import re
from typing import Any

from flask import request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.conformance.mutants.named import (
    forgetful_reads,
    listed_by_age,
    listed_once_more,
    read_by_what_is_left,
    saved_anywhere,
    without_dashes_at_the_beginning,
    without_times,
)
from pollux.reference_server import agent
from pollux.reference_server.http import ok
from pollux.reference_server.named_files import NamedFiles
from pollux.reference_server.names import NAME_PATTERN
from pollux.reference_server.prompts import PromptNotFound, PromptStore
from pollux.reference_server.routes import prompts

_SUFFIX = ".txt"


@mutant("PROMPT-NAME-VALID")
def prompts_begin_with_a_letter(patch: Patch) -> None:
    """A name that begins with ``-`` or ``_`` is refused."""
    without_dashes_at_the_beginning(patch, _SUFFIX)


@mutant("PROMPT-NAME-INVALID", "PROMPT-SAVE-SHAPE", upstream=("H-16",))
def prompts_are_saved_where_their_name_leads(patch: Patch) -> None:
    """The name is joined to the folder as it is, ``..`` and slashes included."""
    saved_anywhere(patch, _SUFFIX)


@mutant("PROMPT-NAME-INVALID", "PROMPT-SAVE-SHAPE")
def prompts_have_names_in_every_script(patch: Patch) -> None:
    """Letters and digits are those of Unicode, and the name may end with a line end."""
    loose = re.compile(r"[\w-]{1,64}$")

    @patch.wrap(NamedFiles, "write")
    def write(original: Any, self: NamedFiles, name: str, data: bytes) -> None:
        if self._suffix == _SUFFIX and loose.match(name) and not NAME_PATTERN.fullmatch(name):
            (self._folder / f"{name}{_SUFFIX}").write_bytes(data)
        else:
            original(self, name, data)


@mutant("PROMPT-NAME-INVALID")
def prompts_have_blanks_around_their_names_cut_off(patch: Patch) -> None:
    """A name is trimmed before it is looked at."""

    @patch.wrap(prompts, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        body = original(**limits)
        name = body.get("name")
        return {**body, "name": name.strip()} if isinstance(name, str) else body


@mutant("PROMPT-NAME-INVALID-PATH")
def prompts_are_found_by_what_is_left_of_a_name(patch: Patch) -> None:
    """Reading drops from a name what is not allowed in it, and finds the prompt of the rest."""

    read_by_what_is_left(patch, "prompts.get_prompt")


@mutant("PROMPT-NAME-MISSING")
def prompts_without_a_name_get_one(patch: Patch) -> None:
    """A prompt that is saved without a name is called ``default``."""

    @patch.wrap(prompts, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        body = original(**limits)
        return {"name": "default", **body}


@mutant("PROMPT-UNKNOWN", "ISOLATION-PROMPT-READ")
def prompts_that_are_unknown_are_empty(patch: Patch) -> None:
    """Reading an unknown prompt answers 200 with an empty text."""

    @patch.wrap(PromptStore, "load")
    def load(original: Any, self: PromptStore, name: str) -> str:
        try:
            return str(original(self, name))
        except PromptNotFound:
            if request.endpoint != "prompts.get_prompt":
                raise
            return ""


@mutant("PROMPT-LIST-SHAPE")
def prompts_are_listed_without_their_time(patch: Patch) -> None:
    """The items of the list have no ``updated_at``."""
    without_times(patch, prompts)


@mutant("PROMPT-LIST-COMPLETE")
def prompts_are_listed_once_for_each_save(patch: Patch) -> None:
    """A prompt that was saved twice is listed twice."""
    listed_once_more(patch, _SUFFIX)


@mutant("PROMPT-LIST-SORTED")
def prompts_are_listed_by_age(patch: Patch) -> None:
    """The list begins with what was saved last."""
    listed_by_age(patch, _SUFFIX)


@mutant("PROMPT-SAVE-SHAPE")
def prompts_are_saved_without_a_word(patch: Patch) -> None:
    """The answer to a save does not tell the name."""

    @patch.wrap(prompts, "ok")
    def answer(_original: Any, payload: dict[str, Any]) -> Any:
        return ok({} if request.method == "POST" else payload)


@mutant("PROMPT-SAVE-REPLACES")
def prompts_are_read_from_a_stale_cache(patch: Patch) -> None:
    """What was read once is read again, whatever was saved meanwhile."""
    forgetful_reads(patch, _SUFFIX)


@mutant("PROMPT-GET-SHAPE")
def prompts_are_read_without_their_name(patch: Patch) -> None:
    """The answer to reading a prompt is its content alone."""

    @patch.wrap(prompts, "ok")
    def answer(_original: Any, payload: dict[str, Any]) -> Any:
        if "content" in payload:
            payload = {"content": payload["content"]}
        return ok(payload)


@mutant("PROMPT-ROUND-TRIP")
def prompts_lose_their_blanks(patch: Patch) -> None:
    """Blanks and lines around the text are cut off when it is saved."""

    @patch.wrap(PromptStore, "save")
    def save(original: Any, self: PromptStore, name: str, content: str) -> None:
        original(self, name, content.strip())


@mutant("PROMPT-ROUND-TRIP")
def prompts_have_line_ends_of_one_kind(patch: Patch) -> None:
    """The text is read as a text file, all line ends turned into one."""

    @patch.wrap(PromptStore, "load")
    def load(original: Any, self: PromptStore, name: str) -> str:
        return str(original(self, name)).replace("\r\n", "\n").replace("\r", "\n")


@mutant("PROMPT-ROUND-TRIP")
def prompts_lose_a_byte_order_mark(patch: Patch) -> None:
    """The file is decoded as UTF-8 with a signature."""

    @patch.wrap(PromptStore, "load")
    def load(original: Any, self: PromptStore, name: str) -> str:
        return str(original(self, name)).removeprefix("\ufeff")


@mutant("PROMPT-CONTENT-DEFAULT")
def prompts_without_content_get_some(patch: Patch) -> None:
    """A prompt that is saved without content gets a friendly text."""

    @patch.wrap(prompts, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        return {"content": "You are a helpful assistant.", **original(**limits)}


@mutant("PROMPT-APPLIED")
def prompts_are_applied_up_to_their_first_line(patch: Patch) -> None:
    """The model gets the first line of the prompt only."""

    @patch.wrap(agent, "system_prompt")
    def system_prompt(original: Any, prompt: str | None, *about: Any) -> Any:
        return original(prompt and prompt.partition("\n")[0], *about)
