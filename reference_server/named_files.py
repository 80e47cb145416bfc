"""Small named files in one folder: what prompts and personalizations have in common."""

import stat
from dataclasses import dataclass
from pathlib import Path

from pollux.reference_server.names import NAME_PATTERN, check_name
from pollux.reference_server.storage import ObjectLocks, atomic_write, make_folders


@dataclass(frozen=True)
class NamedItem:
    """One entry of a list of prompts or personalizations (api_v1 2.6).

    Attributes:
        name: Its name.
        size: Bytes on disk.
        updated_at: Epoch seconds.
    """

    name: str
    size: int
    updated_at: float


class NamedFiles:
    """Files ``<name><suffix>`` in one folder; names follow the rule for names.

    Args:
        folder: Where they lie; made by the first write.
        suffix: How their file names end.
        scratch: An existing folder on the same file system, for temporary files.
    """

    def __init__(self, folder: Path, suffix: str, scratch: Path) -> None:
        self._folder = folder
        self._suffix = suffix
        self._scratch = scratch
        self._locks = ObjectLocks()

    def items(self) -> tuple[NamedItem, ...]:
        """Return what there is, by name in the order of code points."""
        found = []
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            name = path.name.removesuffix(self._suffix)
            if path.name.endswith(self._suffix) and NAME_PATTERN.fullmatch(name):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    found.append(NamedItem(name, status.st_size, status.st_mtime))
        return tuple(sorted(found, key=lambda item: item.name))

    def read(self, name: str) -> bytes | None:
        """Return the content of NAME, None where there is none.

        Raises:
            NameRefused: NAME is no valid name.
        """
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return None

    def write(self, name: str, data: bytes) -> None:
        """Make or replace NAME, atomically and durably.

        Raises:
            NameRefused: NAME is no valid name.
        """
        path = self._path(name)
        make_folders(self._folder)
        with self._locks.hold(name):
            atomic_write(path, data, scratch=self._scratch)

    def _path(self, name: str) -> Path:
        return self._folder / f"{check_name(name)}{self._suffix}"
