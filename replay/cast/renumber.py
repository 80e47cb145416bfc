"""Gives the events of a part other numbers, and all that speaks of them."""

from typing import Any

from pollux.replay.cast.entries import Entry
from pollux.replay.format import Code, index

_NAMED_BY: dict[str, tuple[str, ...]] = {
    Code.EVENT: ("idx",),
    Code.GAP: ("from", "to"),
    Code.POLL: ("from", "next", "window_start"),
    Code.ANOMALY: ("from",),
}


class Renumber:
    """Adds to every idx.

    Args:
        by: What is added; may be negative, then nothing becomes less than 0.
    """

    def __init__(self, by: int) -> None:
        self.by = by

    def entry(self, entry: Entry) -> Entry:
        """Return ENTRY with its numbers changed."""
        names = _NAMED_BY.get(entry.code)
        if not self.by or names is None or not isinstance(entry.payload, dict):
            return entry
        payload: dict[str, Any] = dict(entry.payload)
        for name in names:
            value = index(payload.get(name))
            # A window that begins at 0 has lost nothing yet, wherever the part stands.
            if value is None or (name == "window_start" and value == 0):
                continue
            payload[name] = max(0, value + self.by)
        return entry.with_payload(payload)
