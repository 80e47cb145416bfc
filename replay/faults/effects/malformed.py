"""The effect ``malformed``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Answer, Form, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import choice, parameter


@register
@dataclass(frozen=True)
class Malformed(Form):
    """Breaks the JSON of an answer that is otherwise whole.

    Hurts clients that let a parse error end their loop, or that show the raw text.
    """

    example = "poll 3 -> malformed how=garbage"

    how: str = field(
        default="cut",
        metadata=parameter(
            choice("cut", "garbage", "bytes"),
            "half of it only, something behind it, or bytes that are no UTF-8",
        ),
    )

    def reform(self, answer: Answer, strike: Strike) -> None:
        """Break the body."""
        body = answer.body
        if self.how == "cut":
            answer.body = body[: len(body) // 2]
        elif self.how == "garbage":
            answer.body = body + b"}]"
        else:
            answer.body = b"\xff\xfe" + body
