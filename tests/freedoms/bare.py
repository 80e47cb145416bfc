"""A small server: HTTP/1.0, one request at a time, no CORS, no tools, no second try."""

import json
import threading
import time
import unicodedata
from datetime import datetime
from typing import Any

import pytest
from flask import Flask

from pollux.reference_server import agent, files
from pollux.reference_server.conversations import DEFAULT_TITLE
from pollux.reference_server.paths import clean_filename, clean_relative
from pollux.reference_server.routes import files as routes
from tests.conformance.workshop import Answer, Inner, Request, Twist, failure
from tests.freedoms.twists import Data, polls, query_of, together

_FIRST_ANSWER_SECONDS = 2.0
_READS_JSON = ("/conversations", "/messages", "/prompts", "/personalizations")


def without_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server of this process offer its model no tools, on a disk that decomposes names."""

    def relative(text: str) -> tuple[str, ...]:
        return tuple(unicodedata.normalize("NFD", part) for part in clean_relative(text))

    def filename(text: str) -> str:
        return clean_filename(unicodedata.normalize("NFD", text))

    monkeypatch.setattr(agent, "offered", lambda _disabled: [])
    monkeypatch.setattr(files, "clean_filename", filename)
    for module in (files, routes):
        monkeypatch.setattr(module, "clean_relative", relative)


def _one_at_a_time() -> Twist:
    """Answer one request after the other; the first takes its time."""
    lock = threading.Lock()
    first = [_FIRST_ANSWER_SECONDS]

    def twist(request: Request, inner: Inner) -> Answer:
        with lock:
            if first:
                time.sleep(first.pop())
            return inner(request)

    return twist


def _compact(request: Request, inner: Inner) -> Answer:
    """Write JSON as short as can be, its keys in another order."""
    answer = inner(request)
    if answer.body[:1] == b"{":
        reverse: dict[str, Any] = dict(reversed(answer.json.items()))
        answer.body = json.dumps(reverse, ensure_ascii=False, separators=(",", ":")).encode()
    return answer


def _no_cors(request: Request, inner: Inner) -> Answer:
    """Know nothing of web pages of other origins."""
    if request.method == "OPTIONS":
        return failure(405)
    answer = inner(request)
    names = {name for name, _ in answer.headers if name.lower().startswith("access-control-")}
    for name in names:
        answer.drop(name)
    return answer


def _tidy_paths(request: Request, inner: Inner) -> Answer:
    """Send who writes dot segments to the path without them, as routers in front do."""
    segments = str(request.environ["PATH_INFO"]).split("/")
    if "." in segments or ".." in segments:
        answer = Answer(301, [("Location", "/api/v1/elsewhere")], b"<a href>Moved</a>")
        answer.headers.append(("Content-Type", "text/html"))
        return answer
    return inner(request)


def _any_content_type(request: Request, inner: Inner) -> Answer:
    """Read JSON whatever it is called."""
    if request.method == "POST" and request.path in _READS_JSON and request.body:
        request.environ["CONTENT_TYPE"] = "application/json"
    return inner(request)


def _trimmed(request: Request, inner: Inner) -> Answer:
    """Trim the blanks around a path."""
    path = query_of(request).get("path", "")
    if request.path.startswith("/files") and path != path.strip():
        while request.query.endswith("%20"):
            request.query = request.query.removesuffix("%20")
    return inner(request)


def _rounded(data: Data) -> None:
    """Tell times roughly, and why a task was cancelled."""
    if data["status"] == "canceled":
        data["error"] = "cancelled by the user"
    for event in data["events"]:
        if event["type"] == "text_chunk":
            event["data"]["elapsed"] = round(event["data"]["elapsed"])


def _epochs(request: Request, inner: Inner) -> Answer:
    """Keep the times of conversations as numbers, and give no title to an empty one."""
    answer = inner(request)
    if request.method == "GET" and request.path.startswith("/conversations") and answer.ok:
        payload = answer.json
        data = payload["data"]
        for stored in data if isinstance(data, list) else [data]:
            for name in ("created_at", "updated_at"):
                stored[name] = datetime.fromisoformat(stored[name]).timestamp()
            if stored["title"] == DEFAULT_TITLE:
                stored["title"] = None
            for message in stored.get("messages") or ():
                message["timestamp"] = datetime.fromisoformat(message["timestamp"]).timestamp()
        answer.json = payload
    return answer


def bare(_app: Flask) -> Twist:
    """Return all these habits together."""
    return together(
        _compact,
        _epochs,
        _no_cors,
        _tidy_paths,
        _any_content_type,
        _trimmed,
        polls(_rounded),
        _one_at_a_time(),
    )
