"""Servers that are right in another way than the reference server: nothing may turn red."""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pollux.conformance.outcome import Outcome
from tests.conformance.workshop import Answer, Inner, Request, Twist, Workshop, having

Data = dict[str, Any]


def polls(change: Callable[[Data], object]) -> Twist:
    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.is_poll and answer.ok:
            body = answer.json
            change(body["data"])
            answer.json = body
        return answer

    return twist


def _stopped(data: Data) -> None:
    if data["status"] == "canceled":
        data["status"] = "stopped"


def _no_window_start(data: Data) -> None:
    del data["window_start"]


def _more_fields(data: Data) -> None:
    data["progress"] = 0.5
    data["conversation_id"] = "conv_20260101_000000_000"
    for event in data["events"]:
        event["conversation_id"] = "conv_20260101_000000_000"
        event["data"]["workspace_id"] = "default"


def _types_of_its_own(data: Data) -> None:
    """Tell token counts in an event that nobody knows, with a payload of its own."""
    for event in data["events"]:
        if event["type"] == "token_update":
            event["type"], event["data"] = "usage_report", {"list": [1, 2], "type": 5}


def whole_seconds(request: Request, inner: Inner) -> Answer:
    """Keep time in whole seconds."""
    answer = inner(request)
    body = answer.json
    if request.is_send and answer.status == 202:
        body["created_at"] = int(body["created_at"])
        answer.json = body
    if request.is_poll and answer.ok:
        data = body["data"]
        data["created_at"], data["updated_at"] = int(data["created_at"]), int(data["updated_at"])
        for event in data["events"]:
            event["ts"] = int(event["ts"])
        answer.json = body
    return answer


def _pending_first(data: Data) -> None:
    if data["status"] == "running" and not data["events"]:
        data["status"] = "pending"


def upstream_offsets(request: Request, inner: Inner) -> Answer:
    """Take every bad `from` as 0, and echo one from past the end."""
    text = next((part[5:] for part in request.query.split("&") if part.startswith("from=")), "0")
    asked = int(text) if text.isdecimal() else 0
    if request.is_poll:
        request.query = f"from={asked}"
    answer = inner(request)
    if request.is_poll and answer.ok:
        body = answer.json
        if not body["data"]["events"]:
            body["data"]["next_offset"] = asked
        answer.json = body
    return answer


def other_words(request: Request, inner: Inner) -> Answer:
    """Other error texts, and other statuses where they are free."""
    answer = inner(request)
    if answer.status >= 400:
        answer.json = {"success": False, "error": "不行", "code": 17}
        if answer.status == 415:
            answer.status = 400
    return answer


def proxy_in_front(request: Request, inner: Inner) -> Answer:
    """Set a proxy's cookie, shuffle the headers, write them in small letters."""
    answer = inner(request)
    answer.headers.append(("set-cookie", "AWSALB=abc; Path=/"))
    answer.headers = [(name.lower(), value) for name, value in answer.headers]
    random.shuffle(answer.headers)
    return answer


def pretty_ascii(request: Request, inner: Inner) -> Answer:
    """Write JSON with escapes, indented, keys sorted."""
    answer = inner(request)
    value = answer.json
    if isinstance(value, dict):
        answer.body = json.dumps(value, ensure_ascii=True, indent=2, sort_keys=True).encode()
        answer.drop("Content-Type")
        answer.headers.append(("Content-Type", "application/json; charset=utf-8"))
    return answer


def slow(request: Request, inner: Inner) -> Answer:
    time.sleep(0.05)
    return inner(request)


def busy_now_and_then() -> Twist:
    """Answer every seventh request with 503: a later try succeeds (api_v1 1.10)."""
    counter = iter(range(10**9))
    lock = threading.Lock()

    def twist(request: Request, inner: Inner) -> Answer:
        with lock:
            number = next(counter)
        if number % 7 == 3:
            headers = [("Content-Type", "application/json"), ("Retry-After", "0")]
            headers += [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
            return Answer(503, headers, b'{"success": false, "error": "busy"}')
        return inner(request)

    return twist


def slow_to_cancel() -> Twist:
    """Say `cancel_requested` for a while after a cancel, and refuse sends meanwhile."""
    asked: dict[str, float] = {}

    def twist(request: Request, inner: Inner) -> Answer:
        name = request.path.split("/")[2] if request.path.startswith("/tasks/") else ""
        if request.is_cancel:
            path = request.path.removesuffix("/cancel")
            environ = request.environ | {"REQUEST_METHOD": "GET", "QUERY_STRING": ""}
            environ["PATH_INFO"] = f"/api/v1{path}"
            seen = inner(Request(environ))
            if seen.ok and seen.json["data"]["status"] == "running" and name not in asked:
                asked[name] = time.monotonic()
                threading.Timer(0.15, inner, [request]).start()
            if seen.ok:
                return Answer(200, seen.headers, b'{"success": true}')
        answer = inner(request)
        if request.is_poll and answer.ok and name in asked:
            body = answer.json
            if body["data"]["status"] == "running":
                body["data"]["status"] = "cancel_requested"
            answer.json = body
        return answer

    return twist


@dataclass(frozen=True)
class Freedom:
    """A server that is right in its own way, and the requirements to look at."""

    twist: Twist
    only: tuple[str, ...]


_POLLS = ("POLL-SHAPE", "POLL-FROM-*", "POLL-CONCURRENT-AGREES", "RING-*")
_EVENTS = ("EVENT-*", "TASK-*")
_CANCELS = ("cancel", "SEND-BUSY-*", "ISOLATION-TASK-*")

FREEDOMS: dict[str, Freedom] = {
    "stopped for canceled": Freedom(polls(_stopped), _CANCELS),
    "no window_start": Freedom(polls(_no_window_start), _POLLS),
    "more fields": Freedom(polls(_more_fields), ("POLL-SHAPE", *_EVENTS)),
    "types of its own": Freedom(polls(_types_of_its_own), _EVENTS),
    "whole seconds": Freedom(whole_seconds, ("POLL-SHAPE", "POLL-TS-*", "SEND-CREATED-AT")),
    "pending first": Freedom(polls(_pending_first), ("POLL-SHAPE", "TASK-*", *_CANCELS)),
    "offsets as upstream": Freedom(upstream_offsets, _POLLS),
    "other words": Freedom(other_words, ("AUTH-*", "ENVELOPE-*", "COMMON-*")),
    "a proxy in front": Freedom(proxy_in_front, ("AUTH-*", "HEADER-*")),
    "pretty ASCII": Freedom(pretty_ascii, ("ENVELOPE-*", "POLL-SHAPE")),
    "slow answers": Freedom(slow, ("POLL-FROM-*", "SEND-AFTER-END", "SEND-BUSY-*")),
    "busy now and then": Freedom(busy_now_and_then(), ("SEND-*", "POLL-FROM-*", "cancel")),
    "slow to cancel": Freedom(slow_to_cancel(), _CANCELS),
}


@pytest.mark.parametrize("name", FREEDOMS)
def test_a_freedom_of_the_contract_is_no_fault(workshop: Workshop, name: str) -> None:
    freedom = FREEDOMS[name]
    report = workshop.judge(freedom.twist, *freedom.only)
    red = report.having(Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR)
    assert not red, {row.id: (row.detail, row.evidence[:1]) for row in red}
    assert len(having(report, Outcome.PASS)) >= 4
