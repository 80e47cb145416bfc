"""More than the server takes (api_v1 1.3, 2.5): 413 in JSON, and nothing is left of it.

The limit is the server's own. It is looked for just above 50 MiB, which the reference takes, and
above 100 MiB; a server that takes even that much is asked no further.
"""

import json
from typing import Any

import pytest

from pollux.conformance.calls import JSON_OPERATIONS, Call, good_calls
from pollux.conformance.check import verifies
from pollux.conformance.file_area import FileArea
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, User
from pollux.polling.exchange import Exchange, FormPart

_MEBIBYTE = 1024 * 1024
_USUAL_LIMIT = 50 * _MEBIBYTE
_FILE_SIZES = (_USUAL_LIMIT + 1, 101 * _MEBIBYTE)
_JSON_SIZES = (5 * _MEBIBYTE, 51 * _MEBIBYTE)
_SECONDS = 120.0

_JSON = {"Content-Type": "application/json"}


@pytest.fixture
def area(user: User) -> FileArea:
    """The check's own folder."""
    return FileArea(user)


@verifies(
    "FILE-UPLOAD-TOO-LARGE",
    "FILE-UPLOAD-TOO-LARGE-NO-TRACE",
    "ENVELOPE-BODY-TOO-LARGE",
    needs=["large-upload"],
    slow=True,
)
def test_a_file_that_is_too_large_is_413_and_leaves_nothing(area: FileArea, judge: Judge) -> None:
    """Sent over an existing file and into a folder of its own, it changes neither."""
    kept = area.put("large.txt")
    before = area.tree()
    exchange, size = _too_large(area, judge)
    if exchange is None:
        reason = f"a file of {_FILE_SIZES[-1]} bytes was taken: no limit was found"
        for name in (
            "FILE-UPLOAD-TOO-LARGE",
            "FILE-UPLOAD-TOO-LARGE-NO-TRACE",
            "ENVELOPE-BODY-TOO-LARGE",
        ):
            judge.not_applicable(name, reason)
        return
    _judge_refusal(judge, exchange, f"a file of {size} bytes over one that was accepted")
    after = area.tree()
    judge.that(
        "FILE-UPLOAD-TOO-LARGE-NO-TRACE",
        after == before,
        "the folder after the upload of a file that was too large",
        expected=f"{kept.name} with its {len(kept.content)} bytes, as before",
        got=", ".join(f"{path}: {len(data or b'')} bytes" for path, data in after.items()),
        by=exchange,
    )
    exchange = _upload(area, "other.txt", size, "new")
    _judge_refusal(judge, exchange, f"a file of {size} bytes into a new folder")
    paths = sorted(area.tree())
    judge.that(
        "FILE-UPLOAD-TOO-LARGE-NO-TRACE",
        paths == sorted(before),
        "the folder after the upload of a file that was too large into a new one below it",
        expected=f"{sorted(before)}, as before",
        got=f"{paths}",
        by=exchange,
    )


def _too_large(area: FileArea, judge: Judge) -> tuple[Exchange | None, int]:
    """Find a size that is refused; None when there is none among those that are tried."""
    for size in _FILE_SIZES:
        exchange = _upload(area, "large.txt", size)
        if not exchange.ok:
            return exchange, size
        area.put("large.txt", b"")  # it cannot be deleted, but it need not fill the disk
    return None, 0


def _judge_refusal(judge: Judge, exchange: Exchange, what: str) -> None:
    judge.that(
        "FILE-UPLOAD-TOO-LARGE",
        exchange.status == 413,
        f"the upload of {what}",
        expected="413",
        got=exchange.summary,
        by=exchange,
    )
    if exchange.status == 413:
        _judge_envelope(judge, exchange, f"the upload of {what}")


def _judge_envelope(judge: Judge, exchange: Exchange, what: str) -> None:
    text = exchange.payload.get("error")
    judge.that(
        "ENVELOPE-BODY-TOO-LARGE",
        exchange.status == 413 and exchange.payload.get("success") is False and bool(text),
        what,
        expected='413 {"success": false, "error": ...}',
        got=f"{exchange.summary} ({exchange.header('content-type') or 'no content type'})",
        by=exchange,
    )


@verifies("FILE-ROUND-TRIP", needs=["large-upload"], slow=True)
def test_a_file_of_50_mebibytes_comes_back_if_it_is_taken(area: FileArea, judge: Judge) -> None:
    """The largest file that the reference takes; another limit is the server's own."""
    small = area.put("small.txt")
    exchange = _upload(area, "limit.txt", _USUAL_LIMIT)
    judge.that("FILE-ROUND-TRIP", area.fetch(small.path).body == small.content, "a small file")
    if exchange.status != 200:
        return  # how it is refused is judged by another check
    content = _content(_USUAL_LIMIT)
    stored = area.stored(exchange, content, area.folder)
    query = {"path": stored.path}
    back = _patient(area.user, "GET", "/files/download", "downloadFile", query=query)
    judge.that(
        "FILE-ROUND-TRIP",
        back.status == 200 and back.body == content,
        f"the download of a file of {_USUAL_LIMIT} bytes",
        expected="the bytes uploaded",
        got=f"{back.summary}, {len(back.body)} bytes",
        by=exchange,
    )
    area.put("limit.txt", b"")


@verifies("ENVELOPE-BODY-TOO-LARGE", needs=["large-upload"], slow=True)
def test_a_json_body_that_is_too_large_is_413(stage: Stage, judge: Judge) -> None:
    """Good requests, with so many blanks in them that the server may refuse to read them."""
    calls, _ = good_calls(stage)
    refused = False
    for operation in JSON_OPERATIONS:
        call = calls[operation]
        control = _padded(stage, call, 16)
        judge.require(
            "ENVELOPE-SUCCESS",
            control.status == call.success,
            f"{operation} with a few blanks in its body",
            expected=f"{call.success}",
            got=control.summary,
            by=control,
        )
        for size in _JSON_SIZES:
            exchange = _padded(stage, call, size)
            if exchange.status != call.success:
                refused = True
                _judge_envelope(
                    judge, exchange, f"{operation} with {size} blanks more than needed in its body"
                )
                break
    if not refused:
        reason = f"JSON bodies of {_JSON_SIZES[-1]} bytes were taken: no limit was found"
        judge.not_applicable("ENVELOPE-BODY-TOO-LARGE", reason)


def _padded(stage: Stage, call: Call, size: int) -> Exchange:
    """Send CALL with so many blanks in its body, and clear away what came of it."""
    content = b"{" + b" " * size + json.dumps(call.body).encode()[1:]
    more = {"content": content, "headers": _JSON}
    exchange = _patient(stage.user, call.method, call.path, call.operation, **more)
    if exchange.status == 409:
        stage.judge.cannot_verify("the user is busy with a task that this check has not started")
    if exchange.ok and call.operation == "sendMessage":
        stage.user.task_of(exchange).end()
    elif exchange.ok and call.operation == "createConversation":
        stage.user.made(str(exchange.payload.get("conversation_id")))
    return exchange


def _content(size: int) -> bytes:
    """Return SIZE bytes of text, no block of which can stand in the place of another."""
    block = bytes(range(32, 127)) * (_MEBIBYTE // 95) + b"\n"
    count = -(-size // len(block))
    return b"".join(b"%08d" % number + block for number in range(count))[:size]


def _upload(area: FileArea, name: str, size: int, *below: str) -> Exchange:
    folder = FormPart("dir", area.within(*below).encode())
    form = (FormPart("file", _content(size), name), folder)
    return area.sent(_patient(area.user, "POST", "/files/upload", "uploadFile", form=form))


def _patient(user: User, method: str, path: str, operation: str, **more: Any) -> Exchange:
    """Send a request that may take long, and keep none of its bytes.

    A server that closes the connection in the midst of the body may do so before its answer
    can be read: that counts only when it happens again.
    """
    seconds = user.stage.seconds(_SECONDS)
    more |= {"operation": operation, "timeout": seconds}
    exchange = user.api.request(method, path, **more)
    if not exchange.answered:
        exchange = user.api.request(method, path, **more)
    user.api.exchanges.clear()
    if not exchange.answered and exchange.elapsed_ms > seconds * 1000 - 1000:
        user.stage.judge.cannot_verify(f"a large request takes more than {seconds:g} s")
    return exchange
