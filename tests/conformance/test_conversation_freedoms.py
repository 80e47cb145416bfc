"""Servers with ways of their own to take messages and to keep conversations: none turns red."""

import itertools
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from pollux.conformance.outcome import Outcome
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.target import Profile, Target
from pollux.schemas.requirements import load_requirements
from tests.conformance.workshop import (
    BUFFER_SIZE,
    OTHER_TOKEN,
    TOKEN,
    Answer,
    Inner,
    Request,
    Twist,
    Workshop,
    failure,
    having,
)

# All of these groups but the one check that takes a hundred model calls.
_JUDGED = (
    "conversations",
    "isolation",
    "REFUSED-NO-[CMT]*",
    "SEND-[!M]*",
    "SEND-M[!A]*",
    "SEND-MAX-ITERATIONS-[!D]*",
    "TASK-RUNS-*",
    "TASK-SURVIVES-*",
)
_MODULES = (
    "test_conversation_list",
    "test_conversations",
    "test_deleting",
    "test_history",
    "test_isolation",
    "test_refusals",
    "test_runs",
    "test_sending",
)
_KNOWN = {"message", "images", "run_mode", "thinking_mode", "prompt_name", "personalization_name"}


def _other(request: Request, method: str, path: str, query: str = "") -> Request:
    """Return another request of the same user."""
    environ = request.environ | {"REQUEST_METHOD": method, "QUERY_STRING": query}
    return Request(environ | {"PATH_INFO": f"/api/v1{path}", "CONTENT_LENGTH": ""})


def lenient() -> Twist:
    """Take whatever may be taken: the nearest number, no model, no names; delete what is live."""
    tasks: dict[str, str] = {}

    def twist(request: Request, inner: Inner) -> Answer:
        if request.method == "GET" and request.path == "/conversations":
            return _clamped(request, inner)
        if request.is_send and isinstance(request.json, dict):
            request.body = json.dumps(_without_what_is_unknown(request.json)).encode()
        answer = inner(request)
        if request.path == "/conversations" and answer.status == 404:
            request.body = b"{}"
            return inner(request)
        if request.is_send and answer.status == 202:
            tasks[answer.json["conversation_id"]] = answer.json["task_id"]
        name = request.path.removeprefix("/conversations/")
        if request.method == "DELETE" and answer.status == 409:
            return _ended_and_deleted(request, inner, tasks[name])
        return answer

    return twist


def _clamped(request: Request, inner: Inner) -> Answer:
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    bounds = {"limit": (1, 100), "offset": (0, 10**6)}
    for name, (least, most) in bounds.items():
        if re.fullmatch(r"-?[0-9]+", query.get(name, "")):
            query[name] = str(min(max(int(query[name]), least), most))
    request.query = urlencode(query)
    answer = inner(request)
    payload = answer.json
    for item in payload.get("data", []):
        item["run_mode"] = None
    answer.json = payload
    return answer


def _without_what_is_unknown(body: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in body.items() if name in _KNOWN}
    if body.get("conversation_id") != "":
        kept["conversation_id"] = body.get("conversation_id")
    if not isinstance(body.get("model_key"), str | None):
        kept["model_key"] = body["model_key"]
    limit = body.get("max_iterations")
    kept["max_iterations"] = limit
    if isinstance(limit, float) and limit >= 1 and limit.is_integer():
        kept["max_iterations"] = int(limit)
    return kept


def _ended_and_deleted(request: Request, inner: Inner, task: str) -> Answer:
    inner(_other(request, "POST", f"/tasks/{task}/cancel"))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        status = inner(_other(request, "GET", f"/tasks/{task}")).json["data"]["status"]
        if status not in ("running", "cancel_requested"):
            break
        time.sleep(0.01)
    return inner(request)


def formal() -> Twist:
    """Refuse what may be refused, count time in seconds, keep messages in parts, and number all."""
    numbers = itertools.count()

    def twist(request: Request, inner: Inner) -> Answer:
        if request.path == "/files/upload" and b".png" in request.body:
            return failure(415)
        if request.method == "GET" and request.path == "/conversations":
            return _sorted_by_seconds(request, inner)
        answer = inner(request)
        payload = answer.json
        if answer.status >= 400:
            payload["error"] = f"request {next(numbers)} failed"
            payload["request"] = next(numbers)
            answer.json = payload
            if answer.status == 404 and request.is_send and request.json.get("conversation_id"):
                known = inner(_other(request, "GET", f"/conversations/{_place(request)}"))
                answer.status = 404 if known.ok else 400
        elif request.method == "GET" and request.path.startswith("/conversations/"):
            payload["data"] = _in_parts(payload["data"])
            answer.json = payload
        return answer

    return twist


def _place(request: Request) -> str:
    return str(request.json["conversation_id"]).replace("/", "")


def _sorted_by_seconds(request: Request, inner: Inner) -> Answer:
    """Sort as a data base does that knows whole seconds: who is older comes first among equals."""
    asked = inner(request)
    if not asked.ok:
        return asked
    query = dict(parse_qsl(request.query))
    total = asked.json["total"]
    rows: list[dict[str, Any]] = []
    for offset in range(0, total, 100):
        page = inner(_other(request, "GET", "/conversations", f"limit=100&offset={offset}"))
        rows += page.json["data"]
    for row in rows:
        row["updated_at"] = row["updated_at"][:19]
        row["title"] = "conversation"
        row["unread"] = 0
    rows.sort(key=lambda row: str(row["id"]))
    rows.sort(key=lambda row: str(row["updated_at"]), reverse=True)
    start = int(query.get("offset", 0))
    asked.json = asked.json | {"data": rows[start : start + int(query.get("limit", 20))]}
    return asked


def _in_parts(data: dict[str, Any]) -> dict[str, Any]:
    data = {**data, "title": "conversation", "updated_at": data["updated_at"][:19]}
    for message in data["messages"] or []:
        if message.pop("interrupted", False):
            message["content"] += "\n[interrupted]"
        if message["role"] == "user":
            message["content"] = [{"type": "text", "text": message["content"]}]
        if message["role"] == "assistant":
            message.setdefault("reasoning_content", None)
    return data


#: What does not apply to each of them, since it is done in the other way that is allowed.
_FREE = {
    lenient: {"SEND-RUN-MODE-WINS", "SEND-THINKING-MODE"},
    formal: {
        "CONV-DELETE-LIVE-ENDS-TASK",
        "CONV-DELETE-LIVE-STAYS-GONE",
        "CONV-TITLE-ANNOUNCED",
        "SEND-IMAGES-ONLY",
    },
}


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("server", [lenient, formal])
def test_a_server_with_ways_of_its_own_stays_free_of_fail(
    workshop: Workshop, server: Callable[[], Twist], profile: Profile
) -> None:
    log = EventLog()
    with workshop.serve(server()) as url:
        target = Target(
            base_url=url,
            token=TOKEN,
            other_token=OTHER_TOKEN,
            profile=profile,
            model_control=workshop.model.url if profile is Profile.SCRIPTED else None,
            buffer_size=BUFFER_SIZE,
        )
        plan = Plan(target, load_requirements(), only=_JUDGED, seed=1)
        run_checks(plan, log, modules=_MODULES)
    report = build_report(log.events)
    red = report.having(Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR)
    assert not red, {row.id: (row.detail, row.evidence[:1]) for row in red}
    unseen = {
        row.id: row.detail
        for row in report.having(Outcome.NOT_VERIFIED)
        if "profile" not in row.detail and any(c.split(".")[0] in _MODULES for c in row.checks)
    }
    assert not unseen
    if profile is Profile.SCRIPTED:
        assert having(report, Outcome.NOT_APPLICABLE) == _FREE[server]
