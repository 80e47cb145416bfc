"""The effect ``unauthorized``."""

from dataclasses import dataclass

from pollux.replay.faults.effect import Answer, Refusal, Strike, envelope
from pollux.replay.faults.registry import register


@register
@dataclass(frozen=True)
class Unauthorized(Refusal):
    """Answers 401, as if the token had been withdrawn.

    Hurts clients that go on asking with a token that is refused, or that say nothing to the user.
    """

    example = "poll 4.. -> unauthorized"

    def answer(self, strike: Strike) -> Answer:
        """Return the answer."""
        return envelope(401, "the token is not valid (any more)", www_authenticate="Bearer")
