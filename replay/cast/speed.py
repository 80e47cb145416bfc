"""Makes a recording faster or slower, on both clocks."""

from collections.abc import Iterable, Iterator

from pollux.replay.cast.entries import TS_DIGITS, Entry


def speed(
    entries: Iterable[Entry], factor: float, created_at: float | None = None
) -> Iterator[Entry]:
    """Yield ENTRIES FACTOR times as fast.

    Absolute times are divided, not the steps between them: nothing drifts.

    Args:
        entries: The records.
        factor: Greater than 0; 2 is twice as fast.
        created_at: Where the server's time begins, in epoch seconds; the first ``ts`` where
            nothing tells.
    """
    origin = created_at
    for entry in entries:
        ts = entry.ts
        if ts is not None:
            origin = ts if origin is None else origin
            moved = round(origin + (ts - origin) / factor, TS_DIGITS)
            moved = max(moved, min(ts, origin), 0.0)
            if moved != ts:
                entry = entry.with_member("ts", moved)
        yield entry._replace(at_ms=round(entry.at_ms / factor))
