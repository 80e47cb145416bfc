"""Personalizations: whatever comes is cleaned to allowed values, once and for all."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.reference_server.names import NameRefused
from pollux.reference_server.personalizations import (
    TOOL_CATEGORIES,
    PersonalizationNotFound,
    PersonalizationStore,
    clean_personalization,
)
from pollux.reference_server.tools import TOOLS

MODELS = dict.fromkeys(("model-a", "model-b"))
DEFAULTS: dict[str, Any] = {
    "enabled": False,
    "self_identify": "",
    "user_name": "",
    "profession": "",
    "tone": "",
    "considerations": [],
    "thinking_interval": None,
    "disabled_tool_categories": [],
    "default_run_mode": None,
    "auto_generate_title": True,
    "tool_intent_enabled": True,
    "default_model": None,
}


JUNK: list[Any] = [None, 5, 0, 1, 1.0, True, False, "junk", "true", [], {}, ["fast"], {"a": 1}]


def junk(*allowed: type) -> list[Any]:
    """Return values of every JSON type but the allowed ones."""
    return [value for value in JUNK if type(value) not in allowed]


def clean(**content: Any) -> dict[str, Any]:
    """Return the fields that cleaning makes different from the defaults."""
    cleaned = clean_personalization(content, model_keys=MODELS)
    assert cleaned.keys() == DEFAULTS.keys()
    return {name: value for name, value in cleaned.items() if value != DEFAULTS[name]}


def test_absent_fields_take_the_defaults_and_unknown_ones_are_dropped() -> None:
    assert clean() == {}
    assert clean(unknown=1, __proto__={}, task_id="x") == {}


def test_allowed_values_are_kept() -> None:
    content = {
        "enabled": True,
        "self_identify": "  a robot ",
        "user_name": "安娜",
        "profession": "x" * 20,
        "tone": "👩‍👩‍👧",
        "considerations": ["one", " two "],
        "thinking_interval": 7,
        "disabled_tool_categories": ["todo", "file_edit"],
        "default_run_mode": "deep",
        "auto_generate_title": False,
        "tool_intent_enabled": False,
        "default_model": "model-b",
    }
    assert clean(**content) == content


@pytest.mark.parametrize("field", ["self_identify", "user_name", "profession", "tone"])
def test_short_texts_are_cut_to_20_code_points(field: str) -> None:
    assert clean(**{field: "𝒳" * 21}) == {field: "𝒳" * 20}
    assert clean(**{field: "a\ud800"}) == {field: "a\N{REPLACEMENT CHARACTER}"}
    for wrong in junk(str):
        assert clean(**{field: wrong}) == {}


def test_considerations_are_at_most_10_texts_of_at_most_50() -> None:
    assert clean(considerations=["𝒳" * 51, "", None, 5, ["x"], "b"]) == {
        "considerations": ["𝒳" * 50, "b"]
    }
    many = [str(number) for number in range(12)]
    assert clean(considerations=["", *many]) == {"considerations": many[:10]}
    assert clean(considerations=[" " * 50 + "x"]) == {}
    for wrong in junk(list):
        assert clean(considerations=wrong) == {}


@pytest.mark.parametrize(
    ("given", "kept"), [(1, 1), (50, 50), (0, 1), (-5, 1), (51, 50), (10**30, 50)]
)
def test_the_thinking_interval_is_moved_into_its_range(given: int, kept: int) -> None:
    assert clean(thinking_interval=given) == {"thinking_interval": kept}


def test_a_thinking_interval_that_is_no_whole_number_is_none() -> None:
    for wrong in [*junk(int), 3.0, 1e300, "3"]:
        assert clean(thinking_interval=wrong) == {}


@pytest.mark.parametrize("field", ["enabled", "auto_generate_title", "tool_intent_enabled"])
def test_a_switch_is_a_boolean_and_nothing_else(field: str) -> None:
    for wrong in junk(bool):
        assert clean(**{field: wrong}) == {}
    assert clean(**{field: not DEFAULTS[field]}) == {field: not DEFAULTS[field]}


def test_only_known_categories_modes_and_models_are_kept() -> None:
    categories: list[Any] = ["todo", "nonsense", None, {}, [], "todo", 5]
    assert clean(disabled_tool_categories=categories) == {"disabled_tool_categories": ["todo"]}
    assert clean(disabled_tool_categories="todo") == {}
    assert clean(default_run_mode="FAST") == {"default_run_mode": "fast"}
    for wrong in JUNK:
        assert clean(default_run_mode=wrong) == {}
    for wrong in [*JUNK, "model-c", "MODEL-A", ""]:
        assert clean(default_model=wrong) == {}


def test_every_tool_belongs_to_a_known_category() -> None:
    assert {tool.category for tool in TOOLS.values()} == set(TOOL_CATEGORIES)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None), max_size=60)
    | st.sampled_from([*TOOL_CATEGORIES, *MODELS, "fast", "DEEP", " " * 55 + "x"]),
    lambda inner: st.lists(inner, max_size=13) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=15,
)
_content = st.dictionaries(st.sampled_from([*DEFAULTS, "unknown"]), _json)


@given(_content)
def test_cleaning_is_idempotent_and_its_result_is_always_allowed(content: dict[str, Any]) -> None:
    cleaned = clean_personalization(content, model_keys=MODELS)
    assert clean_personalization(cleaned, model_keys=MODELS) == cleaned
    assert json.loads(json.dumps(cleaned, ensure_ascii=False).encode()) == cleaned
    assert cleaned.keys() == DEFAULTS.keys()
    for field in ("enabled", "auto_generate_title", "tool_intent_enabled"):
        assert isinstance(cleaned[field], bool)
    for field in ("self_identify", "user_name", "profession", "tone"):
        assert len(cleaned[field]) <= 20
    assert len(cleaned["considerations"]) <= 10
    assert all(text.strip() and len(text) <= 50 for text in cleaned["considerations"])
    assert cleaned["thinking_interval"] in (None, *range(1, 51))
    assert set(cleaned["disabled_tool_categories"]) <= set(TOOL_CATEGORIES)
    assert cleaned["default_run_mode"] in (None, "fast", "thinking", "deep")
    assert cleaned["default_model"] in (None, *MODELS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "personalization"


@pytest.fixture
def store(tmp_path: Path, folder: Path) -> PersonalizationStore:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return PersonalizationStore(folder, scratch)


def test_what_is_saved_is_returned_listed_and_loaded(store: PersonalizationStore) -> None:
    saved = store.save("name", {"tone": "x" * 30, "enabled": True}, model_keys=MODELS)
    assert saved == {**DEFAULTS, "tone": "x" * 20, "enabled": True}
    assert store.load("name", model_keys=MODELS) == saved
    assert store.save("name", saved, model_keys=MODELS) == saved
    assert [item.name for item in store.list()] == ["name"]
    assert store.exists("name")


def test_saving_again_does_not_keep_what_was_there(store: PersonalizationStore) -> None:
    store.save("name", {"tone": "old", "enabled": True}, model_keys=MODELS)
    assert store.save("name", {"tone": "new"}, model_keys=MODELS) == {**DEFAULTS, "tone": "new"}


def test_a_model_that_is_gone_is_no_longer_the_default(store: PersonalizationStore) -> None:
    store.save("name", {"default_model": "model-a"}, model_keys=MODELS)
    assert store.load("name", model_keys=["model-b"])["default_model"] is None
    assert store.load("name", model_keys=MODELS)["default_model"] == "model-a"


def test_unknown_and_bad_names(store: PersonalizationStore) -> None:
    with pytest.raises(PersonalizationNotFound):
        store.load("name", model_keys=MODELS)
    with pytest.raises(NameRefused):
        store.save("../x", {}, model_keys=MODELS)
    with pytest.raises(NameRefused):
        store.load("../x", model_keys=MODELS)
    assert store.list() == ()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"5"])
def test_a_file_that_was_spoilt_by_hand_counts_as_empty(
    store: PersonalizationStore, folder: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    folder.mkdir(parents=True)
    (folder / "name.json").write_bytes(damage)
    assert store.load("name", model_keys=MODELS) == DEFAULTS
    assert "name" in caplog.text
