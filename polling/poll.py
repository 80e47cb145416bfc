"""One answered poll of a task, as far as it can be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pollux.polling.exchange import Exchange

LIVE = frozenset({"pending", "running", "cancel_requested"})
TERMINAL = frozenset({"succeeded", "failed", "canceled", "stopped"})
#: Two names of the same end (api_v1 2.3).
CANCELLED = frozenset({"canceled", "stopped"})

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Poll:
    """An answer 200 to a poll.

    Attributes:
        exchange: Request and answer.
        asked: The ``from`` that the answer is to, 0 where the server may take it as 0.
        data: The answer's ``data``.
        events: Its events that have an idx, in the order in which they came.
        guessed: Whether ``from`` was one that a server may refuse or take as 0 (api_v1 2.3.4):
            what an answer to it must begin with is judged beside an answer to 0, not here.
    """

    exchange: Exchange
    asked: int
    data: Mapping[str, Any]
    events: tuple[Event, ...]
    guessed: bool = False

    @property
    def status(self) -> str:
        """The status of the task."""
        return str(self.data.get("status"))

    @property
    def terminal(self) -> bool:
        """Whether the task has ended."""
        return self.status in TERMINAL

    @cached_property
    def first(self) -> int:
        """The lowest idx; only to be asked for when there are events."""
        return min(int(event["idx"]) for event in self.events)

    @cached_property
    def end(self) -> int:
        """The highest idx plus 1; 0 without events."""
        return max((int(event["idx"]) + 1 for event in self.events), default=0)

    @property
    def next_offset(self) -> int | None:
        """The answer's ``next_offset``, or None when it is no integer."""
        return as_index(self.data.get("next_offset"))

    @property
    def window_start(self) -> int | None:
        """The answer's ``window_start``, or None when it has none."""
        return as_index(self.data.get("window_start"))


def read_poll(exchange: Exchange, asked: int, *, guessed: bool = False) -> Poll | None:
    """Return the poll that EXCHANGE is, or None when it is not an answer with a task."""
    data = exchange.payload.get("data")
    if exchange.status != 200 or not isinstance(data, dict):
        return None
    events = data.get("events")
    readable = [
        event
        for event in (events if isinstance(events, list) else [])
        if isinstance(event, dict) and as_index(event.get("idx")) is not None
    ]
    return Poll(exchange, asked, data, tuple(readable), guessed)


def as_index(value: object) -> int | None:
    """Return VALUE if it is an integer, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_time(value: object) -> float | None:
    """Return VALUE as epoch seconds, or None when it is no number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
