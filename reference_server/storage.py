"""Durable storage: whole files or none, one writer at a time per object, swept after a kill."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: Opens files as bytes everywhere, never through a link, and never into child processes.
OPEN_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class StorageError(Exception):
    """Base of all that the storage refuses; the message is meant for the client."""


class AtomicFile:
    """A file that appears under its name whole, or not at all.

    It is written in a scratch folder that no listing shows, and moved to its place once all
    of it is on the disk. Left without :meth:`commit`, it is gone without a trace; of a
    process that is killed it stays in the scratch folder until :func:`sweep`.

    Args:
        scratch: An existing folder on the file system of the target.
        name: How the temporary file is called; by default a random name.

    Attributes:
        size: Bytes written so far.
    """

    def __init__(self, scratch: Path, name: str | None = None) -> None:
        self._temporary = scratch / (name or f"{secrets.token_hex(12)}.tmp")
        self._digest = hashlib.sha256()
        self.size = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS
        self._file = os.fdopen(os.open(self._temporary, flags, 0o600), "wb")

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes written so far, in hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> int:
        """Append DATA and return its length."""
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def seal(self) -> Path:
        """Put all bytes on the disk and return where they lie; to be moved away from there."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._temporary

    def commit(self, path: Path) -> None:
        """Put the file in the place of PATH, durably; readers see the old file or this one."""
        self.seal().replace(path)
        sync_folder(path.parent)

    def commit_new(self, path: Path) -> None:
        """Like :meth:`commit`, but only where nothing is yet.

        Raises:
            FileExistsError: there is something at PATH.
        """
        temporary = self.seal()
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links: what is left is a check beforehand.
            if os.path.lexists(path):
                raise FileExistsError(path) from None
            temporary.replace(path)
        sync_folder(path.parent)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was not committed."""
        # Closing flushes, and fails on a full disk; the file has to go in any case.
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def atomic_write(path: Path, data: bytes, *, scratch: Path | None = None) -> None:
    """Replace the file at PATH by one that holds DATA, atomically and durably.

    Args:
        path: The file; its folder exists.
        data: All of its content.
        scratch: Folder for the temporary file, on the same file system; by default the
            folder of PATH.
    """
    with AtomicFile(scratch or path.parent) as file:
        file.write(data)
        file.commit(path)


def encode_json(value: Any) -> bytes:
    """Return VALUE as JSON text in UTF-8.

    Raises:
        ValueError: it holds NaN or an infinity.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        # Lone surrogates have no UTF-8, but they have a JSON escape.
        return json.dumps(value, allow_nan=False).encode()


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, where the system can do that."""
    if sys.platform != "win32":
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folders(path: Path) -> None:
    """Make PATH and all folders above it that are missing, durably, for this user only."""
    if not path.is_dir():
        make_folders(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


def sweep(scratch: Path) -> None:
    """Empty a scratch folder: what killed processes have left there."""
    for entry in list(scratch.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


class ObjectLocks:
    """One lock per object, existing only while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._users: dict[str, int] = {}

    @contextlib.contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Be the only one who works on the object KEY; not to be nested for one key."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
            self._users[key] = self._users.get(key, 0) + 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                self._users[key] -= 1
                if not self._users[key]:
                    del self._users[key], self._locks[key]

    def __len__(self) -> int:
        """Return how many objects are being worked on."""
        return len(self._locks)


class LockTaken(StorageError):
    """Another process holds the lock."""


@contextlib.contextmanager
def process_lock(path: Path, *, patience: float = 60.0) -> Iterator[None]:
    """Hold a lock that excludes threads and other processes alike.

    The system frees it when its holder dies, so a kill leaves nothing locked. The file
    stays: removing it would let two processes lock two different files of one name.

    Args:
        path: The lock file; made when it is absent.
        patience: Seconds to wait for another holder.

    Raises:
        LockTaken: another process holds it still.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        deadline = time.monotonic() + patience
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise LockTaken(f"{path} is locked by another process")
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True
