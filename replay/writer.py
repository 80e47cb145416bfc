"""Writes recordings: one write a line, secrets replaced before it, a trailer at the end."""

import contextlib
import hashlib
import os
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from pollux.replay.errors import RecordingExists
from pollux.replay.format import Code, Header, Record, header_line, record_line
from pollux.replay.redaction import Secrets

_GZIP = 31


class RecordingWriter:
    """A recording that is being written; a context manager that closes the file.

    The file is opened at once, so that whoever records learns of a bad name before anything is
    started, and touched only by :meth:`begin`. Leaving the context before :meth:`begin` leaves
    no new file; leaving it before :meth:`finish` leaves a recording without a trailer, which
    readers take for cut off.

    Args:
        path: The file; the ending ``.gz`` means that it is compressed.
        secrets: What is replaced in the header and in every payload.
        force: Overwrite an existing file.

    Raises:
        RecordingExists: when PATH is there already and FORCE is not given.
        OSError: when the file cannot be written; from the other methods, too.
    """

    def __init__(
        self, path: Path | str, *, secrets: Secrets | None = None, force: bool = False
    ) -> None:
        self.path = Path(path)
        self._secrets = secrets or Secrets()
        self._counts: Counter[str] = Counter()
        self._digest = hashlib.sha256()
        compressed = self.path.name.endswith(".gz")
        self._deflater = zlib.compressobj(9, zlib.DEFLATED, _GZIP) if compressed else None
        self._begun = False
        # Unbuffered: what was written is in the file, whatever happens to this process.
        try:
            self._file = self.path.open("xb", buffering=0)
            self._is_new = True
        except FileExistsError:
            if not force:
                raise RecordingExists(self.path) from None
            self._file = self.path.open("r+b", buffering=0)
            self._is_new = False

    def begin(self, header: Header) -> None:
        """Empty the file and write the first line, secrets replaced."""
        self._begun = True
        self._file.truncate(0)
        self._write(header_line(Header(self._secrets.value(dict(header.fields)))))
        self.flush()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many records of each code were written."""
        return self._counts

    def write(self, record: Record) -> None:
        """Add one record, secrets replaced."""
        payload = self._secrets.value(record.payload)
        self._write(record_line(Record(record.delta_ms, record.code, payload)))
        self._counts[record.code] += 1

    def flush(self) -> None:
        """Make what was written readable; only a compressed file holds anything back."""
        if self._deflater is not None:
            self._to_file(self._deflater.flush(zlib.Z_SYNC_FLUSH))

    def finish(
        self,
        delta_ms: int,
        *,
        complete: bool,
        reason: str,
        status: str | None = None,
        ring: int | None = None,
    ) -> None:
        """Write the trailer and close the file, durably.

        Args:
            delta_ms: Milliseconds since the last record.
            complete: Whether the terminal status and every event before it were seen.
            reason: Why the recording ends; see the format's description.
            status: The last status seen.
            ring: Size of the server's buffer, where the answers showed it.
        """
        payload = {
            "complete": complete,
            "reason": reason,
            "status": status,
            "counts": dict(self._counts),
            "ring": ring,
            "sha256": self._digest.hexdigest(),
        }
        self._write(record_line(Record(delta_ms, Code.TRAILER, payload)))
        if self._deflater is not None:
            self._to_file(self._deflater.flush(zlib.Z_FINISH))
            self._deflater = None
        os.fsync(self._file.fileno())
        self.close()

    def close(self) -> None:
        """Close the file as it is; a new one without a header is removed."""
        if self._begun and not self._file.closed:
            with contextlib.suppress(OSError):  # closing is what one does when writing failed
                self.flush()
        self._file.close()
        if self._is_new and not self._begun:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def _write(self, line: bytes) -> None:
        self._digest.update(line)
        self._to_file(line if self._deflater is None else self._deflater.compress(line))

    def _to_file(self, data: bytes) -> None:
        view = memoryview(data)
        while view:  # a full disk or a signal may cut a write short
            view = view[self._file.write(view) :]
