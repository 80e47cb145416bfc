"""What an always-on invariant reports, and to whom."""

from dataclasses import dataclass
from typing import Protocol

from pollux.polling.exchange import Exchange


@dataclass(frozen=True)
class Breach:
    """A rule of the contract that an implementation was seen to break.

    Attributes:
        requirement: Id of the requirement it is charged to.
        message: What was looked at, in a sentence that is the same for every such breach.
        expected: What the contract asks for.
        got: What came instead.
        exchanges: The requests and answers that prove it.
        script: Lines for a shell that show it, where one request is not enough.
    """

    requirement: str
    message: str
    expected: str
    got: str
    exchanges: tuple[Exchange, ...]
    script: str = ""


class Sink(Protocol):
    """Takes what the invariants see."""

    def held(self, requirement: str) -> None:
        """Take note that there was something to look at, and it was right."""

    def breached(self, breach: Breach) -> None:
        """Take note of a breach."""


class Ignore:
    """A sink for those who only want the events."""

    def held(self, requirement: str) -> None:
        """Do nothing."""

    def breached(self, breach: Breach) -> None:
        """Do nothing."""
