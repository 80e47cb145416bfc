"""Turns what a server answers to polls into records, and notes where it breaks its promises."""

from collections.abc import Iterator, Mapping
from typing import Any

from pollux.replay.format import EVICTED, TERMINAL_STATUSES, Code, index, number

#: A record before it has a time: code and payload.
Entry = tuple[str, dict[str, Any]]

_CANCEL_REQUESTED = "cancel_requested"


class BadAnswer(Exception):
    """An answer that tells nothing of the task: not the object that API v1 promises."""


class Intake:
    """What is known of a task that is being recorded.

    Attributes:
        head: The idx to poll from next.
        status: The last status told, or None.
        created_at: Epoch seconds on the server's clock, or None before the first answer.
        ring: The size of the server's buffer, once an answer showed it.
        lost: How many events fell into gaps.
    """

    def __init__(self) -> None:
        self.head = 0
        self.status: str | None = None
        self.created_at: float | None = None
        self.ring: int | None = None
        self.lost = 0
        self._last_ts = 0.0

    @property
    def terminal(self) -> bool:
        """Whether the last status told is an end."""
        return self.status in TERMINAL_STATUSES

    def accepted(self, status: str, created_at: float) -> list[Entry]:
        """Take what the answer to the send told."""
        self.created_at = created_at
        return [self._status(status, created_at, None)]

    def answered(self, offset: int, data: Any, elapsed_ms: float) -> list[Entry]:
        """Take the ``data`` of a poll's answer and return the records that it makes.

        Args:
            offset: The ``from`` that was asked.
            data: Any JSON value.
            elapsed_ms: How long the answer took.

        Raises:
            BadAnswer: when DATA is not what a poll is answered with; nothing is taken then.
        """
        events = _events(data)
        status = data["status"]
        if self.created_at is None:
            self.created_at = number(data.get("created_at")) or 0.0
        late = self.terminal
        first_status = self.status is None
        news = list(self._news(events))
        entries: list[Entry] = [self._poll(offset, data, events, elapsed_ms), *news]
        new_events = [payload for code, payload in news if code == Code.EVENT]
        if late and new_events:
            detail = f"{len(new_events)} events after the status {self.status}"
            entries.insert(1, _anomaly("late", detail))
        next_offset = index(data.get("next_offset"))
        if new_events and next_offset != self.head:
            detail = f"next_offset is {next_offset}, the last event has idx {self.head - 1}"
            entries.append(_anomaly("order", detail))
        updated_at = number(data.get("updated_at"))
        error = data.get("error") if isinstance(data.get("error"), str) else None
        if status != self.status:
            ended = status in TERMINAL_STATUSES
            behind = ended or status == _CANCEL_REQUESTED
            ts = updated_at
            if not behind:
                ts = self.created_at if first_status else _first_ts(new_events, updated_at)
            elif ended:
                ts = max(updated_at or 0.0, self._last_ts)
            entries.insert(len(entries) if behind else 1, self._status(status, ts, error))
        return entries

    def _poll(
        self, offset: int, data: Mapping[str, Any], events: list[Any], elapsed_ms: float
    ) -> Entry:
        payload = {
            "from": offset,
            "next": index(data.get("next_offset")),
            "count": len(events),
            "ms": round(elapsed_ms),
        }
        window_start = index(data.get("window_start"))
        if window_start is not None:
            payload["window_start"] = window_start
            if events and window_start:
                self.ring = max(self.ring or 0, self.head - window_start)
        return Code.POLL, payload

    def _news(self, events: list[Any]) -> Iterator[Entry]:
        """Yield events that are new, and what stands in their way."""
        known = 0
        for place, event in enumerate(events):
            idx = index(event.get("idx")) if isinstance(event, dict) else None
            if idx is None:
                yield _anomaly("order", "an event without an idx", event=event)
                continue
            if idx < self.head:
                known += 1
                continue
            if idx > self.head:
                reason = EVICTED if place == 0 else "hole"
                yield Code.GAP, {"from": self.head, "to": idx, "reason": reason}
                self.lost += idx - self.head
                if place == 0:  # all that the server has left is in this answer
                    self.ring = max(self.ring or 0, len(events))
            self.head = idx + 1
            self._last_ts = max(self._last_ts, number(event.get("ts")) or 0.0)
            yield Code.EVENT, event
        if known:
            yield _anomaly("order", f"{known} events that were told before")

    def _status(self, status: str, ts: float | None, error: str | None) -> Entry:
        self.status = status
        payload: dict[str, Any] = {"status": status, "ts": ts}
        if error is not None or status in TERMINAL_STATUSES:
            payload["error"] = error
        return Code.STATUS, payload


def _events(data: Any) -> list[Any]:
    if not isinstance(data, dict):
        raise BadAnswer("'data' is no object")
    if not isinstance(data.get("status"), str):
        raise BadAnswer("'status' is no text")
    events = data.get("events")
    if not isinstance(events, list):
        raise BadAnswer("'events' is no list")
    return events


def _first_ts(events: list[dict[str, Any]], default: float | None) -> float | None:
    first = number(events[0].get("ts")) if events else None
    return default if first is None else first


def _anomaly(kind: str, detail: str, **more: Any) -> Entry:
    return Code.ANOMALY, {"kind": kind, "detail": detail, **more}
