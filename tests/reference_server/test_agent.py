"""The agent: events, tools, retries, limits, and what is saved (api_v1 2.1, 2.4)."""

import json
from typing import Any

import pytest

from pollux.reference_server.agent import storable
from tests.reference_server.conftest import Api, chunks, quoted, types

TORTURE = ["Grüße ", "你", "好，", "👩‍👩‍👧", "\u0301", "\u202eabc", "\u2028", "\x00", '"\\', "<b>"]


def of_type(data: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in data["events"] if event["type"] == kind]


def test_each_chunk_of_the_model_is_one_event_with_exactly_its_text(api: Api) -> None:
    answer = api.send(f"think {quoted(*TORTURE)}", f"say {quoted('', *TORTURE)}")
    data = api.finish(answer["task_id"])
    assert chunks(data, "thinking_chunk") == TORTURE
    assert chunks(data) == TORTURE
    assert of_type(data, "text_end") == [{"full_content": "".join(TORTURE)}]
    assert [chunk["index"] for chunk in of_type(data, "text_chunk")] == list(
        range(1, len(TORTURE) + 1)
    )
    message = api.messages(answer["conversation_id"])[-1]
    assert message["content"] == message["reasoning_content"] == "".join(TORTURE)


def test_reasoning_that_resumes_after_text_gets_a_block_of_its_own(api: Api) -> None:
    data = api.run('think "a"', 'say "b"', 'think "c"', 'say "d"')
    assert [t for t in types(data) if t.startswith(("thinking", "text"))] == [
        "thinking_start",
        "thinking_chunk",
        "thinking_end",
        "text_start",
        "text_chunk",
        "text_end",
        "thinking_start",
        "thinking_chunk",
        "thinking_end",
        "text_start",
        "text_chunk",
        "text_end",
    ]
    assert [chunk["index"] for chunk in of_type(data, "text_chunk")] == [1, 2]


def test_tools_are_prepared_started_answered_and_saved(api: Api) -> None:
    answer = api.send(
        'say "Let me see. "',
        'call write_file {"path": "notes/a.txt", "content": "你好", "intent": "keep"} split 4 31',
        'call read_file {"path": "notes/a.txt"}',
        'call edit_file {"path": "notes/a.txt", "old_text": "你", "new_text": "您"}',
        'call list_files {"path": "notes"}',
        'call todo_create {"overview": "all", "tasks": ["one", "two"]}',
        'call todo_update {"index": 1, "status": "done"}',
        'call delete_file {"path": "notes"}',
        "turn",
        'say "Done."',
    )
    data = api.finish(answer["task_id"])
    assert data["status"] == "succeeded"
    prepared = of_type(data, "tool_preparing")
    started = of_type(data, "tool_start")
    answered = of_type(data, "update_action")
    assert [p["id"] for p in prepared] == [s["preparing_id"] for s in started]
    assert [s["preparing_id"] for s in started] == [a["preparing_id"] for a in answered]
    assert all(a["result"]["success"] for a in answered), answered
    assert started[0]["arguments"] == {"path": "notes/a.txt", "content": "你好"}
    assert of_type(data, "tool_intent")[0]["intent"] == "keep"
    assert answered[1]["result"]["content"] == "你好"
    assert len(of_type(data, "file_tree_update")) == 3
    todo = of_type(data, "todo_updated")[-1]["todo_list"]
    assert [task["status"] for task in todo["tasks"]] == ["done", "pending"]
    assert of_type(data, "task_complete") == [{"total_iterations": 2, "total_tool_calls": 7}]
    saved = api.messages(answer["conversation_id"])
    assert [m["role"] for m in saved] == ["user", "assistant", *["tool"] * 7, "assistant"]
    assert [c["id"] for c in saved[1]["tool_calls"]] == [m["tool_call_id"] for m in saved[2:9]]
    asked = api.model.requests.list()[-1].messages
    assert [m["role"] for m in asked] == ["system", "user", "assistant", *["tool"] * 7]


@pytest.mark.parametrize(
    "call",
    [
        "call no_such_tool {}",
        'call read_file raw "{not json"',
        'call read_file raw "[1]"',
        'call read_file {"path": "absent.txt"}',
        'call read_file {"path": "../../../etc/passwd"}',
        "call read_file {}",
        'call read_file {"path": 5}',
        'call read_file {"path": "a", "more": 1}',
        'call write_file {"path": "x\\u0000", "content": ""}',
        'call wait {"seconds": 1e9}',
        'call wait {"seconds": -1}',
        'call todo_update {"index": 3, "status": "done"}',
        'call todo_create {"overview": "", "tasks": []}',
    ],
)
def test_a_tool_that_fails_says_why_and_the_task_goes_on(api: Api, call: str) -> None:
    data = api.run(call, "turn", "say 1")
    assert data["status"] == "succeeded"
    (action,) = of_type(data, "update_action")
    assert action["status"] == "completed"
    assert action["result"]["success"] is False
    assert action["result"]["error"]
    assert chunks(data) == ["w1 "]


def test_text_after_a_tool_call_is_shown_and_saved(api: Api) -> None:
    answer = api.send('say "before "', "call list_files {}", 'say "after"', "turn", "say 1")
    data = api.finish(answer["task_id"])
    assert chunks(data) == ["before ", "after", "w1 "]
    assert api.messages(answer["conversation_id"])[1]["content"] == "before after"


def test_the_limit_of_model_calls_holds_exactly_and_is_told(api: Api) -> None:
    data = api.run("call list_files {}", "turn repeat", "call list_files {}", max_iterations=3)
    assert data["status"] == "succeeded"
    assert len(api.model.requests.list()) == 3
    assert len(of_type(data, "update_action")) == 3
    assert "3" in of_type(data, "system_message")[0]["content"]
    assert of_type(data, "task_complete")[0]["total_iterations"] == 3


def test_a_model_that_fails_for_a_moment_is_asked_again_and_the_client_is_told(api: Api) -> None:
    data = api.run('error 503 times 2 "busy"', "say 2", max_iterations=1)
    assert data["status"] == "succeeded"
    errors = of_type(data, "error")
    assert [(e["attempt"], e["retry"]) for e in errors] == [(1, True), (2, True)]
    assert chunks(data) == ["w1 ", "w2 "]


@pytest.mark.parametrize("statement", ["error 500", "break", "malformed", "end-early", "error 429"])
def test_a_model_that_keeps_failing_ends_the_task_as_failed(api: Api, statement: str) -> None:
    answer = api.send('say "shown "' if "error" not in statement else "", statement)
    data = api.finish(answer["task_id"])
    assert data["status"] == "failed"
    assert data["error"]
    assert len(api.model.requests.list()) == 4
    last = data["events"][-1]
    assert last["type"] == "error"
    assert last["data"]["retry"] is False
    if "error" not in statement:
        saved = api.messages(answer["conversation_id"])
        assert [m["content"] for m in saved[1:]] == ["shown "]
    assert api.run("say 1")["status"] == "succeeded"


def test_a_refusal_of_the_model_is_final_at_once(api: Api) -> None:
    data = api.run('error 401 "Incorrect API key provided: sk-abcdefgh12345678"')
    assert data["status"] == "failed"
    assert len(api.model.requests.list()) == 1
    assert "sk-abcdefgh" not in json.dumps(data)


def test_a_mistake_in_a_script_is_told_to_the_user(api: Api) -> None:
    data = api.run('sya "hello"')
    assert data["status"] == "failed"
    assert "'sya'" in data["error"]


def test_a_retry_after_shown_text_leaves_one_answer_in_the_history(api: Api) -> None:
    answer = api.send("error 500 times 1", 'say "whole"')
    api.finish(answer["task_id"])
    saved = api.messages(answer["conversation_id"])
    assert [m["content"] for m in saved[1:]] == ["whole"]


def test_an_empty_answer_ends_the_task_well(api: Api) -> None:
    data = api.run("empty")
    assert data["status"] == "succeeded"
    assert types(data)[-1] == "task_complete"


def test_token_counts_add_up_over_calls_and_over_tasks(api: Api) -> None:
    first = api.send("usage 10 5", "call list_files {}", "turn", "usage 20 7", "say 1")
    updates = of_type(api.finish(first["task_id"]), "token_update")
    assert [u["cumulative_total_tokens"] for u in updates] == [15, 42]
    assert updates[-1]["current_context_tokens"] == 27
    data = api.run("usage 1 1", "say 1", conversation_id=first["conversation_id"])
    assert of_type(data, "token_update")[0]["cumulative_total_tokens"] == 44


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({}, None),
        ({"run_mode": "fast"}, None),
        ({"thinking_mode": True}, "medium"),
        ({"run_mode": "Thinking"}, "medium"),
        ({"run_mode": "deep", "thinking_mode": False}, "high"),
    ],
)
def test_the_run_mode_decides_how_hard_the_model_thinks(
    api: Api, fields: dict[str, Any], effort: str | None
) -> None:
    data = api.finish(api.send(**fields)["task_id"])
    assert api.model.requests.list()[-1].reasoning_effort == effort
    assert ("thinking_chunk" in types(data)) == (effort is not None)


def test_half_a_character_from_a_model_does_not_spoil_the_conversation() -> None:
    message = {"role": "assistant", "content": "a\ud83d", "tool_calls": [{"id": "x\udc4b"}]}
    assert storable([message]) == [
        {"role": "assistant", "content": "a?", "tool_calls": [{"id": "x?"}]}
    ]
