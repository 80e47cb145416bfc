"""Listings (api_v1 2.5): the root and its spellings, what an item says, and in which order."""

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.file_area import FileArea, names_of, normal, rows_of
from pollux.conformance.judge import Judge
from pollux.conformance.stage import User
from pollux.polling.exchange import Exchange

# Each pair is the other way round by capitals, by UTF-16, by the words of a language, by
# numbers, or with folders first. None differ in case alone: not every disk tells these apart.
_PLAIN = ("Zebra.txt", "apple.txt", "file10.txt", "file9.txt")
_ODD = (
    "_under.txt",
    "éclair.txt",
    "zoo.txt",
    "file 1.txt",
    "file-2.txt",
    "Ωmega.txt",
    "ﬁle.txt",
    "𠀀.txt",
    "中文.txt",
    "1.txt",
)
_FOLDERS = ("Folder", "mid", "zz-last")


@pytest.fixture
def area(user: User) -> FileArea:
    """The check's own folder."""
    return FileArea(user)


@verifies("FILE-ROOT", "FILE-LIST-ROOT", "FILE-LIST-SHAPE")
def test_the_root_is_what_lies_at_no_path(area: FileArea, judge: Judge) -> None:
    """A file uploaded without a dir is there, and so is every folder right below it."""
    file = area.put(f"{area.folder}.txt", dir="")
    area.put("inside.txt")
    missing, empty = area.user.api.list_files(), area.user.api.list_files("")
    names = names_of(area.rows(missing))
    judge.that(
        "FILE-ROOT",
        file.name in names and area.fetch(file.path).body == file.content,
        "the listing without a path, after an upload without a dir",
        expected=f"an item {file.name}",
        got=_in_short(missing),
        by=(file.exchange, missing),
    )
    for what, listing in {"without a path": missing, "with an empty path": empty}.items():
        judge.that(
            "FILE-LIST-ROOT",
            listing.status == 200 and area.folder in names_of(rows_of(listing)),
            f"the listing {what}",
            expected=f"the root, in which there is {area.folder}",
            got=_in_short(listing),
            by=listing,
        )
    judge.that(
        "FILE-LIST-ROOT",
        empty.status != 200 or names_of(rows_of(empty)) == names,
        "the listings without a path and with an empty one",
        expected="the same items",
        got=f"{len(names)} and {len(rows_of(empty))} items",
        by=(missing, empty),
    )


@verifies("FILE-LEADING-SLASH")
def test_a_leading_slash_is_the_root(area: FileArea, judge: Judge) -> None:
    """For a listing, for a download, and for the dir of an upload."""
    _judge_spelling(area, judge, "FILE-LEADING-SLASH", "/")


@verifies("FILE-PREFIX-STRIPPED")
def test_a_leading_user_upload_is_stripped_once(area: FileArea, judge: Judge) -> None:
    """What is behind it is relative to the root; a second one is a folder of that name."""
    _judge_spelling(area, judge, "FILE-PREFIX-STRIPPED", "user_upload/")
    twice = "user_upload/user_upload/" + area.folder
    listing = area.user.api.list_files(twice)
    download = area.user.api.download_file(f"{twice}/plain.txt")
    for exchange, shown in ((listing, bool(rows_of(listing))), (download, download.ok)):
        judge.that(
            "FILE-PREFIX-STRIPPED",
            not shown,
            f"{exchange.operation} with two `user_upload/` in front of a path",
            expected="nothing: there is no such folder in a folder user_upload of the root",
            got=_in_short(exchange),
            by=exchange,
        )


def _judge_spelling(area: FileArea, judge: Judge, requirement: str, prefix: str) -> None:
    """Judge that a path means the same with PREFIX in front of it."""
    plain = area.put("plain.txt")
    root, listing = area.user.api.list_files(prefix), area.user.api.list_files(prefix + area.folder)
    download = area.user.api.download_file(f"{prefix}{area.folder}/plain.txt")
    judge.that(
        requirement,
        root.status == 200 and area.folder in names_of(rows_of(root)),
        f"the listing of `{prefix}`",
        expected=f"200 and the root, in which there is {area.folder}",
        got=_in_short(root),
        by=root,
    )
    judge.that(
        requirement,
        listing.status == 200 and names_of(rows_of(listing)) == ["plain.txt"],
        f"the listing of a folder with `{prefix}` in front",
        expected="200 and its one file",
        got=_in_short(listing),
        by=(plain.exchange, listing),
    )
    judge.that(
        requirement,
        download.status == 200 and download.body == plain.content,
        f"the download of a file with `{prefix}` in front of its path",
        expected="200 and its bytes",
        got=download.summary,
        by=(plain.exchange, download),
    )
    content = b"uploaded with a prefix\n"
    upload = area.upload(content, "with-prefix.txt", dir=prefix + area.folder)
    back = area.user.api.download_file(area.within("with-prefix.txt"))
    judge.that(
        requirement,
        upload.status == 200 and back.status == 200 and back.body == content,
        f"the upload of a file with `{prefix}` in front of its dir",
        expected=f"200, and the file is at {area.folder}/with-prefix.txt",
        got=f"{upload.summary}, path {upload.payload.get('path')!r}; there {back.summary}",
        by=(upload, back),
    )


@verifies("FILE-LIST-ITEMS-TRUE", "FILE-LIST-SHAPE")
def test_the_items_of_a_listing_are_what_lies_in_the_folder(area: FileArea, judge: Judge) -> None:
    """One item each for files, empty ones too, and folders; their contents are not items."""
    expected: dict[str, tuple[bool, int | None, str]] = {}
    for name, content in {"empty.txt": b"", "one.txt": b"1", "文件.txt": "日本".encode()}.items():
        stored = area.put(name, content)
        expected[stored.name] = (False, len(content), normal(stored.path))
    area.put("large.txt", b"12345678" * 10_000)
    expected["large.txt"] = (False, 80_000, area.within("large.txt"))
    for levels in (["folder"], ["folder", "deeper"], ["other.txt"]):
        area.put("inside.txt", dir=area.within(*levels))
    for name in ("folder", "other.txt"):
        expected[name] = (True, None, area.within(name))
    listing = area.user.api.list_files(area.folder)
    rows = area.rows(listing)
    found = {
        str(row.get("name")): (
            row.get("is_dir"),
            None if row.get("is_dir") else row.get("size"),
            normal(str(row.get("path"))),
        )
        for row in rows
    }
    judge.that(
        "FILE-LIST-ITEMS-TRUE",
        found == expected and len(rows) == len(expected),
        "name, is_dir, size and path of the items of a folder",
        expected=f"{sorted(expected.items())}",
        got=f"{sorted(found.items(), key=str)}",
        by=listing,
    )


@verifies("FILE-LIST-BASE", "FILE-LIST-SHAPE")
def test_the_base_is_the_listed_folder(area: FileArea, judge: Judge) -> None:
    """In a folder of the root, and in those below it."""
    area.put("file.txt", dir=area.within("one", "two"))
    for folder in (area.folder, area.within("one"), area.within("one", "two")):
        listing = area.user.api.list_files(folder)
        area.rows(listing)
        judge.that(
            "FILE-LIST-BASE",
            normal(str(listing.payload.get("base"))) == normal(folder),
            f"the base of the listing of {folder}",
            expected=normal(folder),
            got=f"{listing.payload.get('base')!r}",
            by=listing,
        )


@verifies("FILE-LIST-SORTED")
def test_items_are_sorted_by_code_point(area: FileArea, judge: Judge) -> None:
    """Files and folders together, whatever they were called and whenever they were made."""
    for name in area.stage.random.sample(_PLAIN, len(_PLAIN)):
        area.put(name)
    for name in area.stage.random.sample(_FOLDERS, len(_FOLDERS)):
        area.put("inside.txt", dir=area.within(name))
    for name in area.stage.random.sample(_ODD, len(_ODD)):
        # The server may clean or refuse the name: the order is that of the names it tells.
        area.upload(b"x\n", name, dir=area.folder)
    listing = area.user.api.list_files(area.folder)
    names = names_of(area.rows(listing))
    judge.that(
        "FILE-LIST-SORTED",
        names == sorted(names),
        "the order of the items of a folder",
        expected=", ".join(sorted(names)),
        got=", ".join(names),
        by=listing,
    )


@verifies("FILE-LIST-ABSENT", "FILE-LIST-FILE", "ENVELOPE-FAILURE")
def test_only_folders_can_be_listed(area: FileArea, judge: Judge) -> None:
    """Nothing at the path is 404; a file is 400, or a list of this one item."""
    file = area.put("file.txt", b"12345\n")
    area.items()  # the positive control
    for path in (area.within("nothing"), area.within("nothing", "below"), f"{area.folder}-x"):
        exchange = area.user.api.list_files(path)
        judge.that(
            "FILE-LIST-ABSENT",
            exchange.status == 404,
            "the listing of a path at which there is nothing",
            expected="404",
            got=_in_short(exchange),
            by=exchange,
        )
    exchange = area.user.api.list_files(file.path)
    rows = rows_of(exchange)
    judge.that(
        "FILE-LIST-FILE",
        exchange.status == 400
        or (
            exchange.status == 200
            and names_of(rows) == ["file.txt"]
            and rows[0].get("is_dir") is False
            and rows[0].get("size") == 6
            and normal(str(rows[0].get("path"))) == normal(file.path)
        ),
        "the listing of the path of a file",
        expected="400, or 200 with the file as the one item",
        got=_in_short(exchange),
        by=(file.exchange, exchange),
    )


def _in_short(listing: Exchange) -> str:
    if not listing.ok:
        return listing.summary
    names = names_of(rows_of(listing))
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{listing.status}, {', '.join(names[:20]) or 'no items'}{more}"
