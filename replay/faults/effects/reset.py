"""The effect ``reset``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pollux.replay.faults.effect import Answer, Line, OnTheLine, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import YES_OR_NO, count, parameter
from pollux.serving import ResetConnection


@register
@dataclass(frozen=True)
class Reset(OnTheLine):
    """Resets the TCP connection (RST): before the answer, or in the middle of its body.

    Hurts clients that give up at the first lost connection, or that send a message twice because
    they do not know whether it was taken.
    """

    example = "p=0.1 -> reset"
    lawful = False

    after: int | None = field(
        default=None,
        metadata=parameter(count(), "bytes of the body that come first; without it no answer"),
    )
    done: bool = field(
        default=False, metadata=parameter(YES_OR_NO, "whether the operation takes place")
    )

    @property
    def works(self) -> bool:
        """Whether the operation takes place."""
        return self.done or self.after is not None

    def send(
        self, pieces: Iterable[bytes], answer: Answer, line: Line, strike: Strike
    ) -> Iterator[bytes]:
        """Reset the connection."""
        if self.after is not None:
            yield b""
            yield b"".join(pieces)[: self.after]
        raise ResetConnection
