"""Writes a recording to a file, whole or not at all, or to standard output (``-``)."""

import os
import secrets
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pollux.replay.cast.entries import Entry
from pollux.replay.cast.observed import Observed, TrailerMaker
from pollux.replay.cast.source import STANDARD_STREAM, Source
from pollux.replay.errors import RecordingExists
from pollux.replay.format import Code, Header, dumps, header_line

_GZIP = 31


class Sink:
    """Writes header, records and a trailer that belongs to them.

    Args:
        write: Takes the text, line by line.

    Attributes:
        observed: What was written so far.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.observed = Observed()
        self._write = write
        self._maker = TrailerMaker()
        self._at_ms = 0
        self._trailer: Entry | None = None

    def begin(self, header: Header) -> None:
        """Write the first line."""
        self._line(header_line(header))

    def add(self, entry: Entry) -> None:
        """Write a record; of a trailer only its time and what it tells are taken."""
        if entry.code == Code.TRAILER:
            self._trailer = entry
            return
        raw = dumps(entry.payload) if entry.raw is None else entry.raw
        at_ms = max(self._at_ms, entry.at_ms)
        self._line(b"[%d,%s,%s]\n" % (at_ms - self._at_ms, dumps(entry.code), raw))
        self._at_ms = at_ms
        self.observed.take(entry)

    def finish(self, cut: str | None = None) -> None:
        """Write the trailer.

        Args:
            cut: Why the recording ends before its end, when the shaping decided that.
        """
        at_ms, was = self._at_ms, None
        if self._trailer is not None:
            at_ms, was = max(at_ms, self._trailer.at_ms), self._trailer.payload
        payload = self._maker.payload(self.observed, was, cut)
        self._write(b'[%d,"x",%s]\n' % (at_ms - self._at_ms, dumps(payload)))

    def _line(self, line: bytes) -> None:
        self._maker.take(line)
        self._write(line)


def rewrite(source: Source, sink: Sink, entries: Iterable[Entry]) -> None:
    """Write ENTRIES, which come from SOURCE, behind its header."""
    sink.begin(source.header)
    for entry in entries:
        sink.add(entry)
    sink.finish()


@contextmanager
def open_sink(name: str, *, force: bool = False) -> Iterator[Sink]:
    """Yield a sink; see :func:`open_output`."""
    with open_output(name, force=force) as write:
        yield Sink(write)


@contextmanager
def open_output(name: str, *, force: bool = False) -> Iterator[Callable[[bytes], object]]:
    """Yield what takes the bytes of a file, which is there when the context ends well.

    The bytes go to a neighbour of the file that takes its place in the end, so that nobody sees
    a part of it, and the file may be one that is being read. What is no regular file, such as
    a pipe, is written to directly.

    Args:
        name: A path, or ``-`` for standard output. The ending ``.gz`` alone means compressed.
        force: Replace an existing file.

    Raises:
        RecordingExists: when the file is there already and FORCE is not given.
        OSError: when it cannot be written.
    """
    if name == STANDARD_STREAM:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    path = Path(name).resolve()
    mode = path.stat().st_mode if path.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        with path.open("wb") as file, _packed(file.write, name) as write:
            yield write
        return
    if mode is not None and not force:
        raise RecordingExists(Path(name))
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            with _packed(file.write, name) as write:
                yield write
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            beside.chmod(stat.S_IMODE(mode))
        _put(beside, path, name, replace=force)
    finally:
        beside.unlink(missing_ok=True)


def _put(beside: Path, path: Path, name: str, *, replace: bool) -> None:
    if not replace:
        try:
            path.hardlink_to(beside)
        except FileExistsError:  # somebody else made it meanwhile
            raise RecordingExists(Path(name)) from None
        except OSError:  # no hard links here
            beside.replace(path)
        return
    beside.replace(path)


@contextmanager
def _packed(write: Callable[[bytes], object], name: str) -> Iterator[Callable[[bytes], object]]:
    if not name.endswith(".gz"):
        yield write
        return
    deflater = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    yield lambda data: write(deflater.compress(data))
    write(deflater.flush())
