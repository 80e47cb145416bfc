"""The users and the hashes of their tokens: a file that is followed while it changes (api_v1 3)."""

import hashlib
import hmac
import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pollux.reference_server.names import NAME_PATTERN, NameRefused, check_name
from pollux.reference_server.storage import (
    AtomicFile,
    StorageError,
    encode_json,
    make_folders,
    process_lock,
)

_log = logging.getLogger(__name__)

#: Name of the file of users in the data folder (api_v1 3).
USERS_FILE = "api_users.json"

#: Name of the file of users in the data folder.
USERS_FILE = "api_users.json"

_HASH = re.compile(r"[0-9a-fA-F]{64}")
#: What a header can carry without doubt: visible ASCII.
_TOKEN = re.compile(r"[\x21-\x7e]{1,512}")
#: A file changed less than this many nanoseconds ago may change again within one tick of
#: its time stamp, so it is read anew until it is older.
_SETTLED_NS = 2_000_000_000


class UserError(StorageError):
    """Base of what goes wrong with users."""


class UserExists(UserError):
    """The name, or the token, is taken."""


class UserUnknown(UserError):
    """There is no user of this name."""


class UserNameRefused(UserError):
    """A name that breaks the rule for names."""


class TokenRefused(UserError):
    """A token that no ``Authorization`` header can carry safely."""


class UserFileBroken(UserError):
    """The file of users cannot be understood; nothing is written over it."""


@dataclass(frozen=True)
class UserEntry:
    """One user.

    Attributes:
        name: The name, also of the user's folder.
        created_at: ISO 8601 text in UTC.
        note: Free text.
        token_sha256: SHA-256 of the token, in lower-case hex.
    """

    name: str
    created_at: str
    note: str
    token_sha256: str = field(repr=False)


class UserStore:
    """The users of one file, ``{"users": {name: {"token_sha256", "created_at", "note"}}}``.

    The file is read again when it has changed. While it cannot be understood, the users read
    last stay. Without a file there are no users. All methods may be called from any thread,
    and :meth:`add` and :meth:`remove` beside other processes.

    Args:
        path: The file; it and its folder are made by the first :meth:`add`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._settled = False
        self._entries: tuple[UserEntry, ...] = ()

    def authenticate(self, token: str) -> str | None:
        """Return the name of the user with this token, or None.

        The token is compared with that of every user, each in constant time, so that the
        time taken tells nothing about any of them (api_v1 1.5, 3).
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        found = None
        for entry in self.entries():
            if hmac.compare_digest(entry.token_sha256, digest) and found is None:
                found = entry.name
        return found

    def entries(self) -> tuple[UserEntry, ...]:
        """Return all users as the file has them now, in its order."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen, self._entries = None, ()
            return ()
        signature = (status.st_mtime_ns, status.st_size, status.st_ino)
        if signature != self._seen or not self._settled:
            with self._lock:
                self._reload(signature)
        return self._entries

    def names(self) -> tuple[str, ...]:
        """Return the names of all users, in the order of the file."""
        return tuple(entry.name for entry in self.entries())

    def add(
        self, name: str, *, token: str | None = None, note: str = "", replace: bool = False
    ) -> str:
        """Add a user and return the token, which is stored nowhere.

        Args:
            name: 1 to 64 ASCII letters, digits, ``_`` and ``-``.
            token: 1 to 512 visible ASCII characters; by default a new random one.
            note: Free text.
            replace: Give a user who exists this token instead of refusing.

        Raises:
            UserNameRefused, TokenRefused: the argument cannot be used.
            UserExists: the name is taken, perhaps in another case (some file systems take
                ``Ann`` and ``ann`` for one folder), or another user has this token.
            UserFileBroken: the file cannot be understood.
        """
        try:
            check_name(name)
        except NameRefused as error:
            raise UserNameRefused(str(error)) from None
        if token is None:
            token = secrets.token_urlsafe(32)
        elif not _TOKEN.fullmatch(token):
            raise TokenRefused("a token is made of 1 to 512 visible ASCII characters, no blanks")
        digest = hashlib.sha256(token.encode()).hexdigest()

        def change(users: dict[str, Any]) -> None:
            for entry in _entries_of(users):
                if entry.name == name and replace:
                    continue
                if entry.name.lower() == name.lower():
                    raise UserExists(f"there is a user {entry.name!r} already")
                if entry.token_sha256 == digest:
                    raise UserExists("this token belongs to another user")
            if name in users and not replace:
                raise UserExists(f"there is a user {name!r} already")
            created = datetime.now(UTC).isoformat(timespec="seconds")
            users[name] = {"token_sha256": digest, "created_at": created, "note": note}

        self._change(change)
        return token

    def remove(self, name: str) -> None:
        """Remove a user; the token is void from now on, the user's folder stays.

        Raises:
            UserUnknown: there is no user of this name.
            UserFileBroken: the file cannot be understood.
        """

        def change(users: dict[str, Any]) -> None:
            if name not in users:
                raise UserUnknown(f"there is no user {name!r}")
            del users[name]

        self._change(change)

    def _change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Read, change and write the file as one step, whoever else is changing it."""
        make_folders(self._path.parent)
        with process_lock(self._path.with_name(f"{self._path.name}.lock")):
            try:
                document = _parse(self._path.read_bytes())
            except FileNotFoundError:
                document = {"users": {}}
            change(document["users"])
            # Under the lock nobody else writes, so what a killed process left can go.
            leftover = f"{self._path.name}.tmp"
            self._path.with_name(leftover).unlink(missing_ok=True)
            with AtomicFile(self._path.parent, leftover) as file:
                file.write(encode_json(document))
                file.commit(self._path)

    def _reload(self, signature: tuple[int, int, int]) -> None:
        """Read the file; SIGNATURE was taken before, so a change in between is seen next time."""
        news = signature != self._seen
        self._seen = signature
        self._settled = abs(time.time_ns() - signature[0]) > _SETTLED_NS
        try:
            users = _parse(self._path.read_bytes())["users"]
        except (OSError, UserFileBroken) as error:
            if news:
                _log.warning("%s; the users stay as they were", error)
        else:
            self._entries = tuple(_entries_of(users, warn=news))


def _parse(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserFileBroken(f"the file of users is not valid JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("users"), dict):
        raise UserFileBroken("the file of users has no object 'users'")
    return document


def _entries_of(users: dict[str, Any], *, warn: bool = False) -> list[UserEntry]:
    """Return the usable entries; one that is wrong does not lock the others out."""
    entries = []
    for name, stored in users.items():
        digest = stored.get("token_sha256") if isinstance(stored, dict) else None
        if isinstance(digest, str) and _HASH.fullmatch(digest) and NAME_PATTERN.fullmatch(name):
            created, note = str(stored.get("created_at", "")), str(stored.get("note", ""))
            entries.append(UserEntry(name, created, note, digest.lower()))
        elif warn:
            _log.warning("the entry %r in the file of users is ignored: it is not valid", name)
    return entries
