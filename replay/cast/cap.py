"""Shortens the time in which nothing happens, on both clocks, without changing any order."""

from collections.abc import Iterable, Iterator

from pollux.replay.cast.entries import TS_DIGITS, Entry
from pollux.replay.format import Code


def cap(
    entries: Iterable[Entry], seconds: float, created_at: float | None = None
) -> Iterator[Entry]:
    """Yield ENTRIES with idle time of at most SECONDS between events and statuses.

    What is taken from the server's clock is taken from the clock of arrival, too, so that the
    distance of the two stays. The recorder's polls are no reason not to call a time idle.

    Args:
        entries: The records.
        seconds: The most that is left of a pause, at least 0.
        created_at: Where the server's time begins, in epoch seconds; None where nothing tells.
    """
    most_ms = round(seconds * 1000)
    taken = 0.0  # seconds, from everything that follows
    untold_ms = 0  # from arrival alone, before events without a ts
    last_ts, last_moved = created_at, created_at or 0.0
    last_ms = busy_ms = 0  # arrival, as it is written: of the last record, of the last event
    for entry in entries:
        ts = entry.ts
        if ts is not None:
            if last_ts is not None and ts - last_ts > seconds:
                taken += ts - last_ts - seconds
            moved = round(ts - taken, TS_DIGITS) if taken else ts
            if last_ts is None or ts >= last_ts:
                moved = last_moved = max(moved, last_moved)  # rounding must not change the order
                last_ts = ts
            if moved != ts:
                entry = entry.with_member("ts", moved)
        at_ms = entry.at_ms - round(taken * 1000) - untold_ms
        if ts is None and at_ms > busy_ms + most_ms:
            if entry.code == Code.EVENT:
                untold_ms += at_ms - busy_ms - most_ms
            at_ms = busy_ms + most_ms
        last_ms = max(last_ms, at_ms)
        if entry.code in (Code.EVENT, Code.STATUS):
            busy_ms = last_ms
        yield entry._replace(at_ms=last_ms)
