"""The schemas that the loader hands out judge bodies, parameters and answers rightly."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pollux.schemas.openapi import (
    json_schema,
    load_openapi,
    operations,
    request_schema,
    response_schema,
)
from tests.schemas.openapi_document import (
    OPERATIONS,
    answers,
    definition,
    good_answer,
    parameters,
    validator,
)


def accepts(operation_id: str, answer: Any) -> bool:
    schema = response_schema(operation_id, OPERATIONS[operation_id].success)
    return bool(validator(schema).is_valid(answer))


# ---- requests: strict --------------------------------------------------------------------------

SEND = {"message": "hello"}


@pytest.mark.parametrize(
    "body",
    [
        SEND,
        {"message": None, "images": ["a.png"]},
        {"message": " ", "images": ["a.png"]},
        {**SEND, "images": []},
        {**SEND, "conversation_id": None, "model_key": None, "run_mode": None},
        {**SEND, "run_mode": "DeeP", "thinking_mode": False, "max_iterations": 1},
        {**SEND, "prompt_name": "a_B-9", "personalization_name": None},
    ],
)
def test_a_message_that_the_contract_allows_is_accepted(body: Any) -> None:
    validator(request_schema("sendMessage")).validate(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"message": ""},
        {"message": " \n"},
        {"message": None},
        {"message": 123},
        {"images": []},
        {"message": None, "images": None},
        {**SEND, "unknown": 1},
        {**SEND, "images": [1]},
        {**SEND, "images": [""]},
        {**SEND, "images": ["a\0.png"]},
        {**SEND, "conversation_id": "conv_1"},
        {**SEND, "run_mode": "slow"},
        {**SEND, "run_mode": "fast "},
        {**SEND, "thinking_mode": "yes"},
        {**SEND, "max_iterations": 0},
        {**SEND, "max_iterations": 1.5},
        {**SEND, "max_iterations": True},
        {**SEND, "prompt_name": "../../x"},
        {**SEND, "prompt_name": "n" * 65},
    ],
)
def test_a_message_that_the_contract_refuses_is_refused(body: Any) -> None:
    assert not validator(request_schema("sendMessage")).is_valid(body)


@pytest.mark.parametrize(
    ("operation_id", "good"),
    [
        ("createConversation", {}),
        ("sendMessage", SEND),
        ("savePrompt", {"name": "a"}),
        ("savePersonalization", {"name": "a", "content": {}}),
    ],
)
def test_json_bodies_are_closed(operation_id: str, good: dict[str, Any]) -> None:
    schema = request_schema(operation_id)
    validator(schema).validate(good)
    assert not validator(schema).is_valid({**good, "unknown": 1})


def test_preferences_of_any_kind_may_be_sent_because_they_are_cleaned() -> None:
    schema = request_schema("savePersonalization")
    odd = {"tone": 5, "considerations": "x", "thinking_interval": "y", "unknown": [None]}
    validator(schema).validate({"name": "a", "content": odd})
    assert not validator(schema).is_valid({"name": "a", "content": []})
    assert not validator(schema).is_valid({"name": "a"})


def test_a_path_is_any_text_without_nul() -> None:
    # Whether ".." leads out of the root is more than a pattern can tell, and "a/../b" is free.
    path = validator(json_schema({"$ref": "#/components/schemas/RelativePath"}))
    for good in ("", "/", "a/b", "a/../b", "年/度", "a\nb"):
        path.validate(good)
    for bad in ("\0", "a/\0b", 5, None):
        assert not path.is_valid(bad)


@pytest.mark.parametrize(
    ("operation_id", "name", "good", "bad"),
    [
        ("listConversations", "limit", [1, 100], [0, 101, -1, 1.5, "x"]),
        ("listConversations", "offset", [0, 10**12], [-1, "x"]),
        ("pollTask", "from", [0, 10**12], [-1, 0.5, "x"]),
        ("downloadFile", "path", ["a"], [""]),
        ("getConversation", "conversation_id", ["conv_20260123_234245_036"], ["index", "conv_1"]),
        ("getPrompt", "name", ["a", "n" * 64], ["", "n" * 65, "a.b", "é"]),
    ],
)
def test_parameters_have_the_bounds_of_the_contract(
    operation_id: str, name: str, good: list[Any], bad: list[Any]
) -> None:
    schema = validator(json_schema(parameters(operation_id)[name]["schema"]))
    assert [value for value in good if not schema.is_valid(value)] == []
    assert [value for value in bad if schema.is_valid(value)] == []


# ---- answers: open, but not for everything -----------------------------------------------------


@pytest.mark.parametrize("operation_id", sorted(set(OPERATIONS) - {"downloadFile"}))
def test_a_success_may_have_more_fields_but_never_fewer(operation_id: str) -> None:
    answer = good_answer(operation_id)
    assert accepts(operation_id, {**answer, "added_by_a_server": 1})
    for field in answer:
        assert not accepts(operation_id, {k: v for k, v in answer.items() if k != field})
    assert not accepts(operation_id, {**answer, "success": False})
    assert not accepts(operation_id, {"success": False, "error": "text"})
    assert not accepts(operation_id, [])


def test_a_failure_needs_a_text() -> None:
    schema = validator(response_schema("health", 503))
    schema.validate({"success": False, "error": "busy", "retry_after": 3})
    for wrong in (
        {"success": False},
        {"success": False, "error": ""},
        {"success": True, "error": "x"},
    ):
        assert not schema.is_valid(wrong)


@pytest.mark.parametrize(
    "status", ["pending", "running", "cancel_requested", "canceled", "stopped"]
)
def test_a_poll_may_show_any_status_and_no_window(status: str) -> None:
    answer = good_answer("pollTask")
    answer["data"]["status"] = status
    answer["data"].pop("window_start", None)
    assert accepts("pollTask", answer)


def test_a_poll_may_show_events_that_nobody_knows() -> None:
    answer = good_answer("pollTask")
    answer["data"]["events"] = [
        {"idx": 7, "type": "goal_progress", "data": {"x": [1]}, "ts": 1, "v": 2}
    ]
    assert accepts("pollTask", answer)


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        (("task_id",), "12"),
        (("status",), "done"),
        (("created_at",), "2026-01-23"),
        (("error",), 5),
        (("events",), {}),
        (("events", 0, "idx"), -1),
        (("events", 0, "idx"), "0"),
        (("events", 0, "data"), None),
        (("events", 0, "type"), ""),
        (("events", 0, "ts"), None),
        (("next_offset",), -1),
        (("next_offset",), None),
        (("window_start",), -1),
    ],
)
def test_a_poll_with_a_wrong_field_is_refused(where: tuple[Any, ...], wrong: Any) -> None:
    answer = good_answer("pollTask")
    assert accepts("pollTask", answer)
    holder = answer["data"]
    for key in where[:-1]:
        holder = holder[key]
    holder[where[-1]] = wrong
    assert not accepts("pollTask", answer)


@pytest.mark.parametrize(
    ("operation_id", "changes"),
    [
        ("createConversation", {"conversation_id": "conv_2026"}),
        ("sendMessage", {"status": "succeeded"}),
        ("sendMessage", {"created_at": "now"}),
        ("uploadFile", {"sha256": "abc"}),
        ("uploadFile", {"filename": "a/b"}),
        ("uploadFile", {"path": "/a"}),
        ("listConversations", {"total": -1}),
        ("listConversations", {"data": [{}]}),
        ("getConversation", {"data": {"id": "conv_20260123_234245_036"}}),
        ("listFiles", {"items": [{"name": "a"}]}),
        ("listPrompts", {"items": [{"name": "a b", "size": 1, "updated_at": 1}]}),
        ("getPersonalization", {"content": {"tone": "t" * 21}}),
        ("getPersonalization", {"content": {"considerations": ["x"] * 11}}),
        ("getPersonalization", {"content": {"thinking_interval": 0}}),
        ("getPersonalization", {"content": {"default_run_mode": "slow"}}),
        ("listModels", {"items": [{"model_key": "x"}]}),
        ("health", {"status": "up"}),
    ],
)
def test_an_answer_with_a_wrong_field_is_refused(
    operation_id: str, changes: dict[str, Any]
) -> None:
    answer = good_answer(operation_id)
    assert accepts(operation_id, answer)
    assert not accepts(operation_id, {**answer, **changes})


@pytest.mark.parametrize(
    ("message", "good"),
    [
        ({"role": "user", "content": "x"}, True),
        ({"role": "user", "content": [{"type": "text", "text": "x"}]}, True),
        ({"role": "assistant", "content": None, "tool_calls": None}, True),
        ({"role": "tool", "content": "x", "tool_call_id": "c", "name": "n"}, True),
        ({"role": "tool", "content": "x"}, False),
        ({"role": "robot", "content": "x"}, False),
        ({"role": "user"}, False),
        ({"role": "assistant", "content": "x", "tool_calls": [{"id": "c"}]}, False),
    ],
)
def test_messages_have_the_fields_of_their_role(message: dict[str, Any], good: bool) -> None:
    answer = good_answer("getConversation")
    answer["data"]["messages"] = [{**message, "timestamp": "2026-01-23T23:42:45"}]
    assert accepts("getConversation", answer) is good


# ---- the loader --------------------------------------------------------------------------------


def test_every_schema_stands_alone() -> None:
    schemas = [
        response_schema(operation.operation_id, status, media_type)
        for operation, status, answer in answers()
        for media_type in answer["content"]
    ]
    schemas += [
        request_schema(o.operation_id, media_type)
        for o in operations()
        for media_type in definition(o.operation_id).get("requestBody", {"content": {}})["content"]
    ]
    assert len(schemas) > 100
    for schema in schemas:
        assert schema is not None
        Draft202012Validator.check_schema(schema)
        assert "#/components" not in json.dumps(schema)
        assert "nullable" not in json.dumps(schema)
        wanted = set(re.findall(r"#/\$defs/(\w+)", json.dumps(schema)))
        assert wanted == set(schema.get("$defs", {}))


def test_what_is_not_documented_has_no_schema() -> None:
    assert response_schema("health", 404) is None
    assert response_schema("health", 200, "text/html") is None
    assert request_schema("health") is None
    assert request_schema("uploadFile") is None
    assert request_schema("uploadFile", "multipart/form-data") is not None
    assert response_schema("downloadFile", 200, "application/zip") is not None


def test_an_unknown_operation_is_an_error() -> None:
    with pytest.raises(KeyError):
        response_schema("nothing", 200)
    with pytest.raises(KeyError):
        request_schema("nothing")


def test_the_document_is_handed_out_as_a_copy() -> None:
    load_openapi()["paths"]["/health"].clear()
    assert load_openapi()["paths"]["/health"]


def test_schemas_are_made_once() -> None:
    assert response_schema("pollTask", 200) is response_schema("pollTask", 200)


def test_importing_the_loader_does_not_import_yaml() -> None:
    code = "import sys, pollux.schemas.openapi; print('yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
