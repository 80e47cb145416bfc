"""Random access to the text of a recording file, compressed or not, also while it grows."""

import tempfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

_BLOCK = 1 << 16
# A compressed recording up to this size is held in memory, a larger one on disk.
_IN_MEMORY = 4 << 20
_GZIP = 31


class Text(Protocol):
    """The uncompressed bytes of a file; safe for threads."""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to SIZE bytes from OFFSET, including what was appended meanwhile."""
        ...

    def size(self) -> int:
        """Return how many bytes there are now."""
        ...

    @property
    def problem(self) -> str | None:
        """What is wrong with the compression, or None."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def open_text(path: Path) -> Text:
    """Open PATH; the ending ``.gz`` decides about compression.

    Raises:
        OSError: when it cannot be opened.
    """
    return GzipText(path) if path.name.endswith(".gz") else PlainText(path)


class PlainText:
    """A file as it is."""

    problem: str | None = None

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._lock = threading.Lock()

    def read(self, offset: int, size: int) -> bytes:
        """Return up to SIZE bytes from OFFSET."""
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size)

    def size(self) -> int:
        """Return how many bytes there are now."""
        with self._lock:
            return self._file.seek(0, 2)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class GzipText:
    """A compressed file, unpacked into a temporary one as far as it is there.

    Gzip knows no random access; memory stays bounded, and every byte is unpacked once.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._plain: IO[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            max_size=_IN_MEMORY
        )
        self._size = 0
        self._inflater = zlib.decompressobj(_GZIP)
        self._damage: str | None = None
        self._lock = threading.Lock()

    def read(self, offset: int, size: int) -> bytes:
        """Return up to SIZE unpacked bytes from OFFSET."""
        with self._lock:
            if offset + size > self._size:
                self._unpack()
            self._plain.seek(offset)
            return self._plain.read(size)

    def size(self) -> int:
        """Return how many bytes can be unpacked now."""
        with self._lock:
            self._unpack()
            return self._size

    @property
    def problem(self) -> str | None:
        """Why the compressed stream does not end as it should, or None."""
        with self._lock:
            self._unpack()
            if self._damage is None and not self._inflater.eof:
                return "the compressed stream has no end"
            return self._damage

    def close(self) -> None:
        """Let go of the file and of its unpacked copy."""
        self._file.close()
        self._plain.close()

    def _unpack(self) -> None:
        while self._damage is None and (block := self._file.read(_BLOCK)):
            before, size = self._inflater.copy(), self._size
            try:
                self._feed(block)
            except zlib.error:
                self._inflater, self._size = before, size
                self._rescue(block)

    def _rescue(self, block: bytes) -> None:
        """Unpack BLOCK, which is damaged somewhere, as far as it goes."""
        for place in range(len(block)):
            try:
                self._feed(block[place : place + 1])
            except zlib.error:
                at = self._file.tell() - len(block) + place
                self._damage = f"the compressed stream is damaged at byte {at}"
                return

    def _feed(self, block: bytes) -> None:
        while block:
            if self._inflater.eof:  # files that were joined: one stream after the other
                self._inflater = zlib.decompressobj(_GZIP)
            self._append(self._inflater.decompress(block))
            block = self._inflater.unused_data

    def _append(self, data: bytes) -> None:
        self._plain.seek(self._size)
        self._plain.write(data)
        self._size += len(data)


def lines(text: Text, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of TEXT from OFFSET: the offset behind each, and its bytes.

    The last line may lack its LF; it is yielded as it is now.
    """
    held: list[bytes] = []
    end = offset
    while block := text.read(end, _BLOCK):
        end += len(block)
        *whole, rest = block.split(b"\n")
        if whole:
            whole[0] = b"".join([*held, whole[0]])
            held.clear()
        held.append(rest)
        for line in whole:
            offset += len(line) + 1
            yield offset, line + b"\n"
    if rest := b"".join(held):
        yield offset + len(rest), rest
