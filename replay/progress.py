"""Shows how a recording goes: one moving line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from pollux.replay.recorder import Progress

_PLAIN_EVERY_SECONDS = 2.0


@contextmanager
def shown(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Yield what is to be called with every :class:`Progress`.

    Args:
        console: Where it is shown.
    """
    if not console.is_terminal:
        yield PlainLines(
            lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)
        )
        return
    with console.status("waiting for the server") as status:
        yield lambda progress: status.update(escape(describe(progress)))


class PlainLines:
    """Writes a line at most every two seconds, but always one when something changes.

    Args:
        write: Takes a line.
        now: Seconds of a clock that never goes back.
    """

    def __init__(
        self, write: Callable[[str], object], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._now = now
        self._told: tuple[object, ...] | None = None
        self._told_at = 0.0
        self._last_line = ""

    def __call__(self, progress: Progress) -> None:
        """Take the latest progress."""
        about = (progress.status, progress.trouble, progress.lost, progress.over)
        due = self._now() - self._told_at >= _PLAIN_EVERY_SECONDS
        line = describe(progress)
        if (about != self._told or due) and line != self._last_line:
            self._write(line)
            self._told, self._told_at, self._last_line = about, self._now(), line


def describe(progress: Progress) -> str:
    """Return PROGRESS in one line."""
    parts = [f"task {progress.task_id}: {progress.status}", f"{progress.events} events"]
    if progress.lost:
        parts.append(f"{progress.lost} lost")
    if progress.anomalies:
        parts.append(f"{progress.anomalies} anomalies")
    if progress.trouble:
        parts.append(f"trying again after {progress.trouble}")
    if progress.over:
        parts.append(f"over ({progress.over})")
    return ", ".join(parts)
