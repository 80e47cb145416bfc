"""The effect ``latency``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pollux.replay.faults.effect import Answer, Line, OnTheLine, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import DURATION, parameter


@register
@dataclass(frozen=True)
class Latency(OnTheLine):
    """Answers late: what is told is what was true when the request came.

    Hurts clients that poll again while a poll is under way, or that block while they wait.
    """

    example = "time 30s.. -> latency 2s jitter=500ms"

    delay: int = field(default=1000, metadata=parameter(DURATION, "how late", bare=True))
    jitter: int = field(
        default=0, metadata=parameter(DURATION, "up to so much more, by chance of the seed")
    )

    def send(
        self, pieces: Iterable[bytes], answer: Answer, line: Line, strike: Strike
    ) -> Iterator[bytes]:
        """Wait, then send."""
        line.wait(self.delay + strike.random.uniform(0, self.jitter))
        yield from pieces
