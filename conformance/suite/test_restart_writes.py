"""Restarts (api_v1 2.3): a kill in the midst of uploads and saves tears nothing.

These checks run alone, see :mod:`pollux.conformance.suite.test_restart`.
"""

import contextlib
import secrets
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.named import PERSONALIZATIONS, PROMPTS, Kind, items_of
from pollux.conformance.stage import Stage, User
from pollux.conformance.storm import Storm, Trail, server_of
from pollux.polling.client import ApiClient
from pollux.polling.exchange import Exchange
from pollux.polling.http import PREFIX

_FILE_BYTES = 256 * 1024
_PROMPT_CHARACTERS = 60_000
_BUSY = 3


# -- in the midst of uploads --------------------------------------------------------------


@verifies(
    "RESTART-FILES-KEPT",
    "RESTART-KILLED-IN-UPLOAD",
    "RESTART-NO-LEFTOVERS",
    needs=["restart"],
    slow=True,
)
def test_killed_in_the_midst_of_uploads(
    stage: Stage, judge: Judge, pytestconfig: pytest.Config
) -> None:
    """Files are being overwritten, two uploads are half sent, other files rest."""
    user, folder = stage.user, stage.name()
    resting = {"resting.txt": "静かな文書\r\n".encode() * 20_000, "empty.txt": b""}
    busy = [f"busy-{number}.txt" for number in range(_BUSY)]
    changing = [*busy, "half.txt"]
    for name, content in {**resting, **{name: _bytes(name, 0) for name in changing}}.items():
        _upload(stage, folder, name, content)
    known = {"": _files(user, ""), folder: _files(user, folder)}

    storm = Storm(stage, server_of(pytestconfig))
    trails = {name: storm.writer(user.token, _uploading(folder, name)) for name in busy}
    with _half_sent(stage, folder, "half.txt"), _half_sent(stage, folder, "never.txt"):
        storm.strike()

    for name, trail in {**trails, "half.txt": Trail()}.items():
        _upload_is_whole(judge, user, folder, name, trail)
    _never_sent_is_absent(judge, user, f"{folder}/never.txt")
    for name, content in resting.items():
        exchange = user.api.download_file(f"{folder}/{name}")
        judge.that(
            "RESTART-FILES-KEPT",
            exchange.status == 200 and exchange.body == content,
            "a file after the restart",
            expected=f"200 and its {len(content)} bytes",
            got=f"{exchange.summary}, {len(exchange.body)} bytes",
            by=exchange,
        )
    for path, names in known.items():
        now = _files(user, path)
        judge.that(
            "RESTART-FILES-KEPT",
            names <= now,
            "the listing of files after the restart",
            expected="all that were listed before",
            got=f"without {', '.join(sorted(names - now))}",
        )
        judge.that(
            "RESTART-NO-LEFTOVERS",
            now <= names | {"never.txt"},  # which is judged above
            "the listing of files after a kill in the midst of uploads",
            expected="those that were listed before",
            got=f"also {', '.join(sorted(now - names))}",
        )


def _bytes(name: str, version: int) -> bytes:
    """Return one version of a file; no line of it stands in another version."""
    line = f"{name} {version:06}\n".encode()
    return line * (_FILE_BYTES // len(line))


def _upload(stage: Stage, folder: str, name: str, content: bytes) -> None:
    """Upload a file, which must work."""
    exchange = stage.user.api.upload_file(content, name, dir=folder)
    stage.judge.require(
        "FILE-UPLOAD-SHAPE",
        exchange.status == 200,
        "an upload",
        expected="200",
        got=exchange.summary,
        by=exchange,
    )


def _uploading(folder: str, name: str) -> Callable[[ApiClient, int], Exchange]:
    return lambda api, version: api.upload_file(_bytes(name, version), name, dir=folder)


@contextlib.contextmanager
def _half_sent(stage: Stage, folder: str, name: str) -> Iterator[None]:
    """Send the first half of an upload, and nothing more."""
    address = urlsplit(stage.target.base_url)
    boundary = secrets.token_hex(16)
    line = f"--{boundary}\r\nContent-Disposition: form-data; name="
    body = f'{line}"dir"\r\n\r\n{folder}\r\n{line}"file"; filename="{name}"\r\n\r\n'.encode()
    body += _bytes(name, 1) + f"\r\n--{boundary}--\r\n".encode()
    head = (
        f"POST {address.path}{PREFIX}/files/upload HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {stage.user.token}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\n\r\n"
    ).encode()
    where = (address.hostname or "localhost", address.port or 80)
    with socket.create_connection(where, timeout=stage.pulse.timeout) as connection:
        # Who does not want it may hang up: nothing of it is acknowledged in any case.
        with contextlib.suppress(OSError):
            connection.sendall(head + body[: len(body) // 2])
        yield


def _upload_is_whole(judge: Judge, user: User, folder: str, name: str, trail: Trail) -> None:
    exchange = user.api.download_file(f"{folder}/{name}")
    judge.that(
        "RESTART-KILLED-IN-UPLOAD",
        exchange.status == 200
        and exchange.body in [_bytes(name, version) for version in trail.possible],
        "a file in the midst of whose upload the server was killed",
        expected=f"one of its versions {trail.acknowledged} to {trail.sent}, whole",
        got=f"{exchange.summary}, {_versions_in(exchange.body)}",
        by=exchange,
    )


def _never_sent_is_absent(judge: Judge, user: User, path: str) -> None:
    exchange = user.api.download_file(path)
    judge.that(
        "RESTART-KILLED-IN-UPLOAD",
        exchange.status == 404,
        "a new file of which only the half was sent",
        expected="404",
        got=f"{exchange.summary}, {len(exchange.body)} bytes",
        by=exchange,
    )


def _versions_in(body: bytes) -> str:
    seen = sorted({line.rpartition(b" ")[2] for line in body.splitlines()})
    shown = ", ".join(version[:8].decode("ascii", "replace") for version in seen[:5])
    return f"{len(body)} bytes with lines of {shown or 'no version'}"


def _files(user: User, path: str) -> set[str]:
    exchange = user.api.list_files(path)
    user.stage.judge.require(
        "FILE-LIST-SHAPE",
        exchange.status == 200,
        "listing a folder",
        expected="200",
        got=exchange.summary,
        by=exchange,
    )
    return {str(item.get("name")) for item in items_of(exchange)}


# -- in the midst of saves ----------------------------------------------------------------


@verifies(
    "RESTART-PROMPTS-KEPT",
    "RESTART-PERSONALIZATIONS-KEPT",
    "RESTART-KILLED-IN-SAVE",
    "RESTART-NO-LEFTOVERS",
    needs=["restart"],
    slow=True,
)
def test_killed_in_the_midst_of_saves(
    stage: Stage, judge: Judge, pytestconfig: pytest.Config
) -> None:
    """Prompts and personalizations are being replaced, others rest."""
    api = stage.user.api
    storm = Storm(stage, server_of(pytestconfig))
    contents: dict[Kind, list[Any]] = {
        PROMPTS: ["Du bist höflich.\r\n请简短。\n\n", ""],
        PERSONALIZATIONS: [{"tone": "平静", "considerations": ["one", "二"], "enabled": True}, {}],
    }
    resting = {kind: [_save(stage, kind, each) for each in contents[kind]] for kind in contents}
    busy = {kind: [stage.name() for _ in range(_BUSY)] for kind in contents}
    known: dict[Kind, set[str]] = {}
    trails: list[tuple[Kind, str, Trail]] = []
    for kind, names in busy.items():
        for name in names:
            kind.saved(stage, name, _content(kind, 0))
            trails.append((kind, name, storm.writer(stage.user.token, _saving(kind, name))))
        known[kind] = set(kind.listed(stage)[1])
    storm.strike()

    now: dict[Kind, set[str]] = {kind: set(kind.listed(stage)[1]) for kind in contents}
    for kind, name, trail in trails:
        _save_is_whole(judge, kind, kind.get(api, name), trail)
    for kind, readings in resting.items():
        rule = f"RESTART-{kind.rules}S-KEPT"
        for before in readings:
            after = kind.get(api, str(before.payload.get("name")))
            judge.that(
                rule,
                after.ok and after.payload.get("content") == before.payload.get("content"),
                f"a {kind.what} after the restart",
                expected=f"{before.payload.get('content')!r}",
                got=f"{after.summary}, {after.payload.get('content')!r}"[:300],
                by=(before, after),
            )
        judge.that(
            rule,
            known[kind] <= now[kind],
            f"the list of {kind.what}s after the restart",
            expected="all that were listed before",
            got=f"without {', '.join(sorted(known[kind] - now[kind]))}",
        )
        judge.that(
            "RESTART-NO-LEFTOVERS",
            now[kind] <= known[kind],
            f"the list of {kind.what}s after a kill in the midst of saves",
            expected="those that were listed before",
            got=f"also {', '.join(sorted(now[kind] - known[kind]))}",
        )


def _save(stage: Stage, kind: Kind, content: Any) -> Exchange:
    name = stage.name()
    kind.saved(stage, name, content)
    return kind.read(stage, name)


def _content(kind: Kind, version: int) -> Any:
    """Return one version of a prompt or a personalization; no part of it stands in another."""
    mark = f"version-{version:06}"
    if kind is PROMPTS:
        return f"{mark}\n" * (_PROMPT_CHARACTERS // (len(mark) + 1))
    texts = dict.fromkeys(("self_identify", "user_name", "profession", "tone"), mark)
    return {**texts, "considerations": [f"{mark} {place}".ljust(50, "x") for place in range(10)]}


def _saving(kind: Kind, name: str) -> Callable[[ApiClient, int], Exchange]:
    return lambda api, version: kind.save(api, name, _content(kind, version))


def _save_is_whole(judge: Judge, kind: Kind, exchange: Exchange, trail: Trail) -> None:
    content = exchange.payload.get("content")
    judge.that(
        "RESTART-KILLED-IN-SAVE",
        any(_has(content, _content(kind, version)) for version in trail.possible),
        f"a {kind.what} in the midst of whose save the server was killed",
        expected=f"one of its versions {trail.acknowledged} to {trail.sent}, whole",
        got=f"{exchange.summary}, {content!r}"[:300],
        by=exchange,
    )


def _has(content: Any, version: Any) -> bool:
    """Tell whether CONTENT is this version; fields that were not sent are the server's own."""
    if isinstance(version, str) or not isinstance(content, dict):
        return bool(content == version)
    return all(content.get(field) == version[field] for field in version)
