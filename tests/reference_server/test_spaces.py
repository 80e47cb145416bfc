"""Each user has one space, apart from all others, clean when it is opened."""

from pathlib import Path

import pytest

from pollux.reference_server.names import NameRefused
from pollux.reference_server.spaces import UserSpaces


def test_a_space_is_laid_out_as_documented_and_opened_once(tmp_path: Path) -> None:
    spaces = UserSpaces(tmp_path, max_upload_bytes=10)
    space = spaces.of("ann")
    assert spaces.of("ann") is space
    assert space.name == "ann"
    space.files.write_text("f", "x")
    conversation_id = space.conversations.create()
    space.prompts.save("p", "")
    space.personalizations.save("q", {}, model_keys=())
    home = tmp_path / "api" / "users" / "ann"
    for path in (
        "project/user_upload/f",
        f"data/conversations/{conversation_id}.json",
        "data/prompts/p.txt",
        "data/personalization/q.json",
    ):
        assert (home / path).is_file()
        assert (home / path).stat().st_mode & 0o077 == 0
    assert home.stat().st_mode & 0o077 == 0
    assert space.files.max_bytes == 10


def test_users_see_nothing_of_each_other(tmp_path: Path) -> None:
    spaces = UserSpaces(tmp_path, max_upload_bytes=10)
    ann, bob = spaces.of("ann"), spaces.of("bob")
    ann.files.write_text("f", "x")
    conversation_id = ann.conversations.create()
    ann.prompts.save("p", "")
    ann.personalizations.save("q", {}, model_keys=())
    assert bob.files.list() == ()
    assert bob.conversations.list(20, 0) == ((), 0)
    assert not bob.conversations.exists(conversation_id)
    assert bob.prompts.list() == bob.personalizations.list() == ()


@pytest.mark.parametrize("name", ["..", "", "a/b", "../ann", "ann\n"])
def test_a_bad_name_has_no_space(tmp_path: Path, name: str) -> None:
    with pytest.raises(NameRefused):
        UserSpaces(tmp_path, max_upload_bytes=10).of(name)
    assert list(tmp_path.iterdir()) == []


def test_what_killed_writes_have_left_is_swept_when_a_space_is_opened(tmp_path: Path) -> None:
    UserSpaces(tmp_path, max_upload_bytes=10).of("ann").files.write_text("kept.tmp", "x")
    scratch = tmp_path / "api" / "users" / "ann" / ".tmp"
    (scratch / "half.tmp").write_bytes(b"torn")
    (scratch / "x.deleted").mkdir()
    (scratch / "x.deleted" / "f").write_bytes(b"")
    space = UserSpaces(tmp_path, max_upload_bytes=10).of("ann")
    assert list(scratch.iterdir()) == []
    assert [item.name for item in space.files.list()] == ["kept.tmp"]
