"""Prompts: exact texts under names that cannot leave their folder."""

import logging
import time
from pathlib import Path

import pytest

from pollux.reference_server.names import NameRefused, check_name
from pollux.reference_server.prompts import PromptNotFound, PromptRefused, PromptStore

BAD_NAMES = [
    "",
    " ",
    "a b",
    "a.b",
    "a/b",
    "../../x",
    "..",
    "a\\b",
    "a\n",
    "a\x00",
    "ü",
    "名",
    "１",
    "a" * 65,
    "\ud800",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "prompts"


@pytest.fixture
def store(tmp_path: Path, folder: Path) -> PromptStore:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return PromptStore(folder, scratch)


@pytest.mark.parametrize("name", ["a", "A-b_9", "-", "_", "0", "x" * 64])
def test_names_by_the_rule_are_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", BAD_NAMES)
def test_other_names_are_refused_everywhere(store: PromptStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(NameRefused):
        check_name(name)
    with pytest.raises(NameRefused):
        store.save(name, "x")
    with pytest.raises(NameRefused):
        store.load(name)
    with pytest.raises(NameRefused):
        store.exists(name)
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]


@pytest.mark.parametrize("content", ["", "text", "你好\r\n\n\t\ufeff", "\x00", "x" * 100_000])
def test_a_text_comes_back_exactly(store: PromptStore, content: str, folder: Path) -> None:
    store.save("name", content)
    assert store.load("name") == content
    assert store.exists("name")
    assert (folder / "name.txt").read_bytes() == content.encode()
    (item,) = store.list()
    assert (item.name, item.size) == ("name", len(content.encode()))
    assert abs(item.updated_at - time.time()) < 60


def test_saving_replaces(store: PromptStore) -> None:
    store.save("name", "old")
    store.save("name", "new")
    assert store.load("name") == "new"
    assert len(store.list()) == 1


def test_what_is_unknown_is_not_found(store: PromptStore) -> None:
    assert store.list() == ()
    assert not store.exists("name")
    with pytest.raises(PromptNotFound, match="name"):
        store.load("name")


def test_the_list_is_sorted_by_name_and_shows_prompts_only(
    store: PromptStore, folder: Path
) -> None:
    for name in ("b", "a-b", "a", "B", "a_b", "ab"):
        store.save(name, "")
    for name in ("x.json", "bad name.txt", ".txt", "x.txt.tmp"):
        (folder / name).write_text("")
    (folder / "folder.txt").mkdir()
    (folder / "link.txt").symlink_to(folder / "a.txt")
    assert [item.name for item in store.list()] == ["B", "a", "a-b", "a_b", "ab", "b"]


def test_a_text_without_an_encoding_is_refused(store: PromptStore) -> None:
    store.save("name", "old")
    with pytest.raises(PromptRefused):
        store.save("name", "\ud800")
    assert store.load("name") == "old"


def test_a_file_that_was_spoilt_by_hand_is_still_a_prompt(
    store: PromptStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir(parents=True)
    (folder / "name.txt").write_bytes(b"a\xffb")
    (folder / "folder.txt").mkdir()
    with caplog.at_level(logging.WARNING):
        assert store.load("name") == "a\N{REPLACEMENT CHARACTER}b"
    assert "name" in caplog.text
    assert not store.exists("folder")
