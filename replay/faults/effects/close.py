"""The effect ``close``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pollux.replay.faults.effect import Answer, Line, OnTheLine, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import YES_OR_NO, parameter
from pollux.serving import CutConnection


@register
@dataclass(frozen=True)
class Close(OnTheLine):
    """Closes the connection without an answer.

    Hurts clients that know errors only as a status, or that send a message twice because they do
    not know whether it was taken.
    """

    example = "operation send once -> close done=yes"
    lawful = False

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
        """Close the connection."""
        raise CutConnection
        yield b""
