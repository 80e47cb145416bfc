"""Servers that keep files in ways of their own, all of them allowed, stay free of FAIL."""

import io
import re
import zipfile
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from pollux.conformance.outcome import Outcome
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.target import Target
from pollux.schemas.requirements import load_requirements
from tests.conformance.workshop import TOKEN, Answer, Inner, Request, Twist, Workshop, failure

_MEBIBYTE = 1024 * 1024
_PART = re.compile(
    rb'name="file"; filename="([^"]*)"[^\n]*\r\n(?:[^\r\n]+\r\n)*\r\n(.*)', re.DOTALL
)
_FIELD = re.compile(rb'name="filename"\r\n\r\n(.*?)\r\n--', re.DOTALL)
_JUDGED = ("files", "REFUSED-NO-FILE", "ENVELOPE-BODY-TOO-LARGE")
_MODULES = tuple(
    f"test_files_{part}"
    for part in ("bytes", "download", "large", "list", "names", "outside", "paths", "upload", "zip")
)


def strict(request: Request, inner: Inner) -> Answer:
    """Take text files of plain names only, and requests of one mebibyte at most."""
    if request.path != "/files/upload":
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


def otherwise(request: Request, inner: Inner) -> Answer:
    """Answer with other statuses, spellings and fields than the reference server."""
    if request.path == "/files/upload" and int(request.environ["CONTENT_LENGTH"]) > _MEBIBYTE:
        return failure(413)
    answer = inner(request)
    if request.path == "/files/download" and answer.ok:
        return _downloaded(request, answer)
    if request.path.startswith("/files") and answer.status == 400 and "path=" in request.query:
        path = parse_qs(request.query)["path"][0]
        if request.path == "/files" and ".." not in path and "\0" not in path:
            return _listed_alone(request, inner, path)
        return failure(404, "nothing there")
    if answer.status == 409:
        return failure(400)
    if request.path.startswith("/files") and answer.ok:
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


def _listed_alone(request: Request, inner: Inner, path: str) -> Answer:
    above, _, name = path.strip("/").rpartition("/")
    request.query = f"path={quote(above)}"
    answer = inner(request)
    payload = answer.json
    found = [item for item in payload.get("items", []) if item["name"] == name]
    if not found:
        return failure(404)
    answer.json = payload | {"items": found}
    return answer


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


@pytest.mark.parametrize("twist", [strict, otherwise])
def test_a_server_with_ways_of_its_own_stays_free_of_fail(workshop: Workshop, twist: Twist) -> None:
    log = EventLog()
    with workshop.serve(twist) as url:
        target = Target(base_url=url, token=TOKEN, model_control=workshop.model.url)
        plan = Plan(target, load_requirements(), only=_JUDGED, seed=1)
        run_checks(plan, log, modules=_MODULES)
    report = build_report(log.events)
    red = report.having(Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR)
    assert not red, {row.id: (row.detail, row.evidence[:1]) for row in red}
    unseen = {
        row.id: row.detail
        for row in report.having(Outcome.NOT_VERIFIED)
        # The checks do not know where the workshop's server keeps its data.
        if "data" not in row.detail
    }
    assert not unseen
