"""The effect ``empty-body``."""

from dataclasses import dataclass

from pollux.replay.faults.effect import Answer, Form, Strike
from pollux.replay.faults.registry import register


@register
@dataclass(frozen=True)
class EmptyBody(Form):
    """Answers with the right status and headers, and no body.

    Hurts clients that parse without a look, or take nothing for "no news".
    """

    example = "poll 3 -> empty-body"

    def reform(self, answer: Answer, strike: Strike) -> None:
        """Take the body away."""
        answer.body = b""
