"""Reads recordings as streams: the header at once, records from any place, nothing held."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from pollux.replay.errors import DamagedRecording, NewerFormat, NotARecording
from pollux.replay.format import (
    DEFAULT_RING,
    FORMAT_VERSION,
    SUFFIX,
    TERMINAL_STATUSES,
    Code,
    Header,
    LineError,
    Record,
    index,
    is_comment,
    parse_header,
    parse_record,
    positive,
)
from pollux.replay.text import Text, lines, open_text

# What every header begins with; a file cut off within it is a recording without records.
_HEADER_BEGINS = b'{"taskcast":'
_TAIL = 1 << 12
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


class Placed(NamedTuple):
    """A record and where the file goes on behind it.

    Attributes:
        end: Offset of the next line, to be given to :meth:`Recording.records`.
        record: The record.
        line: The line as it stands in the file.
    """

    end: int
    record: Record
    line: bytes


class Recording:
    """One recording file, open for reading; safe for threads, and also while it is written.

    Args:
        path: The file; the ending ``.gz`` means that it is compressed.

    Raises:
        OSError: when the file cannot be opened.
        NotARecording: when it does not begin with a header.
        NewerFormat: when its major version is later than this program's.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._text: Text = open_text(self.path)
        try:
            self.header, self.start, self._cut_header = self._read_header()
        except BaseException:
            self._text.close()
            raise

    @property
    def name(self) -> str:
        """The file's name without its endings."""
        return self.path.name.removesuffix(".gz").removesuffix(SUFFIX).removesuffix(".jsonl")

    def records(self, place: int | None = None) -> Iterator[Placed]:
        """Yield the records from PLACE, an offset told by an earlier one, or from the first.

        Ends at the last whole line that is there now; asked again from there, it yields what
        was appended meanwhile.

        Raises:
            DamagedRecording: at a line that is no record, the last one excepted.
        """
        for end, line in lines(self._text, self.start if place is None else place):
            if is_comment(line):
                continue
            try:
                record = parse_record(line)
            except LineError as error:
                if not line.endswith(b"\n"):
                    return
                raise DamagedRecording(self.path, self._line_number(end), str(error)) from None
            yield Placed(end, record, line)

    def trailer(self) -> Mapping[str, Any] | None:
        """Return the payload of the trailer, or None: cut off, or still being written."""
        return self._tail()[1]

    def warnings(self) -> list[str]:
        """Return what is missing or suspicious at the end of the file; looks at nothing else."""
        if self._cut_header:
            return ["the header is unfinished: the recording is empty"]
        found = []
        last_line, trailer = self._tail()
        if problem := self._text.problem:
            found.append(problem)
        if last_line and not last_line.endswith(b"\n"):
            unfinished = _as_record(last_line) is None
            found.append(
                "the last line is unfinished and was dropped"
                if unfinished
                else "the last line has no line end"
            )
        if trailer is None:
            problem = "there is no trailer: the recording was cut off or is still being written"
            found.append(problem + self._how_far())
        elif trailer.get("complete") is not True:
            found.append(f"the recording is incomplete: {trailer.get('reason', 'no reason given')}")
        return found

    def checksum_matches(self) -> bool | None:
        """Compare the trailer's SHA-256 with the text; None without one. Reads the whole file."""
        digest = hashlib.sha256()
        for _, line in lines(self._text):
            record = _as_record(line)
            if record is not None and record.code == Code.TRAILER:
                stored = record.payload.get("sha256") if isinstance(record.payload, dict) else None
                return None if stored is None else stored == digest.hexdigest()
            digest.update(line)
        return None

    @cached_property
    def ring(self) -> int:
        """How many events the recorded server kept: as recorded, else 1000 (api_v1 2.3.6)."""
        observed = positive((self.trailer() or {}).get("ring"))
        return self.header.ring or observed or DEFAULT_RING

    def close(self) -> None:
        """Close the file."""
        self._text.close()

    def __enter__(self) -> Self:
        """Return the recording."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def _read_header(self) -> tuple[Header, int, bool]:
        end, line = next(lines(self._text), (0, b""))
        try:
            header = parse_header(line)
        except LineError as error:
            if not is_cut_header(line):
                raise NotARecording(self.path, str(error)) from None
            return Header(), end, True
        if header.version > FORMAT_VERSION:
            raise NewerFormat(self.path, header.version, FORMAT_VERSION)
        return header, end, False

    def _tail(self) -> tuple[bytes, Mapping[str, Any] | None]:
        """Return the last line that is no comment, and the trailer when it is one."""
        found = self._last_lines()
        if not found:
            return b"", None
        record = _as_record(found[-1])
        if record is None or record.code != Code.TRAILER or not isinstance(record.payload, dict):
            return found[-1], None
        return found[-1], record.payload

    def _how_far(self) -> str:
        """Return what the last lines tell of what is missing, for a message."""
        for record in map(_as_record, reversed(self._last_lines())):
            payload = None if record is None else record.payload
            if record is None or not isinstance(payload, dict):
                continue
            if record.code == Code.STATUS and payload.get("status") in TERMINAL_STATUSES:
                return f"; the task's end ({payload['status']}) is in it"
            if record.code == Code.EVENT and index(payload.get("idx")) is not None:
                return f"; what came after event {payload['idx']} is missing"
        return ""

    def _last_lines(self) -> list[bytes]:
        """Return some of the last lines that are no comments; at least one, if there is one."""
        size = self._text.size()
        length = _TAIL
        while True:
            begin = max(self.start, size - length)
            tail = self._text.read(begin, size - begin)
            if begin > self.start:  # the first piece may be the end of a longer line
                tail = tail.partition(b"\n")[2]
            found = [line for line in _LINE.findall(tail) if not is_comment(line)]
            if found or begin == self.start:
                break
            length *= 4
        return found

    def _line_number(self, end: int) -> int:
        number = 0
        for behind, _ in lines(self._text):
            number += 1
            if behind >= end:
                break
        return number


def _as_record(line: bytes) -> Record | None:
    try:
        return parse_record(line)
    except LineError:
        return None


def is_cut_header(line: bytes) -> bool:
    """Tell whether LINE, the first one, may be a header that was cut off."""
    squeezed = line.replace(b" ", b"")
    begins = squeezed.startswith(_HEADER_BEGINS) or _HEADER_BEGINS.startswith(squeezed)
    return begins and not line.endswith(b"\n")
