"""Paths that lead out of the user's root (api_v1 2.5): refused in every spelling.

What is not there can be neither shown nor read: files that are there, outside of the root, are
planted by the checks of ``test_files_outside``.
"""

from urllib.parse import quote

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.file_area import FileArea, is_text, rows_of
from pollux.conformance.judge import Judge
from pollux.conformance.stage import User
from pollux.polling.exchange import Exchange

# Ways out of the root, `{folder}` being a folder in it.
_OUT = (
    "..",
    "../",
    "/..",
    "//..",
    "./..",
    ".././",
    "..//..",
    "{folder}/../..",
    "{folder}/./.././..",
    "{folder}/../../",
    "{folder}/plain.txt/../../..",
    "user_upload/../..",
    "/user_upload/../..",
    "../../../../../../../../..",
)

# The same in disguise, as it stands in the query: refused, or the name of nothing.
_DISGUISED = (
    "%2e%2e",
    "%2E%2E%2F",
    "%2e%2e%2f%2e%2e",
    "%252e%252e",
    "%252e%252e%252f",
    "%25252e%25252e%25252f",
    "..%255c",
    "..%5c",
    "..%5c..%5c",
    "{folder}%5c..%5c..",
    "%c0%ae%c0%ae%c0%af",
    "%e0%80%ae%e0%80%ae%e0%80%af",
    "%uff0e%uff0e%u2215",
    "..%00/",
    "..;/",
    quote("．．／"),
    quote("‥/"),
    quote("․․/"),
    quote("..∕"),
)

# Files that nearly every machine has, out of every root.
_FILES = ("etc/passwd", "windows/win.ini")


@pytest.fixture
def area(user: User) -> FileArea:
    """The check's own folder."""
    return FileArea(user)


@verifies("FILE-ESCAPE-LIST", "COMMON-NO-SERVER-ERROR", "ENVELOPE-FAILURE")
def test_a_listing_never_leaves_the_root(area: FileArea, judge: Judge) -> None:
    """The folder above the root is there, so a server that goes there shows it."""
    area.put("plain.txt")
    area.items()  # the positive control
    for path in map(_query, _OUT):
        exchange = _get(area, "listFiles", path)
        _judge_out(judge, "FILE-ESCAPE-LIST", exchange, f"the listing of path={path}")
    for path in _DISGUISED:
        exchange = _get(area, "listFiles", path)
        judge.that(
            "FILE-ESCAPE-LIST",
            exchange.status in (400, 404) or (exchange.ok and not rows_of(exchange)),
            f"the listing of path={path}",
            expected="400 or 404, and nothing shown",
            got=f"{exchange.summary}, {len(rows_of(exchange))} items",
            by=exchange,
        )


@verifies("FILE-ESCAPE-DOWNLOAD", "COMMON-NO-SERVER-ERROR", "ENVELOPE-FAILURE")
def test_a_download_never_leaves_the_root(area: FileArea, judge: Judge) -> None:
    """Neither the folder above the root is sent, nor a file of the machine."""
    area.fetch(area.put("plain.txt").path)  # the positive control
    up = "../" * 12
    files = [
        spelled + file
        for file in _FILES
        for spelled in (
            up,
            "/",
            "//",
            f"/{up}",
            f"user_upload/{up}",
            f"{{folder}}/{up}",
            quote(up, safe=""),
            "file:///",
            "C:/",
            "C:%5c",
        )
    ]
    files += [
        quote(disguised)
        for file in _FILES
        for disguised in (quote(up + file, safe=""), (up + file).replace("/", "\\"))
    ]
    # Not the whole way up: nobody wants an archive of the machine.
    out = [path for path in _OUT if path.count("..") <= 2]
    for path in (*map(_query, out), *_DISGUISED, *files):
        exchange = _get(area, "downloadFile", path)
        _judge_out(judge, "FILE-ESCAPE-DOWNLOAD", exchange, f"the download of path={path}")


@verifies("FILE-ESCAPE-UPLOAD", "COMMON-NO-SERVER-ERROR", "ENVELOPE-FAILURE", slow=True)
def test_an_upload_never_leaves_the_root(area: FileArea, judge: Judge) -> None:
    """Into a dir that leads out nothing is written; one that only looks so stays inside."""
    area.put("plain.txt")
    name, content = f"{area.folder}.txt", b"this must not be outside\n"
    traces = area.traces()
    out = [path for path in _OUT if path.count("..") <= 2]
    for path in (*out, "../{folder}", "{folder}/../../{folder}", "{folder}/new/../../../x"):
        folder = path.replace("{folder}", area.folder)
        exchange = area.upload(content, name, dir=folder)
        _judge_out(judge, "FILE-ESCAPE-UPLOAD", exchange, f"an upload into the dir {folder!r}")
    for path in _DISGUISED:
        # In a form this is plain text, and may be the name of a folder like any other.
        folder = path.replace("{folder}", area.folder)
        exchange = area.upload(content, name, dir=area.within(folder))
        told = exchange.payload.get("path")
        inside = exchange.ok and is_text(told) and _is_inside(area, str(told), content)
        judge.that(
            "FILE-ESCAPE-UPLOAD",
            exchange.status in (400, 404) or inside,
            f"an upload into the dir {area.within(folder)!r}",
            expected="400 or 404, or 200 with a path below it",
            got=f"{exchange.summary}, path {told!r}",
            by=exchange,
        )
    judge.that(
        "FILE-ESCAPE-UPLOAD",
        area.traces() == traces,
        "the root after uploads that were to leave it",
        expected=f"{sorted(traces)}, as before",
        got=f"{sorted(area.traces())}",
    )


def _is_inside(area: FileArea, path: str, content: bytes) -> bool:
    parts = path.split("/")
    return (
        area.folder in parts
        and ".." not in parts
        and area.user.api.download_file(path).body == content
    )


@verifies("FILE-ESCAPE-SIBLING", "ENVELOPE-FAILURE")
def test_a_folder_beside_the_root_is_out_of_reach(area: FileArea, judge: Judge) -> None:
    """Its name begins like that of the root, but it is another folder."""
    area.put("plain.txt")
    for sibling in (f"user_upload_{area.folder}", f"user_upload{area.folder}"):
        for way in (f"../{sibling}", f"/../{sibling}", f"{area.folder}/../../{sibling}"):
            for exchange in (
                area.upload(b"this must not be outside\n", "f.txt", dir=way),
                area.user.api.list_files(way),
                area.user.api.download_file(f"{way}/f.txt"),
            ):
                what = f"{exchange.operation} of the folder {way}"
                _judge_out(judge, "FILE-ESCAPE-SIBLING", exchange, what)


@verifies("FILE-ESCAPE-NUL", "COMMON-NO-SERVER-ERROR", "ENVELOPE-FAILURE")
def test_a_path_that_holds_a_nul_names_nothing(area: FileArea, judge: Judge) -> None:
    """Even where what is in front of the NUL is there."""
    plain = area.put("plain.txt")
    before = area.tree()
    exchanges = [
        *(
            area.user.api.list_files(path)
            for path in ("\0", f"{area.folder}\0", f"{area.folder}\0/x", f"\0{area.folder}")
        ),
        *(
            area.user.api.download_file(path)
            for path in (
                f"{plain.path}\0",
                f"{plain.path}\0.png",
                f"\0{plain.path}",
                f"{area.folder}\0/../{plain.path}",
            )
        ),
        *(
            area.upload(b"with a NUL\n", "nul.txt", dir=folder)
            for folder in (f"{area.folder}\0", f"{area.folder}\0/x", area.within("x\0y"), "\0")
        ),
    ]
    for exchange in exchanges:
        what = f"{exchange.operation} with a NUL in the path"
        _judge_out(judge, "FILE-ESCAPE-NUL", exchange, what)
    after = area.tree()
    judge.that(
        "FILE-ESCAPE-NUL",
        after == before,
        "the folder after uploads into paths with a NUL",
        expected=f"{sorted(before)}, as before",
        got=f"{sorted(after)}",
    )


def _query(path: str) -> str:
    """Return PATH as it stands in a query, but for the folder to be filled in."""
    return quote(path, safe="/{}")


def _get(area: FileArea, operation: str, path: str) -> Exchange:
    route = "/files/download" if operation == "downloadFile" else "/files"
    query = f"path={path.replace('{folder}', area.folder)}"
    return area.user.api.request("GET", route, operation=operation, query=query)


def _judge_out(judge: Judge, requirement: str, exchange: Exchange, what: str) -> None:
    judge.that(
        requirement,
        exchange.status in (400, 404),
        what,
        expected="400 or 404",
        got=exchange.summary,
        by=exchange,
    )
