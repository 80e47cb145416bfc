"""The effect ``duplicate``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Passing, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Story, Told
from pollux.replay.faults.triggers import Asked, Truth
from pollux.replay.faults.values import count, parameter


@register
@dataclass(frozen=True)
class Duplicate(Passing):
    """Repeats, in front of what is new, the last events before ``from``.

    Where none are known (``from=0``), the events of the answer stand in it twice. Hurts clients
    that show whatever comes, without a look at idx.
    """

    example = "poll 3 -> duplicate 5"

    events: int = field(default=5, metadata=parameter(count(1, 100), "how many at most", bare=True))

    def fits(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether there is an event."""
        return truth is not None and bool(truth.events)

    def retell(self, told: Told, story: Story, strike: Strike) -> None:
        """Repeat events."""
        before = [event for event in story.recent if event["idx"] < told.offset]
        if before:
            told.events = before[-self.events :] + told.events
        else:
            told.events = told.events + told.events[-self.events :]
