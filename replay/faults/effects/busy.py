"""The effect ``busy``."""

from dataclasses import dataclass

from pollux.replay.faults.effect import Answer, Refusal, Strike, envelope
from pollux.replay.faults.registry import register
from pollux.replay.faults.triggers import Asked, Truth


@register
@dataclass(frozen=True)
class Busy(Refusal):
    """Answers a send with 409, as if another task of the user were live (api_v1 2.2).

    Hurts clients that clear the message box before they know, or poll a task that there is not.
    """

    example = "operation send once -> busy"

    def fits(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether it is a send."""
        return asked.operation == "sendMessage"

    def answer(self, strike: Strike) -> Answer:
        """Return the answer."""
        return envelope(409, "a task is live already: cancel it, or wait until it has ended")
