"""The effect ``drip``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pollux.replay.faults.effect import Answer, Line, OnTheLine, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import DURATION, count, parameter


@register
@dataclass(frozen=True)
class Drip(OnTheLine):
    """Sends the head at once, and the body in small pieces with pauses between them.

    Hurts clients whose time-out is for the first byte only, or that decode each piece as UTF-8.
    """

    example = "poll 3 -> drip 5s pieces=10"

    over: int = field(
        default=5000, metadata=parameter(DURATION, "how long it takes in all", bare=True)
    )
    pieces: int = field(default=20, metadata=parameter(count(1, 100_000), "how many pieces"))

    def send(
        self, pieces: Iterable[bytes], answer: Answer, line: Line, strike: Strike
    ) -> Iterator[bytes]:
        """Send slowly."""
        yield b""
        body = b"".join(pieces)
        number = max(1, min(self.pieces, len(body)))
        for at in range(number):
            line.wait(self.over / number)
            yield body[len(body) * at // number : len(body) * (at + 1) // number]
