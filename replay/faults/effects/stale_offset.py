"""The effect ``stale-offset``."""

from dataclasses import dataclass

from pollux.replay.faults.effect import Passing, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Story, Told
from pollux.replay.faults.triggers import Asked, Truth


@register
@dataclass(frozen=True)
class StaleOffset(Passing):
    """Tells new events with the ``next_offset`` of before, so that the next poll brings them again.

    Hurts clients that show whatever comes, without a look at idx.
    """

    example = "poll 3 -> stale-offset"

    def fits(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether there is an event."""
        return truth is not None and bool(truth.events)

    def retell(self, told: Told, story: Story, strike: Strike) -> None:
        """Tell the old offset."""
        told.data["next_offset"] = min(told.offset, told.data["next_offset"])
