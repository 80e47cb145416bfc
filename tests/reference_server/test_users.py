"""The file of users: hashes only, followed while it changes, nothing lost between writers."""

import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pollux.reference_server.users import (
    TokenRefused,
    UserError,
    UserExists,
    UserFileBroken,
    UserNameRefused,
    UserStore,
    UserUnknown,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "api_users.json"


@pytest.fixture
def store(path: Path) -> UserStore:
    return UserStore(path)


def test_the_token_of_a_new_user_lets_in_and_no_other(store: UserStore) -> None:
    ann, bob = store.add("ann"), store.add("bob", note="a note")
    assert store.authenticate(ann) == "ann"
    assert store.authenticate(bob) == "bob"
    for wrong in ("", ann + "x", ann[:-1], ann.swapcase(), "\ud800", "ü", ann + "\n"):
        assert store.authenticate(wrong) is None
    assert store.names() == ("ann", "bob")
    assert [entry.note for entry in store.entries()] == ["", "a note"]


def test_only_the_hash_of_a_token_is_on_the_disk(store: UserStore, path: Path) -> None:
    token = store.add("ann", note="first")
    for file in path.parent.iterdir():
        assert token.encode() not in file.read_bytes()
    stored = json.loads(path.read_bytes())["users"]["ann"]
    assert set(stored) == {"token_sha256", "created_at", "note"}
    assert stored["token_sha256"] == hashlib.sha256(token.encode()).hexdigest()
    assert token not in repr(store.entries())
    assert stored["token_sha256"] not in repr(store.entries())
    assert path.stat().st_mode & 0o077 == 0


def test_a_given_token_may_be_any_visible_ascii(store: UserStore) -> None:
    assert store.add("ann", token="My:own/token+~") == "My:own/token+~"
    assert store.authenticate("My:own/token+~") == "ann"


@pytest.mark.parametrize("token", ["", " ", "a b", "tab\t", "line\n", "ü", "x" * 513, "\x7f"])
def test_a_token_that_no_header_carries_is_refused(store: UserStore, token: str) -> None:
    with pytest.raises(TokenRefused):
        store.add("ann", token=token)
    assert store.names() == ()


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", "a b", "ann\n", "ü", "١", "a" * 65, ".", "a.b", "\x00"]
)
def test_a_name_that_breaks_the_rule_is_refused(store: UserStore, name: str, path: Path) -> None:
    with pytest.raises(UserNameRefused):
        store.add(name)
    assert not path.exists()


def test_a_taken_name_is_refused_in_any_case(store: UserStore) -> None:
    token = store.add("Ann")
    for name in ("Ann", "ann", "ANN"):
        with pytest.raises(UserExists):
            store.add(name)
    assert store.authenticate(token) == "Ann"
    assert store.names() == ("Ann",)


def test_two_users_cannot_share_a_token(store: UserStore) -> None:
    store.add("ann", token="same")
    with pytest.raises(UserExists):
        store.add("bob", token="same")
    assert store.authenticate("same") == "ann"


def test_replacing_gives_a_new_token_and_voids_the_old_one(store: UserStore) -> None:
    store.add("bob", token="bobs")
    store.add("ann", token="old")
    store.add("ann", token="new", replace=True)
    assert store.authenticate("old") is None
    assert store.authenticate("new") == "ann"
    with pytest.raises(UserExists):
        store.add("ann", token="bobs", replace=True)
    with pytest.raises(UserExists):
        store.add("ANN", replace=True)


def test_a_removed_user_is_out_at_once(store: UserStore) -> None:
    token = store.add("ann")
    assert store.authenticate(token) == "ann"
    store.remove("ann")
    assert store.authenticate(token) is None
    with pytest.raises(UserUnknown):
        store.remove("ann")


def test_a_change_by_another_process_is_seen_without_a_restart(
    store: UserStore, path: Path
) -> None:
    old = store.add("ann")
    assert store.authenticate(old) == "ann"
    new = UserStore(path).add("bob")
    assert store.authenticate(new) == "bob"
    UserStore(path).remove("ann")
    assert store.authenticate(old) is None


def test_a_change_in_place_within_one_tick_of_the_clock_is_seen(
    store: UserStore, path: Path
) -> None:
    store.add("ann", token="one")
    before = path.stat()
    assert store.authenticate("one") == "ann"
    # An editor that writes in place: same size, same file, and a clock that did not move on.
    document = path.read_text().replace(_hash("one"), _hash("two"))
    path.write_text(document)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.authenticate("one") is None
    assert store.authenticate("two") == "ann"


def test_an_old_file_is_read_once(
    store: UserStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("ann", token="one")
    os.utime(path, (1_000_000, 1_000_000))
    assert store.authenticate("one") == "ann"

    def fail(_self: Path) -> bytes:
        raise AssertionError("read again though nothing has changed")

    monkeypatch.setattr(Path, "read_bytes", fail)
    for _ in range(3):
        assert store.authenticate("one") == "ann"


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[]", b'{"users": []}', b"\xff\xfe", b"[" * 100_000, b"null"]
)
def test_a_broken_file_keeps_the_last_users_and_is_not_written_over(
    store: UserStore, path: Path, caplog: pytest.LogCaptureFixture, broken: bytes
) -> None:
    token = store.add("ann")
    good = path.read_bytes()
    assert store.authenticate(token) == "ann"
    path.write_bytes(broken)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert store.authenticate(token) == "ann"
    assert len(caplog.records) == 1
    with pytest.raises(UserFileBroken):
        store.add("bob")
    with pytest.raises(UserFileBroken):
        store.remove("ann")
    assert path.read_bytes() == broken
    path.write_bytes(good)
    assert store.authenticate(token) == "ann"
    store.add("bob")


def test_a_wrong_entry_locks_nobody_else_out_and_is_kept(
    store: UserStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    wrong = {
        "../x": {"token_sha256": _hash("a")},
        "short": {"token_sha256": "abc"},
        "none": None,
    }
    right = {"ann": {"token_sha256": _hash("t").upper(), "extra": 1}}
    path.write_text(json.dumps({"users": {**wrong, **right}, "other": 2}))
    assert store.names() == ("ann",)
    assert store.authenticate("t") == "ann"
    assert store.authenticate("a") is None
    assert len(caplog.records) == 3
    store.add("bob")
    document = json.loads(path.read_bytes())
    assert document["other"] == 2
    assert {**wrong, **right}.items() <= document["users"].items()
    with pytest.raises(UserExists):
        store.add("short")


def test_without_a_file_there_are_no_users(store: UserStore, path: Path) -> None:
    assert store.authenticate("x") is None
    token = store.add("ann")
    assert store.authenticate(token) == "ann"
    path.unlink()
    assert store.authenticate(token) is None
    assert store.names() == ()


_ADDER = """
import sys
from pathlib import Path
from pollux.reference_server.users import UserStore
store = UserStore(Path(sys.argv[1]))
sys.stdin.readline()
for number in range(20):
    print(store.add(f"{sys.argv[2]}{number}"), flush=True)
"""


def test_users_added_by_several_processes_at_once_are_all_there(
    store: UserStore, path: Path
) -> None:
    adders = [
        subprocess.Popen(
            [sys.executable, "-c", _ADDER, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("p", "q")
    ]
    own: list[str] = []

    def add_own() -> None:
        own.extend(store.add(f"own{number}") for number in range(20))

    thread = threading.Thread(target=add_own)
    thread.start()
    told = [adder.communicate("go\n")[0].split() for adder in adders]
    thread.join()
    expected = {}
    for name, tokens in zip(("p", "q", "own"), [*told, own], strict=True):
        assert len(tokens) == 20
        expected.update({token: f"{name}{number}" for number, token in enumerate(tokens)})
    assert {token: store.authenticate(token) for token in expected} == expected
    assert sorted(store.names()) == sorted(expected.values())


def test_what_a_killed_writer_left_is_removed_by_the_next(store: UserStore, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("api_users.json.tmp").write_bytes(b'{"users": {"torn')
    store.add("ann")
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "api_users.json",
        "api_users.json.lock",
    ]


def test_all_errors_are_of_one_kind() -> None:
    for error in (TokenRefused, UserExists, UserFileBroken, UserNameRefused, UserUnknown):
        assert issubclass(error, UserError)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
