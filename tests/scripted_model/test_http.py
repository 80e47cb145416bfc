"""The model as a server: routes, errors, bounds, and the end."""

import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import httpx2
import openai
import pytest

from pollux.scripted_model import IN_PROCESS_BASE_URL, ScriptedModel
from pollux.scripted_model.builder import call_raw, hold, say, script, shred, think, turn
from pollux.scripted_model.server import ModelServer
from tests.scripted_model.clients import Asking, AskingSync, body_of, in_process, raw, user
from tests.scripted_model.waiting import DEADLINE, eventually


def ask(server: ModelServer, method: str, path: str, **options: Any) -> httpx.Response:
    return httpx.request(method, server.url + path, trust_env=False, **options)


def test_models_are_listed_in_openai_s_shape(model: ScriptedModel, server: ModelServer) -> None:
    for asking in (in_process(model), AskingSync(server.base_url, None)):
        with asking.client() as client:
            listed = list(client.models.list())
            assert [each.id for each in listed] == ["pollux-scripted", "pollux-scripted-thinking"]
            assert {each.object for each in listed} == {"model"}
            assert client.models.retrieve("pollux-scripted").owned_by == "pollux"
            with pytest.raises(openai.NotFoundError, match="not listed"):
                client.models.retrieve("gpt")


def test_any_model_answers_and_one_always_thinks(asking: Asking) -> None:
    assert asking.whole("hi", model="some/other:name").model == "some/other:name"
    message = asking.whole("hi", model="pollux-scripted-thinking").choices[0].message
    assert message.model_extra
    assert message.model_extra["reasoning_content"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "unknown_url"),
        ("POST", "/chat/completions", 404, "unknown_url"),
        ("POST", "/v1/completions", 404, "unknown_url"),
        ("GET", "/v1/caf%C3%A9%FF", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/models/x/y", 404, "model_not_found"),
    ],
)
def test_errors_have_openai_s_shape(
    server: ModelServer, method: str, path: str, status: int, code: str
) -> None:
    response = ask(server, method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert error["code"] == code
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert set(error) == {"message", "type", "param", "code"}
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0]"),
        ({"messages": [*user("hi"), {"role": 5}]}, "messages[1]"),
        ({"stream": "yes"}, "stream"),
        ({"n": 2}, "n"),
    ],
)
def test_bad_fields_are_named(server: ModelServer, change: dict[str, Any], param: str) -> None:
    assert ask(server, "POST", "/v1/chat/completions", json=body_of("hi")).status_code == 200
    response = ask(server, "POST", "/v1/chat/completions", json={**body_of("hi"), **change})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_json_object(server: ModelServer, content: bytes) -> None:
    response = ask(server, "POST", "/v1/chat/completions", content=content)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("the body is not")


@pytest.mark.parametrize(
    "messages",
    [
        user(""),
        [{"role": "user", "content": None}],
        [{"role": "user", "content": 5}],
        [{"role": "user"}],
        [{"role": "system", "content": "pollux-script\nsay 1"}],
        [{"role": "user", "content": [5, {"type": "image_url"}, {"text": 5}]}],
    ],
)
def test_odd_messages_get_the_friendly_answer(asking: Asking, messages: Any) -> None:
    text = asking.whole(messages).choices[0].message.content or ""
    assert text.startswith("Hello!")


def test_the_script_may_stand_in_a_part_of_the_content(asking: Asking) -> None:
    parts = [
        {"type": "text", "text": "Look at this:"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
        {"type": "text", "text": "pollux-script\nsay 2\nend-script"},
        {"type": "text", "text": "and so on"},
    ]
    asked = [{"role": "user", "content": parts}]
    assert asking.whole(asked).choices[0].message.content == "w1 w2 "


def test_half_a_character_comes_back_as_it_was(server: ModelServer) -> None:
    content = json.dumps({**body_of("hi \ud83d"), "model": "m\ud83d"})
    response = ask(server, "POST", "/v1/chat/completions", content=content)
    assert response.status_code == 200
    assert json.loads(response.content)["model"] == "m\ud83d"


def test_long_bodies_are_refused(
    asking: Asking, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("model", "wsgi"):
        monkeypatch.setattr(f"pollux.scripted_model.{module}.MAX_BODY_BYTES", 1000)
    assert asking.whole("x" * 800)
    with pytest.raises(openai.APIStatusError, match="longer than 1000 bytes") as caught:
        asking.whole("x" * 1000)
    assert caught.value.status_code == 413
    assert server.model.requests.count == 1


def test_chunked_bodies_are_read(server: ModelServer) -> None:
    data = json.dumps(body_of("pollux-script\nsay 1")).encode()
    parts = iter([data[:10], data[10:]])
    response = ask(server, "POST", "/v1/chat/completions", content=parts)
    assert response.json()["choices"][0]["message"]["content"] == "w1 "


def test_a_head_request_has_no_body(server: ModelServer) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"HEAD /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")


def test_the_bytes_travel_in_the_pieces_the_script_wants(model: ScriptedModel) -> None:
    body = body_of(script(turn(shred(7), say("é😀"))), stream=True)
    url = f"{IN_PROCESS_BASE_URL}/chat/completions"
    with (
        httpx2.Client(transport=model.transport()) as client,
        client.stream("POST", url, json=body) as response,
    ):
        pieces = list(response.iter_raw())
    assert max(map(len, pieces)) == 7
    assert "é😀".encode() in b"".join(pieces)


def test_each_event_is_one_line_for_every_reader(model: ScriptedModel) -> None:
    """``str.splitlines`` ends a line at more characters than a reader of event streams does."""
    odd = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\r\n"
    answer = raw(model, script(turn(think(odd), say(odd), call_raw("f", odd))), stream=True)
    lines = answer.text.splitlines()
    assert all(line.startswith("data: ") for line in lines if line)
    assert len(lines) == 2 * answer.text.count("data: ")


def test_each_chunk_travels_on_its_own(server: ModelServer) -> None:
    """A client that reads piece by piece sees the chunk before the hold, and nothing after it."""
    address = urlsplit(server.url)
    assert address.hostname
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=DEADLINE)
    text = script(turn(say("one"), hold("wire"), say("two")))
    connection.request("POST", "/v1/chat/completions", json.dumps(body_of(text, stream=True)))
    response = connection.getresponse()
    try:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        seen = b""
        while b'"one"' not in seen:
            seen += response.read1()
        assert b'"two"' not in seen
        assert server.model.holds.wait_until_held("wire", DEADLINE)
        server.model.holds.release("wire")
        assert b'"two"' in response.read()
    finally:
        response.close()
        connection.close()


def test_too_many_answers_are_refused_and_control_goes_on(model: ScriptedModel) -> None:
    with ModelServer(model, most_answers=2) as server, ThreadPoolExecutor(2) as pool:
        asking = AskingSync(server.base_url, None)
        text = script(turn(hold("full"), say("a")))
        answers = [pool.submit(asking.whole, text) for _ in range(2)]
        assert model.holds.wait_until_held("full", DEADLINE, count=2)
        with pytest.raises(openai.InternalServerError, match="too many answers") as caught:
            asking.whole("hi")
        assert caught.value.status_code == 503
        assert ask(server, "GET", "/control/holds/full").json()["waiting"] == 2
        assert ask(server, "POST", "/control/holds/full/release").status_code == 200
        assert [answer.result().choices[0].message.content for answer in answers] == ["a", "a"]
        eventually(lambda: model.open_answers == 0)
        assert asking.whole("hi")


def test_a_hundred_answers_can_be_held_at_once(server: ModelServer, model: ScriptedModel) -> None:
    asking = AskingSync(server.base_url, None)
    with asking.client() as client, ThreadPoolExecutor(100) as pool:

        def ask_held(_: int) -> str | None:
            answer = client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": script(turn(hold("h"), say("a")))}],
            )
            return answer.choices[0].message.content

        answers = [pool.submit(ask_held, number) for number in range(100)]
        assert model.holds.wait_until_held("h", DEADLINE, count=100)
        assert ask(server, "POST", "/control/release-all").status_code == 200
        assert {answer.result() for answer in answers} == {"a"}


def test_the_server_stops_at_once_whatever_is_held(model: ScriptedModel) -> None:
    with ThreadPoolExecutor(4) as pool:
        server = ModelServer(model).start()
        try:
            asking = AskingSync(server.base_url, None)
            text = script(turn(say("x"), hold("end")))
            answers = [pool.submit(asking.stream, text) for _ in range(4)]
            assert model.holds.wait_until_held("end", DEADLINE, count=4)
        finally:
            begin = time.monotonic()
            server.stop(timeout=3 * DEADLINE)
        assert time.monotonic() - begin < DEADLINE
        for answer in answers:
            with pytest.raises(openai.APIConnectionError):
                answer.result()


def test_cutting_the_connection_leaves_no_traceback_in_the_log(
    server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(openai.APIConnectionError):
        AskingSync(server.base_url, None).stream("pollux-script\nsay 1\nbreak")
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_ids_belong_to_a_place_in_a_conversation(model: ScriptedModel) -> None:
    def call_id(text: str) -> str:
        (call,) = in_process(model).whole(text).choices[0].message.tool_calls or []
        return call.id

    one = "pollux-script one\ncall f"
    assert call_id(one) == call_id(one)
    assert call_id(one) != call_id("pollux-script two\ncall f")
    again = [*user(one), {"role": "assistant", "content": "x"}, *user(one)]
    (call,) = in_process(model).whole(again).choices[0].message.tool_calls or []
    assert call.id != call_id(one)
