"""Paths and file names as clients write them, below the user's root (api_v1 2.5)."""

import os
import re
import stat
import unicodedata
from collections.abc import Sequence

from pollux.reference_server.storage import StorageError

#: How the root may be spelled in front of a path.
ROOT_PREFIX = "user_upload/"
#: What common file systems take for one name, in bytes of UTF-8.
MAX_NAME_BYTES = 255
#: Longest path below the root, in bytes of UTF-8.
MAX_PATH_BYTES = 1024

_REPLACED = re.compile(r'[<>:"|?*]')
#: Names that mean a device, a stream or another name on Windows.
_WINDOWS_TRAP = re.compile(
    r'[<>:"|?*]|[. ]\Z|\A(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)', re.IGNORECASE
)


class FileAreaError(StorageError):
    """Base of what goes wrong with a user's files."""


class PathRefused(FileAreaError):
    """A path or a file name that is not allowed, whatever is there."""


def clean_relative(text: str) -> tuple[str, ...]:
    """Return the parts of a path that a client wrote; none of them for the root.

    A leading ``/`` means the root, a leading ``user_upload/`` is taken off once, ``.`` and
    empty parts are dropped, and ``..`` goes up as long as it stays inside.

    Raises:
        PathRefused: the path leaves the root, a part is not a possible name (NUL and other
            control characters, a backslash, lone surrogates, more than 255 bytes), or the
            whole is longer than 1024 bytes.
    """
    parts: list[str] = []
    for part in text.lstrip("/").removeprefix(ROOT_PREFIX).split("/"):
        if part == "..":
            if not parts:
                raise PathRefused("the path leads out of the user's folder")
            parts.pop()
        elif part not in ("", "."):
            if not is_possible_name(part):
                raise PathRefused("the path has a part that cannot be a file name")
            parts.append(part)
    if len("/".join(parts).encode()) > MAX_PATH_BYTES:
        raise PathRefused(f"the path is longer than {MAX_PATH_BYTES} bytes")
    return tuple(parts)


def display(parts: Sequence[str]) -> str:
    """Return the path of PARTS as clients are told it: :func:`clean_relative` gives PARTS back.

    Below a folder that is itself called ``user_upload`` the prefix has to stand twice.
    """
    path = "/".join(parts)
    return ROOT_PREFIX + path if path.startswith(ROOT_PREFIX) else path


def is_link(status: os.stat_result) -> bool:
    """Whether this, taken without following, is a symbolic link or another detour (Windows)."""
    return stat.S_ISLNK(status.st_mode) or bool(getattr(status, "st_reparse_tag", 0))


def is_possible_name(name: str, *, windows: bool = os.name == "nt") -> bool:
    """Whether a part of a path may be called NAME; listings show nothing else either."""
    return (
        name not in ("", ".", "..")
        and "/" not in name
        and "\\" not in name
        and not any(unicodedata.category(char) in ("Cc", "Cs") for char in name)
        and len(name.encode()) <= MAX_NAME_BYTES
        and not (windows and _WINDOWS_TRAP.search(name))
    )


def clean_filename(text: str) -> str:
    """Return the name under which an upload called TEXT is kept.

    The last part after ``/`` or a backslash; control characters and lone surrogates dropped;
    ``< > : " | ? *`` replaced by ``_``; blanks and dots trimmed at both ends; at most 255
    bytes of UTF-8, cut between characters and in front of the extension.

    Raises:
        PathRefused: nothing is left.
    """
    last = re.split(r"[/\\]", text)[-1]
    kept = "".join(char for char in last if unicodedata.category(char) not in ("Cc", "Cs"))
    name = _shorten(_trim(_REPLACED.sub("_", kept)))
    if not name:
        raise PathRefused("the file has no usable name")
    return name


def _trim(text: str) -> str:
    start, end = 0, len(text)
    while start < end and (text[start] == "." or text[start].isspace()):
        start += 1
    while start < end and (text[end - 1] == "." or text[end - 1].isspace()):
        end -= 1
    return text[start:end]


def _shorten(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    tail = dot + extension
    stem = _first_bytes(stem, MAX_NAME_BYTES - len(tail.encode()))
    # An extension that leaves no room for a stem is not one.
    return stem + tail if stem else _trim(_first_bytes(name, MAX_NAME_BYTES))


def _first_bytes(text: str, count: int) -> str:
    """Return as many whole characters of TEXT as fit into COUNT bytes of UTF-8."""
    return text.encode()[: max(count, 0)].decode("utf-8", "ignore")
