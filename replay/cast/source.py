"""Reads a recording once, from its beginning to its end: a file, or standard input (``-``)."""

import sys
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from pollux.replay.cast.entries import Entry
from pollux.replay.errors import DamagedRecording, NewerFormat, NotARecording
from pollux.replay.format import (
    FORMAT_VERSION,
    Code,
    Header,
    LineError,
    is_comment,
    parse_header,
    parse_record,
    payload_bytes,
)
from pollux.replay.recording import is_cut_header

STANDARD_STREAM = "-"
_BLOCK = 1 << 16
_GZIP = 31


class LineReader:
    """The lines of a file or of standard input, one after the other; a context manager.

    Args:
        name: A path, or ``-``. The ending ``.gz`` alone means that it is compressed.

    Attributes:
        problem: What is wrong with the compression, once that is known.

    Raises:
        OSError: when the file cannot be opened.
    """

    def __init__(self, name: str) -> None:
        self.name = "<stdin>" if name == STANDARD_STREAM else name
        self.problem: str | None = None
        self._owned: BufferedIOBase | None = None
        self._compressed = name.endswith(".gz")
        if name == STANDARD_STREAM:
            self._file = cast(BufferedIOBase, sys.stdin.buffer)
        else:
            self._file = self._owned = Path(name).open("rb")  # noqa: SIM115

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the bytes of each line; the last one may lack its LF."""
        number, held = 0, list[bytes]()
        for block in self._blocks():
            *whole, rest = block.split(b"\n")
            if whole:
                whole[0] = b"".join([*held, whole[0]])
                held.clear()
            held.append(rest)
            for line in whole:
                number += 1
                yield number, line + b"\n"
        if rest := b"".join(held):
            yield number + 1, rest

    def _blocks(self) -> Iterator[bytes]:
        if not self._compressed:
            while block := self._file.read1(_BLOCK):
                yield block
            return
        inflater = zlib.decompressobj(_GZIP)
        while block := self._file.read1(_BLOCK):
            while block:
                if inflater.eof:  # files that were joined: one stream after the other
                    inflater = zlib.decompressobj(_GZIP)
                before = inflater.copy()
                try:
                    # A bounded piece: a block of zeros would unpack to a thousand times its size.
                    data = inflater.decompress(block, _BLOCK)
                except zlib.error:
                    yield from _rescued(before, block)
                    self.problem = "the compressed stream is damaged"
                    return
                yield data
                block = inflater.unconsumed_tail or inflater.unused_data
        if not inflater.eof:
            yield inflater.flush()
            self.problem = "the compressed stream has no end"

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file; standard input stays open."""
        if self._owned is not None:
            self._owned.close()


class Source:
    """A recording to be read once; a context manager.

    Args:
        name: A path, or ``-``. The ending ``.gz`` alone means that it is compressed.

    Attributes:
        name: What it is called in messages.
        header: The first line.
        warnings: What is missing, as far as it has been read.

    Raises:
        OSError: when the file cannot be opened.
        NotARecording: when it does not begin with a header.
        NewerFormat: when its major version is later than this program's.
    """

    def __init__(self, name: str) -> None:
        self._reader = LineReader(name)
        self.name = self._reader.name
        self.warnings: list[str] = []
        self._lines = self._reader.lines()
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise

    def entries(self) -> Iterator[Entry]:
        """Yield the records, the trailer being the last one; what follows it is passed over.

        Raises:
            DamagedRecording: at a line that is no record, the last one excepted.
        """
        at_ms = 0
        for line_number, line in self._lines:
            if is_comment(line):
                continue
            try:
                record = parse_record(line)
            except LineError as error:
                if line.endswith(b"\n"):
                    raise DamagedRecording(Path(self.name), line_number, str(error)) from None
                self.warnings.append("the last line is unfinished and was dropped")
                break
            at_ms += record.delta_ms
            yield Entry(at_ms, record.code, record.payload, payload_bytes(line), line_number)
            if record.code == Code.TRAILER:
                self._note_what_follows()
                return
        if self._reader.problem:
            self.warnings.append(self._reader.problem)
        self.warnings.append(
            "there is no trailer: the recording was cut off or is still being written"
        )

    def close(self) -> None:
        """Close the file."""
        self._reader.__exit__(None, None, None)

    def __enter__(self) -> Self:
        """Return the source."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def _read_header(self) -> Header:
        header = read_header(self.name, next(self._lines, (1, b""))[1])
        if header is None:
            self.warnings.append("the header is unfinished: the recording is empty")
        return header or Header()

    def _note_what_follows(self) -> None:
        if any(not is_comment(line) for _, line in self._lines):
            self.warnings.append("what stands behind the trailer was left out")


def read_header(name: str, line: bytes) -> Header | None:
    """Read the first LINE of the recording NAME; return None when it was cut off within it.

    Raises:
        NotARecording: when it is no header.
        NewerFormat: when its major version is later than this program's.
    """
    try:
        header = parse_header(line)
    except LineError as error:
        if is_cut_header(line):
            return None
        problem = str(error)
        if line.startswith(b"\x1f\x8b"):
            problem = "it is compressed; the name must end in .gz, and a stream comes unpacked"
        raise NotARecording(Path(name), problem) from None
    if header.version > FORMAT_VERSION:
        raise NewerFormat(Path(name), header.version, FORMAT_VERSION)
    return header


def _rescued(inflater: "zlib._Decompress", block: bytes) -> Iterator[bytes]:
    """Unpack BLOCK, which is damaged somewhere, as far as it goes."""
    for place in range(len(block)):
        try:
            yield inflater.decompress(block[place : place + 1])
        except zlib.error:
            return
