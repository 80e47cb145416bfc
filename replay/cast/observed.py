"""What the records of a recording show of their task, gathered one by one."""

import hashlib
from collections import Counter
from typing import Any

from pollux.replay.cast.entries import Entry
from pollux.replay.format import EVICTED, TERMINAL_STATUSES, WITHIN_AN_ANSWER, Code, index


class Observed:
    """Counts records and follows idx, status and the server's buffer.

    Attributes:
        counts: Records by code, the trailer left out.
        head: The idx that the next event gets.
        status: The last status told, or None.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.head = 0
        self.status: str | None = None
        self._ring = 0
        self._window_start = 0
        # Events of the answer behind an eviction; None elsewhere.
        self._whole_window: int | None = None

    @property
    def terminal(self) -> bool:
        """Whether the last status told is an end."""
        return self.status in TERMINAL_STATUSES

    @property
    def ring(self) -> int | None:
        """The size of the server's buffer as the answers show it; None when it never overflowed."""
        told = self.head - self._window_start if self._window_start else 0
        return max(self._ring, self._whole_window or 0, told) or None

    def take(self, entry: Entry) -> None:
        """Take the next record, which is no trailer."""
        self.counts[entry.code] += 1
        payload = entry.payload
        if not isinstance(payload, dict):
            return
        if entry.code == Code.EVENT:
            self._take_event(entry.idx)
        elif entry.code == Code.STATUS:
            self._end_the_window()
            if isinstance(payload.get("status"), str):
                self.status = payload["status"]
        elif entry.code == Code.POLL:
            self._end_the_window()
            self._ring = self.ring or 0
            news = payload.get("count")
            self._window_start = (index(payload.get("window_start")) or 0) if news else 0
        elif entry.code == Code.ANOMALY and payload.get("kind") not in WITHIN_AN_ANSWER:
            self._end_the_window()
        elif entry.code == Code.GAP and payload.get("reason") == EVICTED:
            self._whole_window = 0

    def _take_event(self, idx: int | None) -> None:
        if idx is None or idx < self.head:
            return
        self.head = idx + 1
        if self._whole_window is not None:
            self._whole_window += 1

    def _end_the_window(self) -> None:
        self._ring = max(self._ring, self._whole_window or 0)
        self._whole_window = None


class TrailerMaker:
    """Makes the trailer that belongs to what was written."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def take(self, line: bytes) -> None:
        """Take a line that stands before the trailer."""
        self._digest.update(line)

    @property
    def sha256(self) -> str:
        """The SHA-256, in hex, of the lines taken."""
        return self._digest.hexdigest()

    def payload(
        self, observed: Observed, was: Any = None, cut: str | None = None
    ) -> dict[str, Any]:
        """Return the trailer's payload.

        Args:
            observed: What was written.
            was: The payload of the trailer that was read, or None; its further fields are kept.
            cut: Why the recording ends before its end, when the shaping decided that.
        """
        was = was if isinstance(was, dict) else {}
        complete = observed.terminal and was.get("complete", True) is True and cut is None
        reason = cut or was.get("reason")
        if not isinstance(reason, str) or not reason:
            reason = "end" if complete else "cut-off"
        return {
            **was,
            "complete": complete,
            "reason": reason,
            "status": observed.status,
            "counts": dict(observed.counts),
            "ring": max(index(was.get("ring")) or 0, observed.ring or 0) or None,
            "sha256": self.sha256,
        }
