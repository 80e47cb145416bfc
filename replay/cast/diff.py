"""Finds the first difference of two recordings that is not one of ids and times."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from pollux.replay.cast.entries import Entry
from pollux.replay.cast.renumber import Renumber
from pollux.replay.cast.source import Source
from pollux.replay.format import TERMINAL_STATUSES, Code, Header

# Members whose values are times or take time; they differ from run to run.
_TIMES = frozenset(
    {"ts", "created_at", "updated_at", "modified_at", "timestamp", "elapsed", "duration"}
)
_TOOL_TYPES = frozenset({"tool_preparing", "tool_intent", "tool_start", "update_action"})
_ID_MEMBERS = ("id", "preparing_id")
_GENERATED = re.compile(
    r"conv_\d{8}_\d{6}_\d{3}"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
)


@dataclass(frozen=True)
class Compared:
    """A record as it is compared.

    Attributes:
        line: Number of its line.
        code: Its code.
        payload: What is compared.
    """

    line: int
    code: str
    payload: Any


@dataclass(frozen=True)
class Difference:
    """Where two recordings part.

    Attributes:
        left: The record of the first one; None when it has ended.
        right: That of the second one.
        path: The member that differs, such as ``data.content``; empty for the whole record.
        before: What stands before it, the same in both.
    """

    left: Compared | None
    right: Compared | None
    path: str
    before: tuple[Compared, ...] = ()


def diff(
    left: Source,
    right: Source,
    *,
    ignore: frozenset[str] = frozenset(),
    everything: bool = False,
    context: int = 3,
) -> Difference | None:
    """Return the first difference of two recordings, or None.

    Compared are events, gaps, the terminal status and records of unknown codes; ids that were
    generated are the same when they stand at the same places, and times are left out.

    Args:
        left: The one.
        right: The other.
        ignore: Types of events that are passed over; their idx are, too.
        everything: Compare also what depends on the moment of a poll: polls, anomalies, live
            statuses; and markers.
        context: How many records before the difference are told.
    """
    before: deque[Compared] = deque(maxlen=context)
    pair = (_compared(left, ignore, everything), _compared(right, ignore, everything))
    for one, other in zip_longest(*pair):
        if one is None or other is None:
            return Difference(one, other, "", tuple(before))
        if one.code != other.code:
            return Difference(one, other, "", tuple(before))
        path = _first_path(one.payload, other.payload)
        if path is not None:
            return Difference(one, other, path, tuple(before))
        before.append(one)
    return None


def _compared(source: Source, ignore: frozenset[str], everything: bool) -> Iterator[Compared]:
    names = _Names(source.header)
    passed_over = 0
    for entry in source.entries():
        if entry.code == Code.TRAILER or not _is_compared(entry, everything):
            continue
        if entry.code == Code.EVENT and entry.payload.get("type") in ignore:
            passed_over += 1
            continue
        payload = names.without(Renumber(-passed_over).entry(entry).payload)
        yield Compared(entry.line, entry.code, payload)


def _is_compared(entry: Entry, everything: bool) -> bool:
    if everything or entry.code not in list(Code):
        return True
    if not isinstance(entry.payload, dict):
        return False
    if entry.code == Code.STATUS:
        return entry.payload.get("status") in TERMINAL_STATUSES
    return entry.code in (Code.EVENT, Code.GAP)


@dataclass
class _Names:
    """Replaces ids by the order in which they come, and leaves times out."""

    header: Header
    _known: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (
            ("task", self.header.task_id),
            ("conversation", self.header.conversation_id),
        ):
            if value is not None:
                self._known[value] = f"<{name}>"

    def without(self, payload: Any) -> Any:
        """Return PAYLOAD without what differs from run to run."""
        if isinstance(payload, dict) and payload.get("type") in _TOOL_TYPES:
            data = payload.get("data")
            if isinstance(data, dict):
                ids = {name: self._id(data[name]) for name in _ID_MEMBERS if name in data}
                payload = {**payload, "data": {**data, **ids}}
        return self._value(payload)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            if value in self._known:
                return self._known[value]
            return _GENERATED.sub(lambda match: self._id(match[0]), value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, dict):
            return {name: self._value(item) for name, item in value.items() if name not in _TIMES}
        return value

    def _id(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return self._known.setdefault(value, f"<id-{len(self._known)}>")


def _first_path(one: Any, other: Any, path: str = "") -> str | None:
    """Return the first member that differs, or None; numbers of other kinds are others."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            inner = f"{path}.{name}" if path else name
            if name not in one or name not in other:
                return inner
            found = _first_path(one[name], other[name], inner)
            if found is not None:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list):
        for place, (a, b) in enumerate(zip(one, other, strict=False)):
            found = _first_path(a, b, f"{path}[{place}]")
            if found is not None:
                return found
        return None if len(one) == len(other) else f"{path}[{min(len(one), len(other))}]"
    same = type(one) is type(other) and one == other
    return None if same else path
