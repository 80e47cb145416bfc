"""How much a run tries: which checks it takes, and how many cases those that generate them."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self


class Effort(StrEnum):
    """How long a run may take."""

    QUICK = "quick"  # seconds: the checks that are slow are left out
    NORMAL = "normal"  # about a minute
    THOROUGH = "thorough"  # as long as it takes


@dataclass(frozen=True)
class Budget:
    """How many cases the checks that generate them may try.

    Attributes:
        effort: What the numbers were chosen by; decides which checks are taken at all.
        fuzz_cases: Generated requests for each operation and kind (good and bad ones).
        examples: Examples of a property: numbers of events, chunkings of polls.
        sequences: Sequences of steps that are held against the model of the whole API.
        steps: Longest such sequence.
        repeats: How often a race is run again.
    """

    effort: Effort = Effort.NORMAL
    fuzz_cases: int = 8
    examples: int = 10
    sequences: int = 8
    steps: int = 25
    repeats: int = 1

    @classmethod
    def of(cls, effort: Effort, fuzz_cases: int | None = None) -> Self:
        """Return the budget of an EFFORT.

        Args:
            effort: How long the run may take.
            fuzz_cases: Counts instead of the effort's own number; with 0 there are no generated
                sequences either.
        """
        match effort:
            case Effort.QUICK:
                budget = cls(effort, fuzz_cases=0, examples=3, sequences=0, steps=0)
            case Effort.NORMAL:
                budget = cls(effort)
            case Effort.THOROUGH:
                budget = cls(
                    effort, fuzz_cases=200, examples=100, sequences=150, steps=50, repeats=10
                )
        if fuzz_cases == 0:
            return replace(budget, fuzz_cases=0, sequences=0)
        return budget if fuzz_cases is None else replace(budget, fuzz_cases=fuzz_cases)
