"""The replay server: what a client of API v1 is told, over HTTP."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pollux.polling.client import ApiClient
from pollux.replay.clock import ManualClock
from pollux.replay.conversations import ConversationBook
from pollux.replay.errors import NotARecording
from pollux.replay.format import Record
from pollux.replay.play import Play
from pollux.replay.recording import Recording
from pollux.replay.server import ReplayServer
from pollux.replay.timeline import Cursor, Timeline
from pollux.schemas.openapi import response_schema
from tests.replay.support import (
    CONVERSATION_ID,
    CREATED_AT,
    PROPERTY,
    TASK_ID,
    ListSource,
    e,
    event,
    header,
    ids,
    s,
    short_answer,
    streams,
    write,
)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(tmp_path / "short.taskcast.jsonl", short_answer(), head=header(request=REQUEST))


REQUEST = {"message": "Say hello", "run_mode": "fast"}


def poll(client: ApiClient, task_id: str, offset: int | None = None) -> dict[str, Any]:
    answer = client.poll_task(task_id, offset)
    assert answer.status == 200
    schema = response_schema("pollTask", 200)
    assert schema is not None
    Draft202012Validator(schema).validate(answer.json)
    data: dict[str, Any] = answer.json["data"]
    return data


def send(client: ApiClient, **fields: Any) -> dict[str, Any]:
    answer = client.send_message("Hello", **fields)
    assert answer.status == 202, answer.summary
    accepted: dict[str, Any] = answer.json
    return accepted


def test_a_sent_message_starts_a_task_that_plays_the_recording(
    server: ReplayServer, client: ApiClient
) -> None:
    accepted = send(client)
    assert accepted["task_id"] != TASK_ID
    assert re.fullmatch(r"conv_\d{8}_\d{6}_\d{3}", accepted["conversation_id"])
    assert (accepted["status"], accepted["created_at"]) == ("pending", CREATED_AT)
    first = poll(client, accepted["task_id"])
    assert (first["status"], first["events"], first["next_offset"]) == ("pending", [], 0)
    server.advance(350)
    second = poll(client, accepted["task_id"])
    assert second["status"] == "running"
    assert second["events"] == [r.payload for r in short_answer() if r.code == "e"][:2]
    assert (second["next_offset"], second["window_start"]) == (2, 0)
    assert second["updated_at"] == event(1, 300)["ts"]
    server.advance(10_000)
    third = poll(client, accepted["task_id"], 2)
    assert (third["status"], ids(third["events"])) == ("succeeded", [2, 3, 4, 5])
    assert third["error"] is None
    assert poll(client, accepted["task_id"], 6)["events"] == []
    assert poll(client, accepted["task_id"], 99)["next_offset"] == 6


def test_ids_in_events_are_those_of_the_new_task(tmp_path: Path) -> None:
    told: dict[str, Any] = {
        "task_id": TASK_ID,
        "conversation_id": CONVERSATION_ID,
        "text": f'see "{TASK_ID}"',
    }
    path = write(tmp_path / "a.taskcast.jsonl", [e(0, 0, "system_message", **told)])
    with ReplayServer(path) as server, ApiClient(server.base_url, "any") as client:
        accepted = send(client)
        [event] = poll(client, accepted["task_id"])["events"]
    assert event["data"]["task_id"] == accepted["task_id"]
    assert event["data"]["conversation_id"] == accepted["conversation_id"]
    assert event["data"]["text"] == told["text"]


def test_a_second_message_is_refused_while_a_task_is_live(
    server: ReplayServer, client: ApiClient
) -> None:
    first = send(client)
    refused = client.send_message("Me too")
    assert (refused.status, refused.payload["success"]) == (409, False)
    assert len(client.list_conversations().json["data"]) == 2  # the recorded one, and the first's
    server.advance(10_000)
    second = send(client)
    assert second["task_id"] != first["task_id"]
    assert poll(client, first["task_id"])["status"] == "succeeded"


def test_recordings_are_played_in_their_order_and_again(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{name}.taskcast.jsonl", [e(0, 0, content=name), s("succeeded", 0)])
        for name in ("one", "two")
    ]
    with ReplayServer(*paths) as server, ApiClient(server.base_url, "any") as client:
        told = [poll(client, send(client)["task_id"])["events"][0]["data"] for _ in range(3)]
    assert [data["content"] for data in told] == ["one", "two", "one"]


def test_a_cancelled_task_ends_as_a_server_would_end_it(tmp_path: Path) -> None:
    records = [
        e(0, 0, "ai_message_start"),
        e(1, 10, "text_start"),
        e(2, 20, content="I look"),
        e(3, 30, "tool_preparing", id="c1", name="list_files"),
        e(4, 40, "tool_start", id="t1", preparing_id="c1", name="list_files", arguments={}),
        e(5, 90, "update_action", preparing_id="c1", status="completed", result={}),
        s("succeeded", 100),
    ]
    path = write(tmp_path / "a.taskcast.jsonl", records)
    with (
        ReplayServer(path, clock="manual") as server,
        ApiClient(server.base_url, "any") as client,
    ):
        task_id = send(client)["task_id"]
        server.advance(60)
        assert client.cancel_task(task_id).json == {"success": True}
        ended = poll(client, task_id)
        assert ended["status"] == "canceled"
        assert [event["type"] for event in ended["events"][-2:]] == [
            "update_action",
            "task_stopped",
        ]
        assert ids(ended["events"]) == list(range(7))
        assert ended["events"][-1]["ts"] == event(6, 60)["ts"]
        assert ended["updated_at"] >= ended["events"][-1]["ts"]
        assert client.cancel_task(task_id).status == 200
        assert poll(client, task_id) == ended
        history = client.get_conversation(
            client.list_conversations().json["data"][0]["id"], full=True
        ).json["data"]["messages"]
        assert [message["role"] for message in history] == ["user", "assistant", "tool"]
        assert history[1]["content"] == "I look"
        assert "cancelled" in history[2]["content"]
        send(client)  # the end of the first makes room for a second


def test_cancelling_a_finished_task_changes_nothing(
    server: ReplayServer, client: ApiClient
) -> None:
    task_id = send(client)["task_id"]
    server.advance(10_000)
    ended = poll(client, task_id)
    assert client.cancel_task(task_id).status == 200
    assert poll(client, task_id) == ended
    assert client.cancel_task("00000000-0000-0000-0000-000000000000").status == 404


def test_a_task_that_vanished_is_unknown_from_then_on(tmp_path: Path) -> None:
    records = [e(0, 0), Record(500, "h", {"kind": "vanished", "detail": "404"})]
    path = write(tmp_path / "a.taskcast.jsonl", records, complete=False, reason="vanished")
    with (
        ReplayServer(path, clock="manual") as server,
        ApiClient(server.base_url, "any") as client,
    ):
        task_id = send(client)["task_id"]
        assert poll(client, task_id)["status"] == "running"
        server.advance(1000)
        assert client.poll_task(task_id).status == 404
        assert client.cancel_task(task_id).status == 404
        send(client)


def test_conversations_tell_the_recorded_history_and_that_of_the_task(
    server: ReplayServer, client: ApiClient
) -> None:
    [item] = client.list_conversations().json["data"]
    assert item["id"] == CONVERSATION_ID
    assert (item["title"], item["messages_count"], item["run_mode"]) == ("Say hello", 2, "fast")
    recorded = client.get_conversation(CONVERSATION_ID, full=True).json["data"]
    assert [m["content"] for m in recorded["messages"]] == ["Say hello", "Hello there"]
    assert client.get_conversation(CONVERSATION_ID).json["data"]["messages"] is None

    accepted = send(client)
    server.advance(500)
    mine = client.get_conversation(accepted["conversation_id"], full=True).json["data"]
    assert [m["content"] for m in mine["messages"]] == ["Hello", "Hello "]
    server.advance(10_000)
    mine = client.get_conversation(accepted["conversation_id"], full=True).json["data"]
    assert [m["content"] for m in mine["messages"]] == ["Hello", "Hello there"]
    page = client.list_conversations(limit=1).json
    assert (page["total"], page["data"][0]["id"]) == (2, accepted["conversation_id"])
    for operation, answer in (
        ("listConversations", client.list_conversations()),
        ("getConversation", client.get_conversation(CONVERSATION_ID, full=True)),
    ):
        schema = response_schema(operation, 200)
        assert schema is not None
        Draft202012Validator(schema).validate(answer.json)


def test_a_message_may_go_on_with_a_conversation(server: ReplayServer, client: ApiClient) -> None:
    accepted = send(client, conversation_id=CONVERSATION_ID)
    assert accepted["conversation_id"] == CONVERSATION_ID
    server.advance(10_000)
    history = client.get_conversation(CONVERSATION_ID, full=True).json["data"]["messages"]
    assert [m["content"] for m in history] == ["Say hello", "Hello there", "Hello", "Hello there"]


def test_a_conversation_that_was_recorded_with_its_past_has_it(tmp_path: Path) -> None:
    before = {
        "title": "Old",
        "created_at": "2026-01-01T00:00:00+00:00",
        "messages": [{"role": "user", "content": "earlier", "timestamp": "2026-01-01T00:00:00"}],
    }
    head = header(request={**REQUEST, "conversation_id": CONVERSATION_ID}, conversation=before)
    path = write(tmp_path / "a.taskcast.jsonl", short_answer(), head=head)
    with ReplayServer(path) as server, ApiClient(server.base_url, "any") as client:
        data = client.get_conversation(CONVERSATION_ID, full=True).json["data"]
    assert (data["title"], data["created_at"]) == ("Old", before["created_at"])
    assert [m["content"] for m in data["messages"]] == ["earlier", "Say hello", "Hello there"]


def test_conversations_are_made_and_deleted(server: ReplayServer, client: ApiClient) -> None:
    made = [client.create_conversation().json["conversation_id"] for _ in range(5)]
    assert len(set(made)) == 5
    assert client.get_conversation(made[0]).json["data"]["title"] == "新对话"
    assert client.delete_conversation(made[0]).status == 200
    assert client.get_conversation(made[0]).status == 404
    assert client.delete_conversation(made[0]).status == 404
    send(client, conversation_id=made[1])
    assert client.delete_conversation(made[1]).status == 409
    assert client.send_message("x", conversation_id=made[0]).status == 404
    server.advance(10_000)
    assert client.delete_conversation(made[1]).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ([], 400),
        ("x", 400),
        ({"message": "  "}, 400),
        ({"message": 5}, 400),
        ({"message": "x", "run_mode": "slow"}, 400),
        ({"message": "x", "max_iterations": 0}, 400),
        ({"message": "x", "unknown": 1}, 400),
        ({"message": "x", "conversation_id": "conv_20260101_000000_000"}, 404),
    ],
)
def test_a_wrong_message_is_refused_without_a_trace(
    client: ApiClient, body: Any, status: int
) -> None:
    answer = client.request("POST", "/messages", body=body)
    assert (answer.status, answer.payload["success"]) == (status, False)
    assert answer.payload["error"]
    assert client.list_conversations().json["total"] == 1
    send(client)


@pytest.mark.parametrize("offset", ["-1", "1.5", "", "abc", "1" * 30, "١"])
def test_a_wrong_offset_is_refused(client: ApiClient, offset: str) -> None:
    assert client.poll_task(send(client)["task_id"], offset).status == 400


def test_every_error_is_a_json_envelope(server: ReplayServer, client: ApiClient) -> None:
    answers = [
        client.list_prompts(),
        client.list_files(),
        client.request("PUT", "/messages", body={}),
        client.request("POST", "/messages", content=b"{", headers={"Content-Type": "text/plain"}),
        client.request("POST", "/messages", content=b"{}x", headers=JSON),
        client.request("POST", "/messages", content=b" " * (5 << 20), headers=JSON),
        client.poll_task("nothing"),
        client.list_conversations(limit=0),
    ]
    assert [answer.status for answer in answers] == [404, 404, 405, 415, 400, 413, 404, 400]
    for answer in answers:
        assert answer.payload["success"] is False
        assert answer.payload["error"]
        assert answer.header("cache-control") == "no-store"
    assert httpx.get(server.base_url + "/elsewhere").json()["success"] is False


JSON = {"Content-Type": "application/json"}


def test_any_token_opens_it_but_there_must_be_one(server: ReplayServer) -> None:
    with ApiClient(server.base_url, None) as nobody:
        refused = nobody.send_message("x")
        assert (refused.status, refused.header("www-authenticate")) == (401, "Bearer")
        assert nobody.health().status == 200
        assert nobody.list_models().json["items"][0]["model_key"] == "replay"


def test_with_a_token_only_that_one_opens_it(recording: Path) -> None:
    with ReplayServer(recording, token="s3cret") as server:
        with ApiClient(server.base_url, "other") as client:
            assert client.list_conversations().status == 401
        with ApiClient(server.base_url, "s3cret") as client:
            assert client.list_conversations().status == 200


def test_models_are_those_of_the_recorded_server(tmp_path: Path) -> None:
    models = [{"model_key": "m", "name": "M"}]
    path = write(tmp_path / "a.taskcast.jsonl", [], head=header(models=models))
    with ReplayServer(path) as server, ApiClient(server.base_url, "any") as client:
        assert client.list_models().json["items"] == models


def test_web_clients_of_any_origin_may_call(server: ReplayServer) -> None:
    preflight = httpx.options(
        server.base_url + "/api/v1/messages",
        headers={"Origin": "http://app", "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert httpx.get(server.base_url + "/api/v1/health").headers["access-control-allow-origin"]


def test_its_state_tells_that_it_is_ready(server: ReplayServer, client: ApiClient) -> None:
    state = httpx.get(server.base_url + "/__replay/state").json()
    assert (state["recordings"], state["clock"], state["tasks"]) == (["short"], "manual", [])
    task_id = send(client)["task_id"]
    server.step(3)
    [task] = httpx.get(server.base_url + "/__replay/state").json()["tasks"]
    assert (task["task_id"], task["next_idx"], task["status"]) == (task_id, 3, "running")


def test_by_the_poll_clock_each_poll_brings_the_same_number_of_events(recording: Path) -> None:
    for _ in range(2):
        with (
            ReplayServer(recording, clock="poll", per_poll=2) as server,
            ApiClient(server.base_url, "any") as client,
        ):
            task_id = send(client)["task_id"]
            told, offset = [], 0
            for _ in range(4):
                client.list_conversations()  # no poll: nothing moves
                data = poll(client, task_id, offset)
                offset = data["next_offset"]
                told.append((ids(data["events"]), data["status"]))
        assert told == [
            ([0, 1], "running"),
            ([2, 3], "running"),
            ([4, 5], "succeeded"),
            ([], "succeeded"),
        ]


@pytest.mark.parametrize("speed", [0.5, 1000.0])
def test_by_the_wall_clock_everything_comes_at_its_speed(recording: Path, speed: float) -> None:
    with (
        ReplayServer(recording, speed=speed) as server,
        ApiClient(server.base_url, "any") as client,
    ):
        task_id = send(client)["task_id"]
        play = server.session.play(task_id)
        assert play is not None
        told, offset = [], 0
        while (data := poll(client, task_id, offset))["status"] != "succeeded":
            for event in data["events"]:
                assert round(event["ts"] - CREATED_AT, 3) * 1000 <= play.position_ms
            told += data["events"]
            offset = data["next_offset"]
        told += data["events"]
        assert play.position_ms >= 1000
    assert told == [r.payload for r in short_answer() if r.code == "e"]


def test_a_small_ring_makes_slow_clients_lose_events(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [e(idx, idx) for idx in range(50)], ring=20)
    for ring, expected in ((None, 30), (5, 45)):
        with (
            ReplayServer(path, clock="manual", ring=ring) as server,
            ApiClient(server.base_url, "any") as client,
        ):
            task_id = send(client)["task_id"]
            server.advance(1000)
            data = poll(client, task_id, 3)
            assert (data["events"][0]["idx"], data["window_start"]) == (expected, expected)


def test_a_recorded_server_that_tells_no_window_start_is_played_without(tmp_path: Path) -> None:
    polled = Record(0, "p", {"from": 0, "next": 1, "count": 1, "ms": 1})
    path = write(tmp_path / "a.taskcast.jsonl", [polled, e(0, 0)])
    with ReplayServer(path) as server, ApiClient(server.base_url, "any") as client:
        assert "window_start" not in poll(client, send(client)["task_id"])


def test_a_damaged_recording_is_told_to_the_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"[0,\n", *lines[3:]]))
    with ReplayServer(path) as server, ApiClient(server.base_url, "any") as client:
        answer = client.poll_task(send(client)["task_id"])
    assert answer.status == 503
    assert "line 4" in answer.payload["error"]
    assert "failed" in caplog.text


def test_old_tasks_are_forgotten_and_their_history_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [e(0, 0), s("succeeded", 0)])
    with ReplayServer(path) as server, ApiClient(server.base_url, "any") as client:
        sent = [send(client) for _ in range(18)]
        assert client.poll_task(sent[1]["task_id"]).status == 404
        assert client.poll_task(sent[2]["task_id"]).status == 200
        document = client.get_conversation(sent[0]["conversation_id"], full=True).json["data"]
        assert [message["content"] for message in document["messages"]] == ["Hello", "#0 "]


def test_time_that_is_let_pass_adds_up(server: ReplayServer, client: ApiClient) -> None:
    task_id = send(client)["task_id"]
    heads = []
    for _ in range(4):
        server.advance(250)
        heads.append(poll(client, task_id)["next_offset"])
    assert heads == [1, 3, 5, 6]


def test_ids_of_conversations_differ_even_within_a_millisecond() -> None:
    book = ConversationBook([])
    assert len({book.create().id for _ in range(50)}) == 50


def test_of_too_many_conversations_the_oldest_begun_one_is_forgotten(recording: Path) -> None:
    with Recording(recording) as opened:
        book = ConversationBook([Timeline(opened)], most=2)
        [recorded] = book.newest_first()
        first, second, third = book.create(), book.create(), book.create()
        assert book.find(first.id) is None
        assert {one.id for one in book.newest_first()} == {recorded.id, second.id, third.id}


def test_moving_needs_a_live_task(server: ReplayServer) -> None:
    with pytest.raises(LookupError, match="send a message first"):
        server.step()


def test_what_is_no_recording_is_refused_and_nothing_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    path.write_text("hello")
    with pytest.raises(NotARecording):
        ReplayServer(path)


@settings(PROPERTY, max_examples=100)
@given(
    records=streams(gaps=False),
    moves=st.lists(st.tuples(st.integers(0, 900), st.booleans()), max_size=12),
)
def test_whatever_the_polls_a_client_ends_up_with_all_events(
    records: list[Record], moves: list[tuple[int, bool]]
) -> None:
    play = Play(
        Timeline(ListSource(records)),
        ManualClock(),
        ring=1000,
        task_id=TASK_ID,
        conversation_id=CONVERSATION_ID,
        message={},
    )
    collected, offset = [], 0

    def ask() -> dict[str, Any]:
        answer = play.poll(offset)
        assert answer is not None
        data: dict[str, Any] = json.loads(answer)["data"]
        assert data["next_offset"] == offset + len(data["events"])
        return data

    def pass_time(ms: int, cursor: Cursor) -> None:
        cursor.advance_to(cursor.position_ms + ms)

    for ms, polled in [*moves, (10**6, True)]:
        play.move(partial(pass_time, ms))
        if polled:
            data = ask()
            collected += data["events"]
            offset = data["next_offset"]
    assert collected == [r.payload for r in records if r.code == "e"]
