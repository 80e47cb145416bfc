"""The effect ``cors-missing``."""

from dataclasses import dataclass

from pollux.replay.faults.effect import Answer, Form, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.triggers import Asked, Truth


@register
@dataclass(frozen=True)
class CorsMissing(Form):
    """Leaves the CORS headers out, so that a browser keeps the answer from a page.

    With ``always`` or ``client`` it hits the browser's preflight requests, too. Hurts web clients:
    they see an error without a status and may take it for a lost connection.
    """

    example = "always -> cors-missing"

    def fits(self, asked: Asked, truth: Truth | None) -> bool:
        """Say yes, of a preflight too."""
        return True

    def reform(self, answer: Answer, strike: Strike) -> None:
        """Take the headers away."""
        for name in [key for key, _ in answer.headers if key.lower().startswith("access-")]:
            del answer.headers[name]
