"""The effect ``epoch-reset``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pollux.replay.faults.effect import Answer, Refusal, Strike, envelope
from pollux.replay.faults.registry import register
from pollux.replay.faults.triggers import Asked, Truth

if TYPE_CHECKING:
    from pollux.replay.session import Session


@register
@dataclass(frozen=True)
class EpochReset(Refusal):
    """Forgets every task, as a server that was restarted: 404 from then on, and a send is taken.

    Hurts clients that poll a task for ever, or that lose the text they have shown already.
    """

    example = "poll 5 -> epoch-reset"

    def fits(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether the request is about a task."""
        return asked.task_id is not None

    def strike(self, session: "Session") -> None:
        """Forget the tasks."""
        for play in session.plays():
            play.vanish()

    def answer(self, strike: Strike) -> Answer:
        """Return the answer that there is no such task."""
        return envelope(404, "there is no such task")
