"""What lies outside of the user's root, and links that lead there (api_v1 2.5).

These checks put files and symbolic links into the data folder of the target, where they can.
"""

import io
import zipfile
from collections.abc import Iterable
from urllib.parse import quote

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.file_area import FileArea, names_of, rows_of
from pollux.conformance.judge import Judge
from pollux.conformance.planting import SECRET, planted
from pollux.conformance.stage import User
from pollux.polling.exchange import Exchange

_NEW = b"this must not be outside\n"

# Spellings of the way up, as they stand in the query.
_UP = (
    "../",
    "/../",
    "./../",
    "..//",
    "{folder}/../../",
    "user_upload/../",
    "%2e%2e%2f",
    "%2e%2e/",
    "%252e%252e%252f",
    "..%252f",
    "..%5c",
    "..%255c",
    "..%c0%af",
    "%c0%ae%c0%ae/",
    "....//",
    "..././",
    "..%00/",
    "..;/",
    quote("．．／"),
    quote("‥/"),
)


@pytest.fixture
def area(user: User) -> FileArea:
    """The check's own folder."""
    return FileArea(user)


@verifies("FILE-ESCAPE-LIST", "FILE-ESCAPE-DOWNLOAD", needs=["data-dir"], slow=True)
def test_a_file_outside_of_the_root_is_not_read(area: FileArea, judge: Judge) -> None:
    """It is there, and every spelling of the way to it is tried."""
    area.fetch(area.put("plain.txt").path)  # the positive control
    with planted(area) as ground:
        if ground is None:
            return
        outside = ground.outside.name
        ways = [up.replace("{folder}", area.folder) + outside for up in _UP]
        absolute = quote(str(ground.outside))
        for way in (*ways, absolute, f"//{absolute}", f"file://{absolute}"):
            listing = _get(area, "listFiles", way)
            judge.that(
                "FILE-ESCAPE-LIST",
                b"secret.txt" not in listing.body,
                f"the listing of path={way}",
                expected="nothing of what lies outside of the root",
                got=f"{listing.summary}, {names_of(rows_of(listing))}",
                by=listing,
            )
            for path in (f"{way}/secret.txt", way):
                download = _get(area, "downloadFile", path)
                what = f"the download of path={path}"
                _judge_out(judge, "FILE-ESCAPE-DOWNLOAD", download, what)


@verifies("FILE-ESCAPE-UPLOAD", needs=["data-dir"])
def test_a_file_is_not_written_outside_of_the_root(area: FileArea, judge: Judge) -> None:
    """Whatever an upload is answered, nothing is new beside the root."""
    name = f"new-{area.folder}.txt"
    with planted(area) as ground:
        if ground is None:
            return
        before = ground.state()
        outside = ground.outside.name
        exchanges = []
        for up in ("../", "/../", f"{area.folder}/../../", "./../"):
            exchange = area.upload(_NEW, name, dir=f"{up}{outside}")
            _judge_out(judge, "FILE-ESCAPE-UPLOAD", exchange, f"an upload into {up}{outside}")
            exchanges.append(exchange)
        # These may be the names of folders inside.
        for path in (str(ground.outside), f"user_upload/../{outside}"):
            exchanges.append(area.upload(_NEW, name, dir=path))
        for up in ("%2e%2e%2f", "%252e%252e%252f", "..\\", "....//", "．．／", "..\0/"):
            exchanges.append(area.upload(_NEW, name, dir=area.within(f"{up}{up}{outside}")))
        for path in (f"../{outside}/{name}", f"../../{outside}/{name}", f"..\\{outside}\\{name}"):
            exchanges.append(area.upload(_NEW, "x.txt", filename=path, dir=area.folder))
        misled = [
            str(path)
            for path in ground.root.parent.rglob(f"*{name}")
            if ground.root not in path.parents
        ]
        judge.that(
            "FILE-ESCAPE-UPLOAD",
            not misled and ground.state() == before,
            "what lies beside the user's root after uploads that were to go there",
            expected="what was there before",
            got=", ".join(misled) or f"{sorted(ground.state())}",
            by=[exchange for exchange in exchanges if exchange.ok][:3],
        )


@verifies("FILE-ESCAPE-SIBLING", needs=["data-dir"])
def test_a_file_in_a_folder_named_like_the_root_is_not_read(area: FileArea, judge: Judge) -> None:
    """The folder is there, beside the root, and its name begins like that of the root."""
    area.fetch(area.put("plain.txt").path)  # the positive control
    with planted(area) as ground:
        if ground is None:
            return
        before = ground.state()
        for up in ("../", f"{area.folder}/../../"):
            way = f"{up}{ground.sibling.name}"
            for exchange in (
                area.user.api.list_files(way),
                area.user.api.download_file(f"{way}/secret.txt"),
                area.user.api.download_file(way),
                area.upload(_NEW, "secret.txt", dir=way),
            ):
                what = f"{exchange.operation} of {way}, which is there"
                _judge_out(judge, "FILE-ESCAPE-SIBLING", exchange, what)
        judge.that(
            "FILE-ESCAPE-SIBLING",
            ground.state() == before,
            "the folder beside the root",
            expected="as before",
            got=f"{sorted(ground.state())}",
        )


@verifies("FILE-ESCAPE-LINK-READ", needs=["data-dir"])
def test_no_link_that_leads_out_is_read(area: FileArea, judge: Judge) -> None:
    """Neither as a file, nor as a folder, nor on the way to one."""
    area.fetch(area.put("plain.txt").path)  # the positive control
    with planted(area) as ground:
        if ground is None:
            return
        folder = ground.link("folder", ground.outside)
        file = ground.link("file.txt", ground.outside / "secret.txt")
        api = area.user.api
        for exchange, what in (
            (api.list_files(folder), "the listing of a link to a folder outside"),
            (api.list_files(f"{folder}/deeper"), "the listing of a folder behind a link"),
            (api.list_files(f"/{folder}/../folder"), "the listing of a link, spelled otherwise"),
            (api.download_file(file), "the download of a link to a file outside"),
            (api.download_file(f"{folder}/secret.txt"), "the download of a file behind a link"),
            (api.download_file(f"{folder}/deeper/secret.txt"), "the download behind a link"),
            (api.download_file(folder), "the archive of a link to a folder outside"),
        ):
            _judge_out(judge, "FILE-ESCAPE-LINK-READ", exchange, what)


@verifies("FILE-ESCAPE-LINK-WRITE", needs=["data-dir"])
def test_no_link_that_leads_out_is_written_through(area: FileArea, judge: Judge) -> None:
    """Neither onto a file behind a link, nor into a folder, nor to where a broken one points."""
    area.put("plain.txt")  # the positive control
    with planted(area) as ground:
        if ground is None:
            return
        before = ground.state()
        folder = ground.link("folder", ground.outside)
        ground.link("file.txt", ground.outside / "secret.txt")
        ground.link("broken.txt", ground.outside / "not-there-yet.txt")
        for exchange, what in (
            (area.upload(_NEW, "file.txt", dir=area.folder), "onto a link to a file outside"),
            (area.upload(_NEW, "broken.txt", dir=area.folder), "onto a link to nothing outside"),
            (area.upload(_NEW, "new.txt", dir=folder), "into a link to a folder outside"),
            (area.upload(_NEW, "secret.txt", dir=folder), "onto a file behind a link"),
            (area.upload(_NEW, "new.txt", dir=f"{folder}/new"), "into a new folder behind a link"),
        ):
            _judge_out(judge, "FILE-ESCAPE-LINK-WRITE", exchange, f"an upload {what}")
        after = ground.state()
        judge.that(
            "FILE-ESCAPE-LINK-WRITE",
            after == before,
            "what lies behind the links after the uploads",
            expected=f"{sorted(before)}, as before",
            got=", ".join(
                f"{path}: {after.get(path, 'gone')!r}"
                for path in sorted(before.keys() | after.keys())
                if before.get(path) != after.get(path)
            ),
        )


@verifies("FILE-LIST-BROKEN-LINK", "COMMON-NO-SERVER-ERROR", needs=["data-dir"])
def test_a_broken_link_does_not_break_a_listing(area: FileArea, judge: Judge) -> None:
    """Links to nothing, to themselves and out of the root lie beside a file."""
    stored = area.put("plain.txt")
    with planted(area) as ground:
        if ground is None:
            return
        ground.link("broken.txt", ground.inside / "nothing")
        ground.link("loop", ground.inside / "loop")
        ground.link("outside.txt", ground.outside / "not-there.txt")
        listing = area.user.api.list_files(area.folder)
        names = names_of(area.rows(listing)) if listing.ok else []
        judge.that(
            "FILE-LIST-BROKEN-LINK",
            listing.status == 200 and stored.name in names,
            "the listing of a folder with broken links in it",
            expected=f"200 with the file {stored.name} that lies beside them",
            got=f"{listing.summary}, {names}",
            by=listing,
        )
        area.user.api.download_file(area.folder)  # however it is answered, it is no 5xx


@verifies("FILE-ZIP-LINKS", "COMMON-NO-SERVER-ERROR", needs=["data-dir"])
def test_an_archive_follows_no_link(area: FileArea, judge: Judge) -> None:
    """Neither one that leads out of the root nor one that stays inside."""
    elsewhere = area.put("elsewhere.txt", dir=f"{area.folder}-elsewhere")
    area.put("plain.txt")
    api = area.user.api
    with planted(area) as ground:
        if ground is None:
            return
        ground.link("file.txt", ground.outside / "secret.txt")
        ground.link("folder", ground.outside)
        ground.link("inside", ground.root / f"{area.folder}-elsewhere")
        exchange = api.download_file(area.folder)
        followed = [
            name
            for name, content in _members(exchange)
            if SECRET in content or elsewhere.content in content
        ]
        judge.that(
            "FILE-ZIP-LINKS",
            exchange.status == 400 or (exchange.status == 200 and not followed),
            "the archive of a folder with links in it",
            expected="nothing of what the links lead to, or 400",
            got=f"{exchange.summary}; {', '.join(followed)}",
            by=exchange,
        )


def _members(exchange: Exchange) -> Iterable[tuple[str, bytes]]:
    """Return name and bytes of all in an archive; nothing when it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(exchange.body)) as archive:
            return [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError):
        return []


def _get(area: FileArea, operation: str, path: str) -> Exchange:
    route = "/files/download" if operation == "downloadFile" else "/files"
    return area.user.api.request("GET", route, operation=operation, query=f"path={path}")


def _judge_out(judge: Judge, requirement: str, exchange: Exchange, what: str) -> None:
    judge.that(
        requirement,
        exchange.status in (400, 404) and SECRET not in exchange.body,
        what,
        expected="400 or 404",
        got=exchange.summary,
        by=exchange,
    )
