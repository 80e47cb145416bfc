"""``POST /tasks/{id}/cancel``: at every point, soon, once, and nothing is lost (api_v1 2.3)."""

import json
from typing import Any

import pytest

from tests.reference_server.conftest import Api, chunks, types


def cancel(api: Api, task_id: str) -> dict[str, Any]:
    response = api.http.post(f"/tasks/{task_id}/cancel")
    assert response.status_code == 200
    assert response.json()["success"] is True
    data = api.finish(task_id)
    assert data["status"] == "canceled"
    assert data["error"] is None
    assert types(data)[-1] == "task_stopped"
    assert types(data).count("task_stopped") == 1
    return data


def test_right_after_the_send(api: Api) -> None:
    for _ in range(30):
        data = cancel(api, api.send("hold never", "say 1")["task_id"])
        assert types(data)[0] == "ai_message_start"


def test_before_the_model_answers(api: Api) -> None:
    answer = api.send("hold never", "say 1")
    assert api.model.holds.wait_until_held("never", 10)
    cancel(api, answer["task_id"])
    assert [m["role"] for m in api.messages(answer["conversation_id"])] == ["user"]


def test_between_chunks_what_was_shown_is_kept(api: Api) -> None:
    answer = api.send('think "hm "', 'say "shown "', "hold never", 'say "not shown"')
    api.until(answer["task_id"], "text_chunk")
    data = cancel(api, answer["task_id"])
    assert chunks(data) == ["shown "]
    saved = api.messages(answer["conversation_id"])
    assert [m["content"] for m in saved[1:]] == ["shown "]
    assert saved[1]["reasoning_content"] == "hm "


def test_in_a_burst_of_chunks_that_never_waits(api: Api) -> None:
    answer = api.send("say 90000")
    api.until(answer["task_id"], "text_chunk")
    data = cancel(api, answer["task_id"])
    saved = api.messages(answer["conversation_id"])[1]["content"]
    assert saved.endswith("".join(chunks(data)))


def test_in_a_tool_every_saved_call_has_a_saved_result(api: Api) -> None:
    answer = api.send(
        'call write_file {"path": "a.txt", "content": "x"}',
        'call wait {"seconds": 50}',
        'call delete_file {"path": "a.txt"}',
    )
    task = answer["task_id"]
    while types(api.poll(task)).count("tool_start") < 2:
        pass
    data = cancel(api, task)
    actions = [e["data"] for e in data["events"] if e["type"] == "update_action"]
    assert [a["status"] for a in actions] == ["completed", "cancelled", "cancelled"]
    assert "id" in actions[1]
    assert "id" not in actions[2]
    saved = api.messages(answer["conversation_id"])
    calls = [call["id"] for call in saved[1]["tool_calls"]]
    assert calls == [m["tool_call_id"] for m in saved[2:]]
    assert [json.loads(m["content"])["success"] for m in saved[2:]] == [True, False, False]
    assert api.http.get("/files/download", params={"path": "a.txt"}).content == b"x"
    data = api.run("say 1", conversation_id=answer["conversation_id"])
    assert data["status"] == "succeeded"


@pytest.mark.parametrize("shown", ["", 'say "shown "'])
def test_while_waiting_for_a_retry(api: Api, shown: str) -> None:
    lines = [shown, "break"] if shown else ["error 503 retry-after 9"]
    answer = api.send(*lines)
    api.until(answer["task_id"], "error")
    cancel(api, answer["task_id"])
    saved = [m["content"] for m in api.messages(answer["conversation_id"])[1:]]
    assert saved == (["shown "] if shown else [])


def test_prepared_tools_that_never_start_are_told_as_cancelled(api: Api) -> None:
    answer = api.send("call list_files {}", "hold never")
    api.until(answer["task_id"], "tool_preparing")
    data = cancel(api, answer["task_id"])
    assert types(data)[-2:] == ["update_action", "task_stopped"]
    assert [m["role"] for m in api.messages(answer["conversation_id"])] == ["user"]


def test_again_and_after_the_end_nothing_changes(api: Api) -> None:
    answer = api.send("hold never", "say 1")
    data = cancel(api, answer["task_id"])
    assert cancel(api, answer["task_id"]) == data
    done = api.run("say 1")
    assert api.http.post(f"/tasks/{done['task_id']}/cancel").status_code == 200
    assert api.poll(done["task_id"]) == done


def test_the_user_is_free_as_soon_as_the_end_is_seen(api: Api) -> None:
    for _ in range(20):
        cancel(api, api.send("hold never", "say 1")["task_id"])
