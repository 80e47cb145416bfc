"""Uploads (api_v1 2.5): what makes one, where it goes, and what a refused one leaves behind."""

from collections.abc import Iterator

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.file_area import FileArea, form_body, names_of, normal
from pollux.conformance.judge import Judge
from pollux.conformance.stage import User
from pollux.polling.exchange import Exchange, FormPart

_TYPES: dict[str, bytes] = {
    "page.html": b"<!doctype html><script>alert(1)</script>\n",
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>\n',
    "script.sh": b"#!/bin/sh\necho hello\n",
    "program.exe": b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00",
    "library.so": b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00",
    "page.php": b"<?php echo 1; ?>\n",
    "table.csv": b"a,b\n1,2\n",
    "notebook.ipynb": b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n',
    "archive.zip": b"PK\x05\x06" + bytes(18),
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(16),
    "of-no-known.type": b"nothing in particular\n",
    "without-extension": b"nothing in particular\n",
    "two.txt.exe": b"MZ",
}


@pytest.fixture
def area(user: User) -> FileArea:
    """The check's own folder."""
    return FileArea(user)


@verifies("FILE-UPLOAD-SHAPE", "FILE-UPLOAD-WITHOUT-FILE", "ENVELOPE-FAILURE")
def test_an_upload_without_the_part_file_is_400(area: FileArea, judge: Judge) -> None:
    """A form without a file, or with one under another name, is no upload."""
    folder = FormPart("dir", area.folder.encode())
    good = FormPart("file", b"a text\n", "name.txt")
    area.stored(area.upload_form(good, folder), good.content, area.folder)  # positive control
    forms: dict[str, list[FormPart]] = {
        "with a dir alone": [folder],
        "with a filename and a dir": [FormPart("filename", b"name.txt"), folder],
        "whose file is called `files`": [FormPart("files", b"a text\n", "name.txt"), folder],
        "whose file is called `upload`": [FormPart("upload", b"a text\n", "name.txt"), folder],
    }
    for what, parts in forms.items():
        exchange = area.upload_form(*parts)
        judge.that(
            "FILE-UPLOAD-WITHOUT-FILE",
            exchange.status == 400,
            f"an upload with a form {what}",
            expected="400",
            got=exchange.summary,
            by=exchange,
        )


@verifies("FILE-UPLOAD-FILENAME")
def test_the_field_filename_names_the_file(area: FileArea, judge: Judge) -> None:
    """It wins over the name in the part, whether it comes before the file or after it."""
    file = FormPart("file", b"a text\n", "sent-as.txt")
    name = FormPart("filename", b"kept-as.txt")
    for where, order in {"after": (file, name), "before": (name, file)}.items():
        folder = area.within(where)
        exchange = area.upload_form(*order, FormPart("dir", folder.encode()))
        stored = area.stored(exchange, file.content, folder)
        found = names_of(area.items(folder))
        judge.that(
            "FILE-UPLOAD-FILENAME",
            stored.name == "kept-as.txt" and found == ["kept-as.txt"],
            f"an upload of `sent-as.txt` with the field filename {where} the file",
            expected="kept-as.txt, in the answer and in the listing",
            got=f"{stored.name!r} in the answer, {found} in the listing",
            by=exchange,
        )


@verifies("FILE-UPLOAD-DIR")
def test_the_field_dir_names_the_folder(area: FileArea, judge: Judge) -> None:
    """The folder is made over several levels, used when it is there, and may be in any script."""
    file = FormPart("file", b"a text\n", "deep.txt")
    for where, levels in {"after": ["one", "two", "three"], "before": ["资料", "été"]}.items():
        folder = area.within(*levels)
        field = FormPart("dir", folder.encode())
        order = (file, field) if where == "after" else (field, file)
        exchange = area.upload_form(*order)
        stored = area.stored(exchange, file.content, folder)
        judge.that(
            "FILE-UPLOAD-DIR",
            _is_there(area, area.folder, levels, stored.name),
            f"the folders of an upload whose dir comes {where} the file",
            expected=f"{'/'.join(levels)}, each in the listing of the one above",
            got="not all of them",
            by=(exchange, area.user.api.exchanges[-1]),
        )
    # A second file beside the first: folders that are there are used as they are.
    folder = area.within("one", "two")
    second = area.put("second.txt", dir=folder)
    found = sorted(names_of(area.items(folder)))
    judge.that(
        "FILE-UPLOAD-DIR",
        found == ["second.txt", "three"] and area.fetch(second.path).body == second.content,
        "an upload into a folder that was there",
        expected="the file beside what was there",
        got=f"{found}",
        by=second.exchange,
    )


def _is_there(area: FileArea, top: str, levels: list[str], name: str) -> bool:
    for level in levels:
        rows = area.items(top)
        folders = [row for row in rows if normal(str(row.get("name"))) == normal(level)]
        if len(folders) != 1 or folders[0].get("is_dir") is not True:
            return False
        top += f"/{level}"
    return names_of(area.items(top)) == [name]


@verifies("FILE-UPLOAD-ONTO-FOLDER", "ENVELOPE-FAILURE")
def test_a_file_does_not_take_the_place_of_a_folder(area: FileArea, judge: Judge) -> None:
    """An upload under the name of a folder is refused, and the folder stays as it was."""
    inside = area.put("inside.txt", dir=area.within("taken.txt"))
    before = area.tree()
    attempts = {
        "the name of the file": area.upload(b"new\n", "taken.txt", dir=area.folder),
        "the field filename": area.upload(
            b"new\n", "other.txt", filename="taken.txt", dir=area.folder
        ),
    }
    after = area.tree()
    for what, exchange in attempts.items():
        judge.that(
            "FILE-UPLOAD-ONTO-FOLDER",
            exchange.status in (400, 409),
            f"an upload under the name of a folder, by {what}",
            expected="409 or 400",
            got=exchange.summary,
            by=(inside.exchange, exchange),
        )
    judge.that(
        "FILE-UPLOAD-ONTO-FOLDER",
        after == before,
        "the folder, and what lies in it and beside it, after uploads under its name",
        expected=f"{sorted(before)} as before",
        got=f"{sorted(after)}",
        by=attempts.values(),
    )


@verifies("FILE-UPLOAD-TYPE-REFUSED", "COMMON-NO-SERVER-ERROR")
def test_a_type_is_accepted_or_refused_with_400_or_415(area: FileArea, judge: Judge) -> None:
    """Which types are accepted is the server's own policy; how it refuses one is not."""
    for name, content in _TYPES.items():
        exchange = area.upload(content, name, dir=area.folder)
        judge.that(
            "FILE-UPLOAD-TYPE-REFUSED",
            exchange.status in (200, 400, 415),
            f"an upload of {name}",
            expected="200, or 400 or 415 when this type is not accepted",
            got=exchange.summary,
            by=exchange,
        )


@verifies("REFUSED-NO-FILE", "COMMON-NO-SERVER-ERROR", slow=True)
def test_a_refused_upload_leaves_nothing(area: FileArea, judge: Judge) -> None:
    """Neither a file nor a folder, and what was there is as it was."""
    area.put("kept.txt")
    area.put("inside.txt", dir=area.within("taken.txt"))
    before, around = area.tree(), area.traces()
    for what, exchange in _doubtful_uploads(area):
        after, traces = area.tree(), area.traces()
        # A server may see nothing wrong in some of them, and have stored the file.
        if 400 <= exchange.status < 500:
            judge.that(
                "REFUSED-NO-FILE",
                after == before and traces == around,
                f"the files of the user after an upload {what} was refused",
                expected="as before",
                got=_difference(before, after) or f"in the root {sorted(traces)}",
                by=exchange,
            )
        before, around = after, traces


def _doubtful_uploads(area: FileArea) -> Iterator[tuple[str, Exchange]]:
    """Send uploads one by one that some or all servers refuse, most into a new folder."""
    text = b"this must not be kept\n"
    name = f"{area.folder}.txt"
    yield "without a file", area.upload_form(FormPart("dir", area.within("new-1").encode()))
    yield (
        "of a file without a usable name",
        area.upload(text, "x.txt", filename=" . ", dir=area.within("new-2")),
    )
    yield "under the name of a folder", area.upload(text, "taken.txt", dir=area.folder)
    yield "into a file", area.upload(text, name, dir=area.within("kept.txt"))
    yield "below a file", area.upload(text, name, dir=area.within("kept.txt", "deep"))
    yield "that leaves the root", area.upload(text, name, dir=area.within("new-3/../../../out"))
    yield "into a folder with a NUL", area.upload(text, name, dir=area.within("new-4\0"))
    yield (
        "with a name of 1,000 characters",
        area.upload(text, "n" * 1000 + ".txt", dir=area.within("new-5")),
    )
    yield "of a program", area.upload(b"MZ\x90\x00", "x.exe", dir=area.within("new-6"))
    deep = "/".join(["d" * 100] * 60)
    yield "into a folder 6,000 characters deep", area.upload(text, name, dir=area.within(deep))
    folder = FormPart("dir", area.within("new-7").encode())
    body, content_type = form_body(folder, FormPart("file", text, name))
    yield (
        "whose form is cut off",
        area.sent(
            area.user.api.request(
                "POST",
                "/files/upload",
                operation="uploadFile",
                content=body[: body.index(text) + 4],
                headers={"Content-Type": content_type},
            )
        ),
    )


def _difference(before: dict[str, bytes | None], after: dict[str, bytes | None]) -> str:
    added, gone = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    changed = sorted(path for path in before.keys() & after.keys() if before[path] != after[path])
    parts = [("there is", added), ("gone is", gone), ("changed is", changed)]
    return "; ".join(f"{what} {', '.join(paths)}" for what, paths in parts if paths)
