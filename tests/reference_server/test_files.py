"""The files of one user: stored whole, found again by their path, never outside the root."""

import hashlib
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pollux.reference_server.files import EditRefused, FileArea, FileItem, NotText, TooLarge
from pollux.reference_server.folders import FileAbsent, IsAFolder, NotAFolder
from pollux.reference_server.paths import FileAreaError, PathRefused

MAX_BYTES = 10_000


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "project" / "user_upload"


@pytest.fixture
def area(root: Path, scratch: Path) -> FileArea:
    return FileArea(root, scratch, max_bytes=MAX_BYTES)


def upload(area: FileArea, data: bytes, filename: str, folder: str = "") -> FileItem:
    with area.receive() as incoming:
        incoming.write(data)
        return area.store(incoming, folder=folder, filename=filename)


def read(area: FileArea, path: str) -> bytes:
    file, _ = area.open(path)
    with file:
        return file.read()


def test_an_upload_is_found_under_the_path_that_was_told(area: FileArea, root: Path) -> None:
    item = upload(area, b"bytes", "C:\\x\\report?.txt", "/user_upload/a/b/")
    assert (item.path, item.name, item.size, item.is_dir) == (
        "a/b/report_.txt",
        "report_.txt",
        5,
        False,
    )
    assert read(area, item.path) == b"bytes"
    assert area.list("a/b") == (item,)
    assert area.find(item.path) == item
    assert (root / "a" / "b" / "report_.txt").read_bytes() == b"bytes"


@pytest.mark.parametrize("folder", ["", "user_upload", "user_upload/user_upload", "x/user_upload"])
@pytest.mark.parametrize("filename", ["user_upload", "f"])
def test_a_folder_called_like_the_root_does_not_confuse(
    area: FileArea, folder: str, filename: str
) -> None:
    item = upload(area, b"bytes", filename, folder)
    assert read(area, item.path) == b"bytes"
    above = item.path.rpartition("/")[0]
    assert [found.path for found in area.list(above and above + "/")] == [item.path]


def test_size_and_hash_are_those_of_the_bytes(area: FileArea) -> None:
    data = bytes(range(256)) * 30
    with area.receive() as incoming:
        for start in range(0, len(data), 1000):
            incoming.write(data[start : start + 1000])
        area.store(incoming, folder="", filename="f")
    assert incoming.size == len(data)
    assert incoming.sha256 == hashlib.sha256(data).hexdigest()
    assert read(area, "f") == data


def test_exactly_the_limit_is_taken_and_one_byte_more_leaves_nothing(
    area: FileArea, root: Path, scratch: Path
) -> None:
    assert upload(area, b"x" * MAX_BYTES, "full").size == MAX_BYTES
    with pytest.raises(TooLarge):
        upload(area, b"x" * (MAX_BYTES + 1), "over", "new")
    assert [path.name for path in root.iterdir()] == ["full"]
    assert list(scratch.iterdir()) == []


def test_an_upload_replaces_a_file_and_its_readers_keep_the_old_bytes(area: FileArea) -> None:
    upload(area, b"old", "f")
    file, item = area.open("f")
    with file:
        upload(area, b"newer", "f")
        assert file.read() == b"old"
        assert item.size == 3
    assert read(area, "f") == b"newer"
    assert len(area.list()) == 1


def test_an_upload_onto_a_folder_changes_nothing(area: FileArea, root: Path, scratch: Path) -> None:
    upload(area, b"kept", "inner", "folder")
    with pytest.raises(IsAFolder):
        upload(area, b"bytes", "folder")
    assert read(area, "folder/inner") == b"kept"
    assert [path.name for path in root.iterdir()] == ["folder"]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "filename", "error"),
    [
        ("file/new", "f", NotAFolder),
        ("file", "f", NotAFolder),
        ("new/../../out", "f", PathRefused),
        ("new/\x00", "f", PathRefused),
        ("new", "...", PathRefused),
        ("new", "", PathRefused),
        ("link/new", "f", PathRefused),
        ("link", "f", PathRefused),
        ("", "link", PathRefused),
        ("", "filelink", PathRefused),
        ("new/" + "x" * 256, "f", PathRefused),
        ("new/" + "x/" * 509 + "y", "toolong", PathRefused),
    ],
)
def test_a_refused_upload_leaves_no_folder_and_no_file(
    area: FileArea, root: Path, scratch: Path, folder: str, filename: str, error: type[Exception]
) -> None:
    upload(area, b"kept", "file")
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(outside)
    (root / "filelink").symlink_to(outside / "secret")
    with pytest.raises(error):
        upload(area, b"bytes", filename, folder)
    assert sorted(path.name for path in root.iterdir()) == ["file", "filelink", "link"]
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert read(area, "file") == b"kept"
    assert list(scratch.iterdir()) == []


def test_folders_made_for_a_file_that_could_not_be_moved_are_removed(
    area: FileArea, root: Path, scratch: Path
) -> None:
    upload(area, b"kept", "f", "there")
    with area.receive() as incoming:
        incoming.write(b"bytes")
        # Somebody cleans up too eagerly: the bytes are gone before they are moved.
        next(scratch.iterdir()).unlink()
        with pytest.raises(FileNotFoundError):
            area.store(incoming, folder="there/new/deep", filename="f")
    assert [path.name for path in root.iterdir()] == ["there"]
    assert [item.name for item in area.list("there")] == ["f"]


def test_missing_things_are_absent(area: FileArea) -> None:
    upload(area, b"", "file")
    for path in ("nothing", "file/below", "nothing/below", "%2e%2e"):
        for action in (area.find, area.open, area.list, area.delete, area.read_text):
            with pytest.raises(FileAbsent):
                action(path)
    with pytest.raises(NotAFolder):
        area.list("file")
    upload(area, b"", "f", "folder")
    with pytest.raises(IsAFolder):
        area.open("user_upload/folder")


def test_the_root_is_there_before_anything_is_in_it(area: FileArea) -> None:
    assert area.list() == area.list("/") == area.list("user_upload/") == ()
    root = area.find("/")
    assert (root.name, root.path, root.is_dir) == ("user_upload", "", True)
    with pytest.raises(PathRefused):
        area.open("")
    with pytest.raises(PathRefused):
        area.delete("/")


def test_text_is_read_up_to_a_limit_between_characters(area: FileArea) -> None:
    area.write_text("t", "aé你x")
    assert area.read_text("t").text == "aé你x"
    assert not area.read_text("t", 7).truncated
    cut = {limit: area.read_text("t", limit).text for limit in range(8)}
    assert cut == {0: "", 1: "a", 2: "a", 3: "aé", 4: "aé", 5: "aé", 6: "aé你", 7: "aé你x"}
    assert area.read_text("t", 4).truncated
    assert area.read_text("t", 4).size == 7


@pytest.mark.parametrize("data", [b"\xff", b"a\xe4", b"\xc3(", b"\xed\xa0\x80"])
def test_bytes_that_are_no_text_are_not_read_as_text(area: FileArea, data: bytes) -> None:
    upload(area, data, "f")
    with pytest.raises(NotText):
        area.read_text("f")


def test_text_is_written_exactly(area: FileArea) -> None:
    item = area.write_text("new/folder/t.txt", "a\r\nb\n\ufeff")
    assert item.path == "new/folder/t.txt"
    assert read(area, "new/folder/t.txt") == "a\r\nb\n\ufeff".encode()
    with pytest.raises(NotText):
        area.write_text("new/t", "\ud800")
    with pytest.raises(TooLarge):
        area.write_text("other/t", "你" * (MAX_BYTES // 3 + 1))
    with pytest.raises(IsAFolder):
        area.write_text("new/folder", "x")
    with pytest.raises(PathRefused):
        area.write_text("/", "x")
    assert [item.path for item in area.list()] == ["new"]


def test_an_edit_replaces_the_one_passage(area: FileArea) -> None:
    area.write_text("t", "one two three")
    assert area.edit("t", "two", "2").size == 11
    assert area.read_text("t").text == "one 2 three"


@pytest.mark.parametrize(("old", "count"), [("", 0), ("x", 0), ("a", 2)])
def test_an_edit_that_is_not_clear_changes_nothing(area: FileArea, old: str, count: int) -> None:
    area.write_text("t", "a b a")
    with pytest.raises(EditRefused, match=str(count)):
        area.edit("t", old, "new")
    assert area.read_text("t").text == "a b a"


def test_an_edit_of_what_is_no_text_is_refused(area: FileArea) -> None:
    upload(area, b"\xff", "f")
    with pytest.raises(NotText):
        area.edit("f", "a", "b")
    area.write_text("t", "a")
    with pytest.raises(TooLarge):
        area.edit("t", "a", "b" * (MAX_BYTES + 1))
    area.write_text("folder/f", "")
    with pytest.raises(IsAFolder):
        area.edit("folder", "a", "b")
    assert area.read_text("t").text == "a"


def test_edits_at_the_same_time_all_count(area: FileArea) -> None:
    area.write_text("t", " ".join(f"<{number}>" for number in range(8)))
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        area.edit("t", f"<{number}>", f"[{number}]")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert area.read_text("t").text == " ".join(f"[{number}]" for number in range(8))


def test_a_folder_is_deleted_whole_and_links_in_it_are_not_followed(
    area: FileArea, root: Path, scratch: Path
) -> None:
    upload(area, b"", "f", "folder/deep")
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "folder" / "link").symlink_to(outside)
    assert area.delete("folder").is_dir
    assert area.list() == ()
    assert (outside / "secret").exists()
    upload(area, b"x", "f")
    assert area.delete("f").size == 1
    assert area.list() == ()
    assert list(scratch.iterdir()) == []


def test_uploads_and_deletions_of_one_folder_do_not_trip_each_other(area: FileArea) -> None:
    start = threading.Barrier(4)
    failures: list[Exception] = []

    def work(number: int) -> None:
        start.wait()
        for _ in range(30):
            try:
                if number % 2:
                    upload(area, b"bytes", f"f{number}", "a/b/c")
                else:
                    area.delete("a/b")
            except FileAbsent:
                pass
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_readers_during_uploads_see_whole_files_only(area: FileArea) -> None:
    versions = [bytes([number]) * (1000 + number) for number in range(5)]
    upload(area, versions[0], "f")
    done = threading.Event()
    torn: list[bytes] = []
    listed: set[tuple[str, ...]] = set()

    def look() -> None:
        while not done.is_set():
            data = read(area, "f")
            listed.add(tuple(item.name for item in area.list()))
            if data not in versions:
                torn.append(data)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(60):
        upload(area, versions[number % 5], "f")
    done.set()
    thread.join()
    assert torn == []
    assert listed == {("f",)}


def test_the_tree_shows_what_is_near_the_root_first(area: FileArea) -> None:
    upload(area, b"12", "f", "b/c/d")
    upload(area, b"1", "a")
    tree = area.tree()
    assert tree["children"][0] == {"name": "a", "path": "a", "is_dir": False, "size": 1}
    deep = tree["children"][1]["children"][0]["children"][0]["children"][0]
    assert deep == {"name": "f", "path": "b/c/d/f", "is_dir": False, "size": 2}
    assert not tree["truncated"]
    assert not area.tree(max_entries=5)["truncated"]
    short = area.tree(max_entries=3)
    assert short["truncated"]
    assert [child["name"] for child in short["children"]] == ["a", "b"]
    assert short["children"][1]["children"][0]["children"] == []
    assert not area.tree(max_depth=4)["truncated"]
    assert area.tree(max_depth=3)["truncated"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(max_size=30), st.text(max_size=30), st.binary(max_size=50))
def test_whatever_is_accepted_is_found_again(
    area: FileArea, root: Path, folder: str, filename: str, data: bytes
) -> None:
    try:
        item = upload(area, data, filename, folder)
    except FileAreaError:
        return
    assert item.path.endswith(item.name)
    assert read(area, item.path) == data
    assert (root / item.path).is_file()
    area.delete(item.path)
