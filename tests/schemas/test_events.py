"""The event catalogue: it is whole, and its two ways of judging a payload agree."""

import copy
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pollux.schemas.events import (
    ANYWHERE_TYPES,
    END_TYPES,
    EVENT_TYPES,
    WORK_TYPES,
    ends_task,
    envelope_problems,
    load_events,
    payload_problems,
)
from pollux.schemas.requirements import load_requirements
from tests.schemas.streams import stream


def event(kind: str, data: object, **fields: object) -> dict[str, Any]:
    return {"idx": 0, "type": kind, "data": data, "ts": 1769182965.3, **fields}


def example(kind: str) -> dict[str, Any]:
    return event(kind, copy.deepcopy(dict(load_events()[kind].example)))


def test_the_catalogue_has_every_core_type_in_its_order() -> None:
    assert tuple(load_events()) == EVENT_TYPES
    assert all(kind == entry.name for kind, entry in load_events().items())


def test_the_sets_hold_core_types_and_share_none() -> None:
    sets = [ANYWHERE_TYPES, WORK_TYPES, END_TYPES]
    assert frozenset().union(*sets) == frozenset(EVENT_TYPES) - {"ai_message_start", "error"}
    assert sum(map(len, sets)) == len(EVENT_TYPES) - 2


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_type_is_described_and_covered_by_a_requirement(kind: str) -> None:
    entry = load_events()[kind]
    assert entry.sentence.endswith(".")
    requirement = load_requirements()[entry.rule]
    assert kind in requirement.events


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_schema_is_valid_and_leaves_room_for_more_fields(kind: str) -> None:
    Draft202012Validator.check_schema(load_events()[kind].schema)
    more = example(kind)
    more["data"].update(task_id="x", conversation_id="y", anything=[1])
    assert payload_problems(example(kind)) == []
    assert payload_problems(more) == []


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (kind, field)
        for kind in EVENT_TYPES
        for field in load_events()[kind].schema.get("required", ())
    ],
)
def test_a_payload_without_a_required_field_is_told(kind: str, field: str) -> None:
    broken = example(kind)
    del broken["data"][field]
    (problem,) = payload_problems(broken)
    assert problem == f"{kind}: data: '{field}' is a required property"


@pytest.mark.parametrize("kind", EVENT_TYPES)
@pytest.mark.parametrize("data", [None, [], "text", 5])
def test_a_payload_that_is_no_object_is_told(kind: str, data: object) -> None:
    assert payload_problems(event(kind, data))


@pytest.mark.parametrize(
    ("kind", "changes", "problem"),
    [
        ("text_chunk", {"index": True}, "data.index: True is not of type 'integer'"),
        ("text_chunk", {"elapsed": "0"}, "data.elapsed: '0' is not of type 'number'"),
        ("text_chunk", {"content": 1}, "data.content: 1 is not of type 'string'"),
        ("tool_start", {"id": ""}, "data.id: '' should be non-empty"),
        ("thinking_end", {"full_content": None}, "data.full_content: None is not of type 'string'"),
        ("tool_preparing", {"intent": 1}, "data.intent: 1 is not of type 'string', 'null'"),
        ("tool_start", {"arguments": "{}"}, "data.arguments: '{}' is not of type 'object'"),
        ("update_action", {"result": {}}, "data.result: 'success' is a required property"),
        (
            "update_action",
            {"result": {"success": "yes"}},
            "data.result.success: 'yes' is not of type 'boolean'",
        ),
        (
            "todo_updated",
            {"todo_list": {"overview": "", "tasks": [], "status": "active", "all_done": False}},
            "data.todo_list: 'instruction' is a required property",
        ),
        ("error", {"retry": "no"}, "data.retry: 'no' is not of type 'boolean', 'null'"),
        (
            "task_complete",
            {"total_iterations": -1},
            "data.total_iterations: -1 is less than the minimum of 0",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_place(
    kind: str, changes: Mapping[str, object], problem: str
) -> None:
    broken = example(kind)
    broken["data"].update(changes)
    assert payload_problems(broken) == [f"{kind}: {problem}"]


def test_a_wrong_entry_of_a_todo_list_is_told_with_its_place() -> None:
    broken = example("todo_updated")
    broken["data"]["todo_list"]["tasks"][1]["title"] = 7
    (problem,) = payload_problems(broken)
    assert problem == ("todo_updated: data.todo_list.tasks[1].title: 7 is not of type 'string'")


def test_no_todo_list_and_optional_fields_that_are_null_are_right() -> None:
    assert payload_problems(event("todo_updated", {"todo_list": None})) == []
    assert payload_problems(event("error", {"message": "m", "retry": None, "attempt": None})) == []
    cancelled = {
        "preparing_id": "c",
        "id": None,
        "status": "cancelled",
        "result": {"success": False},
    }
    assert payload_problems(event("update_action", cancelled)) == []


def test_numbers_may_be_as_low_as_their_minimum_and_written_with_a_point() -> None:
    assert (
        payload_problems(event("task_complete", {"total_iterations": 0, "total_tool_calls": 0.0}))
        == []
    )
    assert payload_problems(event("text_chunk", {"content": "a", "index": 1.0, "elapsed": 0})) == []
    assert payload_problems(event("text_chunk", {"content": "a", "index": 1.5, "elapsed": 0}))


def test_all_problems_of_a_payload_are_told() -> None:
    assert len(payload_problems(event("text_chunk", {"content": 1, "index": "1"}))) == 3


def test_a_message_does_not_carry_a_whole_file() -> None:
    (problem,) = payload_problems(event("thinking_chunk", {"content": ["x" * 100_000]}))
    assert len(problem) < 300


@pytest.mark.parametrize("kind", ["quota_exceeded", "", None, ["text_chunk"]])
def test_an_unknown_type_has_no_payload_problem(kind: object) -> None:
    assert payload_problems({"idx": 0, "type": kind, "data": 5, "ts": 0}) == []


def test_a_missing_payload_is_a_problem_of_the_envelope() -> None:
    bare = {"idx": 0, "type": "text_chunk", "ts": 0}
    assert payload_problems(bare) == []
    assert envelope_problems(bare) == ["the event lacks data"]


def test_a_right_envelope_may_have_more_fields() -> None:
    assert envelope_problems(event("x", {}, idx=10**9, ts=5, more=1)) == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"idx": -1}, "idx is -1, not an integer from 0"),
        ({"idx": True}, "idx is true, not an integer from 0"),
        ({"idx": 1.0}, "idx is 1.0, not an integer from 0"),
        ({"idx": "1"}, 'idx is "1", not an integer from 0'),
        ({"type": ""}, 'type is "", not a non-empty string'),
        ({"type": None}, "type is null, not a non-empty string"),
        ({"data": None}, "data is null, not an object"),
        ({"data": []}, "data is [], not an object"),
        ({"ts": "now"}, 'ts is "now", not a number of epoch seconds'),
        ({"ts": True}, "ts is true, not a number of epoch seconds"),
        ({"ts": -1}, "ts is -1, not a number of epoch seconds"),
        ({"ts": float("nan")}, "ts is NaN, not a number of epoch seconds"),
        ({"ts": float("inf")}, "ts is Infinity, not a number of epoch seconds"),
    ],
)
def test_a_wrong_envelope_is_told(fields: dict[str, object], problem: str) -> None:
    assert envelope_problems({**event("x", {}), **fields}) == [problem]


@pytest.mark.parametrize("value", [None, [], "event", 5])
def test_what_is_no_object_is_no_event(value: object) -> None:
    assert envelope_problems(value) == [f"the event is not an object but {json.dumps(value)}"]


def test_everything_that_is_missing_is_told_at_once() -> None:
    assert envelope_problems({"ts": 1}) == ["the event lacks idx, type, data"]


def test_an_error_ends_a_task_unless_it_is_tried_again() -> None:
    assert [ends_task(each) for each in stream("A r e d q")] == [False, False, True, True, True]
    assert ends_task(event("error", {"message": "m"}))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from([-0.5, 1.0, 2.5, "", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=3,
)


@st.composite
def _payloads(draw: st.DrawFn) -> tuple[str, Any]:
    """Return a type and its example with some of its values replaced or left out."""
    kind = draw(st.sampled_from(EVENT_TYPES))

    def changed(value: Any, depth: int) -> Any:
        if draw(st.integers(0, 7)) == 0:
            return draw(_JSON)
        if isinstance(value, dict) and depth < 4:
            kept = [key for key in value if draw(st.integers(0, 15))]
            return {key: changed(value[key], depth + 1) for key in kept}
        if isinstance(value, list):
            return [changed(entry, depth + 1) for entry in value]
        return value

    return kind, changed(load_events()[kind].example, 0)


@settings(deadline=None)
@given(_payloads())
def test_what_fits_is_what_jsonschema_takes(payload: tuple[str, Any]) -> None:
    kind, data = payload
    fits = Draft202012Validator(load_events()[kind].schema).is_valid(data)
    assert (payload_problems(event(kind, data)) == []) is fits


def test_the_import_is_cheap_and_events_that_fit_need_no_jsonschema() -> None:
    # A validator per event is what would make a burst slow: it is only called for its words.
    code = (
        "import sys\n"
        "from pollux.schemas.events import load_events, payload_problems\n"
        "assert 'yaml' not in sys.modules\n"
        "for kind, entry in load_events().items():\n"
        "    assert payload_problems({'type': kind, 'data': entry.example}) == []\n"
        "assert 'jsonschema' not in sys.modules\n"
        "assert payload_problems({'type': 'error', 'data': {}})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
