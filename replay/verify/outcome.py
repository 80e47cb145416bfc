"""What can be said of a client by one rule, and what is known of the play beside the journal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How much a rule counts (RFC 2119)."""

    #: It decides the verdict on a client.
    MUST = "MUST"
    #: A client that breaks it gets a warning.
    SHOULD = "SHOULD"


class Outcome(StrEnum):
    """What a rule says of a client."""

    PASS = "PASS"
    #: A MUST is broken.
    FAIL = "FAIL"
    #: A SHOULD is broken.
    WARN = "WARN"
    #: The rule applies, but what would prove it is missing; the detail says what.
    UNTESTABLE = "UNTESTABLE"
    #: Nothing happened that the rule speaks of.
    NOT_APPLICABLE = "NOT_APPLICABLE"


class End(StrEnum):
    """How it ended with the client, as far as whoever judges it knows."""

    #: It may go on at any time: it is judged while it works.
    RUNNING = "running"
    #: Its process has ended.
    EXITED = "exited"
    #: It asks nothing any more, although its process may live.
    SILENT = "silent"
    #: It was still at work when the time given to it was over.
    TIMEOUT = "timeout"

    @property
    def over(self) -> bool:
        """Whether the client has ended of its own accord."""
        return self in (End.EXITED, End.SILENT)


@dataclass(frozen=True)
class Facts:
    """What is known of a play beside its journal.

    Attributes:
        end: How it ended with the client.
        types: The type of each event that is played, by its idx; empty when nobody knows.
        effects: The effect of each fault rule, by the name of the rule.
    """

    end: End = End.RUNNING
    types: Mapping[int, str] = field(default_factory=dict)
    effects: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found.

    Attributes:
        outcome: A rule says FAIL where it is broken; whether that is a WARN follows from its
            level.
        detail: Why, in one sentence.
        polls: Numbers of the requests in the journal that prove it.
    """

    outcome: Outcome
    detail: str
    polls: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What one rule says of a client.

    Attributes:
        rule: Id of the rule.
        level: Its level.
        outcome: What it says.
        detail: Why, in one sentence.
        polls: Numbers of the requests in the journal that prove it.
    """

    rule: str
    level: Level
    outcome: Outcome
    detail: str
    polls: tuple[int, ...] = ()

    @property
    def red(self) -> bool:
        """Whether the rule is broken."""
        return self.outcome in (Outcome.FAIL, Outcome.WARN)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {
            "rule": self.rule,
            "level": self.level.value,
            "outcome": self.outcome.value,
            "detail": self.detail,
            "polls": list(self.polls),
        }
