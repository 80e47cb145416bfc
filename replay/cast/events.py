"""Picks events out of a recording, and makes them readable."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pollux.replay.cast.entries import Entry
from pollux.replay.cast.place import By
from pollux.replay.cast.server_time import ServerTime
from pollux.replay.format import Code, dumps

_LONGEST = 100
# Control characters would move the cursor of a terminal, or worse.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Wanted:
    """Which events are picked: all that fit everything that is set.

    Attributes:
        types: Of one of these types; all types when there are none.
        begin: With this idx or a later one.
        end: With an earlier idx.
        since: At this time or later, in seconds.
        until: At an earlier time.
        grep: Whose text, as one line of JSON, has a match of this.
        by: Which clock the times are of.
    """

    types: frozenset[str] = frozenset()
    begin: int = 0
    end: int | None = None
    since: float = 0.0
    until: float | None = None
    grep: re.Pattern[str] | None = None
    by: By = By.SERVER

    def takes(self, event: dict[str, Any], idx: int, seconds: float) -> bool:
        """Tell whether an event is wanted."""
        return (
            (not self.types or event.get("type") in self.types)
            and idx >= self.begin
            and (self.end is None or idx < self.end)
            and seconds >= self.since
            and (self.until is None or seconds < self.until)
            and (self.grep is None or self.grep.search(dumps(event).decode()) is not None)
        )


@dataclass(frozen=True)
class Picked:
    """An event that was picked.

    Attributes:
        entry: It.
        idx: Its idx.
        seconds: Its time on the chosen clock.
    """

    entry: Entry
    idx: int
    seconds: float


def pick(entries: Iterable[Entry], wanted: Wanted, created_at: float | None) -> Iterator[Picked]:
    """Yield the events that are WANTED."""
    time = ServerTime(created_at)
    for entry in entries:
        server_ms = time.of(entry)
        if entry.code != Code.EVENT or entry.idx is None:
            continue
        seconds = (entry.at_ms if wanted.by is By.ARRIVAL else server_ms) / 1000
        if wanted.takes(entry.payload, entry.idx, seconds):
            yield Picked(entry, entry.idx, seconds)
        if wanted.end is not None and entry.idx >= wanted.end:
            return


def row(picked: Picked) -> str:
    """Return an event as a line to be read by people."""
    event = picked.entry.payload
    data = event.get("data")
    text = data.get("content") if isinstance(data, dict) and set(data) >= {"content"} else None
    shown = dumps(text if isinstance(text, str) else data).decode()
    if len(shown) > _LONGEST:
        shown = f"{shown[:_LONGEST]}..."
    kind = str(event.get("type"))
    return f"{picked.idx:>7} {picked.seconds:>10.3f}  {safe(kind):<20}  {safe(shown)}"


HEADING = f"{'idx':>7} {'seconds':>10}  {'type':<20}  content, or data"


@dataclass
class Text:
    """Makes of events the text that a user would read, piece by piece.

    Gaps are named, tools stand in brackets, thinking stands behind ``(thinking)``.
    """

    _head: int | None = None
    _column: int = 0
    _speaks: str = ""
    _names: dict[str, str] = field(default_factory=dict)

    def of(self, picked: Picked) -> str:
        """Return what an event adds."""
        said = ""
        if self._head is not None and picked.idx > self._head:
            said = self._line(f"[{picked.idx - self._head} events are not here]")
        self._head = picked.idx + 1
        event = picked.entry.payload
        data = event.get("data")
        return said + self._event(str(event.get("type")), data if isinstance(data, dict) else {})

    def finish(self) -> str:
        """Return what ends the last line."""
        return "\n" if self._column else ""

    def _event(self, kind: str, data: dict[str, Any]) -> str:
        if kind in ("text_chunk", "thinking_chunk"):
            return self._chunk(kind, safe(str(data.get("content", ""))))
        if kind == "tool_start":
            self._names[str(data.get("preparing_id"))] = str(data.get("name"))
            arguments = dumps(data.get("arguments")).decode()
            return self._line(f"[{data.get('name')} {_short(arguments)}]")
        if kind == "update_action":
            name = self._names.pop(str(data.get("preparing_id")), "a tool")
            result = data.get("result")
            right = isinstance(result, dict) and result.get("success") is True
            said = data.get("status") if right else f"{data.get('status')}, without success"
            return self._line(f"[{name}: {said}]")
        if kind in ("system_message", "error", "task_stopped"):
            said = data.get("content") if kind == "system_message" else data.get("message")
            return self._line(f"[{kind}: {_short(str(said))}]")
        return ""

    def _chunk(self, kind: str, text: str) -> str:
        said = ""
        if kind != self._speaks:
            said = self.finish() + ("(thinking) " if kind == "thinking_chunk" else "")
            self._speaks = kind
        self._column = 0 if text.endswith("\n") else 1
        return said + text

    def _line(self, text: str) -> str:
        said = f"{self.finish()}{safe(text)}\n"
        self._column, self._speaks = 0, ""
        return said


def safe(text: str) -> str:
    """Return TEXT with control characters escaped, but for line ends and tabs."""
    escaped = _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return escaped.encode("utf-8", "backslashreplace").decode()


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
