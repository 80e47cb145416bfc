"""When a record happened on the server: as a player counts it, from time zero on."""

from pollux.replay.cast.entries import Entry


class ServerTime:
    """Follows the server's clock along the records; see "Time zero" in the format's description.

    Args:
        created_at: The header's, in epoch seconds.

    Attributes:
        ms: Milliseconds from time zero to the last record; never less than before.
        epoch: The same moment in epoch seconds, or None while nothing tells.
    """

    def __init__(self, created_at: float | None) -> None:
        self.ms = 0
        self.epoch = created_at
        self._origin_ms = None if created_at is None else round(created_at * 1000)
        self._begun = False

    @property
    def origin(self) -> float | None:
        """Time zero in epoch seconds, once it is known."""
        return None if self._origin_ms is None else self._origin_ms / 1000

    def of(self, entry: Entry) -> int:
        """Take the next record and return its time in ms; what tells none has that before it."""
        ts = entry.ts
        if ts is not None:
            ts_ms = round(ts * 1000)
            lost_beginning = not self._begun and entry.idx is not None and entry.idx > 0
            if self._origin_ms is None or lost_beginning:
                self._origin_ms = ts_ms
            self.ms = max(self.ms, ts_ms - self._origin_ms)
            self.epoch = max(self.epoch or 0.0, ts)
        self._begun = self._begun or entry.idx is not None
        return self.ms
