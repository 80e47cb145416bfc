"""Downloads of folders (api_v1 2.5): one whole archive of all that is in them."""

import io
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.file_area import FileArea, Stored, disposition, normal
from pollux.conformance.judge import Judge
from pollux.conformance.stage import User
from pollux.polling.exchange import Exchange

_UTF8_NAMES = 0x800


@pytest.fixture
def area(user: User) -> FileArea:
    """The check's own folder."""
    return FileArea(user)


@verifies("FILE-ZIP", "FILE-ZIP-CONTENT", "FILE-ZIP-NAMES")
def test_a_folder_is_downloaded_as_an_archive_of_its_files(area: FileArea, judge: Judge) -> None:
    """A folder in the root, one below another, and one in another script."""
    deep = area.within("outer", "inner")
    inner = [area.put("inner.txt", dir=deep), area.put("文件.txt", dir=deep)]
    outer = [*inner, area.put("empty.txt", b"", dir=area.within("outer"))]
    # Nothing of it can be made smaller: whoever sends pieces of it is found out.
    large = area.stage.random.randbytes(150_000).hex().encode()
    everything = [
        *outer,
        area.put("large.txt", large),
        area.put("late.txt", dir=area.within("资料", "a", "b", "c")),
        area.put("inner.txt"),
    ]
    area.put("beside.txt", dir=f"{area.folder}-beside")
    folders: list[tuple[str, Iterable[Stored]]] = [
        (area.folder, everything),
        (area.within("outer"), outer),
        (deep, inner),
        (area.within("资料"), [everything[-2]]),
    ]
    for folder, files in folders:
        _judge_archive(area, judge, folder, list(files))


def _judge_archive(area: FileArea, judge: Judge, folder: str, files: list[Stored]) -> None:
    exchange = area.user.api.download_file(folder)
    name = f"{folder.rpartition('/')[2]}.zip"
    found = disposition(exchange)
    judge.that(
        "FILE-ZIP",
        exchange.status == 200
        and found.kind == "attachment"
        and unicodedata.normalize("NFC", found.name or "") == name,
        f"the download of the folder {folder}",
        expected=f"200 and the attachment {name}",
        got=f"{exchange.summary}, Content-Disposition: {exchange.header('content-disposition')}",
        by=exchange,
    )
    members = _members(exchange)
    judge.that(
        "FILE-ZIP",
        isinstance(members, list),
        f"the archive of the folder {folder}",
        expected="a whole zip archive",
        got=f"{members}",
        by=exchange,
    )
    if not isinstance(members, list):
        return
    expected = Counter(file.content for file in files)
    got = Counter(content for _, content in members)
    judge.that(
        "FILE-ZIP-CONTENT",
        got == expected,
        f"the bytes of the files in the archive of {folder}",
        expected=f"those of {len(files)} files, {_sizes(expected)} bytes",
        got=f"{len(members)} files, {_sizes(got)} bytes",
        by=(exchange, *(file.exchange for file in files[:2])),
    )
    _judge_names(judge, exchange, folder, files, members)


def _judge_names(
    judge: Judge,
    exchange: Exchange,
    folder: str,
    files: list[Stored],
    members: list[tuple[str, bytes]],
) -> None:
    """Judge how the files are called that are there; which ones are is another requirement."""
    paths = {file.content: normal(file.path) for file in files}
    told = [(name, paths[content]) for name, content in members if content in paths]
    from_root = all(name == path for name, path in told)
    from_folder = all(name == path.removeprefix(f"{folder}/") for name, path in told)
    judge.that(
        "FILE-ZIP-NAMES",
        from_root or from_folder,
        f"the names of the entries in the archive of {folder}",
        expected="all relative to the root, or all relative to the folder: "
        + ", ".join(f"[{folder}/]{path.removeprefix(f'{folder}/')}" for _, path in told),
        got=", ".join(name for name, _ in told),
        by=exchange,
    )


def _members(exchange: Exchange) -> list[tuple[str, bytes]] | str:
    """Return name and bytes of the files in an archive, or what is wrong with it."""
    try:
        with zipfile.ZipFile(io.BytesIO(exchange.body)) as archive:
            return [
                (_entry_name(entry), archive.read(entry))
                for entry in archive.infolist()
                if not entry.is_dir()
            ]
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        return f"{len(exchange.body)} bytes: {type(error).__name__}: {error}"


def _entry_name(entry: zipfile.ZipInfo) -> str:
    """Return the name of an entry, in which many programs write UTF-8 without saying so."""
    name = entry.filename
    if not entry.flag_bits & _UTF8_NAMES:
        try:
            name = name.encode("cp437").decode()
        except UnicodeError:
            name = entry.filename
    return unicodedata.normalize("NFC", name.removeprefix("./"))


def _sizes(contents: Counter[bytes]) -> str:
    return ", ".join(str(size) for size in sorted(len(one) for one in contents.elements()))
