"""Conversations, prompts and personalizations over HTTP (api_v1 2.1, 2.6)."""

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from pollux.reference_server.app import ReferenceServer
from tests.reference_server.conftest import Api

ID = re.compile(r"conv_\d{8}_\d{6}_\d{3}", re.ASCII)
BAD_NAMES = ["", "a b", "../../x", "a/b", "a.b", "ü", "x" * 65, "a\n", "a\x00"]
NO_OBJECTS: list[Any] = [[], ["x"], "x", 5, None, True]
BAD_BODIES = [b"{", b"nonsense", b"\xff", b'{"name": NaN}', b"[" * 100_000, b'{"a":1}{"b":2}']
#: Everything a JSON field can be but a text.
NO_TEXTS: list[Any] = [5, 1.5, True, [], ["x"], {}, {"a": 1}]


def created(api: Api, **body: Any) -> str:
    response = api.http.post("/conversations", json=body)
    assert response.status_code == 200, response.text
    conversation_id: str = response.json()["conversation_id"]
    return conversation_id


def listed(api: Api, **query: Any) -> list[str]:
    response = api.http.get("/conversations", params=query)
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["data"]]


def refused(response: httpx.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.json()["success"] is False
    assert response.json()["error"]
    assert response.headers["Content-Type"] == "application/json"


def save(api: Api, group: str, **body: Any) -> httpx.Response:
    return api.http.post(f"/{group}", json=body)


def test_a_conversation_is_created_with_or_without_a_body(api: Api) -> None:
    save(api, "prompts", name="p", content="x")
    save(api, "personalizations", name="q", content={})
    without = api.http.post("/conversations").json()
    assert without.keys() == {"success", "conversation_id"}
    made = [
        without["conversation_id"],
        created(api),
        created(api, prompt_name=None, personalization_name=None),
        created(api, prompt_name="p", personalization_name="q"),
    ]
    assert all(ID.fullmatch(conversation_id) for conversation_id in made)
    assert listed(api) == made[::-1]
    first = api.http.get("/conversations").json()["data"][0]
    assert (first["custom_prompt_name"], first["personalization_name"]) == ("p", "q")
    assert first["title"] == "新对话"


@pytest.mark.parametrize("field", ["prompt_name", "personalization_name"])
def test_a_name_that_cannot_be_used_creates_nothing(api: Api, field: str) -> None:
    for name in BAD_NAMES:
        refused(api.http.post("/conversations", json={field: name}), 400)
    for value in NO_TEXTS:
        refused(api.http.post("/conversations", json={field: value}), 400)
    refused(api.http.post("/conversations", json={field: "unknown"}), 404)
    refused(api.http.post("/conversations", json={"unknown": 1}), 400)
    assert listed(api) == []


@pytest.mark.parametrize("route", ["/conversations", "/prompts", "/personalizations"])
def test_a_body_that_is_no_json_object_is_refused(api: Api, route: str) -> None:
    headers = {"Content-Type": "application/json"}
    for body in [*(json.dumps(value).encode() for value in NO_OBJECTS), *BAD_BODIES]:
        refused(api.http.post(route, content=body, headers=headers), 400)
    refused(api.http.post(route, content=b"{}", headers={"Content-Type": "text/plain"}), 415)
    assert listed(api) == []
    assert api.http.get("/prompts").json()["items"] == []
    assert api.http.get("/personalizations").json()["items"] == []


def test_the_messages_come_only_with_full_1(api: Api) -> None:
    conversation_id = api.send("say 2")["conversation_id"]
    for query in ("", "?full=0", "?full=true", "?full=", "?full=01", "?other=1"):
        data = api.http.get(f"/conversations/{conversation_id}{query}").json()["data"]
        assert data["messages"] is None
        assert data.keys() == {"id", "title", "created_at", "updated_at", "messages", "metadata"}
    data = api.http.get(f"/conversations/{conversation_id}?full=1").json()["data"]
    assert data["messages"][0]["role"] == "user"
    assert data["messages"][0]["timestamp"]


@pytest.mark.parametrize(
    "wrong",
    [
        "conv_20200101_000000_000",
        "index",
        "conv_",
        "conv_20200101_000000_00x",
        "CONV_20200101_000000_000",
        "conv_20200101_000000_000.json",
        "..%2Fconversations%2Fconv_20200101_000000_000",
        "%2e%2e",
        "conv_20200101_000000_000%0A",
        "%00",
        "x" * 3000,
        "%FF",
        "conv_%D9%A2%D9%A00200101_000000_00",
    ],
)
def test_an_unknown_conversation_is_not_found(api: Api, wrong: str) -> None:
    conversation_id = created(api)
    refused(api.http.get(f"/conversations/{wrong}"), 404)
    refused(api.http.delete(f"/conversations/{wrong}"), 404)
    assert listed(api) == [conversation_id]


def test_a_file_beside_the_conversations_is_not_served(api: Api, server: ReferenceServer) -> None:
    created(api)
    folder = server.services.config.data_dir / "api/users/ann/data/conversations"
    (folder / "index.json").write_text("{}")
    (folder / "conv_20200101_000000_000.json").write_text("torn")
    refused(api.http.get("/conversations/index"), 404)
    refused(api.http.get("/conversations/conv_20200101_000000_000"), 404)
    assert len(listed(api)) == 1


def test_pages_neither_skip_nor_repeat(api: Api) -> None:
    made = [created(api) for _ in range(25)][::-1]
    assert listed(api) == made[:20]
    assert listed(api, limit=100) == made
    assert [
        item for start in range(0, 25, 4) for item in listed(api, limit=4, offset=start)
    ] == made
    assert listed(api, offset=25) == listed(api, offset=10**30) == []
    assert api.http.get("/conversations?limit=1&offset=24").json()["total"] == 25


NO_NUMBERS = ["x", "", "1.0", "1e1", "+1", " 1", "٣", "１", "0x1", "-1", "NaN", "\x00"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "9" * 5000),
        *product(("limit", "offset"), NO_NUMBERS),
    ],
)
def test_a_page_that_is_no_number_in_range_is_refused(api: Api, parameter: str, value: str) -> None:
    refused(api.http.get("/conversations", params={parameter: value}), 400)


def test_a_deleted_conversation_is_gone(api: Api) -> None:
    conversation_id, other = created(api), created(api)
    response = api.http.delete(f"/conversations/{conversation_id}")
    assert response.status_code == 200
    assert response.json()["success"] is True
    assert conversation_id in response.json()["message"]
    refused(api.http.get(f"/conversations/{conversation_id}"), 404)
    refused(api.http.delete(f"/conversations/{conversation_id}"), 404)
    refused(
        api.http.post("/messages", json={"message": "x", "conversation_id": conversation_id}), 404
    )
    assert listed(api) == [other]


def test_a_conversation_is_not_deleted_while_its_task_runs(api: Api) -> None:
    other = created(api)
    sent = api.send("hold here", "say 1")
    api.until(sent["task_id"], "ai_message_start")
    refused(api.http.delete(f"/conversations/{sent['conversation_id']}"), 409)
    assert api.http.delete(f"/conversations/{other}").status_code == 200
    api.model.holds.release("here")
    api.finish(sent["task_id"])
    assert api.http.delete(f"/conversations/{sent['conversation_id']}").status_code == 200


def test_a_change_moves_a_conversation_to_the_front(api: Api) -> None:
    first, second = created(api), created(api)
    assert listed(api) == [second, first]
    api.run("say 1", conversation_id=first)
    assert listed(api) == [first, second]
    item = api.http.get("/conversations").json()["data"][0]
    data = api.http.get(f"/conversations/{first}?full=1").json()["data"]
    assert item["updated_at"] == data["updated_at"]
    assert item["messages_count"] == len(data["messages"])
    assert item["title"] == data["title"] != "新对话"


@pytest.mark.parametrize("group", ["prompts", "personalizations"])
def test_a_bad_name_is_refused_and_an_unknown_one_not_found(
    api: Api, group: str, tmp_path: Path
) -> None:
    content: Any = "x" if group == "prompts" else {}
    assert api.http.get(f"/{group}").json()["items"] == []
    before = sorted(tmp_path.rglob("*"))
    for name in [*BAD_NAMES, *NO_TEXTS, None]:
        refused(save(api, group, name=name, content=content), 400)
    refused(save(api, group, content=content), 400)
    refused(save(api, group, name="ok", content=content, extra=1), 400)
    for name in ("a%20b", "a.b", "%C3%BC", "x" * 65, "a%0A", "..%5C", "%00"):
        refused(api.http.get(f"/{group}/{name}"), 400)
    refused(api.http.get(f"/{group}/unknown"), 404)
    assert sorted(tmp_path.rglob("*")) == before


def test_prompts_are_saved_listed_and_returned(api: Api) -> None:
    for name, content in (("b", "你好\r\n"), ("a-1", ""), ("B", "x")):
        assert save(api, "prompts", name=name, content=content).json() == {
            "success": True,
            "name": name,
        }
        answer = api.http.get(f"/prompts/{name}").json()
        assert answer == {"success": True, "name": name, "content": content}
    items = api.http.get("/prompts").json()["items"]
    assert [(item["name"], item["size"]) for item in items] == [("B", 1), ("a-1", 0), ("b", 8)]
    assert all(item.keys() == {"name", "size", "updated_at"} for item in items)
    save(api, "prompts", name="b")
    assert api.http.get("/prompts/b").json()["content"] == ""
    for content in [*NO_TEXTS, None]:
        refused(save(api, "prompts", name="B", content=content), 400)
    assert api.http.get("/prompts/B").json()["content"] == "x"


def test_personalizations_are_cleaned_saved_and_returned(api: Api) -> None:
    content = {"tone": "x" * 30, "default_model": "pollux-scripted", "unknown": [1]}
    answer = save(api, "personalizations", name="q", content=content).json()
    assert answer["name"] == "q"
    assert answer["content"]["tone"] == "x" * 20
    assert answer["content"]["default_model"] == "pollux-scripted"
    assert "unknown" not in answer["content"]
    assert api.http.get("/personalizations/q").json() == answer
    assert save(api, "personalizations", name="q", content=answer["content"]).json() == answer
    (item,) = api.http.get("/personalizations").json()["items"]
    assert item["name"] == "q"
    again = save(api, "personalizations", name="q", content={}).json()["content"]
    assert again["tone"] == ""


def test_the_content_of_a_personalization_must_be_an_object(api: Api) -> None:
    refused(save(api, "personalizations", name="q"), 400)
    for content in NO_OBJECTS:
        refused(save(api, "personalizations", name="q", content=content), 400)
    for body in ('{"name":"q","content":{"tone":1e999}}', '{"name":"q","content":{"tone":NaN}}'):
        headers = {"Content-Type": "application/json"}
        refused(api.http.post("/personalizations", content=body, headers=headers), 400)
    deep = '{"name":"q","content":{"x":' + "[" * 500 + "]" * 500 + "}}"
    headers = {"Content-Type": "application/json"}
    assert api.http.post("/personalizations", content=deep, headers=headers).status_code == 200
    weird = {"considerations": ["\u0000", "\U0001f469\u200d\U0001f469" * 30], "tone": "\u202e"}
    content = save(api, "personalizations", name="q", content=weird).json()["content"]
    assert save(api, "personalizations", name="q", content=content).json()["content"] == content


def test_users_have_data_of_their_own(api: Api, other: Api) -> None:
    conversation_id = created(api)
    save(api, "prompts", name="p", content="x")
    save(api, "personalizations", name="q", content={})
    unknown = other.http.get("/conversations/conv_20200101_000000_000")
    foreign = other.http.get(f"/conversations/{conversation_id}")
    assert (foreign.status_code, foreign.json()) == (unknown.status_code, unknown.json())
    refused(other.http.delete(f"/conversations/{conversation_id}"), 404)
    refused(other.http.get("/prompts/p"), 404)
    refused(other.http.get("/personalizations/q"), 404)
    refused(other.http.post("/conversations", json={"prompt_name": "p"}), 404)
    assert listed(other) == []
    assert listed(api) == [conversation_id]


def test_all_of_it_is_there_after_a_restart(api: Api, server: ReferenceServer) -> None:
    conversation_id = created(api)
    save(api, "prompts", name="p", content="x")
    save(api, "personalizations", name="q", content={"tone": "y"})
    routes = [
        "/conversations",
        f"/conversations/{conversation_id}?full=1",
        "/prompts",
        "/personalizations/q",
        "/files",
    ]
    before = [json.loads(api.http.get(route).content) for route in routes]
    server.stop()
    with ReferenceServer(server.services.config) as restarted:
        headers = {"Authorization": f"Bearer {api.token}"}
        with httpx.Client(base_url=f"{restarted.base_url}/api/v1", headers=headers) as client:
            assert [client.get(route).json() for route in routes] == before
