"""The effect ``truncate``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pollux.replay.faults.effect import Answer, Line, OnTheLine, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import count, parameter
from pollux.serving import CutConnection


@register
@dataclass(frozen=True)
class Truncate(OnTheLine):
    """Announces the whole body, sends only its beginning, and closes the connection.

    Hurts clients that parse what they have got without a look at its length.
    """

    example = "poll 3 -> truncate 100"
    lawful = False

    after: int | None = field(
        default=None,
        metadata=parameter(count(), "bytes that are sent; without it half of them", bare=True),
    )

    def send(
        self, pieces: Iterable[bytes], answer: Answer, line: Line, strike: Strike
    ) -> Iterator[bytes]:
        """Send the beginning."""
        body = b"".join(pieces)
        after = len(body) // 2 if self.after is None else min(self.after, len(body) - 1)
        yield b""
        yield body[: max(0, after)]
        raise CutConnection
