"""A task in memory, polled without a network: what a right server answers at any moment."""

from dataclasses import dataclass, field
from typing import Any

from pollux.polling.exchange import Exchange
from tests.polling.exchanges import exchange, poll_body

TASK_ID = "60322db3-f884-4a1e-a9b3-6eeb07fbab47"
CREATED = 1_700_000_000.0


@dataclass
class SimulatedTask:
    """Grows event by event; every poll happens at a moment of its own.

    Attributes:
        ring: Events that are kept.
        echo: Echo a `from` past the end instead of telling the end.
        tell_window: Send `window_start`.
    """

    ring: int = 1000
    echo: bool = False
    tell_window: bool = True
    status: str = "running"
    error: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    clock: float = 0.0

    def add(self, kind: str, **data: Any) -> None:
        """Append an event."""
        ts = CREATED + len(self.events) * 0.001
        self.events.append({"idx": len(self.events), "type": kind, "data": data, "ts": ts})

    def say(self, count: int) -> None:
        """Append an answer of so many chunks, from its beginning to its end."""
        self.add("ai_message_start")
        self.add("text_start")
        for number in range(1, count + 1):
            self.add("text_chunk", content=f"w{number} ", index=number, elapsed=0.0)
        whole = "".join(f"w{number} " for number in range(1, count + 1))
        self.add("text_end", full_content=whole)
        self.add("task_complete", total_iterations=1, total_tool_calls=0)

    def data(self, asked: int) -> dict[str, Any]:
        """Return the data that a poll from ASKED tells now."""
        count = len(self.events)
        oldest = max(0, count - self.ring)
        shown = self.events[max(asked, oldest) :]
        end = asked if self.echo and not shown else count
        data: dict[str, Any] = {
            "task_id": TASK_ID,
            "status": self.status,
            "created_at": CREATED,
            "updated_at": CREATED + count * 0.001,
            "error": self.error,
            "events": [dict(event) for event in shown],
            "next_offset": end,
        }
        if self.tell_window:
            data["window_start"] = oldest
        return data

    def answer(self, data: dict[str, Any]) -> Exchange:
        """Return the exchange in which DATA is told, at the next moment."""
        self.clock += 1.0
        return exchange(
            poll_body(data),
            operation="pollTask",
            url=f"http://server/api/v1/tasks/{TASK_ID}",
            sent=self.clock,
            received=self.clock + 0.5,
        )

    def poll(self, asked: int = 0) -> Exchange:
        """Return the answer to a poll from ASKED."""
        return self.answer(self.data(asked))
