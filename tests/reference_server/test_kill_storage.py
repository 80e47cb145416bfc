"""Killed at any moment, the storage keeps what was acknowledged, whole, and shows nothing else."""

import random
import re
import sys
from pathlib import Path
from typing import Any

from pollux.reference_server.spaces import UserSpace, UserSpaces
from pollux.reference_server.users import USERS_FILE, UserStore
from tests.reference_server.killing import acknowledged_until_killed, files_below, moments
from tests.reference_server.storage_worker import FILES_OF_A_FOLDER, content

KILLS = 60
VERSIONS_PER_ROUND = 100_000
WORKER = Path(__file__).with_name("storage_worker.py")
USER_UPLOAD = "project/user_upload/"


class Expected:
    """What all rounds have acknowledged so far."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.messages: dict[str, int] = {}
        self.deleted: set[str] = set()
        self.tokens: dict[str, str] = {}
        self.folders: dict[str, bool] = {}
        self.total = 0

    def take(self, acknowledged: list[dict[str, Any]]) -> None:
        """Note what one process has acknowledged."""
        self.total += len(acknowledged)
        for told in acknowledged:
            match told["what"]:
                case "file":
                    self.versions[told["path"]] = told["version"]
                case "prompt" | "personalization" as kind:
                    self.versions[kind] = told["version"]
                case "conversation":
                    self.messages[told["id"]] = told["messages"]
                case "deleted":
                    self.deleted.add(told["id"])
                case "user":
                    self.tokens[told["token"]] = told["name"]
                case "folder" | "no folder" as kind:
                    self.folders[told["path"]] = kind == "folder"


def test_what_was_acknowledged_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    expected = Expected()
    scratch = tmp_path / "api" / "users" / "ann" / ".tmp"
    kills_in_a_write = 0
    for number, (lines, delay) in enumerate(moments(random.Random(seed), KILLS)):
        first_version = str((number + 1) * VERSIONS_PER_ROUND)
        command = (sys.executable, str(WORKER), str(tmp_path), first_version)
        expected.take(acknowledged_until_killed(command, lines=lines, delay=delay))
        kills_in_a_write += any(scratch.iterdir())
        _check_names(tmp_path)
        _check(UserSpaces(tmp_path, max_upload_bytes=1).of("ann"), expected)
        assert not any(scratch.iterdir())
        users = UserStore(tmp_path / USERS_FILE)
        assert {token: users.authenticate(token) for token in expected.tokens} == expected.tokens
    # Otherwise all of this would have shown nothing.
    assert kills_in_a_write > KILLS / 10
    assert expected.total > KILLS * 3
    sys.stdout.write(f"{expected.total} acknowledged, {kills_in_a_write} kills in a write\n")


def _check_names(data_dir: Path) -> None:
    """Before anything is swept: no folder that is listed holds a file that is not meant."""
    home = data_dir / "api" / "users" / "ann"
    meant = re.compile(
        rf"data/(conversations/conv_\d{{8}}_\d{{6}}_\d{{3}}\.json|prompts/prompt\.txt"
        rf"|personalization/personal\.json)|{USER_UPLOAD}(in/here/f[012]|whole\d+/[1234])"
    )
    listed = {path for path in files_below(home) if not path.startswith(".tmp/")}
    assert [path for path in listed if not meant.fullmatch(path)] == []


def _check(space: UserSpace, expected: Expected) -> None:
    for path, version in expected.versions.items():
        if path == "prompt":
            data = space.prompts.load("prompt").encode()
        elif path == "personalization":
            tone = space.personalizations.load("personal", model_keys=())["tone"]
            data = content(int(tone))
        else:
            file, _ = space.files.open(path)
            with file:
                data = file.read()
        # What was begun afterwards may be there as well, but then all of it.
        found = int(data.partition(b"\n")[0])
        assert found >= version, f"{path} went back from {version} to {found}"
        assert data == content(found), f"{path} is torn"
    for conversation_id, count in expected.messages.items():
        stored = space.conversations.load(conversation_id)["messages"]
        assert len(stored) in (count, count + 1)
        assert [message["content"] for message in stored] == [str(n) for n in range(len(stored))]
    items, total = space.conversations.list(10_000, 0)
    known = {item["id"] for item in items}
    assert len(known) == total
    assert known >= expected.messages.keys()
    assert not known & expected.deleted
    shown = {item.name for item in space.files.list()} - {"in"}
    for path, there in expected.folders.items():
        if there:
            # Its deletion may have begun, which is one step.
            shown.discard(path)
            _check_folder(space, path)
        else:
            assert path not in shown
    # The last one may have been in the making.
    for path in shown:
        assert {item.name for item in space.files.list(path)} <= set(FILES_OF_A_FOLDER)


def _check_folder(space: UserSpace, path: str) -> None:
    if path in {item.name for item in space.files.list()}:
        assert [item.name for item in space.files.list(path)] == list(FILES_OF_A_FOLDER)
