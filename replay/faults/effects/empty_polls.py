"""The effect ``empty-polls``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Lasting, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Hold, Story
from pollux.replay.faults.triggers import Truth
from pollux.replay.faults.values import count, parameter


@register
@dataclass(frozen=True)
class EmptyPolls(Lasting):
    """Brings nothing new for some polls, this one included, as a model that thinks for long.

    Hurts clients that take silence for the end, or poll faster and faster.
    """

    example = "poll 4 -> empty-polls 10"

    polls: int = field(default=3, metadata=parameter(count(1), "how many polls", bare=True))

    def change(self, story: Story, truth: Truth, strike: Strike) -> None:
        """Hold everything new back."""
        story.holds.append(Hold(story.head, polls=self.polls))
