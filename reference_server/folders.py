"""An open folder of a user, walked part by part so that no link can lead out of it."""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pollux.reference_server.paths import FileAreaError, PathRefused, is_link, is_possible_name
from pollux.reference_server.storage import OPEN_FLAGS, make_folders, sync_folder

#: Whether the system can work relative to an open folder; else paths are checked, then used.
_BY_DESCRIPTOR = sys.platform != "win32"


class FileAbsent(FileAreaError):
    """There is nothing at this path."""


class NotAFolder(FileAreaError):
    """There is a file where a folder is needed."""


class IsAFolder(FileAreaError):
    """There is a folder where a file is needed."""


@dataclass(frozen=True)
class Entry:
    """A file or a folder in a folder.

    Attributes:
        name: Its last path part.
        is_dir: Whether it is a folder.
        size: Bytes; 0 for a folder.
        modified_at: Epoch seconds.
    """

    name: str
    is_dir: bool
    size: int
    modified_at: float

    @classmethod
    def of(cls, name: str, status: os.stat_result) -> Self:
        """Return the entry for what was learnt of NAME without following links."""
        is_dir = stat.S_ISDIR(status.st_mode)
        return cls(name, is_dir, 0 if is_dir else status.st_size, status.st_mtime)


class Folder:
    """An open folder at or below a user's root.

    On POSIX every step is taken relative to the open folder before it and none follows a
    link, so that it makes no difference what somebody swaps meanwhile. Elsewhere each step
    is checked just before it is taken.
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def open_root(cls, root: Path) -> Self:
        """Open a user's root; it is made where it is missing."""
        make_folders(root)
        # The root is the server's own, so a link that the owner has put there is followed.
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC if _BY_DESCRIPTOR else 0
        return cls(root, os.open(root, flags) if _BY_DESCRIPTOR else None)

    def close(self) -> None:
        """Let the folder go; nothing can be done with it afterwards."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the folder go."""
        self.close()

    def find(self, name: str) -> Entry | None:
        """Return what is called NAME here, None where there is nothing.

        Raises:
            PathRefused: it is a link, a pipe, a device or a name that the system refuses.
        """
        try:
            status = self._lstat(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refusal(error) from None
        if not _is_plain(status):
            raise PathRefused("the path leads through a link or a special file")
        return Entry.of(name, status)

    def entries(self) -> list[Entry]:
        """Return the files and folders in here, by name in the order of code points.

        Left out is what no path can name: links, special files, impossible names.
        """
        found = []
        where = self._path if self._descriptor is None else self._descriptor
        with os.scandir(where) as entries:
            for entry in entries:
                if is_possible_name(entry.name):
                    # What is removed while we look is not there.
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if _is_plain(status):
                            found.append(Entry.of(entry.name, status))
        return sorted(found, key=lambda entry: entry.name)

    def enter(self, name: str) -> "Folder":
        """Open the folder NAME in here.

        Raises:
            FileAbsent, NotAFolder, PathRefused: there is none.
        """
        entry = self.find(name)
        if entry is None:
            raise FileAbsent("there is nothing at this path")
        if not entry.is_dir:
            raise NotAFolder("there is a file where a folder is needed")
        if self._descriptor is None:
            return Folder(self._path / name, None)
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | OPEN_FLAGS
            return Folder(self._path / name, os.open(name, flags, dir_fd=self._descriptor))
        except OSError as error:
            raise _refusal(error) from None

    def make(self, name: str) -> None:
        """Make the folder NAME in here, durably, unless there is one."""
        where, descriptor = self._at(name)
        with contextlib.suppress(FileExistsError):
            os.mkdir(where, 0o700, dir_fd=descriptor)
            self._sync()

    def remove_empty(self, name: str) -> None:
        """Remove the empty folder NAME; left alone when it is no longer empty."""
        where, descriptor = self._at(name)
        with contextlib.suppress(OSError):
            os.rmdir(where, dir_fd=descriptor)

    def open_file(self, name: str) -> tuple[BinaryIO, Entry]:
        """Open the file NAME for reading; return it with what it is at this moment.

        Raises:
            FileAbsent, IsAFolder, PathRefused: there is no such file.
        """
        entry = self.find(name)
        if entry is None:
            raise FileAbsent("there is nothing at this path")
        if entry.is_dir:
            raise IsAFolder("this is a folder, not a file")
        where, descriptor = self._at(name)
        # Non-blocking, lest a pipe that was put there meanwhile holds us.
        flags = os.O_RDONLY | OPEN_FLAGS | getattr(os, "O_NONBLOCK", 0)
        try:
            file = os.fdopen(os.open(where, flags, dir_fd=descriptor), "rb")
        except OSError as error:
            raise _refusal(error) from None
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            file.close()
            raise PathRefused("the path leads to a special file")
        return file, Entry.of(name, status)

    def put(self, temporary: Path, name: str) -> Entry:
        """Move the complete file TEMPORARY to NAME, durably; readers see the old or the new.

        Raises:
            IsAFolder, PathRefused: what lies there cannot be replaced by a file.
        """
        entry = self.find(name)
        # Not every system says so itself: Windows calls it a lack of permission.
        if entry is not None and entry.is_dir:
            raise IsAFolder("there is a folder of this name")
        where, descriptor = self._at(name)
        try:
            os.replace(temporary, where, dst_dir_fd=descriptor)
        except IsADirectoryError:
            raise IsAFolder("there is a folder of this name") from None
        self._sync()
        return Entry.of(name, self._lstat(name))

    def take(self, name: str, target: Path) -> None:
        """Move the file or folder NAME out of here to TARGET, durably."""
        where, descriptor = self._at(name)
        os.replace(where, target, src_dir_fd=descriptor)
        self._sync()

    def _at(self, name: str) -> tuple[str, int | None]:
        if self._descriptor is None:
            return str(self._path / name), None
        return name, self._descriptor

    def _lstat(self, name: str) -> os.stat_result:
        where, descriptor = self._at(name)
        return os.stat(where, dir_fd=descriptor, follow_symlinks=False)

    def _sync(self) -> None:
        if self._descriptor is None:
            sync_folder(self._path)
        else:
            os.fsync(self._descriptor)


@contextlib.contextmanager
def open_folder(root: Path, parts: Sequence[str]) -> Iterator[Folder]:
    """Open the folder that PARTS lead to below ROOT.

    Raises:
        FileAbsent: there is nothing, or a file where a folder had to be on the way.
        NotAFolder: PARTS lead to a file.
        PathRefused: a link or a special file lies on the way.
    """
    folder = Folder.open_root(root)
    try:
        for depth, part in enumerate(parts, 1):
            try:
                inner = folder.enter(part)
            except NotAFolder as error:
                if depth == len(parts):
                    raise
                raise FileAbsent(str(error)) from None
            folder.close()
            folder = inner
        yield folder
    finally:
        folder.close()


def _is_plain(status: os.stat_result) -> bool:
    mode = status.st_mode
    return not is_link(status) and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _refusal(error: OSError) -> Exception:
    """Tell what a path has done wrong from what the machine has (that stays an OSError)."""
    if error.errno == errno.ENOENT:
        return FileAbsent("there is nothing at this path")
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO):
        return PathRefused("the path cannot be followed")
    return error
