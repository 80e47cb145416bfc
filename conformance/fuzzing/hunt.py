"""Looks for what breaks a rule among generated things, and makes each finding as small as it gets.

Hypothesis generates and shrinks; how often it may try, and for how long, is bounded here.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from hypothesis import Phase, Verbosity, find, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable
from hypothesis.strategies import SearchStrategy

from pollux.polling.breach import Breach

_MOST_SHRINKS = 100
_SHRINK_SECONDS = 3.0
# Of what is generated a part was there before; it is not tried again, and does not count.
_REPETITION = 5
# Searches for more in the same operation; each takes its time.
_MOST_FINDINGS = 4

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Charge:
    """A breach that was seen, and what kind of thing went wrong.

    Attributes:
        kind: While a finding is made smaller it stays of its kind, though the requirement that
            it is charged to may become another one: with less in it a request is clearer.
        breach: What it is charged to, and why.
    """

    kind: str
    breach: Breach


@dataclass(frozen=True)
class Bounds:
    """What bounds a hunt.

    Attributes:
        cases: How many different things are tried.
        shrinks: How many more for each finding to make it smaller, by each of two ways.
        seconds: How long one finding may be made smaller by each of them.
    """

    cases: int
    shrinks: int = _MOST_SHRINKS
    seconds: float = _SHRINK_SECONDS


def hunt(
    things: SearchStrategy[Thing],
    trial: Callable[[Thing], Sequence[Charge]],
    random: Random,
    bounds: Bounds,
    *,
    smaller: Callable[[Thing], Iterable[Thing]] | None = None,
    known: Collection[str] = (),
) -> Iterator[tuple[Thing, Charge]]:
    """Try THINGS, and yield for each requirement that one breaks a smallest thing that does.

    Args:
        things: What is tried; each must be hashable, and is tried once.
        trial: Tries one. What it raises ends the hunt.
        random: Makes the choices: the same ones with the same seed.
        bounds: When it is enough.
        smaller: Makes of a finding others with less in them; Hypothesis only ever makes choices
            simpler, and does not come to all of these.
        known: Requirements whose breaches are no findings any more.
    """
    seen: dict[Thing, Sequence[Charge]] = {}
    told = set(known)
    left = bounds.cases
    for _ in range(_MOST_FINDINGS):
        if left == 0:
            return
        search = _Search(trial, bounds, left, seen, told)
        search.run(things, random)
        if smaller is not None:
            search.reduce(smaller)
        left = search.left
        if search.best is None or search.first is None:
            return
        # It was found once: another search has to find something else.
        seen[search.first] = ()
        thing, charges = search.best
        for charge in charges:
            # A finding that has become an earlier one while it was made smaller is the same.
            if charge.breach.requirement not in told:
                told.add(charge.breach.requirement)
                yield thing, charge


class _Enough(BaseException):
    """Ends a search. No Exception, for that would be a finding to Hypothesis."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self._error = error

    def reraise(self) -> None:
        """Raise the error that has ended the search, if one has."""
        if self._error is not None:
            raise self._error from None


class _Search(Generic[Thing]):
    """Looks for one finding, which is then made smaller."""

    def __init__(
        self,
        trial: Callable[[Thing], Sequence[Charge]],
        bounds: Bounds,
        left: int,
        seen: dict[Thing, Sequence[Charge]],
        told: set[str],
    ) -> None:
        self.left = left
        self.first: Thing | None = None
        self.best: tuple[Thing, list[Charge]] | None = None
        self._trial = trial
        self._bounds = bounds
        self._seen = seen
        self._told = told
        self._kind: str | None = None
        self._shrinks = bounds.shrinks
        self._until = 0.0

    def run(self, things: SearchStrategy[Thing], random: Random) -> None:
        """Search until there is nothing more to find, or it is enough."""
        how = settings(
            max_examples=self.left * _REPETITION,
            database=None,
            deadline=None,
            derandomize=False,
            phases=(Phase.generate, Phase.shrink),
            print_blob=False,
            verbosity=Verbosity.quiet,
        )
        try:
            find(things, self._breaks, settings=how, random=random)
        except (NoSuchExample, Unsatisfiable):
            self.left = 0
        except _Enough as enough:
            enough.reraise()

    def reduce(self, smaller: Callable[[Thing], Iterable[Thing]]) -> None:
        """Take things out of the finding for as long as it stays one."""
        # What Hypothesis has used up of the bounds is not missing here.
        self._shrinks = self._bounds.shrinks
        self._until = time.monotonic() + self._bounds.seconds
        try:
            while self.best is not None and any(map(self._breaks, smaller(self.best[0]))):
                pass
        except _Enough as enough:
            enough.reraise()

    def _breaks(self, thing: Thing) -> bool:
        """Tell whether THING is a finding; the last one that is, is the smallest."""
        charges = self._seen.get(thing)
        if charges is None:
            self._count()
            try:
                charges = self._seen[thing] = self._trial(thing)
            except Exception as error:
                raise _Enough(error) from error
        if self.best is None:
            charges = [row for row in charges if row.breach.requirement not in self._told]
        else:
            charges = [row for row in charges if row.kind == self._kind]
        if not charges:
            return False
        if self.best is None:
            self._kind = charges[0].kind
            self._until = time.monotonic() + self._bounds.seconds
            self.first = thing
        self.best = (thing, [row for row in charges if row.kind == self._kind])
        return True

    def _count(self) -> None:
        if self.best is None:
            if self.left == 0:
                raise _Enough
            self.left -= 1
        else:
            if self._shrinks == 0 or time.monotonic() > self._until:
                raise _Enough
            self._shrinks -= 1
