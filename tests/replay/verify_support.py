"""Journals made by hand: what a client did, told poll by poll."""

from collections.abc import Iterable
from typing import Any, Self

from pollux.replay.journal import Ack, Entry, Journal
from pollux.replay.verify import End, Facts, Outcome, Result, judge

TASK = "60322db3-f884-4a1e-a9b3-6eeb07fbab47"


class Visit:
    """What one client did, each request following on the answer to the one before."""

    def __init__(self, *, interval_ms: float = 250.0) -> None:
        self.journal = Journal()
        self.interval_ms = interval_ms
        self.now = 0.0
        self.number = 0
        self.polls = 0

    def request(self, **fields: Any) -> Entry:
        self.number += 1
        defaults: dict[str, Any] = {
            "number": self.number,
            "at": 1_769_182_965.3 + self.now / 1000,
            "since_ms": self.now,
            "took_ms": 5.0,
            "client": "127.0.0.1 test",
            "method": "GET",
            "path": "/api/v1/tasks/x",
        }
        entry = Entry(**{**defaults, **fields})
        self.now = max(self.now, entry.since_ms + entry.took_ms)
        self.journal.add(entry)
        return entry

    def send(self, http_status: int = 202, *, wait: float = 0.0) -> Self:
        self.now += wait
        self.request(method="POST", operation="sendMessage", http_status=http_status)
        return self

    def poll(
        self,
        offset: int,
        events: Iterable[int] = (),
        *,
        wait: float | None = None,
        status: str = "running",
        http_status: int = 200,
        **fields: Any,
    ) -> Self:
        """Poll from OFFSET after WAIT ms, and be told EVENTS."""
        self.now += self.interval_ms if wait is None else wait
        self.polls += 1
        told = tuple(events)
        good = {
            "told_status": status,
            "events": told,
            "next_offset": told[-1] + 1 if told else offset,
        }
        self.request(
            **{
                "operation": "pollTask",
                "task_id": TASK,
                "poll": self.polls,
                "offset": offset,
                "http_status": http_status,
                **(good if http_status == 200 else {}),
                **fields,
            }
        )
        return self

    def show(self, *idxs: int, client: str = "stdout") -> Self:
        for idx in idxs:
            self.journal.ack(Ack(self.now, idx, client))
        return self

    def cancel(self) -> Self:
        self.request(method="POST", operation="cancelTask", task_id=TASK, http_status=200)
        return self

    def notice(self, first: int, behind: int) -> Self:
        self.journal.ack(Ack(self.now, behind, "stdout", (first, behind)))
        return self

    def judged(self, end: End = End.EXITED, **facts: Any) -> dict[str, Result]:
        return {result.rule: result for result in judge(self.journal, Facts(end=end, **facts))}

    def red(self, end: End = End.EXITED, **facts: Any) -> list[str]:
        return [rule for rule, result in self.judged(end, **facts).items() if result.red]


def outcomes(results: dict[str, Result]) -> dict[str, Outcome]:
    return {rule: result.outcome for rule, result in results.items()}
