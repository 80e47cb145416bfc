"""An open folder follows no link, whatever is swapped between two looks."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pollux.reference_server import folders
from pollux.reference_server.folders import (
    Entry,
    FileAbsent,
    Folder,
    IsAFolder,
    NotAFolder,
    open_folder,
)
from pollux.reference_server.paths import PathRefused


@pytest.fixture(params=["by descriptor", "by path"])
def root(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with a folder and a file, a secret outside of it, once for each way of working."""
    monkeypatch.setattr(folders, "_BY_DESCRIPTOR", request.param == "by descriptor")
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "file").write_bytes(b"mine")
    (root / "file").write_bytes(b"mine")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"secret")
    return root


def _temporary(root: Path) -> Path:
    path = root.parent / "temporary"
    path.write_bytes(b"new")
    return path


def test_entries_are_sorted_by_code_point_and_show_only_what_a_path_can_name(root: Path) -> None:
    for name in (
        "Z",
        "a",
        "é",
        "B.txt",
        "back\\slash",
        "new\nline",
        b"\xff".decode(errors="surrogateescape"),
    ):
        (root / name).write_bytes(b"xy")
    (root / "dangling").symlink_to(root / "nothing")
    (root / "link").symlink_to(root.parent / "outside")
    os.mkfifo(root / "pipe")
    with open_folder(root, ()) as folder:
        found = folder.entries()
    assert [entry.name for entry in found] == ["B.txt", "Z", "a", "file", "folder", "é"]
    sizes = {entry.name: (entry.is_dir, entry.size) for entry in found}
    assert sizes["a"] == (False, 2)
    assert sizes["folder"] == (True, 0)


def test_links_and_special_files_are_refused(root: Path) -> None:
    (root / "out").symlink_to(root.parent / "outside")
    (root / "inside").symlink_to(root / "folder")
    (root / "dangling").symlink_to(root / "nothing")
    (root / "outfile").symlink_to(root.parent / "outside" / "file")
    os.mkfifo(root / "pipe")
    with open_folder(root, ()) as folder:
        for name in ("out", "inside", "dangling", "outfile", "pipe"):
            with pytest.raises(PathRefused):
                folder.find(name)
            with pytest.raises(PathRefused):
                folder.enter(name)
            with pytest.raises(PathRefused):
                folder.open_file(name)
            with pytest.raises(PathRefused):
                folder.put(_temporary(root), name)
    assert (root.parent / "outside" / "file").read_bytes() == b"secret"


def test_what_is_missing_or_of_the_other_kind_is_told(root: Path) -> None:
    with open_folder(root, ()) as folder:
        assert folder.find("nothing") is None
        with pytest.raises(FileAbsent):
            folder.enter("nothing")
        with pytest.raises(FileAbsent):
            folder.open_file("nothing")
        with pytest.raises(NotAFolder):
            folder.enter("file")
        with pytest.raises(IsAFolder):
            folder.open_file("folder")
        with pytest.raises(IsAFolder):
            folder.put(_temporary(root), "folder")
    for parts, error in (
        (("file",), NotAFolder),
        (("file", "x"), FileAbsent),
        (("nothing", "x"), FileAbsent),
    ):
        with pytest.raises(error), open_folder(root, parts):
            pass


def test_a_name_that_the_system_refuses_is_no_trouble_of_the_machine(root: Path) -> None:
    with open_folder(root, ()) as folder, pytest.raises(PathRefused):
        folder.find("x" * 4000)


def test_a_file_is_put_and_taken(root: Path) -> None:
    with open_folder(root, ("folder",)) as folder:
        entry = folder.put(_temporary(root), "file")
        assert (entry.name, entry.size) == ("file", 3)
        assert (root / "folder" / "file").read_bytes() == b"new"
        folder.take("file", root.parent / "taken")
    assert (root.parent / "taken").read_bytes() == b"new"
    assert list((root / "folder").iterdir()) == []


def test_the_root_is_made_when_it_is_missing(root: Path) -> None:
    with open_folder(root.parent / "new" / "root", ()) as folder:
        assert folder.entries() == []


def test_no_descriptor_stays_open(root: Path) -> None:
    open_now = Path("/proc/self/fd")
    if not open_now.exists():
        pytest.skip("the system does not tell which files are open")
    before = len(list(open_now.iterdir()))
    for parts in ((), ("folder",), ("file",), ("nothing",), ("folder", "x", "y")):
        with contextlib.suppress(FileAbsent, NotAFolder), open_folder(root, parts) as folder:
            folder.entries()
    assert len(list(open_now.iterdir())) == before


@pytest.fixture
def swap(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], None]:
    """Have a file or folder replaced by a link right after it was looked at."""

    def plan(victim: Path, target: Path) -> None:
        find = Folder.find

        def find_then_swap(folder: Folder, name: str) -> Entry | None:
            entry = find(folder, name)
            if name == victim.name and not victim.is_symlink():
                victim.rename(victim.with_name("moved away"))
                victim.symlink_to(target)
            return entry

        monkeypatch.setattr(Folder, "find", find_then_swap)

    return plan


needs_descriptors = pytest.mark.parametrize("root", ["by descriptor"], indirect=True)


@needs_descriptors
def test_a_folder_swapped_for_a_link_is_not_entered(
    root: Path, swap: Callable[[Path, Path], None]
) -> None:
    swap(root / "folder", root.parent / "outside")
    with pytest.raises(PathRefused), open_folder(root, ("folder",)):
        pass


def test_a_file_swapped_for_a_link_is_not_opened(
    root: Path, swap: Callable[[Path, Path], None]
) -> None:
    swap(root / "file", root.parent / "outside" / "file")
    with open_folder(root, ()) as folder, pytest.raises(PathRefused):
        folder.open_file("file")


def test_a_file_swapped_for_a_link_is_replaced_not_followed(
    root: Path, swap: Callable[[Path, Path], None]
) -> None:
    swap(root / "file", root.parent / "outside" / "file")
    with open_folder(root, ()) as folder:
        folder.put(_temporary(root), "file")
    assert (root / "file").read_bytes() == b"new"
    assert (root.parent / "outside" / "file").read_bytes() == b"secret"


def test_a_folder_that_appears_after_the_look_is_not_replaced(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing_then_make(_folder: Folder, name: str) -> None:
        (root / name).mkdir()

    monkeypatch.setattr(Folder, "find", find_nothing_then_make)
    with open_folder(root, ()) as folder, pytest.raises(IsAFolder):
        folder.put(_temporary(root), "new")
    assert (root / "new").is_dir()


@needs_descriptors
def test_a_folder_that_is_open_stays_the_same_when_its_name_is_given_away(root: Path) -> None:
    with open_folder(root, ("folder",)) as folder:
        (root / "folder").rename(root / "renamed")
        (root / "folder").symlink_to(root.parent / "outside")
        folder.put(_temporary(root), "file")
        file, _ = folder.open_file("file")
        with file:
            assert file.read() == b"new"
    assert (root / "renamed" / "file").read_bytes() == b"new"
    assert (root.parent / "outside" / "file").read_bytes() == b"secret"
