"""Downloads of single files (api_v1 2.5): as attachments, under their name, or not at all."""

import unicodedata

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.file_area import FileArea, disposition
from pollux.conformance.judge import Judge
from pollux.conformance.stage import User
from pollux.polling.exchange import Exchange

_TEXT = b"the text of a file\n"

_ASCII_NAMES = (
    "two words.txt",
    "semi;colon.txt",
    "comma,dot.dot.txt",
    "quote'and\"quote.txt",
    "percent%41.txt",
    "star*filename=x.txt",
)

_OTHER_NAMES = (
    "été.txt",
    "文件.txt",
    "файл и ещё один.txt",
    "קובץ.txt",
    "日本語;名前'%.txt",
    "emoji-🙂.txt",
    "𠀀.txt",
)


@pytest.fixture
def area(user: User) -> FileArea:
    """The check's own folder."""
    return FileArea(user)


@verifies("FILE-DOWNLOAD-ATTACHMENT")
def test_a_file_is_an_attachment_with_its_name(area: FileArea, judge: Judge) -> None:
    """However the name has to be written in the header."""
    area.put("plain.txt", _TEXT)
    for name in ("plain.txt", *_ASCII_NAMES):
        exchange = _downloaded(area, name)
        if exchange is None:
            continue
        told, download = exchange
        found = disposition(download)
        judge.that(
            "FILE-DOWNLOAD-ATTACHMENT",
            download.status == 200 and found.kind == "attachment" and found.name == told,
            f"the download of the file {told!r}",
            expected=f"200 with Content-Disposition: attachment and the name {told!r}",
            got=_in_short(download),
            by=download,
        )


@verifies("FILE-DOWNLOAD-UNICODE-NAME")
def test_a_name_outside_ascii_is_given_in_the_extended_form(area: FileArea, judge: Judge) -> None:
    """As ``filename*=UTF-8''...``, which is the form that all clients read alike."""
    area.put("plain.txt", _TEXT)
    seen = 0
    for name in _OTHER_NAMES:
        exchange = _downloaded(area, name)
        if exchange is None or exchange[0].isascii():
            continue
        seen += 1
        told, download = exchange
        judge.that(
            "FILE-DOWNLOAD-UNICODE-NAME",
            _composed(disposition(download).extended) == _composed(told),
            f"the download of the file {told!r}",
            expected=f"Content-Disposition with filename* for {told!r}",
            got=_in_short(download),
            by=download,
        )
    if not seen:
        judge.cannot_verify("no file with a name outside ASCII could be uploaded")


def _downloaded(area: FileArea, name: str) -> tuple[str, Exchange] | None:
    """Upload and download a file; None when this server refuses the name."""
    exchange = area.upload(_TEXT, "x.txt", filename=name, dir=area.folder)
    if exchange.status in (400, 415):
        return None
    stored = area.stored(exchange, _TEXT, area.folder)
    return stored.name, area.fetch(stored.path, "FILE-UPLOAD-KNOWN-NAME")


def _composed(name: str | None) -> str | None:
    return None if name is None else unicodedata.normalize("NFC", name)


def _in_short(download: Exchange) -> str:
    return f"{download.summary}, Content-Disposition: {download.header('content-disposition')}"


@verifies("FILE-DOWNLOAD-PATH-MISSING", "ENVELOPE-FAILURE")
def test_a_download_without_a_path_is_400(area: FileArea, judge: Judge) -> None:
    """Missing or empty: nothing is asked for."""
    stored = area.put("plain.txt", _TEXT)
    area.fetch(stored.path)  # the positive control
    for what, exchange in {
        "without a path": area.user.api.download_file(None),
        "with an empty path": area.user.api.download_file(""),
    }.items():
        judge.that(
            "FILE-DOWNLOAD-PATH-MISSING",
            exchange.status == 400,
            f"a download {what}",
            expected="400",
            got=exchange.summary,
            by=exchange,
        )


@verifies("FILE-DOWNLOAD-ABSENT", "ENVELOPE-FAILURE")
def test_a_download_of_nothing_is_404(area: FileArea, judge: Judge) -> None:
    """In a folder that is there, in one that is not, and in the root."""
    stored = area.put("plain.txt", _TEXT)
    area.fetch(stored.path)  # the positive control
    for path in (
        area.within("nothing.txt"),
        area.within("nothing", "below.txt"),
        f"{area.folder}.txt",
        f"{stored.path}.txt",
    ):
        exchange = area.user.api.download_file(path)
        judge.that(
            "FILE-DOWNLOAD-ABSENT",
            exchange.status == 404,
            f"a download of {path!r}, at which there is nothing",
            expected="404",
            got=exchange.summary,
            by=exchange,
        )
