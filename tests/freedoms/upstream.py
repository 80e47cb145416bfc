"""A server with the habits of the public implementation, as far as the contract allows them."""

import contextlib
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import httpx2
import pytest
from flask import Flask

from pollux.reference_server import tasks
from pollux.reference_server.app import services_of
from pollux.reference_server.conversations import ConversationNotFound
from tests.conformance.workshop import TOKEN, Answer, Inner, Request, Twist, failure
from tests.freedoms.twists import Data, other, polls, query_of, sends, together

_KNOWN = {"message", "images", "run_mode", "thinking_mode", "prompt_name", "personalization_name"}


# -- the stream of events ---------------------------------------------------------------


class _Stream:
    """Puts the events of the server into upstream's order, with more of them, and more in them."""

    def __init__(self, append: Any) -> None:
        self._append = append

    def change(self, task: tasks.Task, kind: str, data: Mapping[str, Any]) -> None:
        waiting: list[tuple[str, Mapping[str, Any]]] = task.__dict__.setdefault("waiting", [])
        if kind in ("text_end", "thinking_end"):
            # The end of a block is told when the stream has ended: tools are prepared before.
            waiting.append((kind, data))
            return
        if kind not in ("tool_preparing", "tool_intent", "token_update"):
            while waiting:
                self._tell(task, *waiting.pop(0))
        for one, more in self._changed(kind, dict(data)):
            self._tell(task, one, more)

    def _changed(self, kind: str, data: Data) -> Iterator[tuple[str, Data]]:
        match kind:
            case "ai_message_start":
                yield "user_message", {"message": "...", "images": [], "starts_work": True}
                yield kind, data
            case "text_start" | "thinking_start":
                yield "api_request_start", {"attempt": 1, "max_attempts": 5}
                yield kind, data
            case "update_action":
                yield kind, {**data, "id": None, "monitor_snapshot_after": None}
                yield "file_tree_update", {"structure": {}}
            case "tool_start":
                yield kind, {**data, "monitor_snapshot": {"pid": 7}}
                yield "todo_updated", {"todo_list": None}
            case "task_stopped":
                yield kind, data
                yield kind, {**data, "has_running_sub_agents": False}
            case "token_update":
                yield kind, data
                yield kind, {**data, "cached_tokens": 0}
            case _:
                yield kind, data

    def _tell(self, task: tasks.Task, kind: str, data: Mapping[str, Any]) -> None:
        enriched = {
            "task_id": task.task_id,
            "conversation_id": task.conversation_id,
            "workspace_id": "default",
            **data,
        }
        self._append(task, kind, enriched)


def stream_as_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every task of this process tell its events as the public implementation does."""
    stream = _Stream(tasks.Task._append)

    def append(task: tasks.Task, kind: str, data: Mapping[str, Any]) -> None:
        stream.change(task, kind, data)

    monkeypatch.setattr(tasks.Task, "_append", append)


# -- titles that come late --------------------------------------------------------------


class _Titles:
    """Gives a conversation another title some time after the end of its first task.

    The contract leaves the moment open, so it is the one that is hardest for a client: where
    the conversation is about to be read for the first time, or where a send was refused.
    """

    def __init__(self, app: Flask) -> None:
        self._services = services_of(app)
        self._tasks: dict[str, tuple[str, str]] = {}
        self._count = itertools.count()

    def twist(self, request: Request, inner: Inner) -> Answer:
        user = "first" if TOKEN in (request.header("Authorization") or "") else "second"
        name = request.path.removeprefix("/conversations/")
        if request.method == "GET" and name in self._tasks and next(self._count) % 3 == 0:
            self._name(name)
        answer = inner(request)
        if request.is_send and answer.status == 202:
            body = answer.json
            if body["conversation_id"] not in self._tasks:
                self._tasks[body["conversation_id"]] = (user, body["task_id"])
                message = str(request.json.get("message"))
                threading.Thread(target=self._ask, args=(message,), daemon=True).start()
        elif request.is_send:
            for name in list(self._tasks):
                self._name(name)
        return answer

    def _ask(self, message: str) -> None:
        """Ask the model for a title, as upstream does; what it says here is of no use."""
        asked = {"model": "title", "messages": [{"role": "user", "content": message}]}
        transport = self._services.models.scripted.transport()
        with httpx2.Client(transport=transport) as client, contextlib.suppress(httpx2.HTTPError):
            client.post("http://model/v1/chat/completions", json=asked, timeout=5.0)

    def _name(self, name: str) -> None:
        user, task_id = self._tasks.get(name, ("", ""))
        task = self._services.tasks.find(user, task_id)
        if task is None or not task.status.terminal:
            return  # while the task is live a new title would have to be announced
        if self._tasks.pop(name, None) is not None:
            store = self._services.spaces.of(user).conversations
            with contextlib.suppress(ConversationNotFound):
                store.append(name, [], title=f"📎 {name[-3:]}", metadata={"title_locked": True})


# -- requests ---------------------------------------------------------------------------


def _offsets(request: Request, inner: Inner) -> Answer:
    """Take every bad ``from`` as 0, and echo one from past the end."""
    text = query_of(request).get("from", "0")
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


def _stopped(data: Data) -> None:
    if data["status"] == "canceled":
        data["status"] = "stopped"
    del data["window_start"]
    data["conversation_id"] = "conv_20260101_000000_000"


def _lenient_send(body: Data) -> None:
    """Drop what is not known; take the default where a model or a conversation is not named."""
    for name in set(body) - _KNOWN - {"conversation_id", "model_key", "max_iterations"}:
        del body[name]
    if isinstance(body.get("model_key"), str):
        body["model_key"] = None
    if body.get("conversation_id") == "":
        body["conversation_id"] = None
    limit = body.get("max_iterations")
    if isinstance(limit, float) and limit >= 1 and limit.is_integer():
        body["max_iterations"] = int(limit)


def _clamped(request: Request, inner: Inner) -> Answer:
    """Take the nearest number, and tell no mode."""
    if request.method != "GET" or request.path != "/conversations":
        return inner(request)
    query = query_of(request)
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


def _any_names(request: Request, inner: Inner) -> Answer:
    """Make a conversation whose names nobody has."""
    answer = inner(request)
    if request.path == "/conversations" and answer.status == 404:
        request.body = b"{}"
        return inner(request)
    return answer


def _deletes_the_live() -> Twist:
    """End the task of a conversation that is deleted."""
    live: dict[str, str] = {}

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.is_send and answer.status == 202:
            live[answer.json["conversation_id"]] = answer.json["task_id"]
        if request.method == "DELETE" and answer.status == 409:
            task = live[request.path.removeprefix("/conversations/")]
            inner(other(request, "POST", f"/tasks/{task}/cancel"))
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                status = inner(other(request, "GET", f"/tasks/{task}")).json["data"]["status"]
                if status not in ("running", "cancel_requested"):
                    break
                time.sleep(0.01)
            answer = inner(request)
        if request.method == "DELETE" and answer.status == 404:
            answer.json = {"success": False, "error": "删除失败", "message": "对话删除失败"}
        return answer

    return twist


def _listed_alone(request: Request, inner: Inner) -> Answer:
    """List a file as the one item that it is."""
    answer = inner(request)
    if request.path != "/files" or answer.status != 400 or "path=" not in request.query:
        return answer
    path = parse_qs(request.query)["path"][0]
    if ".." in path or "\0" in path:
        return answer
    above, _, name = path.strip("/").rpartition("/")
    listing = inner(other(request, "GET", "/files", f"path={quote(above)}"))
    found = [item for item in listing.json.get("items", []) if item["name"] == name]
    if not found:
        return failure(404)
    listing.json = listing.json | {"items": found}
    return listing


def _merged(request: Request, inner: Inner) -> Answer:
    """Keep the stored values of fields that are not given; list what comes with the server."""
    body = request.json if request.path == "/personalizations" else None
    if (
        request.method == "POST"
        and isinstance(body, dict)
        and isinstance(body.get("content"), dict)
    ):
        known = inner(other(request, "GET", f"/personalizations/{quote(str(body.get('name')))}"))
        if known.ok:
            body["content"] = {**known.json["content"], **body["content"]}
            request.body = json.dumps(body).encode()
    answer = inner(request)
    if request.method == "GET" and request.path in ("/personalizations", "/prompts") and answer.ok:
        payload = answer.json
        own = {"name": "personalization", "size": 2, "updated_at": 0}
        items = [item for item in payload["items"] if item["name"] != own["name"]]
        payload["items"] = sorted([*items, own], key=lambda item: str(item["name"]))
        answer.json = payload
    return answer


def _slow_to_cancel() -> Twist:
    """Say ``cancel_requested`` for a while after a cancel."""
    asked: set[str] = set()

    def twist(request: Request, inner: Inner) -> Answer:
        name = request.path.split("/")[2] if request.path.startswith("/tasks/") else ""
        if request.is_cancel:
            seen = inner(other(request, "GET", f"/tasks/{name}"))
            if seen.ok and seen.json["data"]["status"] == "running" and name not in asked:
                asked.add(name)
                threading.Timer(0.1, inner, [request]).start()
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


def _own_words(request: Request, inner: Inner) -> Answer:
    """Say what is wrong in other words, without the headers that nobody has to send."""
    answer = inner(request)
    payload = answer.json
    if answer.status >= 400 and isinstance(payload, dict):
        answer.json = {**payload, "error": "不行", "code": 17}
    return answer


def upstream(app: Flask) -> Twist:
    """Return all these habits together."""
    return together(
        _own_words,
        polls(_stopped),
        _offsets,
        sends(_lenient_send),
        _clamped,
        _any_names,
        _deletes_the_live(),
        _slow_to_cancel(),
        _listed_alone,
        _merged,
        _Titles(app).twist,
    )
