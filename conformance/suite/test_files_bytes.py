"""The bytes of files (api_v1 2.5): what is downloaded is what was uploaded, always whole."""

import hashlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus

import httpx
import pytest

from pollux.conformance.check import verifies
from pollux.conformance.file_area import FileArea, Stored, form_body, names_of
from pollux.conformance.gate import Gate, together
from pollux.conformance.haste import some
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, User
from pollux.polling.exchange import Exchange, FormPart
from pollux.polling.http import BUSY, PREFIX, segment

_SIZES = (1, 2, 255, 256, 4095, 4096, 4097, 65_535, 65_536, 65_537, 200_001, 1 << 20, (1 << 20) + 1)
# A server whose largest file is smaller than this takes no files worth the name.
_TAKEN_BY_ALL = 64 * 1024
_ENDS = (b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r\n--", b"--", b"\0", b" ")

_MEBIBYTE = 1024 * 1024
# More than the sockets of both sides hold, so that half of it is still to be sent.
_SLOW_BYTES = 8 * _MEBIBYTE
_SMALL_BUFFER = 64 * 1024


@pytest.fixture
def area(user: User) -> FileArea:
    """The check's own folder."""
    return FileArea(user)


def _contents(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    yield "no bytes at all", b""
    yield "text in many scripts", "Grüße, мир, 世界, שלום, 🙂\r\n\n\tend".encode()
    yield "text after a byte order mark", "\ufefftext".encode()
    yield "lines that look like the ends of a form", b"--boundary\r\n\r\n--boundary--\r\n"
    yield (
        "a form within the form",
        form_body(FormPart("file", b"inner", "inner.txt"), FormPart("dir", b"x"))[0],
    )
    for end in _ENDS:
        yield f"text between two {end!r}", end + b"text" + end
    for length in (65_400, 65_535, 131_071):
        yield f"{length} bytes and line ends", b"\r\n" + b"x" * length + b"\r\n\r"
    yield "every byte there is", bytes(range(256))
    yield "zeros", bytes(5000)
    yield "bytes that are not UTF-8", b"\xff\xfe\xc3\x28\xa0\xa1"
    for size in _SIZES:
        yield f"{size} bytes by chance", chance.randbytes(size)


@verifies("FILE-ROUND-TRIP", "FILE-UPLOAD-SIZE-TRUE", "FILE-UPLOAD-SHA256-TRUE")
def test_the_bytes_downloaded_are_the_bytes_uploaded(
    stage: Stage, area: FileArea, judge: Judge
) -> None:
    """Files of every kind of content and of many sizes come back as they were."""
    contents = some(stage, list(_contents(stage.random)))
    for number, (what, content) in enumerate(contents):
        exchange = _upload(area, content, f"{number}")
        if exchange is None:
            continue
        stored = area.stored(exchange, content, area.folder)
        _judge_answer(judge, what, stored)
        back = area.user.api.download_file(stored.path)
        judge.that(
            "FILE-ROUND-TRIP",
            back.status == 200 and back.body == content,
            f"the download of a file of {what}",
            expected=f"the {len(content)} bytes uploaded",
            got=_difference(back, content),
            by=(exchange, back),
        )


def _upload(area: FileArea, content: bytes, stem: str) -> Exchange | None:
    """Upload CONTENT under a name that fits it; None when the server's policy is against it."""
    binary = b"\0" in content or not _is_utf8(content)
    for suffix in (".txt", ".bin") if binary else (".txt",):
        exchange = area.upload(content, stem + suffix, dir=area.folder)
        if exchange.status == 413 and len(content) > _TAKEN_BY_ALL:
            return None
        if exchange.status not in (400, 415) or not binary:
            return exchange
    return None


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _judge_answer(judge: Judge, what: str, stored: Stored) -> None:
    """Judge what an upload says of the bytes; that it says it is the matter of its shape."""
    size, digest = (stored.exchange.payload.get(name) for name in ("size", "sha256"))
    if isinstance(size, int):
        judge.that(
            "FILE-UPLOAD-SIZE-TRUE",
            size == len(stored.content),
            f"the size that an upload of {what} answers",
            expected=f"{len(stored.content)}",
            got=f"{size}",
            by=stored.exchange,
        )
    if isinstance(digest, str):
        expected = hashlib.sha256(stored.content).hexdigest()
        judge.that(
            "FILE-UPLOAD-SHA256-TRUE",
            digest.lower() == expected,
            f"the sha256 that an upload of {what} answers",
            expected=expected,
            got=digest,
            by=stored.exchange,
        )


def _difference(back: Exchange, content: bytes) -> str:
    if back.status != 200:
        return back.summary
    pairs = enumerate(zip(back.body, content, strict=False))
    place = next((at for at, (got, sent) in pairs if got != sent), None)
    where = "" if place is None else f", the first other one at {place}"
    return f"{len(back.body)} bytes{where}"


@verifies("FILE-UPLOAD-OVERWRITES")
def test_an_upload_replaces_the_file_of_its_name(area: FileArea, judge: Judge) -> None:
    """Shorter, longer, empty: afterwards there is the new file alone."""
    first = area.put("same.txt", b"the first text\n" * 100)
    for content in (b"a shorter one\n", b"", b"a longer one again\n" * 500, b"x"):
        stored = area.put("same.txt", content)
        back = area.user.api.download_file(first.path)
        names = names_of(area.items())
        judge.that(
            "FILE-UPLOAD-OVERWRITES",
            back.status == 200 and back.body == content and len(names) == 1,
            f"a file after an upload of {len(content)} bytes under its name",
            expected="the new bytes, and no other file",
            got=f"{_difference(back, content)}; the folder holds {', '.join(names)}",
            by=(stored.exchange, back),
        )


@verifies("FILE-UPLOAD-ATOMIC", slow=True)
def test_a_file_read_while_it_is_overwritten_is_the_old_or_the_new(
    stage: Stage, area: FileArea, judge: Judge
) -> None:
    """Three readers in a loop while a writer replaces the file 20 times and more."""
    versions = [letter * size for letter, size in ((b"a", 300_000), (b"b", 200_000))]
    path = area.put("contested.txt", versions[0]).path
    done = threading.Event()

    def read() -> list[Exchange]:
        torn: list[Exchange] = []
        while not done.is_set() and not torn:
            back = area.user.api.download_file(path)
            if back.status != 200 or back.body not in versions:
                torn.append(back)
        return torn

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for turn in range(1, 20 * stage.budget.repeats + 1):
                area.put("contested.txt", versions[turn % 2])
        finally:
            done.set()
        torn = [back for reader in readers for back in reader.result()]
    judge.that(
        "FILE-UPLOAD-ATOMIC",
        not torn,
        "downloads of a file while it is overwritten",
        expected="200 with 300000 times `a` or 200000 times `b`",
        got=_mixture(torn[0]) if torn else "",
        by=torn[:2],
    )


@verifies("FILE-UPLOAD-ATOMIC", slow=True)
def test_a_slow_download_is_not_mixed_with_a_later_upload(
    stage: Stage, area: FileArea, judge: Judge
) -> None:
    """A download is begun, the file is overwritten, and the download goes on."""
    old, new = (letter * _SLOW_BYTES for letter in (b"o", b"n"))
    sent = area.upload(old, "slow.txt", dir=area.folder)
    while sent.status == 413 and len(old) > _TAKEN_BY_ALL:
        old, new = old[: len(old) // 4], new[: len(new) // 4]
        sent = area.upload(old, "slow.txt", dir=area.folder)
    path = area.stored(sent, old, area.folder).path
    with _slow_download(stage, path) as rest:
        later = area.put("slow.txt", new)
        body = rest()
    judge.that(
        "FILE-UPLOAD-ATOMIC",
        body in (old, new),
        "a slow download of a file that was overwritten meanwhile",
        expected=f"{len(old)} times `o` or {len(new)} times `n`",
        got="an answer that breaks off" if body is None else _letters(body),
        by=(sent, later.exchange),
    )
    area.put("slow.txt", b"")  # it cannot be deleted, but it need not fill the disk


@contextmanager
def _slow_download(stage: Stage, path: str) -> Iterator[Callable[[], bytes | None]]:
    """Begin a download and yield what fetches the rest; None comes when it breaks off."""
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)]
    transport = httpx.HTTPTransport(socket_options=options, trust_env=False)
    timeout = stage.seconds(15)
    url = f"{stage.target.base_url}{PREFIX}/files/download?path={segment(path)}"
    headers = {"Authorization": f"Bearer {stage.user.token}", "Accept-Encoding": "identity"}
    with httpx.Client(transport=transport, timeout=timeout, headers=headers) as client:
        try:
            answer = _begun(stage, client, url)
            pieces = answer.iter_bytes(_SMALL_BUFFER)
            body = bytearray(next(pieces, b""))
        except httpx.HTTPError as error:
            stage.judge.cannot_verify(f"a download that is read slowly does not begin: {error}")

        def rest() -> bytes | None:
            try:
                for piece in pieces:
                    body.extend(piece)
                    if len(body) > 2 * _SLOW_BYTES:
                        return None
            except httpx.HTTPError:
                return None
            return bytes(body)

        try:
            yield rest
        finally:
            answer.close()


def _begun(stage: Stage, client: httpx.Client, url: str) -> httpx.Response:
    """Ask for URL until the server is not too busy, and return the answer without its body."""
    answers: list[httpx.Response] = []

    def is_begun() -> bool:
        answers.append(client.send(client.build_request("GET", url), stream=True))
        if answers[-1].status_code == HTTPStatus.OK:
            return True
        answers[-1].close()
        return answers[-1].status_code not in BUSY

    stage.eventually(is_begun, 10)
    if answers[-1].status_code != HTTPStatus.OK:
        stage.judge.cannot_verify(
            f"the download of a file that is there was answered with {answers[-1].status_code}"
        )
    return answers[-1]


@verifies("FILE-UPLOAD-ATOMIC", "FILE-UPLOAD-OVERWRITES", slow=True)
def test_of_two_uploads_to_one_name_at_once_one_remains_whole(
    stage: Stage, area: FileArea, judge: Judge
) -> None:
    """Two bodies are sent up to their last byte, then end at the same instant."""
    versions = [b"a" * 200_000, b"b" * 150_000]

    def send(content: bytes, gate: Gate) -> Exchange:
        body, content_type = form_body(
            FormPart("file", content, "one.txt"), FormPart("dir", area.folder.encode())
        )
        return area.user.api.request(
            "POST",
            "/files/upload",
            operation="uploadFile",
            content=body,
            headers={"Content-Type": content_type},
            before_last_byte=gate.once(),
        )

    for _ in range(6 * stage.budget.repeats):
        gate = Gate(stage, 2)
        exchanges = together([partial(send, version, gate) for version in versions])
        sent = [area.sent(exchange) for exchange in exchanges]
        accepted = [
            version
            for version, exchange in zip(versions, sent, strict=True)
            if exchange.status == 200
        ]
        back = area.user.api.download_file(area.within("one.txt"))
        judge.that(
            "FILE-UPLOAD-ATOMIC",
            back.status == 200 and back.body in accepted,
            "a file after two uploads under its name at the same instant",
            expected="the whole bytes of one that was accepted",
            got=_mixture(back),
            by=(*sent, back),
        )
    names = names_of(area.items())
    judge.that(
        "FILE-UPLOAD-OVERWRITES",
        names == ["one.txt"],
        "the folder after many uploads under one name, two at a time",
        expected="one.txt",
        got=", ".join(names),
    )


def _mixture(back: Exchange) -> str:
    return _letters(back.body) if back.status == 200 else back.summary


def _letters(body: bytes) -> str:
    counts = {letter: body.count(letter) for letter in sorted(set(body))}
    shown = ", ".join(f"{count} times {chr(letter)!r}" for letter, count in counts.items())
    return f"{len(body)} bytes: {shown}"
