"""The effect ``reorder``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Passing, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Story, Told
from pollux.replay.faults.triggers import Asked, Truth
from pollux.replay.faults.values import choice, parameter


@register
@dataclass(frozen=True)
class Reorder(Passing):
    """Tells the events of one answer in another order; ``next_offset`` is right.

    Hurts clients that show events as they come, or that go on at the idx of the last one + 1.
    """

    example = "poll 3 -> reorder how=shuffle"

    how: str = field(
        default="reverse",
        metadata=parameter(choice("reverse", "shuffle"), "backwards, or by chance of the seed"),
    )

    def fits(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether there are two events at least."""
        return truth is not None and len(truth.events) > 1

    def retell(self, told: Told, story: Story, strike: Strike) -> None:
        """Change the order."""
        events = list(reversed(told.events))
        if self.how == "shuffle":
            strike.random.shuffle(events)
        told.events = events
