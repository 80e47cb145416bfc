"""What the model remembers of the requests."""

import json
from typing import Any

import httpx2

from pollux.scripted_model import IN_PROCESS_BASE_URL, RecordedRequest, ScriptedModel
from pollux.scripted_model.builder import error, fail, say, script, turn
from pollux.scripted_model.request_log import RequestLog
from tests.scripted_model.clients import LIST_FILES, Message, body_of, raw, user


def test_a_request_is_kept_as_it_was_sent() -> None:
    model = ScriptedModel(clock=lambda: 1000.5)
    messages: list[Message] = [
        {"role": "system", "content": "You are kind."},
        {"role": "developer", "content": "Be brief."},
        *user(script(turn(say("a")), turn(say("b")), id="x1")),
        {"role": "assistant", "content": "a"},
    ]
    options: dict[str, Any] = {"tools": [LIST_FILES], "reasoning_effort": "high", "seed": 4}
    raw(model, messages, **options)
    (kept,) = model.requests.list()
    assert kept.body == body_of(messages, **options)
    assert kept.messages == messages
    assert kept.system_prompt == "You are kind.\nBe brief."
    assert kept.tool_names == ["list_files"]
    assert kept.model == "pollux-scripted"
    assert kept.reasoning_effort == "high"
    assert (kept.number, kept.received_at, kept.script_id, kept.turn, kept.status) == (
        (1, 1000.5, "x1", 1, 200)
    )
    assert RecordedRequest.from_json(json.loads(json.dumps(kept.as_json()))) == kept


def test_the_status_it_was_answered_with_is_kept(model: ScriptedModel) -> None:
    raw(model, script(turn(error(418))))
    raw(model, script(turn(fail())))
    raw(model, script(turn(fail())), stream=True)
    raw(model, "pollux-script\noops")
    raw(model, [])
    kept = model.requests.list()
    assert [request.status for request in kept] == [418, 500, 200, 400, 400]
    assert [request.turn for request in kept] == [0, 0, 0, None, None]
    assert kept[4].body["messages"] == []


def test_what_is_no_json_is_kept_as_nothing(model: ScriptedModel) -> None:
    with httpx2.Client(transport=model.transport(), base_url=IN_PROCESS_BASE_URL) as client:
        client.post("/chat/completions", content=b"{")
        client.post("/chat/completions", content=b"[5]")
    kept = model.requests.list()
    assert [request.body for request in kept] == [{}, {}]
    assert kept[0].messages == []
    assert kept[0].tool_names == []
    assert kept[0].system_prompt == ""


def test_odd_fields_do_not_break_the_record() -> None:
    body = {"messages": [5, {"role": "system"}], "tools": [5, {"function": 5}], "model": None}
    kept = RecordedRequest(1, 0.0, body, None, None, 400, None)
    assert kept.messages == [{"role": "system"}]
    assert kept.tool_names == []
    assert kept.reasoning_effort is None
    assert RecordedRequest(1, 0.0, {"tools": 5}, None, None, 400, None).tool_names == []


def test_requests_are_found_by_script_and_number(model: ScriptedModel) -> None:
    for script_id in ("a", "b", "a", None):
        raw(model, script(turn(say(1)), id=script_id))
    assert [request.number for request in model.requests.list("a")] == [1, 3]
    assert [request.number for request in model.requests.list(after=2)] == [3, 4]
    assert [request.number for request in model.requests.list("a", after=1)] == [3]
    model.requests.clear()
    assert model.requests.list() == []
    raw(model, "hello")
    assert [request.number for request in model.requests.list()] == [5]


def test_the_key_is_never_kept(model: ScriptedModel) -> None:
    secret = "sk-very-secret-4711"
    with httpx2.Client(transport=model.transport(), base_url=IN_PROCESS_BASE_URL) as client:
        for key in (secret, secret, "other"):
            headers = {"Authorization": f"Bearer {key}"}
            client.post("/chat/completions", json=body_of("hi"), headers=headers)
        client.post("/chat/completions", json=body_of("hi"))
    kept = model.requests.list()
    keys = [request.key for request in kept]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]
    assert keys[3] is None
    assert secret not in repr([request.as_json() for request in kept])
    assert secret not in repr(vars(model))


def test_the_record_is_bounded_in_number_and_in_bytes() -> None:
    log = RequestLog(most=3, most_bytes=100)

    def add(size: int) -> None:
        log.add(
            received_at=0.0, body={}, size=size, script_id=None, turn=None, status=200, key=None
        )

    for _ in range(5):
        add(10)
    assert [request.number for request in log.list()] == [3, 4, 5]
    add(95)
    assert [request.number for request in log.list()] == [6]
    add(1000)  # the newest one is kept, however long it is
    assert [request.number for request in log.list()] == [7]
    add(1)
    add(1)
    assert [request.number for request in log.list()] == [8, 9]
    assert (len(log), log.count) == (2, 9)
