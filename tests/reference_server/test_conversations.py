"""Conversations: unique ids, whole files, newest change first, deleted means deleted."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pollux.reference_server.conversations import (
    DEFAULT_TITLE,
    ID_PATTERN,
    ConversationNotFound,
    ConversationStore,
)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "conversations"


@pytest.fixture
def reopen(folder: Path, scratch: Path) -> Callable[[], ConversationStore]:
    """Open the store as a new process would."""
    return lambda: ConversationStore(folder, scratch)


@pytest.fixture
def store(reopen: Callable[[], ConversationStore]) -> ConversationStore:
    return reopen()


def ids(store: ConversationStore, limit: int = 100, offset: int = 0) -> list[str]:
    return [item["id"] for item in store.list(limit, offset)[0]]


def test_a_new_conversation_is_empty(store: ConversationStore, folder: Path) -> None:
    conversation_id = store.create(
        prompt_name="p", personalization_name="q", run_mode="deep", model_key="m"
    )
    assert ID_PATTERN.fullmatch(conversation_id)
    document = store.load(conversation_id)
    assert document["id"] == conversation_id
    assert document["title"] == DEFAULT_TITLE == "新对话"
    assert document["messages"] == []
    assert document["metadata"] == {
        "run_mode": "deep",
        "model_key": "m",
        "custom_prompt_name": "p",
        "personalization_name": "q",
    }
    assert document["created_at"] == document["updated_at"]
    assert abs(datetime.fromisoformat(document["created_at"]).timestamp() - time.time()) < 60
    assert [path.name for path in folder.iterdir()] == [f"{conversation_id}.json"]


def test_ids_are_unique_within_one_millisecond(
    store: ConversationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 1_769_182_965_999_000_000
    monkeypatch.setattr(time, "time_ns", lambda: moment)
    made = [store.create() for _ in range(3)]
    assert made == [
        "conv_20260123_154245_999",
        "conv_20260123_154246_000",
        "conv_20260123_154246_001",
    ]
    assert len({item["updated_at"] for item in store.list(100, 0)[0]}) == 3


def test_ids_are_unique_across_a_restart_within_one_millisecond(
    reopen: Callable[[], ConversationStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_769_182_965_000_000_000)
    first, second = reopen(), reopen()
    made = [first.create(), second.create(), first.create(), second.create()]
    assert len(set(made)) == 4
    assert sorted(ids(reopen())) == sorted(made)


def test_ids_made_by_many_threads_are_unique(store: ConversationStore) -> None:
    made: list[str] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        made.extend(store.create() for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 80
    assert sorted(ids(store)) == sorted(made)


def test_the_id_of_a_deleted_conversation_is_not_given_again(
    store: ConversationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_769_182_965_000_000_000)
    first = store.create()
    store.delete(first)
    assert store.create() != first


def test_appended_messages_are_there_after_a_restart(
    store: ConversationStore, reopen: Callable[[], ConversationStore]
) -> None:
    conversation_id = store.create()
    store.append(
        conversation_id,
        [{"role": "user", "content": "你好 \ud800"}, {"role": "assistant", "content": "hi"}],
        title="a title",
        metadata={"run_mode": "fast", "extra": [1]},
    )
    store.append(conversation_id, [{"role": "user", "content": "x", "timestamp": "given"}])
    for document in (store.load(conversation_id), reopen().load(conversation_id)):
        assert [message["content"] for message in document["messages"]] == [
            "你好 \ud800",
            "hi",
            "x",
        ]
        assert document["messages"][2]["timestamp"] == "given"
        assert datetime.fromisoformat(document["messages"][0]["timestamp"]).tzinfo is not None
        assert document["title"] == "a title"
        assert document["metadata"]["run_mode"] == "fast"
        assert document["metadata"]["extra"] == [1]
        assert document["metadata"]["model_key"] is None
        assert document["updated_at"] > document["created_at"]


def test_list_and_get_tell_the_same(
    store: ConversationStore, reopen: Callable[[], ConversationStore]
) -> None:
    conversation_id = store.create(prompt_name="p")
    store.append(conversation_id, [{"role": "user", "content": "x"}], title="t")
    document = store.load(conversation_id)
    expected = {
        "id": conversation_id,
        "title": "t",
        "created_at": document["created_at"],
        "updated_at": document["updated_at"],
        "run_mode": None,
        "model_key": None,
        "custom_prompt_name": "p",
        "personalization_name": None,
        "messages_count": 1,
    }
    assert store.list(20, 0) == ((expected,), 1)
    assert reopen().list(20, 0) == ((expected,), 1)


def test_the_newest_change_comes_first_and_pages_fit_together(
    store: ConversationStore, reopen: Callable[[], ConversationStore]
) -> None:
    made = [store.create() for _ in range(7)]
    store.append(made[2], [{"role": "user", "content": "x"}])
    order = [made[2], *reversed(made[3:]), made[1], made[0]]
    assert ids(store) == ids(reopen()) == order
    assert ids(store, 3, 0) + ids(store, 3, 3) + ids(store, 3, 6) == order
    assert store.list(3, 7) == ((), 7)
    assert store.list(1, 10**15)[1] == 7


def test_changes_are_in_order_though_the_clock_is_set_back(
    store: ConversationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = store.create(), store.create()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000_000_000_000)
    store.append(first, [])
    assert ids(store) == [first, second]
    document = store.load(first)
    assert document["updated_at"] > document["created_at"]


def test_what_is_returned_is_a_copy(store: ConversationStore) -> None:
    conversation_id = store.create()
    store.load(conversation_id)["messages"].append("x")
    store.list(1, 0)[0][0]["title"] = "x"
    assert store.load(conversation_id)["messages"] == []
    assert store.list(1, 0)[0][0]["title"] == DEFAULT_TITLE


def test_a_deleted_conversation_stays_deleted(
    store: ConversationStore, reopen: Callable[[], ConversationStore], folder: Path
) -> None:
    conversation_id, other = store.create(), store.create()
    store.delete(conversation_id)
    for action in (store.load, store.delete, lambda gone: store.append(gone, [])):
        with pytest.raises(ConversationNotFound):
            action(conversation_id)
    assert not store.exists(conversation_id)
    assert ids(store) == ids(reopen()) == [other]
    assert [path.name for path in folder.iterdir()] == [f"{other}.json"]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "index",
        "conv_1",
        "conv_20260101_000000_0000",
        "conv_20260101_000000_00",
        "conv_20260101_000000_000\n",
        "conv_２0260101_000000_000",
        "../conversations/conv_20260101_000000_000",
        "conv_20260101_000000_000.json",
        "CONV_20260101_000000_000",
        "\x00",
    ],
)
def test_nothing_else_in_the_folder_is_a_conversation(
    store: ConversationStore, folder: Path, wrong: str
) -> None:
    conversation_id = store.create()
    document = store.load(conversation_id)
    for name in ("index", "conv_1", "conv_20260101_000000_0000"):
        (folder / f"{name}.json").write_text(json.dumps({**document, "id": name}))
    assert not store.exists(wrong)
    with pytest.raises(ConversationNotFound):
        store.load(wrong)
    with pytest.raises(ConversationNotFound):
        store.append(wrong, [])
    with pytest.raises(ConversationNotFound):
        store.delete(wrong)
    assert ids(store) == [conversation_id]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"id": "conv_20260101_000000_000"}',
        b'{"id": "other", "title": "", "created_at": "", "updated_at": "", "messages": [], '
        b'"metadata": {}}',
    ],
)
def test_a_damaged_file_is_no_conversation_and_is_logged(
    store: ConversationStore, folder: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    folder.mkdir(parents=True)
    (folder / "conv_20260101_000000_000.json").write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert store.list(20, 0) == ((), 0)
    assert "conv_20260101_000000_000" in caplog.text
    assert not store.exists("conv_20260101_000000_000")
    good = store.create()
    assert ids(store) == [good]


def test_appends_at_the_same_time_are_all_kept(store: ConversationStore) -> None:
    conversation_id = store.create()
    start = threading.Barrier(6)

    def work(number: int) -> None:
        start.wait()
        for turn in range(8):
            message = {"role": "user", "content": f"{number} {turn}"}
            store.append(conversation_id, [message], metadata={f"{number}": turn})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    document = store.load(conversation_id)
    told = sorted(message["content"] for message in document["messages"])
    assert told == sorted(f"{number} {turn}" for number in range(6) for turn in range(8))
    assert {key: document["metadata"][key] for key in "012345"} == dict.fromkeys("012345", 7)
    assert store.list(1, 0)[0][0]["messages_count"] == 48


def test_an_append_beside_a_deletion_brings_nothing_back(
    reopen: Callable[[], ConversationStore], folder: Path
) -> None:
    store = reopen()
    for _ in range(30):
        conversation_id = store.create()
        start = threading.Barrier(2)

        def append(conversation_id: str = conversation_id, start: Any = start) -> None:
            start.wait()
            for _ in range(3):
                try:
                    store.append(conversation_id, [{"role": "user", "content": "x"}])
                except ConversationNotFound:
                    return

        thread = threading.Thread(target=append)
        thread.start()
        start.wait()
        store.delete(conversation_id)
        thread.join()
        assert not store.exists(conversation_id)
    assert store.list(1, 0) == ((), 0)
    assert list(folder.iterdir()) == []


def test_a_write_that_fails_changes_nothing(
    store: ConversationStore, monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    conversation_id = store.create()
    before = store.load(conversation_id)
    with pytest.raises(ValueError, match="JSON"):
        store.append(conversation_id, [{"role": "user", "content": float("nan")}])

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.append(conversation_id, [{"role": "user", "content": "x"}])
    with pytest.raises(OSError, match="No space"):
        store.create()
    assert store.load(conversation_id) == before
    assert ids(store) == [conversation_id]
    assert store.list(1, 0)[0][0]["messages_count"] == 0
    assert list(scratch.iterdir()) == []


def test_every_change_is_made_durable_in_the_folder(
    store: ConversationStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create()
    synced: list[int] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    conversation_id = store.create()
    made = (folder / f"{conversation_id}.json").stat().st_ino
    assert synced == [made, folder.stat().st_ino]
    store.append(conversation_id, [])
    changed = (folder / f"{conversation_id}.json").stat().st_ino
    assert synced[2:] == [changed, folder.stat().st_ino]
    store.delete(conversation_id)
    assert synced[4:] == [folder.stat().st_ino]


def test_listing_reads_no_file_again(
    store: ConversationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [store.create() for _ in range(3)]
    store.list(20, 0)

    def fail(_self: Path) -> bytes:
        raise AssertionError("a file was read")

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert ids(store) == made[::-1]
