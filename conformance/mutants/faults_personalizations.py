"""Faults of personalizations (api_v1 2.6): names, and what cleaning gets wrong."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.conformance.mutants.named import (
    listed_by_age,
    listed_once_more,
    read_by_what_is_left,
    saved_anywhere,
    without_dashes_at_the_beginning,
    without_times,
)
from pollux.reference_server import personalizations as cleaning
from pollux.reference_server.http import ApiError, ok
from pollux.reference_server.personalizations import (
    PersonalizationNotFound,
    PersonalizationStore,
)
from pollux.reference_server.routes import personalizations

_SUFFIX = ".json"

#: Changes what was cleaned, in place; gets what was sent.
_Change = Callable[[dict[str, Any], Mapping[str, Any]], None]


def _cleaned(patch: Patch) -> Callable[[_Change], _Change]:
    """Decorate a function that changes what comes of cleaning."""

    def decorator(change: _Change) -> _Change:
        @patch.wrap(cleaning, "clean_personalization")
        def clean(original: Any, content: Mapping[str, Any], **models: Any) -> dict[str, Any]:
            result: dict[str, Any] = original(content, **models)
            change(result, content)
            return result

        return change

    return decorator


@mutant("PERSONALIZATION-NAME-VALID")
def personalizations_begin_with_a_letter(patch: Patch) -> None:
    """A name that begins with ``-`` or ``_`` is refused."""
    without_dashes_at_the_beginning(patch, _SUFFIX)


@mutant("PERSONALIZATION-NAME-INVALID", "PERSONALIZATION-SAVE-SHAPE", upstream=("H-16",))
def personalizations_are_saved_where_their_name_leads(patch: Patch) -> None:
    """The name is joined to the folder as it is, ``..`` and slashes included."""
    saved_anywhere(patch, _SUFFIX)


@mutant("PERSONALIZATION-NAME-INVALID")
def personalizations_have_longer_names_cut(patch: Patch) -> None:
    """A name of more than 64 characters is cut, not refused."""

    @patch.wrap(personalizations, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        body = original(**limits)
        name = body.get("name")
        return {**body, "name": name[:64]} if isinstance(name, str) else body


@mutant("PERSONALIZATION-NAME-INVALID-PATH")
def personalizations_are_found_by_what_is_left_of_a_name(patch: Patch) -> None:
    """Reading drops from a name what is not allowed in it, and finds that of the rest."""

    read_by_what_is_left(patch, "personalizations.get_personalization")


@mutant("PERSONALIZATION-NAME-MISSING")
def personalizations_without_a_name_get_one(patch: Patch) -> None:
    """One that is saved with an empty name is called ``personalization``."""

    @patch.wrap(personalizations, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        body = original(**limits)
        return {**body, "name": "personalization"} if body.get("name") == "" else body


@mutant("PERSONALIZATION-UNKNOWN", "ISOLATION-PERSONALIZATION-READ")
def personalizations_that_are_unknown_are_the_defaults(patch: Patch) -> None:
    """Reading an unknown personalization answers 200 with the defaults."""

    @patch.wrap(PersonalizationStore, "load")
    def load(original: Any, self: PersonalizationStore, name: str, **models: Any) -> Any:
        try:
            return original(self, name, **models)
        except PersonalizationNotFound:
            if request.endpoint != "personalizations.get_personalization":
                raise
            return cleaning.clean_personalization({}, **models)


@mutant("PERSONALIZATION-LIST-SHAPE")
def personalizations_are_listed_without_their_time(patch: Patch) -> None:
    """The items of the list have no ``updated_at``."""
    without_times(patch, personalizations)


@mutant("PERSONALIZATION-LIST-COMPLETE")
def personalizations_are_listed_once_for_each_save(patch: Patch) -> None:
    """One that was saved twice is listed twice."""
    listed_once_more(patch, _SUFFIX)


@mutant("PERSONALIZATION-LIST-SORTED")
def personalizations_are_listed_by_age(patch: Patch) -> None:
    """The list begins with what was saved last."""
    listed_by_age(patch, _SUFFIX)


@mutant("PERSONALIZATION-SAVE-SHAPE")
def personalizations_are_saved_without_a_word(patch: Patch) -> None:
    """The answer to a save does not tell the name."""

    @patch.wrap(personalizations, "ok")
    def answer(_original: Any, payload: dict[str, Any]) -> Any:
        if request.method == "POST":
            payload = {"content": payload["content"]}
        return ok(payload)


@mutant("PERSONALIZATION-SAVE-REPLACES")
def personalizations_keep_what_was_to_be_emptied(patch: Patch) -> None:
    """An empty list of considerations leaves the stored ones."""

    @patch.wrap(PersonalizationStore, "save")
    def save(
        original: Any,
        self: PersonalizationStore,
        name: str,
        content: Mapping[str, Any],
        **models: Any,
    ) -> Any:
        if content.get("considerations") == [] and self.exists(name):
            stored = self.load(name, **models)
            content = {**content, "considerations": stored["considerations"]}
        return original(self, name, content, **models)


@mutant("PERSONALIZATION-GET-SHAPE")
def personalizations_are_read_without_their_name(patch: Patch) -> None:
    """The answer to reading one is its content alone."""

    @patch.wrap(personalizations, "ok")
    def answer(_original: Any, payload: dict[str, Any]) -> Any:
        if request.method == "GET" and "content" in payload:
            payload = {"content": payload["content"]}
        return ok(payload)


@mutant("PERSONALIZATION-ROUND-TRIP")
def personalizations_are_read_without_what_is_empty(patch: Patch) -> None:
    """Fields that are null are left out when a personalization is read."""

    @patch.wrap(personalizations, "ok")
    def answer(_original: Any, payload: dict[str, Any]) -> Any:
        if request.method == "GET" and "content" in payload:
            content = {k: v for k, v in payload["content"].items() if v is not None}
            payload = {**payload, "content": content}
        return ok(payload)


@mutant("PERSONALIZATION-CONTENT-REQUIRED")
def personalizations_need_no_content(patch: Patch) -> None:
    """A save without content, or with null, saves the defaults."""

    @patch.wrap(personalizations, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        body = original(**limits)
        return body if body.get("content") is not None else {**body, "content": {}}


@mutant("PERSONALIZATION-CLEANED")
def personalizations_refuse_a_text_that_is_too_long(patch: Patch) -> None:
    """A field that has not the right type is refused with 400."""

    @_cleaned(patch)
    def change(_result: dict[str, Any], content: Mapping[str, Any]) -> None:
        if isinstance(content.get("considerations"), str):
            raise ApiError(400, "considerations must be a list")


@mutant("PERSONALIZATION-BOOLEANS")
def personalizations_have_a_switch_that_stays_on(patch: Patch) -> None:
    """``tool_intent_enabled`` cannot be switched off: what is false counts as not given."""

    @_cleaned(patch)
    def change(result: dict[str, Any], _content: Mapping[str, Any]) -> None:
        result["tool_intent_enabled"] = True


@mutant("PERSONALIZATION-BOOLEAN-DEFAULTS")
def personalizations_have_a_switch_that_is_off_by_itself(patch: Patch) -> None:
    """``tool_intent_enabled`` is false where it was not given."""

    @_cleaned(patch)
    def change(result: dict[str, Any], content: Mapping[str, Any]) -> None:
        result["tool_intent_enabled"] = content.get("tool_intent_enabled") is True


def _first_units(text: str, units: int) -> str:
    """Return the first UNITS of a text in UTF-16, but no half of a pair."""
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore")


@mutant("PERSONALIZATION-TEXTS")
def personalizations_count_utf_16_in_texts(patch: Patch) -> None:
    """A text is cut to 20 units of UTF-16, of which an emoji takes two."""

    @_cleaned(patch)
    def change(result: dict[str, Any], _content: Mapping[str, Any]) -> None:
        for field in ("self_identify", "user_name", "profession", "tone"):
            result[field] = _first_units(result[field], 20)


@mutant("PERSONALIZATION-TEXTS")
def personalizations_count_bytes_in_the_profession(patch: Patch) -> None:
    """The profession is cut to 20 bytes."""

    @_cleaned(patch)
    def change(result: dict[str, Any], _content: Mapping[str, Any]) -> None:
        result["profession"] = result["profession"].encode()[:20].decode("utf-8", "ignore")


@mutant("PERSONALIZATION-CONSIDERATIONS-NUMBER")
def personalizations_keep_nine_considerations(patch: Patch) -> None:
    """The tenth consideration is lost."""

    @_cleaned(patch)
    def change(result: dict[str, Any], _content: Mapping[str, Any]) -> None:
        del result["considerations"][9:]


@mutant("PERSONALIZATION-CONSIDERATIONS-NUMBER", "PERSONALIZATION-SAVE-SHAPE")
def personalizations_keep_every_consideration(patch: Patch) -> None:
    """The number of considerations has no limit, against the schema of the answers, too."""
    patch.replace(cleaning, "MAX_CONSIDERATIONS", 1000)


@mutant("PERSONALIZATION-CONSIDERATIONS-LENGTH")
def personalizations_count_utf_16_in_considerations(patch: Patch) -> None:
    """A consideration is cut to 50 units of UTF-16."""

    @_cleaned(patch)
    def change(result: dict[str, Any], _content: Mapping[str, Any]) -> None:
        result["considerations"] = [_first_units(text, 50) for text in result["considerations"]]


@mutant("PERSONALIZATION-THINKING-INTERVAL")
def personalizations_think_at_most_every_49(patch: Patch) -> None:
    """The largest ``thinking_interval`` is 49."""
    patch.replace(cleaning, "MAX_THINKING_INTERVAL", 49)


@mutant("PERSONALIZATION-TOOL-CATEGORIES")
def personalizations_keep_unknown_categories(patch: Patch) -> None:
    """Every text is kept in ``disabled_tool_categories``."""

    @_cleaned(patch)
    def change(result: dict[str, Any], content: Mapping[str, Any]) -> None:
        sent = content.get("disabled_tool_categories")
        texts = sent if isinstance(sent, list) else []
        result["disabled_tool_categories"] = [text for text in texts if isinstance(text, str)]


@mutant("PERSONALIZATION-RUN-MODE")
def personalizations_know_two_run_modes(patch: Patch) -> None:
    """The ``default_run_mode`` ``thinking`` is dropped."""

    @_cleaned(patch)
    def change(result: dict[str, Any], _content: Mapping[str, Any]) -> None:
        if result["default_run_mode"] == "thinking":
            result["default_run_mode"] = None


@mutant("PERSONALIZATION-DEFAULT-MODEL")
def personalizations_keep_any_model(patch: Patch) -> None:
    """Every text is kept as the ``default_model``."""

    @_cleaned(patch)
    def change(result: dict[str, Any], content: Mapping[str, Any]) -> None:
        sent = content.get("default_model")
        result["default_model"] = sent if isinstance(sent, str) else None


@mutant("PERSONALIZATION-UNKNOWN-KEYS")
def personalizations_keep_what_they_do_not_know(patch: Patch) -> None:
    """Unknown fields are stored and returned."""

    @_cleaned(patch)
    def change(result: dict[str, Any], content: Mapping[str, Any]) -> None:
        result.update({key: value for key, value in content.items() if key not in result})


@mutant("PERSONALIZATION-IDEMPOTENT")
def personalizations_trim_before_they_cut(patch: Patch) -> None:
    """Blanks go first: a text may end with one where it is cut, until the next save."""

    @patch.wrap(cleaning, "_text")
    def text(original: Any, value: object, length: int) -> Any:
        return original(value.strip() if isinstance(value, str) else value, length)
