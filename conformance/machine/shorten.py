"""Makes a failing sequence as short as it can be."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from pollux.conformance.machine.play import Step

_MOST_RUNS = 100
# What is simplest, where it is not the number 0: none, and a message to a new conversation.
_SIMPLEST = {"prompt": -1, "personalization": -1, "to": -1}


class _Failed(Protocol):
    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps up to the failure."""
        ...


_F = TypeVar("_F", bound=_Failed)


@dataclass(frozen=True)
class Shortened(Generic[_F]):
    """What has come of it.

    Attributes:
        failure: The failure of the shortest sequence.
        runs: How many sequences were played for it.
        failed: How many of them failed.
    """

    failure: _F
    runs: int
    failed: int


def shortened(
    failure: _F, play: Callable[[Sequence[Step]], _F | None], seconds: float
) -> Shortened[_F]:
    """Leave out of a failing sequence what it does not need.

    It is played again without a part of it, larger parts first, then with the simplest numbers.
    Whatever fails then is as good: the shortest failure says most clearly what is wrong.
    (hypothesis can shorten, too, but plays a thousand sequences where this takes thirty, and gives
    up on a server that does not answer the same twice.)

    Args:
        failure: The failure.
        play: Plays a sequence and returns its failure, if it fails.
        seconds: So long it may take, but for the sequence that is being played then.
    """
    shortening = _Shortening(failure, play, time.monotonic() + seconds)
    # A server that does not answer the same each time may need a second try.
    if shortening.fails(failure.steps) or shortening.fails(failure.steps):
        shortening.leave_out()
        shortening.simplify()
        shortening.leave_out()
    return Shortened(shortening.best, shortening.runs, shortening.failed)


class _Shortening(Generic[_F]):
    def __init__(
        self, failure: _F, play: Callable[[Sequence[Step]], _F | None], until: float
    ) -> None:
        self.best = failure
        self.runs = 0
        self.failed = 0
        self._play = play
        self._until = until

    def fails(self, steps: Sequence[Step]) -> bool:
        """Play STEPS; what fails becomes the best so far."""
        if self.runs >= _MOST_RUNS or time.monotonic() > self._until:
            return False
        self.runs += 1
        found = self._play(steps)
        if found is None:
            return False
        self.failed += 1
        self.best = found
        return True

    def leave_out(self) -> None:
        """Leave out parts of the sequence until none can be spared; the last step stays."""
        size = max(1, (len(self.best.steps) - 1) // 2)
        while True:
            place, spared = 0, False
            while place < len(self.best.steps) - 1:
                steps = self.best.steps
                rest = steps[min(place + size, len(steps) - 1) :]
                if self.fails((*steps[:place], *rest)):
                    spared = True
                else:
                    place += size
            if size == 1 and not spared:
                return
            size = max(1, size // 2)

    def simplify(self) -> None:
        """Let the first user do all of it, and take the simplest numbers."""
        self._try(lambda step: {**step.arguments, **_users(step, lambda _: 0)})
        if self.best.steps[0].arguments.get("user"):
            self._try(lambda step: {**step.arguments, **_users(step, lambda user: 1 - user)})
        for place in range(len(self.best.steps)):
            for name in self.best.steps[place].arguments if place < len(self.best.steps) else ():
                self._try(partial(_simplest, name), place)

    def _try(self, change: Callable[[Step], Mapping[str, int]], place: int | None = None) -> None:
        steps = tuple(
            Step(step.action, change(step)) if place in (None, number) else step
            for number, step in enumerate(self.best.steps)
        )
        if steps != self.best.steps:
            self.fails(steps)


def _users(step: Step, change: Callable[[int], int]) -> dict[str, int]:
    found = step.arguments.items()
    return {name: change(value) for name, value in found if name in ("user", "owner")}


def _simplest(name: str, step: Step) -> dict[str, int]:
    if name not in step.arguments:
        return dict(step.arguments)
    return {**step.arguments, name: _SIMPLEST.get(name, 0)}
