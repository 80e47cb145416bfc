"""The effect ``hang``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pollux.replay.faults.effect import Answer, Line, OnTheLine, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import DURATION, YES_OR_NO, parameter
from pollux.serving import CutConnection


@register
@dataclass(frozen=True)
class Hang(OnTheLine):
    """Takes the request and does not answer; after some time it closes the connection.

    It ends sooner when the client goes away or the replay stops. Hurts clients without a
    time-out: they stand still and say nothing.
    """

    example = "poll 3 -> hang 30s"
    lawful = False

    time: int = field(
        default=60_000, metadata=parameter(DURATION, "until it closes the connection", bare=True)
    )
    done: bool = field(
        default=False, metadata=parameter(YES_OR_NO, "whether the operation takes place")
    )

    @property
    def works(self) -> bool:
        """Whether the operation takes place."""
        return self.done

    def send(
        self, pieces: Iterable[bytes], answer: Answer, line: Line, strike: Strike
    ) -> Iterator[bytes]:
        """Wait, then close the connection."""
        line.wait(self.time)
        raise CutConnection
        yield b""
