"""A server that refuses what may be refused, and says as little as it must."""

import io
import itertools
import json
import random
import re
import time
import zipfile
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
from flask import Flask

from pollux.reference_server import files
from pollux.reference_server.app import services_of
from pollux.reference_server.paths import clean_filename
from tests.conformance.workshop import OTHER_TOKEN, TOKEN, Answer, Inner, Request, Twist, failure
from tests.freedoms.twists import Data, other, polls, query_of, together

_MEBIBYTE = 1024 * 1024
_PART = re.compile(
    rb'name="file"; filename="([^"]*)"[^\n]*\r\n(?:[^\r\n]+\r\n)*\r\n(.*)', re.DOTALL
)
_FIELD = re.compile(rb'name="filename"\r\n\r\n(.*?)\r\n--', re.DOTALL)


# -- how answers look -------------------------------------------------------------------


def _pretty(request: Request, inner: Inner) -> Answer:
    """Write JSON with escapes, indented, keys sorted; a proxy adds and shuffles headers."""
    answer = inner(request)
    if answer.body[:1] in (b"{", b"["):
        text = json.dumps(answer.json, ensure_ascii=True, indent=2, sort_keys=True)
        answer.body = text.encode()
        answer.drop("Content-Type")
        answer.headers.append(("Content-Type", 'application/json; charset="utf-8"'))
    answer.headers += [("set-cookie", "AWSALB=abc; Path=/"), ("etag", 'W/"5"'), ("age", "0")]
    answer.headers = [(name.lower(), value) for name, value in answer.headers]
    random.shuffle(answer.headers)
    return answer


def _numbered() -> Twist:
    """Number every failure, and date it."""
    numbers = itertools.count()

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        payload = answer.json
        if answer.status >= 400 and isinstance(payload, dict):
            payload |= {"request": next(numbers), "timestamp": int(time.time() * 100)}
            answer.json = payload | {"error": f"request {payload['request']} failed"}
        return answer

    return twist


def _other_statuses(request: Request, inner: Inner) -> Answer:
    """Choose the other status where there are two."""
    answer = inner(request)
    if answer.status == 415:
        answer.status = 400
    elif answer.status == 404 and request.is_send and request.json.get("conversation_id"):
        name = str(request.json["conversation_id"]).replace("/", "")
        answer.status = 404 if inner(other(request, "GET", f"/conversations/{name}")).ok else 400
    return answer


# -- tasks ------------------------------------------------------------------------------


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
        data["window_start"] = None
        for event in data["events"]:
            event["ts"] = int(event["ts"])
        answer.json = body
    return answer


def _pending_first(data: Data) -> None:
    """Say ``pending`` until there are events, and count tokens in an event that nobody knows."""
    if data["status"] == "running" and not data["events"]:
        data["status"] = "pending"
    for event in data["events"]:
        if event["type"] == "token_update":
            event["type"], event["data"] = "usage_report", {"list": [1, 2], "type": 5}
        event["more"] = {"of": ["this"]}


class _Forgetful:
    """Forgets a task that has ended as soon as the user's next send is accepted."""

    def __init__(self, app: Flask) -> None:
        self._tasks = services_of(app).tasks
        self._latest: dict[str, str] = {}

    def twist(self, request: Request, inner: Inner) -> Answer:
        if request.path.startswith("/tasks/"):
            name = request.path.split("/")[2]
            user = "first" if TOKEN in (request.header("Authorization") or "") else "second"
            task = self._tasks.find(user, name)
            if task is not None and name != self._latest.get(user) and task.status.terminal:
                request.environ["PATH_INFO"] = request.environ["PATH_INFO"].replace(name, "gone")
        answer = inner(request)
        if request.is_send and answer.status == 202:
            user = "first" if TOKEN in (request.header("Authorization") or "") else "second"
            self._latest[user] = answer.json["task_id"]
        return answer


# -- conversations ----------------------------------------------------------------------


def _coarse(request: Request, inner: Inner) -> Answer:
    """Sort as a data base does that knows whole seconds: who is older comes first among equals."""
    answer = inner(request)
    if request.method != "GET" or not request.path.startswith("/conversations") or not answer.ok:
        return answer
    payload = answer.json
    if request.path == "/conversations":
        payload |= {"data": _page(request, inner, payload["total"])}
    else:
        payload["data"] = _in_parts(payload["data"])
    answer.json = payload
    return answer


def _page(request: Request, inner: Inner, total: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for offset in range(0, total, 100):
        page = inner(other(request, "GET", "/conversations", f"limit=100&offset={offset}"))
        rows += page.json["data"]
    for row in rows:
        row |= {"updated_at": row["updated_at"][:19], "title": "conversation", "unread": 0}
    rows.sort(key=lambda row: str(row["id"]))
    rows.sort(key=lambda row: str(row["updated_at"]), reverse=True)
    query = query_of(request)
    start = int(query.get("offset", 0))
    return rows[start : start + int(query.get("limit", 20))]


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


def _untitled(data: Data) -> None:
    """Announce no title, for there is none; the idx stays, as that of something else."""
    for event in data["events"]:
        if event["type"] == "conversation_changed":
            event["type"] = "noted"


# -- files ------------------------------------------------------------------------------


def _strict_uploads(request: Request, inner: Inner) -> Answer:
    """Take text files of plain names only, and of one mebibyte at most."""
    known = request.header("Authorization") in (f"Bearer {TOKEN}", f"Bearer {OTHER_TOKEN}")
    if request.path != "/files/upload" or not known:
        return inner(request)
    body = request.body
    if len(body) > _MEBIBYTE:
        return failure(413)
    part, field = _PART.search(body), _FIELD.search(body)
    name = field[1] if field else part[1] if part else b"x.txt"
    if not name.lower().strip(b" .").endswith(b".txt"):
        return failure(415)
    if re.search(rb"[^\x80-\xff\w .-]", name) or len(name) > 200:
        return failure(400)
    return failure(400) if part and (b"\0" in part[2] or b"\xff" in part[2]) else inner(request)


def _other_files(request: Request, inner: Inner) -> Answer:
    """Answer with other statuses, spellings and fields; what leads out is not there."""
    answer = inner(request)
    if not request.path.startswith("/files") or request.method == "OPTIONS":
        return answer
    if request.path == "/files/download" and answer.ok:
        return _downloaded(request, answer)
    path = query_of(request).get("path", "")
    leads_out = ".." in path or "\0" in path
    if answer.status == 400 and (leads_out or (path and request.path == "/files/download")):
        return failure(404, "nothing there")
    if answer.status == 409:
        return failure(400)
    if answer.ok:
        answer.json = _with_more(answer.json)
    return answer


def _with_more(payload: dict[str, Any]) -> dict[str, Any]:
    payload["more"] = {"of": "this server"}
    if "sha256" in payload:
        payload["sha256"] = payload["sha256"].upper()
    if "base" in payload:
        payload["base"] = "/" + payload["base"]
    for item in payload.get("items", []):
        item["mime"] = "unknown"
        if item["is_dir"]:
            item |= {"size": None, "modified_at": None}
    return payload


def _downloaded(request: Request, answer: Answer) -> Answer:
    headers = dict(answer.headers)
    folder = parse_qs(request.query)["path"][0].strip("/")
    name = folder.rpartition("/")[2]
    if headers["Content-Type"] == "application/zip":
        answer.body = _packed_anew(answer.body, folder.removeprefix("user_upload/"))
        name += ".zip"
    answer.drop("Content-Disposition")
    answer.drop("Content-Type")
    value = f"attachment; filename*=utf-8'en'{quote(name, safe='')}"
    answer.headers += [("Content-Disposition", value), ("Content-Type", "text/html")]
    return answer


def _packed_anew(body: bytes, folder: str) -> bytes:
    """Name the entries relative to the folder, and leave out the folders themselves."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(sink, "w") as new:
        for entry in old.infolist():
            if not entry.is_dir():
                new.writestr(entry.filename.removeprefix(f"{folder}/"), old.read(entry))
    return sink.getvalue()


def formal(app: Flask) -> Twist:
    """Return all these habits together."""
    return together(
        _pretty,
        _numbered(),
        _other_statuses,
        whole_seconds,
        polls(_pending_first),
        polls(_untitled),
        _coarse,
        _strict_uploads,
        _other_files,
        _Forgetful(app).twist,
    )


def names_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server of this process write the names of files small, and without blanks."""

    def filename(text: str) -> str:
        return clean_filename(text).lower().replace(" ", "_")

    monkeypatch.setattr(files, "clean_filename", filename)
