"""The files of one user: what the file routes and the agent's tools do below ``user_upload``."""

import contextlib
import secrets
import shutil
import threading
from collections.abc import Iterator, MutableSequence, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pollux.reference_server.folders import (
    Entry,
    FileAbsent,
    Folder,
    NotAFolder,
    open_folder,
)
from pollux.reference_server.paths import (
    FileAreaError,
    PathRefused,
    clean_filename,
    clean_relative,
    display,
)
from pollux.reference_server.storage import AtomicFile

ROOT_NAME = "user_upload"


class TooLarge(FileAreaError):
    """More bytes than a file may have."""


class NotText(FileAreaError):
    """The bytes are no UTF-8 text, or the text has no UTF-8."""


class EditRefused(FileAreaError):
    """The text to be replaced is not there, or not only once."""


@dataclass(frozen=True)
class FileItem:
    """A file or a folder of a user.

    Attributes:
        name: Its last path part; ``user_upload`` for the root.
        is_dir: Whether it is a folder.
        size: Bytes; 0 for a folder.
        modified_at: Epoch seconds.
        path: Its path as clients write it, relative to the root.
    """

    name: str
    is_dir: bool
    size: int
    modified_at: float
    path: str


@dataclass(frozen=True)
class TextFile:
    """What was read of a text file.

    Attributes:
        text: The text, or its beginning.
        size: Bytes of the whole file.
        truncated: Whether there is more than TEXT.
    """

    text: str
    size: int
    truncated: bool


class IncomingFile(AtomicFile):
    """An upload on its way, refused as soon as it is too large.

    Args:
        scratch: Where it lies until it is complete.
        max_bytes: The most it may have.
    """

    def __init__(self, scratch: Path, max_bytes: int) -> None:
        super().__init__(scratch)
        self._max_bytes = max_bytes

    def write(self, data: bytes) -> int:
        """Append DATA and return its length.

        Raises:
            TooLarge: with DATA it is larger than allowed.
        """
        if self.size + len(data) > self._max_bytes:
            raise TooLarge(f"the file is larger than the allowed {self._max_bytes} bytes")
        return super().write(data)


class FileArea:
    """The files below one user's root (api_v1 2.5).

    All paths are the client's text, see :func:`~pollux.reference_server.paths.clean_relative`;
    every method may raise :class:`PathRefused` for one that is not allowed. Every file is
    replaced as a whole, so that who reads sees the old bytes or the new ones. Links are
    neither followed nor shown. ``OSError`` means that the machine is in trouble.

    Args:
        root: The folder; made when it is first needed.
        scratch: An existing folder outside of it, on the same file system.
        max_bytes: Largest file.
    """

    def __init__(self, root: Path, scratch: Path, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._root = root
        self._scratch = scratch
        # Held for moments only, while folders are made and files are moved or replaced.
        self._changes = threading.Lock()

    def receive(self) -> IncomingFile:
        """Return a file to be filled, as a context manager, then given to :meth:`store`."""
        return IncomingFile(self._scratch, self.max_bytes)

    def store(self, incoming: IncomingFile, *, folder: str, filename: str) -> FileItem:
        """Put an upload into FOLDER, which is made when needed, under its cleaned name.

        Raises:
            IsAFolder: there is a folder of that name.
            NotAFolder: a part of FOLDER is a file.
            PathRefused: FOLDER is not allowed, or nothing of FILENAME can be used.
        """
        path = display((*clean_relative(folder), clean_filename(filename)))
        # The path is told to the client, so it has to be one that is let in again.
        return self._put(incoming, clean_relative(path))

    def find(self, path: str) -> FileItem:
        """Return what lies at PATH.

        Raises:
            FileAbsent: nothing does.
        """
        parts = clean_relative(path)
        if not parts:
            with open_folder(self._root, ()):
                return FileItem(ROOT_NAME, True, 0, self._root.stat().st_mtime, "")
        with self._folder_above(parts) as parent:
            entry = parent.find(parts[-1])
        if entry is None:
            raise FileAbsent("there is nothing at this path")
        return _item(entry, parts[:-1])

    def list(self, path: str = "") -> tuple[FileItem, ...]:
        """Return what lies in the folder at PATH, by name in the order of code points.

        Raises:
            FileAbsent, NotAFolder: there is no such folder.
        """
        parts = clean_relative(path)
        with open_folder(self._root, parts) as folder:
            return tuple(_item(entry, parts) for entry in folder.entries())

    def open(self, path: str) -> tuple[BinaryIO, FileItem]:
        """Open the file at PATH for reading; it keeps its bytes whatever is uploaded meanwhile.

        Raises:
            FileAbsent, IsAFolder: there is no such file.
        """
        parts = _not_root(clean_relative(path))
        with self._folder_above(parts) as parent:
            file, entry = parent.open_file(parts[-1])
        return file, _item(entry, parts[:-1])

    def tree(self, max_entries: int = 500, max_depth: int = 16) -> dict[str, Any]:
        """Return the files as a tree, for ``file_tree_update`` (api_v1 2.4).

        A folder is ``{name, path, is_dir, children}``, a file ``{name, path, is_dir, size}``.
        The root also says with ``truncated`` whether something was left out.

        Args:
            max_entries: The most files and folders, those nearest to the root first.
            max_depth: The most folders above an entry, the root included.
        """
        root: dict[str, Any] = _node(FileItem(ROOT_NAME, True, 0, 0.0, ""))
        level, left, truncated = [root], max_entries, False
        for _ in range(max_depth):
            deeper = []
            for node in level:
                items = self._list_if_there(node["path"])
                truncated |= len(items) > left
                node["children"] = [_node(item) for item in items[:left]]
                left -= len(node["children"])
                deeper += [child for child in node["children"] if child["is_dir"]]
            level = deeper
        truncated |= any(self._list_if_there(node["path"]) for node in level)
        return {**root, "truncated": truncated}

    def read_text(self, path: str, max_bytes: int | None = None) -> TextFile:
        """Return the text at PATH, or as much of its beginning as lies in MAX_BYTES.

        Raises:
            FileAbsent, IsAFolder: there is no such file.
            NotText: it is not UTF-8.
        """
        file, item = self.open(path)
        with file:
            data = file.read(-1 if max_bytes is None else max_bytes)
        truncated = len(data) < item.size
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            # The cut may have gone through the last character.
            if not truncated or error.reason != "unexpected end of data":
                raise NotText("the file is not UTF-8 text") from None
            text = data[: error.start].decode()
        return TextFile(text, item.size, truncated)

    def write_text(self, path: str, text: str) -> FileItem:
        """Make or replace the file at PATH; missing folders are made.

        Raises:
            IsAFolder, NotAFolder: a folder, or a file instead of a folder, is in the way.
            TooLarge, NotText: TEXT cannot be stored.
        """
        parts = _not_root(clean_relative(path))
        with self._filled(text) as incoming:
            return self._put(incoming, parts)

    def edit(self, path: str, old: str, new: str) -> FileItem:
        """Replace OLD, which stands exactly once in the file at PATH, by NEW.

        Raises:
            FileAbsent, IsAFolder: there is no such file.
            EditRefused: OLD is empty, absent or ambiguous.
            TooLarge, NotText: the file, or what it would become, cannot be handled.
        """
        parts = _not_root(clean_relative(path))
        with self._changes:
            text = self.read_text(path).text
            count = text.count(old) if old else 0
            if count != 1:
                raise EditRefused(f"the text to replace must stand there once, not {count} times")
            with (
                self._filled(text.replace(old, new)) as incoming,
                self._folder_above(parts) as parent,
            ):
                return _item(parent.put(incoming.seal(), parts[-1]), parts[:-1])

    def delete(self, path: str) -> FileItem:
        """Remove the file or the whole folder at PATH in one step; return what it was.

        Raises:
            FileAbsent: there is nothing.
            PathRefused: PATH is the root.
        """
        parts = _not_root(clean_relative(path))
        trash = self._scratch / f"{secrets.token_hex(12)}.deleted"
        with self._changes, self._folder_above(parts) as parent:
            entry = parent.find(parts[-1])
            if entry is None:
                raise FileAbsent("there is nothing at this path")
            parent.take(parts[-1], trash)
        if entry.is_dir:
            # Gone for the user already; what cannot be removed now is swept at the next start.
            shutil.rmtree(trash, ignore_errors=True)
        else:
            trash.unlink(missing_ok=True)
        return _item(entry, parts[:-1])

    @contextlib.contextmanager
    def _folder_above(self, parts: Sequence[str]) -> Iterator[Folder]:
        """Open the folder in which the last of PARTS lies; where there is none, nothing does."""
        try:
            with open_folder(self._root, parts[:-1]) as folder:
                yield folder
        except NotAFolder as error:
            raise FileAbsent(str(error)) from None

    def _list_if_there(self, path: str) -> Sequence[FileItem]:
        with contextlib.suppress(FileAreaError):
            return self.list(path)
        return ()

    @contextlib.contextmanager
    def _filled(self, text: str) -> Iterator[IncomingFile]:
        try:
            data = text.encode()
        except UnicodeEncodeError:
            raise NotText("the text holds characters that UTF-8 does not have") from None
        with self.receive() as incoming:
            incoming.write(data)
            yield incoming

    def _put(self, incoming: IncomingFile, parts: Sequence[str]) -> FileItem:
        temporary = incoming.seal()
        *above, name = parts
        made: list[Sequence[str]] = []
        with self._changes:
            try:
                self._make_folders(above, made)
                with open_folder(self._root, above) as parent:
                    return _item(parent.put(temporary, name), above)
            except BaseException:
                # A refused file leaves no folders behind either.
                self._remove_folders(made)
                raise

    def _make_folders(self, parts: Sequence[str], made: MutableSequence[Sequence[str]]) -> None:
        """Make what is missing of a folder; what was made is added to MADE, outermost first."""
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(Folder.open_root(self._root))
            for depth, part in enumerate(parts, 1):
                if folder.find(part) is None:
                    folder.make(part)
                    made.append(parts[:depth])
                inner = folder.enter(part)
                folder.close()
                folder = stack.enter_context(inner)

    def _remove_folders(self, made: Sequence[Sequence[str]]) -> None:
        for parts in reversed(made):
            with open_folder(self._root, parts[:-1]) as parent:
                parent.remove_empty(parts[-1])


def _item(entry: Entry, above: Sequence[str]) -> FileItem:
    path = display((*above, entry.name))
    return FileItem(entry.name, entry.is_dir, entry.size, entry.modified_at, path)


def _node(item: FileItem) -> dict[str, Any]:
    node: dict[str, Any] = {"name": item.name, "path": item.path, "is_dir": item.is_dir}
    return {**node, "children": []} if item.is_dir else {**node, "size": item.size}


def _not_root(parts: Sequence[str]) -> Sequence[str]:
    if not parts:
        raise PathRefused("the path is the root itself")
    return parts
