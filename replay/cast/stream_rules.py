"""Judges what a recorded server told, by the rules for every server (api_v1 2.3, 2.4)."""

from collections.abc import Mapping
from typing import Any

from pollux.replay.format import TERMINAL_STATUSES, Header, number
from pollux.schemas.events import envelope_problems, load_events, payload_problems
from pollux.schemas.grammar import Grammar, StreamReader, Violation

#: What is found: ids of requirements, and what is wrong.
Found = list[tuple[str, str]]


class StreamRules:
    """Takes the events and statuses of one task in the order of the recording."""

    def __init__(self) -> None:
        self._reader = StreamReader(Grammar.COMMON)
        self._types = load_events()
        self._created_at: float | None = None
        self._last_ts: float | None = None
        self._status: str | None = None

    def begin(self, header: Header) -> None:
        """Take the header."""
        self._created_at = header.created_at

    def event(self, event: Mapping[str, Any]) -> Found:
        """Take the next event, whose idx is in order; return what it breaks."""
        if problems := envelope_problems(event):
            return [("EVENT-ENVELOPE", problem) for problem in problems]
        rule = self._types[event["type"]].rule if event["type"] in self._types else ""
        found = [(rule, problem) for problem in payload_problems(event)]
        found += _found(self._reader.feed(event))
        ts = number(event["ts"])
        if ts is not None:
            if self._last_ts is not None and ts < self._last_ts:
                found.append(("POLL-TS-ORDERED", f"ts goes back from {self._last_ts} to {ts}"))
            elif self._created_at is not None and ts < self._created_at:
                what = f"ts {ts} lies before created_at {self._created_at}"
                found.append(("POLL-TS-AFTER-CREATED", what))
            self._last_ts = ts
        if self._status in TERMINAL_STATUSES:
            what = f"event {event['idx']} comes behind the status {self._status}"
            found.append(("POLL-TERMINAL-COMPLETE", what))
        return found

    def status(self, payload: Mapping[str, Any]) -> Found:
        """Take the next status; return what it breaks."""
        before, self._status = self._status, payload["status"]
        if before in TERMINAL_STATUSES and self._status != before:
            what = f"the status {self._status} comes behind {before}"
            return [("TASK-TERMINAL-FOREVER", what)]
        return []

    def finish(self) -> Found:
        """Return what is wrong with the end."""
        return _found(self._reader.finish(self._status or ""))


def _found(violation: Violation | None) -> Found:
    return [] if violation is None else [(violation.rule, violation.message)]
