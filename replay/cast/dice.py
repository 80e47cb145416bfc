"""Numbers from a seed, the same on every machine and in every version of Python."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Draws from a seed.

    Only :meth:`random.Random.random` is promised to give the same numbers for ever.

    Args:
        seed: Any integer.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"pollux {seed}").random

    def below(self, end: int) -> int:
        """Return an integer from 0 to END - 1."""
        return int(self._random() * end)

    def between(self, least: int, most: int) -> int:
        """Return an integer from LEAST to MOST, both included."""
        return least + self.below(most - least + 1)

    def one_of(self, things: Sequence[T]) -> T:
        """Return one of THINGS."""
        return things[self.below(len(things))]

    def chance(self, share: float) -> bool:
        """Return True in so many of all cases."""
        return self._random() < share

    def hex(self, digits: int) -> str:
        """Return so many hexadecimal digits."""
        return "".join(self.one_of("0123456789abcdef") for _ in range(digits))

    def uuid(self) -> str:
        """Return a UUID of version 4."""
        variant = self.one_of("89ab")
        return f"{self.hex(8)}-{self.hex(4)}-4{self.hex(3)}-{variant}{self.hex(3)}-{self.hex(12)}"
