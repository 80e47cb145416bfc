"""Personalizations (api_v1 2.6): names, and how what is saved is cleaned rather than refused."""

from collections.abc import Sequence
from typing import Any

from pollux.conformance import named
from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.named import PERSONALIZATIONS
from pollux.conformance.stage import Stage
from pollux.polling.exchange import Exchange
from pollux.polling.http import LEFT_OUT

_FLAGS = ("enabled", "auto_generate_title", "tool_intent_enabled")
_TEXTS = ("self_identify", "user_name", "profession", "tone")
_SHORT, _LONG, _MOST = 20, 50, 10
_MOST_MODELS = 5
_RUN_MODES = ("fast", "thinking", "deep")

# What no field of a personalization can be, one after the other.
_ODD: tuple[Any, ...] = (None, True, -1, 0, 0.5, 10**9, "", "odd", "x" * 300, [], ["x", 1], {})


@verifies("PERSONALIZATION-NAME-VALID", "PERSONALIZATION-SAVE-SHAPE", "PERSONALIZATION-GET-SHAPE")
def test_every_valid_name_of_a_personalization_is_taken(stage: Stage, judge: Judge) -> None:
    """Every character allowed, from one to 64 of them."""
    named.every_valid_name_is_taken(stage, judge, PERSONALIZATIONS)


@verifies("PERSONALIZATION-NAME-INVALID")
def test_every_other_name_of_a_personalization_is_refused(stage: Stage, judge: Judge) -> None:
    """Blanks, dots, slashes, other scripts, and one character too many."""
    named.every_other_name_is_refused(stage, judge, PERSONALIZATIONS)


@verifies("PERSONALIZATION-NAME-MISSING")
def test_a_personalization_without_a_name_is_refused(stage: Stage, judge: Judge) -> None:
    """A name is needed."""
    named.a_missing_name_is_refused(stage, judge, PERSONALIZATIONS)


@verifies("PERSONALIZATION-NAME-INVALID-PATH")
def test_a_personalization_is_not_found_by_a_bad_name(stage: Stage, judge: Judge) -> None:
    """What is not a name leads to no personalization."""
    named.a_bad_name_in_a_path_is_refused(stage, judge, PERSONALIZATIONS)


@verifies("PERSONALIZATION-UNKNOWN")
def test_an_unknown_personalization_is_404(stage: Stage, judge: Judge) -> None:
    """What was not saved is not there."""
    named.an_unknown_name_is_404(stage, judge, PERSONALIZATIONS)


@verifies(
    "PERSONALIZATION-LIST-SHAPE", "PERSONALIZATION-LIST-COMPLETE", "PERSONALIZATION-LIST-SORTED"
)
def test_the_list_of_personalizations_has_all_of_them_by_name(stage: Stage, judge: Judge) -> None:
    """Every personalization is listed once, by name."""
    named.the_list_has_all_once_in_order(stage, judge, PERSONALIZATIONS)


@verifies("PERSONALIZATION-CONTENT-REQUIRED")
def test_a_personalization_needs_an_object_as_its_content(stage: Stage, judge: Judge) -> None:
    """Absent, null, or of another type: 400, while an empty object is enough."""
    name = stage.name()
    PERSONALIZATIONS.saved(stage, name, {})
    for content in (LEFT_OUT, None, [], [{"tone": "calm"}], "tone", "", 5, 0, True, False):
        exchange = stage.user.api.save_personalization(name, content)
        judge.that(
            "PERSONALIZATION-CONTENT-REQUIRED",
            exchange.status == 400,
            f"saving a personalization with the content {content!r}",
            expected="400",
            got=exchange.summary,
            by=exchange,
        )


@verifies("PERSONALIZATION-ROUND-TRIP", "PERSONALIZATION-SAVE-REPLACES")
def test_a_personalization_is_read_as_the_save_returned_it(stage: Stage, judge: Judge) -> None:
    """Saved three times under one name; fields that are not given are nobody's matter."""
    name = stage.name()
    contents: list[dict[str, Any]] = [
        {
            "enabled": True,
            "self_identify": "波鲁克斯",
            "tone": "calm and clear",
            "considerations": ["metric units", "请用中文", "name the source"],
            "thinking_interval": 7,
            "default_run_mode": "deep",
            "auto_generate_title": False,
        },
        {"tone": "terse", "considerations": ["none"], "enabled": False},
        {"tone": "warm", "considerations": [], "thinking_interval": 20},
    ]
    for content in contents:
        saved = PERSONALIZATIONS.saved(stage, name, content)
        read = PERSONALIZATIONS.read(stage, name)
        judge.that(
            "PERSONALIZATION-ROUND-TRIP",
            read.payload.get("content") == saved.payload.get("content"),
            "a personalization that was saved and read",
            expected=f"the content that the save returned: {saved.payload.get('content')!r}",
            got=f"{read.payload.get('content')!r}",
            by=(saved, read),
        )
        cleaned = _content(read)
        wrong = [key for key, value in content.items() if cleaned.get(key) != value]
        judge.that(
            "PERSONALIZATION-SAVE-REPLACES",
            not wrong,
            "the fields that were given when a personalization was saved",
            expected=", ".join(f"{key} {content[key]!r}" for key in wrong),
            got=", ".join(f"{key} {cleaned.get(key)!r}" for key in wrong),
            by=(saved, read),
        )


@verifies("PERSONALIZATION-CLEANED", "PERSONALIZATION-IDEMPOTENT", slow=True)
def test_what_does_not_fit_is_cleaned_once_and_for_all(stage: Stage, judge: Judge) -> None:
    """Every known field with every odd value: 200; what was returned is returned again."""
    name = stage.name()
    known = (
        *_FLAGS,
        *_TEXTS,
        "considerations",
        "thinking_interval",
        "disabled_tool_categories",
        "default_run_mode",
        "default_model",
    )
    contents: list[dict[str, Any]] = [dict.fromkeys(known, odd) for odd in _ODD]
    contents += [
        # Where a text is cut there may be a blank then, at which another cleaning may cut again.
        dict.fromkeys(_TEXTS, "x" * (_SHORT - 1) + " and more"),
        dict.fromkeys(_TEXTS, " " * _SHORT + "x"),
        dict.fromkeys(_TEXTS, "\u00e9e\u0301" * _SHORT),
        {"considerations": ["x" * (_LONG - 1) + " and more", " " * _LONG + "x", "", " ", "x"]},
        {"considerations": ["", " ", None, 5, *("x" * 60 for _ in range(15))]},
        {"considerations": "a text\nof two lines"},
        {"thinking_interval": 51},
        {"thinking_interval": "7"},
        {"default_run_mode": "FAST"},
        {"disabled_tool_categories": ["x", "x", None, {"x": "y"}]},
    ]
    for content in contents:
        first = stage.user.api.save_personalization(name, content)
        judge.that(
            "PERSONALIZATION-CLEANED",
            first.status == 200,
            f"saving a personalization with {_shown(content)}",
            expected="200: what does not fit is cleaned",
            got=first.summary,
            by=first,
        )
        if first.status != 200:
            continue
        again = stage.user.api.save_personalization(name, first.payload.get("content"))
        judge.that(
            "PERSONALIZATION-IDEMPOTENT",
            again.status == 200 and again.payload.get("content") == first.payload.get("content"),
            f"saving what was returned for {_shown(content)}",
            expected=f"the same: {_difference(first, again)[0]}",
            got=_difference(first, again)[1],
            by=(first, again),
        )


@verifies("PERSONALIZATION-BOOLEANS", "PERSONALIZATION-BOOLEAN-DEFAULTS")
def test_the_switches_of_a_personalization_are_booleans(stage: Stage, judge: Judge) -> None:
    """A boolean is kept, anything else becomes one; two of them are on by themselves."""
    new = PERSONALIZATIONS.saved(stage, stage.name(), {"tone": "calm"})
    for field in ("auto_generate_title", "tool_intent_enabled"):
        judge.that(
            "PERSONALIZATION-BOOLEAN-DEFAULTS",
            _content(new).get(field) is True,
            f"{field} of a new personalization that does not give it",
            expected="true",
            got=f"{_content(new).get(field)!r}",
            by=new,
        )
    name = stage.name()
    values: list[Any] = [True, False, True, None, 1, "false", [], {}]
    for value in values:
        saved = PERSONALIZATIONS.saved(stage, name, dict.fromkeys(_FLAGS, value))
        for field in _FLAGS:
            got = _content(saved).get(field)
            judge.that(
                "PERSONALIZATION-BOOLEANS",
                got is value if isinstance(value, bool) else isinstance(got, bool),
                f"{field} saved as {_shown(value)}",
                expected=f"{value!r}" if isinstance(value, bool) else "true or false",
                got=f"{got!r}",
                by=saved,
            )


@verifies("PERSONALIZATION-TEXTS")
def test_the_texts_of_a_personalization_are_cut_to_20_characters(
    stage: Stage, judge: Judge
) -> None:
    """Characters are code points: neither bytes, nor halves of surrogate pairs, nor clusters."""
    name = stage.name()
    for text in _around(_SHORT):
        saved = PERSONALIZATIONS.saved(stage, name, dict.fromkeys(_TEXTS, text))
        for field in _TEXTS:
            got = _content(saved).get(field)
            judge.that(
                "PERSONALIZATION-TEXTS",
                got == text[:_SHORT],
                f"{field} saved as a text of {len(text)} characters",
                expected=f"its first {min(_SHORT, len(text))} characters, {text[:_SHORT]!r}",
                got=_shown(got),
                by=saved,
            )


@verifies("PERSONALIZATION-CONSIDERATIONS-NUMBER", "PERSONALIZATION-CONSIDERATIONS-LENGTH")
def test_considerations_are_at_most_10_texts_of_at_most_50(stage: Stage, judge: Judge) -> None:
    """Up to 10 are all kept, in their order; of more, 10 at most; each is cut to 50."""
    name = stage.name()
    for count in (0, 1, 9, 10, 11, 25):
        texts = [f"consider {number}, 注意" for number in range(count)]
        saved = PERSONALIZATIONS.saved(stage, name, {"considerations": texts})
        got = _content(saved).get("considerations")
        fits = got == texts if count <= _MOST else _some_of(got, texts)
        judge.that(
            "PERSONALIZATION-CONSIDERATIONS-NUMBER",
            fits,
            f"the considerations of a personalization saved with {count}",
            expected="all of them" if count <= _MOST else f"at most {_MOST} of them",
            got=f"{len(got)}: {_shown(got)}" if isinstance(got, list) else _shown(got),
            by=saved,
        )
    for text in filter(None, _around(_LONG)):
        saved = PERSONALIZATIONS.saved(stage, name, {"considerations": [text, "short"]})
        got = _content(saved).get("considerations")
        judge.that(
            "PERSONALIZATION-CONSIDERATIONS-LENGTH",
            got == [text[:_LONG], "short"],
            f"a consideration saved as a text of {len(text)} characters",
            expected=f"its first {min(_LONG, len(text))} characters, {text[:_LONG]!r}",
            got=_shown(got),
            by=saved,
        )


@verifies("PERSONALIZATION-THINKING-INTERVAL")
def test_the_thinking_interval_is_from_1_to_50_or_null(stage: Stage, judge: Judge) -> None:
    """What fits is kept; a number out of range may become the nearest one, or null."""
    name = stage.name()
    values: list[Any] = [1, 17, 50, None, 0, -1, 51, 10**9, 3.7, True, "7", "x", []]
    for value in values:
        saved = PERSONALIZATIONS.saved(stage, name, {"thinking_interval": value})
        got = _content(saved).get("thinking_interval")
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is None or (whole and 1 <= value <= 50):
            expected, holds = f"{value!r}", got == value and not isinstance(got, bool)
        else:
            expected = "a whole number from 1 to 50, or null"
            holds = got is None or (
                isinstance(got, int) and not isinstance(got, bool) and 1 <= got <= 50
            )
        judge.that(
            "PERSONALIZATION-THINKING-INTERVAL",
            holds,
            f"thinking_interval saved as {value!r}",
            expected=expected,
            got=f"{got!r}",
            by=saved,
        )


@verifies("PERSONALIZATION-TOOL-CATEGORIES")
def test_unknown_tool_categories_are_dropped(stage: Stage, judge: Judge) -> None:
    """Which ids a server knows is its own choice; one made up just now is not among them."""
    unknown = stage.name("no-such-category")
    for value in (
        [unknown],
        [unknown, "todo", "read_focus"],
        ["network", unknown, unknown.upper()],
    ):
        saved = PERSONALIZATIONS.saved(stage, stage.name(), {"disabled_tool_categories": value})
        got = _content(saved).get("disabled_tool_categories")
        judge.that(
            "PERSONALIZATION-TOOL-CATEGORIES",
            isinstance(got, list) and unknown not in got and unknown.upper() not in got,
            f"disabled_tool_categories saved as {value!r}",
            expected=f"a list without {unknown!r}",
            got=_shown(got),
            by=saved,
        )


@verifies("PERSONALIZATION-RUN-MODE")
def test_the_default_run_mode_is_one_of_three_or_null(stage: Stage, judge: Judge) -> None:
    """What fits is kept; what does not becomes something that fits."""
    name = stage.name()
    for value in (*_RUN_MODES, None, "DEEP", "turbo", "", 5, ["fast"]):
        saved = PERSONALIZATIONS.saved(stage, name, {"default_run_mode": value})
        got = _content(saved).get("default_run_mode")
        fits = value is None or (isinstance(value, str) and value in _RUN_MODES)
        judge.that(
            "PERSONALIZATION-RUN-MODE",
            got == value if fits else got is None or got in _RUN_MODES,
            f"default_run_mode saved as {value!r}",
            expected=f"{value!r}" if fits else f"one of {', '.join(_RUN_MODES)}, or null",
            got=f"{got!r}",
            by=saved,
        )


@verifies("PERSONALIZATION-DEFAULT-MODEL")
def test_the_default_model_is_one_that_the_server_has(stage: Stage, judge: Judge) -> None:
    """A listed key is kept; a key of nothing is not."""
    listed = stage.user.api.list_models()
    keys = [item.get("model_key") for item in named.items_of(listed)]
    name = stage.name()
    for key in stage.random.sample(keys, min(len(keys), _MOST_MODELS)):
        saved = PERSONALIZATIONS.saved(stage, name, {"default_model": key})
        got = _content(saved).get("default_model")
        judge.that(
            "PERSONALIZATION-DEFAULT-MODEL",
            got == key,
            f"default_model saved as {key!r}, which is listed",
            expected=f"{key!r}",
            got=f"{got!r}",
            by=(listed, saved),
        )
    for value in (stage.name("no-such-model"), 5, True, ["x"], {"model_key": "x"}):
        saved = PERSONALIZATIONS.saved(stage, name, {"default_model": value})
        got = _content(saved).get("default_model")
        judge.that(
            "PERSONALIZATION-DEFAULT-MODEL",
            got is None or (isinstance(got, str) and got != value),
            f"default_model saved as {value!r}",
            expected="null, or a key that the server has",
            got=f"{got!r}",
            by=saved,
        )


@verifies("PERSONALIZATION-UNKNOWN-KEYS")
def test_unknown_fields_of_a_personalization_are_dropped(stage: Stage, judge: Judge) -> None:
    """They are neither refused nor returned nor stored."""
    name = stage.name()
    values: list[Any] = [1, "text", None, True, ["x"], {"a": {}}]
    unknown = {stage.name("unknown"): value for value in values}
    saved = PERSONALIZATIONS.saved(stage, name, {"tone": "calm", **unknown})
    read = PERSONALIZATIONS.read(stage, name)
    for what, exchange in (("returned", saved), ("read", read)):
        kept = sorted(unknown.keys() & _content(exchange).keys())
        judge.that(
            "PERSONALIZATION-UNKNOWN-KEYS",
            not kept and _content(exchange).get("tone") == "calm",
            f"the unknown fields of a personalization, as it is {what}",
            expected="dropped, while the known one is kept",
            got=f"kept: {', '.join(kept) or 'none'}; tone {_content(exchange).get('tone')!r}",
            by=exchange,
        )


def _content(exchange: Exchange) -> dict[str, Any]:
    content = exchange.payload.get("content")
    return content if isinstance(content, dict) else {}


def _around(length: int) -> Sequence[str]:
    """Return texts of about LENGTH characters that other ideas of a character cut elsewhere."""
    return (
        "",
        "x",
        "x" * length,
        "abcdefghij" * (length // 10) + "k",
        "x" * 500,
        "字" * length,
        "好吃的苹果" * length,
        "😀" * length,
        "a" + "😀" * length,
        "e\u0301" * length,
        "👩‍🔬" * length,
    )


def _some_of(got: object, texts: Sequence[str]) -> bool:
    return isinstance(got, list) and len(got) <= _MOST and all(text in texts for text in got)


def _difference(first: Exchange, again: Exchange) -> tuple[str, str]:
    if again.status != 200:
        return "200", again.summary
    before, after = _content(first), _content(again)
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return _shown({key: before.get(key) for key in changed}), _shown(
        {key: after.get(key) for key in changed}
    )


def _shown(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 200 else f"{shown[:200]}... ({len(shown)} characters)"
