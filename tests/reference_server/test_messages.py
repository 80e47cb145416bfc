"""``POST /messages``: what is refused, what is accepted, one task at a time (api_v1 2.2)."""

import threading
from typing import Any

import httpx
import pytest

from tests.reference_server.conftest import Api, chunks


def stored(api: Api) -> int:
    total: int = api.http.get("/conversations").json()["total"]
    return total


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"message": None}, 400),
        ({"message": "  \n "}, 400),
        ({"message": 123}, 400),
        ({"message": None, "images": []}, 400),
        ({"images": "a.png"}, 400),
        ({"images": [1]}, 400),
        ({"images": ["nowhere.png"]}, 400),
        ({"images": ["../../secret"]}, 400),
        ({"conversation_id": ""}, 404),
        ({"conversation_id": "conv_20200101_000000_000"}, 404),
        ({"conversation_id": "../../x"}, 404),
        ({"conversation_id": 5}, 400),
        ({"model_key": "no-such-model"}, 400),
        ({"model_key": False}, 400),
        ({"run_mode": "slow"}, 400),
        ({"run_mode": ""}, 400),
        ({"run_mode": 1}, 400),
        ({"thinking_mode": "yes"}, 400),
        ({"max_iterations": 0}, 400),
        ({"max_iterations": -1}, 400),
        ({"max_iterations": 1.5}, 400),
        ({"max_iterations": True}, 400),
        ({"max_iterations": "3"}, 400),
        ({"prompt_name": "nope"}, 404),
        ({"prompt_name": "../../x"}, 400),
        ({"prompt_name": 5}, 400),
        ({"personalization_name": "nope"}, 404),
        ({"personalization_name": "a/b"}, 400),
        ({"unknown_field": 1}, 400),
    ],
)
def test_one_bad_field_refuses_the_send_and_leaves_no_trace(
    api: Api, fields: dict[str, Any], status: int
) -> None:
    response = api.http.post("/messages", json={"message": "Hello!", **fields})
    assert response.status_code == status, response.text
    assert response.json()["success"] is False
    assert stored(api) == 0
    api.finish(api.send()["task_id"])


@pytest.mark.parametrize(
    "fields",
    [
        {"images": None, "conversation_id": None, "model_key": None, "run_mode": None},
        {"thinking_mode": None, "max_iterations": None, "prompt_name": None},
        {"run_mode": "FaSt", "thinking_mode": True},
        {"max_iterations": 3.0},
        {"max_iterations": 10**30},
        {"model_key": "pollux-scripted"},
    ],
)
def test_null_is_absent_and_every_allowed_spelling_is_taken(
    api: Api, fields: dict[str, Any]
) -> None:
    assert api.finish(api.send(**fields)["task_id"])["status"] == "succeeded"


def test_the_answer_names_the_task_and_the_new_conversation(api: Api) -> None:
    answer = api.send("say 1")
    assert answer["success"] is True
    assert answer["status"] in ("pending", "running")
    assert isinstance(answer["created_at"], float)
    done = api.finish(answer["task_id"])
    assert done["created_at"] == answer["created_at"]
    assert api.messages(answer["conversation_id"])[0]["role"] == "user"


def test_a_second_message_goes_on_in_the_same_conversation(api: Api) -> None:
    first = api.send("say 1")
    api.finish(first["task_id"])
    second = api.send("say 2", conversation_id=first["conversation_id"])
    api.finish(second["task_id"])
    assert second["conversation_id"] == first["conversation_id"]
    roles = [message["role"] for message in api.messages(first["conversation_id"])]
    assert roles == ["user", "assistant", "user", "assistant"]


def test_while_a_task_is_live_another_send_is_refused_without_a_trace(api: Api) -> None:
    held = api.send("hold here", "say 1")
    response = api.http.post("/messages", json={"message": "Hello!"})
    assert response.status_code == 409
    assert stored(api) == 1
    assert len(api.messages(held["conversation_id"])) == 1
    api.model.holds.release("here")
    api.finish(held["task_id"])
    api.finish(api.send()["task_id"])


def test_two_users_send_at_the_same_time(api: Api, other: Api) -> None:
    held = api.send("hold here", "say 1")
    assert other.run("say 1")["status"] == "succeeded"
    assert api.http.get(f"/tasks/{held['task_id']}").status_code == 200
    assert other.http.get(f"/tasks/{held['task_id']}").status_code == 404
    assert other.http.post(f"/tasks/{held['task_id']}/cancel").status_code == 404
    api.model.holds.release("here")
    assert api.finish(held["task_id"])["status"] == "succeeded"


def test_of_many_sends_over_http_exactly_one_is_accepted(api: Api) -> None:
    count = 16
    barrier = threading.Barrier(count)
    statuses: list[int] = []

    def send() -> None:
        with httpx.Client(headers=api.http.headers, timeout=30) as client:
            barrier.wait(10)
            body = {"message": "pollux-script\nhold race\nsay 1"}
            statuses.append(
                client.post(f"{api.server.base_url}/api/v1/messages", json=body).status_code
            )

    threads = [threading.Thread(target=send) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(statuses) == [202] + [409] * (count - 1)
    assert stored(api) == 1
    api.model.holds.release("race")


def test_a_dropped_connection_does_not_end_the_task(api: Api) -> None:
    answer = api.send("hold here", "say 2")
    api.http.close()
    api.http = httpx.Client(base_url=api.http.base_url, headers=api.http.headers)
    api.model.holds.release("here")
    assert chunks(api.finish(answer["task_id"])) == ["w1 ", "w2 "]


def test_prompt_and_personalization_reach_the_model_and_are_remembered(api: Api) -> None:
    prompt = {"name": "pirate", "content": "You are a pirate."}
    assert api.http.post("/prompts", json=prompt).status_code == 200
    content = {
        "enabled": True,
        "user_name": "Ann",
        "tone": "dry",
        "considerations": ["no emoji"],
        "default_run_mode": "deep",
        "disabled_tool_categories": ["file_edit"],
    }
    body = {"name": "mine", "content": content}
    assert api.http.post("/personalizations", json=body).status_code == 200
    first = api.send("say 1", prompt_name="pirate", personalization_name="mine")
    api.finish(first["task_id"])
    api.run("say 1", conversation_id=first["conversation_id"])
    for asked in api.model.requests.list():
        assert asked.system_prompt.startswith("You are a pirate.")
        for told in ("Ann", "dry", "no emoji", "plan"):
            assert told in asked.system_prompt
        assert "write_file" not in asked.tool_names
        assert "read_file" in asked.tool_names
        assert asked.reasoning_effort == "high"
    assert len(api.model.requests.list()) == 2


def test_the_prompt_of_the_call_comes_before_that_of_the_conversation(api: Api) -> None:
    for name in ("first", "second"):
        api.http.post("/prompts", json={"name": name, "content": f"prompt {name}"})
    made = api.http.post("/conversations", json={"prompt_name": "first"}).json()
    for fields, expected in (
        ({}, "prompt first"),
        ({"prompt_name": "second"}, "prompt second"),
        ({}, "prompt second"),
    ):
        api.run("say 1", conversation_id=made["conversation_id"], **fields)
        assert api.model.requests.list()[-1].system_prompt == expected


def test_images_are_kept_with_the_message(api: Api) -> None:
    api.http.post("/files/upload", files={"file": ("cat.png", b"\x89PNG")})
    answer = api.send(message="", images=["cat.png"])
    assert api.finish(answer["task_id"])["status"] == "succeeded"
    assert api.messages(answer["conversation_id"])[0]["images"] == ["cat.png"]


def test_the_first_message_gives_the_conversation_its_title(api: Api) -> None:
    message = "What  is\nthe\tlongest river " + "x" * 80
    answer = api.send(message=message)
    events = api.finish(answer["task_id"])["events"]
    title = next(e for e in events if e["type"] == "conversation_changed")["data"]["title"]
    assert title == ("What is the longest river " + "x" * 80)[:50]
    data = api.http.get(f"/conversations/{answer['conversation_id']}").json()["data"]
    assert data["title"] == title
