"""Says how far a run is, while it lasts: a live line on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from pollux.conformance.outcome import Outcome
from pollux.conformance.report.log import Event
from pollux.conformance.report.text import visible

_PLAIN_EVERY_SECONDS = 2.0


class LiveProgress:
    """Listens to the events of a run; a context manager around it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._failed: set[str] = set()
        self._done = 0
        self._total = 0
        self._said_at = time.monotonic()
        self._bar = Progress(
            TextColumn("checking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.description}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if event["event"] == "checks":
            self._total = sum(not check["left_out"] for check in event["checks"])
            self._bar.update(self._task, total=self._total)
        elif event["event"] == "check":
            self._check(event)

    def _check(self, event: Event) -> None:
        self._done += not event["left_out"]
        self._bar.update(self._task, completed=self._done, description=event["check"])
        for row in event["judgements"]:
            if row["outcome"] == Outcome.FAIL.value and row["requirement"] not in self._failed:
                self._failed.add(row["requirement"])
                line = f"FAIL {row['requirement']}: {visible(row['detail'])}"
                self._console.print(Text(line, "red"), soft_wrap=True, highlight=False)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._said_at > _PLAIN_EVERY_SECONDS:
            self._said_at = now
            self._console.print(f"{self._done} of {self._total} checks done", markup=False)
