"""Writes to the storage without end and says what is done: the victim of the kill test."""

import itertools
import json
import random
import sys
from pathlib import Path
from typing import Any

from pollux.reference_server.spaces import UserSpaces
from pollux.reference_server.users import USERS_FILE, UserStore

FILES_OF_A_FOLDER = ("1", "2", "3", "4")


def content(version: int) -> bytes:
    """Return what version VERSION of any file holds: it says so itself, and has an end."""
    size = random.Random(version).choice((0, 100, 5_000, 300_000))
    return b"%d\n" % version + b"%d " % version * (size // 7) + b"end"


def work(data_dir: Path, first_version: int) -> None:
    """Do one thing after the other, each with a version of its own, and acknowledge each."""
    space = UserSpaces(data_dir, max_upload_bytes=10_000_000).of("ann")
    users = UserStore(data_dir / USERS_FILE)
    conversation_id = space.conversations.create()
    _done("conversation", id=conversation_id, messages=0)
    for turn, version in enumerate(itertools.count(first_version)):
        with space.files.receive() as incoming:
            data = content(version)
            for start in range(0, len(data), 65_536):
                incoming.write(data[start : start + 65_536])
            item = space.files.store(incoming, folder="in/here", filename=f"f{version % 3}")
        _done("file", path=item.path, version=version, sha256=incoming.sha256)
        space.prompts.save("prompt", content(version).decode())
        _done("prompt", version=version)
        space.personalizations.save("personal", {"tone": str(version)}, model_keys=())
        _done("personalization", version=version)
        space.conversations.append(conversation_id, [{"role": "user", "content": str(turn)}])
        _done("conversation", id=conversation_id, messages=turn + 1)
        if turn % 3 == 0:
            other = space.conversations.create()
            space.conversations.delete(other)
            _done("deleted", id=other)
            _done("user", name=f"user{version}", token=users.add(f"user{version}"))
            folder = f"whole{version}"
            for name in FILES_OF_A_FOLDER:
                space.files.write_text(f"{folder}/{name}", name)
            _done("folder", path=folder)
            space.files.delete(folder)
            _done("no folder", path=folder)


def _done(what: str, **about: Any) -> None:
    sys.stdout.write(json.dumps({"what": what, **about}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]))
