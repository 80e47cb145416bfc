"""When a fault strikes: the conditions of a rule, all of which must hold."""

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

from pollux.replay.faults.values import (
    EVENTS,
    POLLS,
    PROBABILITY,
    TEXT,
    TIMES,
    Kind,
    Span,
    count,
    show_text,
)

#: Short names of operations; others go by their operation id.
SHORT_OPERATIONS: Mapping[str, str] = {
    "send": "sendMessage",
    "poll": "pollTask",
    "cancel": "cancelTask",
}
OPERATIONS = (
    *SHORT_OPERATIONS,
    "createConversation",
    "listConversations",
    "getConversation",
    "deleteConversation",
    "listModels",
    "health",
)


@dataclass(frozen=True)
class Asked:
    """A request, as far as triggers look at it.

    Attributes:
        number: Of the request in its session, from 1; 0 for a preflight.
        operation: Its operation id, or None.
        task_id: The task that it is about, or None.
        nth: Which poll of its task it is, or else which request of its operation, from 1.
        task_number: Which task of the session it is about, from 1; 0 when it is about none.
        offset: ``from`` of a poll, None when it is no poll or a bad one.
        client: Who asks: address and user agent.
        time_ms: Milliseconds of the play since its task was created; None without a task.
    """

    number: int
    operation: str | None
    nth: int
    task_id: str | None = None
    task_number: int = 0
    offset: int | None = None
    client: str = ""
    time_ms: float | None = None

    @property
    def is_poll(self) -> bool:
        """Whether it polls a task."""
        return self.operation == "pollTask"

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks with it whether it may ask."""
        return self.number == 0


@dataclass(frozen=True)
class Truth:
    """What a poll would be answered with if nothing went wrong.

    Attributes:
        events: The idx and the type of each event.
        terminal: Whether it tells a terminal status.
        next_offset: That of the answer.
    """

    events: tuple[tuple[int, str], ...]
    terminal: bool
    next_offset: int


@dataclass(frozen=True)
class Trigger(ABC):
    """One condition.

    Attributes:
        word: The word that it begins with in a rule.
        kind: Kind of the word behind it, None when there is none.
    """

    word: ClassVar[str]
    kind: ClassVar[Kind | None] = None

    @abstractmethod
    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether the condition holds for a request.

        Args:
            asked: The request.
            truth: What it would be answered with, when it is a poll that would be answered well.
        """

    @property
    def first_only(self) -> bool:
        """Whether a rule with it fires only once for each task, if it does not say ``times``."""
        return False

    def named(self, truth: Truth) -> tuple[int, ...]:
        """Return the events of TRUTH that the condition is about."""
        return ()

    def __str__(self) -> str:
        """Return it as it is written."""
        return self.word


@dataclass(frozen=True)
class Always(Trigger):
    """Every request."""

    word = "always"

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Say yes."""
        return True


@dataclass(frozen=True)
class OnPoll(Trigger):
    """The Nth poll of a task, or the polls of a range."""

    polls: Span
    word = "poll"
    kind = POLLS

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether it is such a poll."""
        return asked.is_poll and asked.nth in self.polls

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"poll {POLLS.show(self.polls)}"


@dataclass(frozen=True)
class Every(Trigger):
    """Every Nth poll of a task; of another operation every Nth request."""

    step: int
    word = "every"
    kind = count(1)

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether its number is a multiple."""
        return not asked.is_preflight and asked.nth % self.step == 0

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"every {self.step}"


@dataclass(frozen=True)
class OnIdx(Trigger):
    """An answer that would bring one of these events; of a single one the first such answer."""

    idx: Span
    word = "idx"
    kind = EVENTS

    @property
    def first_only(self) -> bool:
        """Whether it is about one event."""
        return self.idx.single

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether one of the events is among those of the answer."""
        return truth is not None and bool(self.named(truth))

    def named(self, truth: Truth) -> tuple[int, ...]:
        """Return those of the events that the answer would bring."""
        return tuple(idx for idx, _ in truth.events if idx in self.idx)

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"idx {EVENTS.show(self.idx)}"


@dataclass(frozen=True)
class AtTime(Trigger):
    """From so much time of the play on, once; or in a range of times.

    The time is that of the recording since its task was created, as far as it was played.
    """

    times: Span
    word = "time"
    kind = TIMES

    @property
    def first_only(self) -> bool:
        """Whether it is about one moment."""
        return self.times.single

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether the play has come so far."""
        if asked.time_ms is None:
            return False
        return asked.time_ms >= self.times.first and (
            self.times.single or asked.time_ms in self.times
        )

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"time {TIMES.show(self.times)}"


@dataclass(frozen=True)
class OnType(Trigger):
    """An answer that would bring an event of a type."""

    type: str
    word = "type"
    kind = TEXT

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether such an event is among those of the answer."""
        return truth is not None and bool(self.named(truth))

    def named(self, truth: Truth) -> tuple[int, ...]:
        """Return the events of this type."""
        return tuple(idx for idx, type_ in truth.events if type_ == self.type)

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"type {show_text(self.type)}"


@dataclass(frozen=True)
class OnTerminal(Trigger):
    """The first answer that would tell a terminal status."""

    word = "terminal"

    @property
    def first_only(self) -> bool:
        """Say yes."""
        return True

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether the answer would."""
        return truth is not None and truth.terminal


@dataclass(frozen=True)
class FromClient(Trigger):
    """A client whose address or user agent contains the pattern; ``*`` and ``?`` are wild."""

    pattern: str
    word = "client"
    kind = TEXT

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether the pattern is found, in letters of either case."""
        pattern = self.pattern.lower().replace("[", "[[]")  # no set of letters: a bracket
        return fnmatchcase(asked.client.lower(), f"*{pattern}*")

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"client {show_text(self.pattern)}"


def _read_operation(word: str) -> str:
    if word not in OPERATIONS and word not in SHORT_OPERATIONS.values():
        raise ValueError(f"there is no operation {word!r}")
    return SHORT_OPERATIONS.get(word, word)


def _show_operation(operation: str) -> str:
    return next((short for short, full in SHORT_OPERATIONS.items() if full == operation), operation)


@dataclass(frozen=True)
class OnOperation(Trigger):
    """A request of one operation: ``send``, ``poll``, ``cancel``, or its operation id."""

    operation: str
    word = "operation"
    kind = Kind("an operation", _read_operation, _show_operation, words=OPERATIONS)

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether it is of this operation."""
        return asked.operation == self.operation

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"operation {_show_operation(self.operation)}"


@dataclass(frozen=True)
class Chance(Trigger):
    """With a probability. The same seed, rule and request always give the same."""

    probability: float
    word = "p"
    kind = PROBABILITY

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Say yes: the rule, which knows its seed, draws."""
        return True

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"p={self.probability!r}"


TRIGGERS: Mapping[str, type[Trigger]] = {
    trigger.word: trigger
    for trigger in (
        Always,
        OnPoll,
        Every,
        OnIdx,
        AtTime,
        OnType,
        OnTerminal,
        FromClient,
        OnOperation,
        Chance,
    )
}


def chance(seed: int, rule: str, asked: Asked) -> random.Random:
    """Return the random numbers of a rule for a request.

    They depend on nothing else, so that a client that asks the same again meets the same again,
    whatever other clients, rules and clocks do meanwhile.

    Args:
        seed: Of all rules.
        rule: The text of the rule.
        asked: The request.
    """
    return random.Random(f"{seed}|{rule}|{asked.operation}|{asked.task_number}|{asked.nth}")
