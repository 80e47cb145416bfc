"""Folders as zip archives, made while they are sent: whole, or visibly broken off."""

import io
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from pollux.reference_server.archive import zip_folder
from pollux.reference_server.files import FileArea, FileItem
from pollux.reference_server.folders import FileAbsent, NotAFolder
from pollux.reference_server.paths import PathRefused


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "project" / "user_upload"


@pytest.fixture
def area(tmp_path: Path, root: Path) -> FileArea:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    area = FileArea(root, scratch, max_bytes=10_000_000)
    area.write_text("docs/a.txt", "alpha")
    area.write_text("docs/文件/é.txt", "ünïcode")
    area.write_text("other.txt", "other")
    (root / "docs" / "empty" / "inner").mkdir(parents=True)
    return area


def members(blocks: Iterator[bytes]) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(blocks))) as archive:
        assert archive.testzip() is None
        assert len(set(archive.namelist())) == len(archive.namelist())
        return {name: archive.read(name) for name in archive.namelist()}


def test_members_are_named_from_the_root_and_empty_folders_are_kept(area: FileArea) -> None:
    assert members(zip_folder(area, "docs")) == {
        "docs/a.txt": b"alpha",
        "docs/empty/inner/": b"",
        "docs/文件/é.txt": "ünïcode".encode(),
    }
    assert members(zip_folder(area, "docs/empty/inner")) == {"docs/empty/inner/": b""}
    assert members(zip_folder(area, "/"))["other.txt"] == b"other"


def test_an_empty_root_is_an_empty_archive(tmp_path: Path) -> None:
    area = FileArea(tmp_path / "none", tmp_path, max_bytes=1)
    assert members(zip_folder(area, "/")) == {}


def test_no_link_is_followed(area: FileArea, root: Path) -> None:
    (root / "docs" / "passwd").symlink_to("/etc/passwd")
    (root / "docs" / "etc").symlink_to("/etc")
    (root / "docs" / "inside").symlink_to(root / "other.txt")
    os.mkfifo(root / "docs" / "pipe")
    (root / "onlylinks").mkdir()
    (root / "onlylinks" / "link").symlink_to("/etc")
    assert sorted(members(zip_folder(area, "docs"))) == [
        "docs/a.txt",
        "docs/empty/inner/",
        "docs/文件/é.txt",
    ]
    assert members(zip_folder(area, "onlylinks")) == {"onlylinks/": b""}
    with pytest.raises(PathRefused):
        zip_folder(area, "docs/etc")


def test_what_is_no_folder_is_refused_before_the_first_block(area: FileArea) -> None:
    with pytest.raises(FileAbsent):
        zip_folder(area, "nothing")
    with pytest.raises(NotAFolder):
        zip_folder(area, "other.txt")


def test_a_large_file_comes_in_blocks(area: FileArea) -> None:
    data = os.urandom(3_000_000)
    with area.receive() as incoming:
        incoming.write(data)
        area.store(incoming, folder="large", filename="f")
    blocks = list(zip_folder(area, "large"))
    assert max(len(block) for block in blocks) < 300_000
    assert members(iter(blocks)) == {"large/f": data}


def test_what_vanishes_or_changes_its_kind_before_its_turn_is_left_out(area: FileArea) -> None:
    for name in "abcd":
        area.write_text(f"many/{name}", name * 10)
    area.write_text("many/e/f", "f")
    blocks = zip_folder(area, "many")
    start = next(blocks)
    area.delete("many/b")
    area.delete("many/c")
    area.write_text("many/c/now a folder", "x")
    area.write_text("many/d", "new")
    area.delete("many/e")
    assert members(iter([start, *blocks])) == {"many/a": b"a" * 10, "many/d": b"new"}


def test_a_file_that_cannot_be_read_to_its_end_breaks_the_archive_off(
    area: FileArea, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BadDisk(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(size)

    def open_bad(path: str) -> tuple[BadDisk, FileItem]:
        return BadDisk(b"x" * 1_000_000), area.find(path)

    monkeypatch.setattr(area, "open", open_bad)
    received = bytearray()
    with pytest.raises(OSError, match="Input/output"):
        for block in zip_folder(area, "docs"):
            received += block
    assert not zipfile.is_zipfile(io.BytesIO(received))


def test_an_archive_that_nobody_reads_to_its_end_leaves_nothing_open(area: FileArea) -> None:
    with area.receive() as incoming:
        incoming.write(os.urandom(1_000_000))
        area.store(incoming, folder="large", filename="f")
    blocks = iter(zip_folder(area, "large"))
    next(blocks)
    assert _open_files("large/f") == 1
    blocks.close()  # type: ignore[attr-defined]
    assert _open_files("large/f") == 0


def test_dates_that_zip_does_not_know_are_moved_into_its_range(area: FileArea, root: Path) -> None:
    for name, date in (("old", 0), ("late", 5_000_000_000)):
        area.write_text(f"dates/{name}", name)
        os.utime(root / "dates" / name, (date, date))
    data = b"".join(zip_folder(area, "dates"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {info.filename: info.date_time[0] for info in archive.infolist()} == {
            "dates/late": 2107,
            "dates/old": 1980,
        }


@pytest.mark.skipif(which("unzip") is None, reason="unzip is not installed")
def test_another_program_can_unpack_it(area: FileArea, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"".join(zip_folder(area, "docs")))
    target = tmp_path / "unpacked"
    subprocess.run(["unzip", "-q", tmp_path / "x.zip", "-d", target], check=True)
    assert (target / "docs" / "a.txt").read_bytes() == b"alpha"
    assert (target / "docs" / "empty" / "inner").is_dir()


def _open_files(ending: str) -> int:
    links = Path("/proc/self/fd")
    if not links.exists():
        pytest.skip("the system does not tell which files are open")
    found = 0
    for link in links.iterdir():
        if link.is_symlink() and os.path.realpath(link).endswith(ending):
            found += 1
    return found
