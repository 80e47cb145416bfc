"""The lines of a recording: header, records, and how they become bytes and back."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Never

#: The major version that is written, and the latest one that is read.
FORMAT_VERSION: Final = 1
SUFFIX: Final = ".taskcast.jsonl"
#: Events a server keeps when nothing else is known (api_v1 2.3.6).
DEFAULT_RING: Final = 1000
TERMINAL_STATUSES: Final = frozenset({"succeeded", "failed", "canceled", "stopped"})


class Code(StrEnum):
    """The codes of version 1; others may stand in a file and survive."""

    STATUS = "s"
    EVENT = "e"
    POLL = "p"
    GAP = "g"
    MARKER = "m"
    ANOMALY = "h"
    TRAILER = "x"


#: The kind of anomaly after which the task is unknown to the server.
VANISHED: Final = "vanished"
#: The kinds of anomaly that are noted among the events of one answer.
WITHIN_AN_ANSWER: Final = frozenset({"order", "late"})
#: The reason of a gap whose events the server no longer had.
EVICTED: Final = "evicted"


class LineError(ValueError):
    """A line that is no record, or no header; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line behind the header.

    Attributes:
        delta_ms: Milliseconds of arrival time since the record before.
        code: One of :class:`Code`, or a code of a later minor version.
        payload: Any JSON value.
    """

    delta_ms: int
    code: str
    payload: Any


@dataclass(frozen=True)
class Header:
    """The first line; every field but the version may be missing, unknown ones are kept.

    Attributes:
        fields: The JSON object as it stands in the file.
    """

    fields: Mapping[str, Any] = field(default_factory=lambda: {"taskcast": FORMAT_VERSION})

    @property
    def version(self) -> int:
        """The major version of the format."""
        return int(self.fields["taskcast"])

    @property
    def recorded_at(self) -> float | None:
        """Epoch seconds at which the deltas begin, on the recorder's clock."""
        return number(self.fields.get("recorded_at"))

    @property
    def task_id(self) -> str | None:
        """The id of the recorded task."""
        return _text(self._task.get("task_id"))

    @property
    def conversation_id(self) -> str | None:
        """The id of the conversation that the task belonged to."""
        return _text(self._task.get("conversation_id"))

    @property
    def created_at(self) -> float | None:
        """Epoch seconds at which the task was created, on the server's clock."""
        return number(self._task.get("created_at"))

    @property
    def request(self) -> Mapping[str, Any]:
        """The body that started the task; empty when it is not known."""
        return _mapping(self.fields.get("request"))

    @property
    def conversation(self) -> Mapping[str, Any]:
        """The conversation as it was before the task; empty when it is not known."""
        return _mapping(self.fields.get("conversation"))

    @property
    def models(self) -> list[Any] | None:
        """What ``GET /models`` listed, or None."""
        models = self.fields.get("models")
        return models if isinstance(models, list) else None

    @property
    def ring(self) -> int | None:
        """How many events the recorded server keeps, where the header says so."""
        return positive(self.fields.get("ring"))

    @property
    def _task(self) -> Mapping[str, Any]:
        return _mapping(self.fields.get("task"))


def header_line(header: Header) -> bytes:
    """Return HEADER as a line, LF included."""
    return dumps(dict(header.fields)) + b"\n"


def record_line(record: Record) -> bytes:
    """Return RECORD as a line, LF included."""
    return dumps([record.delta_ms, record.code, record.payload]) + b"\n"


def parse_header(line: bytes) -> Header:
    """Read the first line; its version is not judged.

    Raises:
        LineError: when it is no header of any version.
    """
    fields = loads(line)
    if not isinstance(fields, dict) or "taskcast" not in fields:
        raise LineError('the first line must be a JSON object with a member "taskcast"')
    if positive(fields["taskcast"]) is None:
        raise LineError('"taskcast", the version of the format, must be a positive integer')
    return Header(fields)


def parse_record(line: bytes) -> Record:
    """Read a line behind the header.

    Raises:
        LineError: when it is no array ``[delta_ms, code, payload]``.
    """
    value = loads(line)
    if not isinstance(value, list) or len(value) != 3:
        raise LineError("a record must be an array of three elements: [delta_ms, code, payload]")
    delta_ms, code, payload = value
    if type(delta_ms) is not int or delta_ms < 0:
        raise LineError("the first element of a record must be an integer of at least 0 (ms)")
    if type(code) is not str or not code:
        raise LineError("the second element of a record must be a non-empty string (its code)")
    return Record(delta_ms, code, payload)


_BEFORE_PAYLOAD = re.compile(rb'\s*\[\s*\d+\s*,\s*"(?:[^"\\]|\\.)*"\s*,\s*')


def payload_bytes(line: bytes) -> bytes:
    """Return the payload of a valid record LINE as it is spelled in the file.

    What is handed on byte by byte is the same for every reader, whatever a JSON library
    would make of its numbers.
    """
    match = _BEFORE_PAYLOAD.match(line)
    if match is None:
        raise LineError("not a record")
    return line[match.end() : line.rindex(b"]")].rstrip()


def is_comment(line: bytes) -> bool:
    """Tell whether LINE is blank or begins with ``#``: readers pass over it."""
    return line.startswith(b"#") or not line.strip()


def dumps(value: Any) -> bytes:
    """Return VALUE as compact JSON in UTF-8, without LF.

    Raises:
        ValueError: for NaN and infinities, which are not JSON.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Lone surrogates have no UTF-8, but an escaped form in JSON, which is Python's as well.
    return text.encode(errors="backslashreplace")


def loads(text: bytes) -> Any:
    """Read strict JSON.

    Raises:
        LineError: when TEXT is no JSON in UTF-8.
    """
    try:
        return _DECODER.decode(text.decode())
    except UnicodeDecodeError:
        raise LineError("the line is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise LineError(f"the line is not JSON: {error}") from None


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text} is too large")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def number(value: Any) -> float | None:
    """Return VALUE when it is a finite number, else None."""
    if type(value) is not float and type(value) is not int:
        return None
    return value if abs(value) < 1e15 else None


def index(value: Any) -> int | None:
    """Return VALUE when it is an integer of at least 0, else None."""
    return value if type(value) is int and value >= 0 else None


def positive(value: Any) -> int | None:
    """Return VALUE when it is an integer of at least 1, else None."""
    return value if type(value) is int and value >= 1 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


class Deltas:
    """Turns absolute times into deltas that never drift: differences of rounded times."""

    def __init__(self) -> None:
        self._before_ms = 0

    def at(self, seconds: float) -> int:
        """Return the delta, in ms, of a record at SECONDS since the beginning."""
        now_ms = max(self._before_ms, round(seconds * 1000))
        delta_ms = now_ms - self._before_ms
        self._before_ms = now_ms
        return delta_ms
