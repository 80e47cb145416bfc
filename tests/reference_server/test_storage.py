"""Durable storage: whole files or none, one writer per object, nothing left after a kill."""

import hashlib
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pollux.reference_server.storage import (
    AtomicFile,
    ObjectLocks,
    atomic_write,
    encode_json,
    make_folders,
    process_lock,
    sweep,
)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_file_appears_only_when_it_is_committed(tmp_path: Path, scratch: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with AtomicFile(scratch) as file:
        file.write(b"new ")
        file.write(b"bytes")
        assert target.read_bytes() == b"old"
        file.commit(target)
        assert target.read_bytes() == b"new bytes"
    assert target.read_bytes() == b"new bytes"
    assert list(scratch.iterdir()) == []
    assert file.size == 9
    assert file.sha256 == hashlib.sha256(b"new bytes").hexdigest()


def test_a_reader_that_has_the_old_file_open_keeps_its_bytes(tmp_path: Path) -> None:
    target = tmp_path / "file"
    atomic_write(target, b"old")
    with target.open("rb") as reader:
        atomic_write(target, b"new")
        assert reader.read() == b"old"
    assert target.read_bytes() == b"new"


def test_what_is_given_up_leaves_nothing(tmp_path: Path, scratch: Path) -> None:
    target = tmp_path / "file"
    with pytest.raises(RuntimeError, match="changed my mind"), AtomicFile(scratch) as file:
        file.write(b"bytes")
        raise RuntimeError("changed my mind")
    assert not target.exists()
    assert list(scratch.iterdir()) == []


def test_what_is_already_there_is_not_taken_for_new(tmp_path: Path, scratch: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"first")
    with pytest.raises(FileExistsError), AtomicFile(scratch) as file:
        file.write(b"second")
        file.commit_new(target)
    assert target.read_bytes() == b"first"
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_needs_no_hard_links(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(_source: object, _target: object) -> None:
        raise PermissionError("no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "file"
    with AtomicFile(scratch) as file:
        file.write(b"bytes")
        file.commit_new(target)
    assert target.read_bytes() == b"bytes"
    with pytest.raises(FileExistsError), AtomicFile(scratch) as file:
        file.commit_new(target)
    assert target.read_bytes() == b"bytes"
    assert list(scratch.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    atomic_write(target, b"old", scratch=scratch)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write(target, b"new", scratch=scratch)
    assert target.read_bytes() == b"old"
    assert list(scratch.iterdir()) == []


def test_sweeping_removes_files_and_folders_but_follows_no_link(
    tmp_path: Path, scratch: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"")
    (scratch / "left.tmp").write_bytes(b"half")
    (scratch / "x.deleted" / "sub").mkdir(parents=True)
    (scratch / "x.deleted" / "sub" / "file").write_bytes(b"")
    (scratch / "link").symlink_to(outside)
    sweep(scratch)
    assert list(scratch.iterdir()) == []
    assert (outside / "kept").exists()


def test_folders_are_made_with_those_above_them(tmp_path: Path) -> None:
    make_folders(tmp_path / "a" / "b" / "c")
    make_folders(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


@pytest.mark.parametrize("value", ["新对话", "\ud800", {"a": [1, None, "\udcff x"]}, ""])
def test_json_of_any_text_can_be_read_again(value: object) -> None:
    data = encode_json(value)
    data.decode("utf-8")
    assert json.loads(data) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf]])
def test_json_has_no_infinities(value: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_json(value)


def test_one_writer_at_a_time_per_object() -> None:
    locks = ObjectLocks()
    inside = 0
    most = 0
    start = threading.Barrier(8)

    def work() -> None:
        nonlocal inside, most
        start.wait()
        for _ in range(200):
            with locks.hold("a"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert len(locks) == 0


def test_the_second_writer_waits_for_the_first_and_others_do_not() -> None:
    locks = ObjectLocks()
    second_is_in = threading.Event()

    def second() -> None:
        with locks.hold("a"):
            second_is_in.set()

    thread = threading.Thread(target=second)
    with locks.hold("a"):
        thread.start()
        with locks.hold("b"):
            assert len(locks) == 2
        assert not second_is_in.wait(0.05)
    assert second_is_in.wait(10)
    thread.join()
    assert len(locks) == 0


_HOLDER = """
import sys
from pathlib import Path
from pollux.reference_server.storage import process_lock
with process_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_between_processes_is_freed_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    entered = threading.Event()

    def enter() -> None:
        with process_lock(path):
            entered.set()

    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.1)
        holder.kill()
        assert entered.wait(10)
        thread.join()
