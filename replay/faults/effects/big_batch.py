"""The effect ``big-batch``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Lasting, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Hold, Story
from pollux.replay.faults.triggers import Truth
from pollux.replay.faults.values import count, parameter


@register
@dataclass(frozen=True)
class BigBatch(Lasting):
    """Holds new events back until there are many, or the task has ended; then tells all at once.

    Hurts clients that draw the page anew for each event, or that limit what they take.
    """

    example = "poll 2 -> big-batch 200"

    events: int = field(default=100, metadata=parameter(count(1), "how many new events", bare=True))

    def change(self, story: Story, truth: Truth, strike: Strike) -> None:
        """Hold everything new back."""
        story.holds.append(Hold(story.head, events=self.events))
