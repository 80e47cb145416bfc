"""The effect ``too-many``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Answer, Refusal, Strike, envelope
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import count, parameter


@register
@dataclass(frozen=True)
class TooMany(Refusal):
    """Answers 429 with Retry-After, as a gateway that limits requests.

    Hurts clients that do not wait as long as they are told to.
    """

    example = "poll 3..4 -> too-many retry-after=2"

    retry_after: int = field(
        default=1, metadata=parameter(count(), "seconds in the Retry-After header")
    )

    def answer(self, strike: Strike) -> Answer:
        """Return the answer."""
        return envelope(429, "too many requests: wait", retry_after=str(self.retry_after))
