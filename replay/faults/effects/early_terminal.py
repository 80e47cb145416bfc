"""The effect ``early-terminal``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Lasting, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Hold, Story
from pollux.replay.faults.triggers import Asked, Truth
from pollux.replay.faults.values import choice, count, parameter


@register
@dataclass(frozen=True)
class EarlyTerminal(Lasting):
    """Tells a terminal status before the last events: they come with later polls.

    The status stays, as a terminal one does; a send is refused until the task has really ended.
    Hurts clients that stop at once: the end of the text is missing. A careful client polls on until
    an answer brings nothing new.
    """

    example = "terminal -> early-terminal succeeded events=2"
    lawful = False

    status: str = field(
        default="succeeded",
        metadata=parameter(
            choice("succeeded", "failed", "canceled", "stopped"), "which status", bare=True
        ),
    )
    events: int = field(
        default=1, metadata=parameter(count(), "how many of the newest events come a poll later")
    )

    def fits(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether there are events that can come after the status."""
        return truth is not None and (bool(truth.events) or not truth.terminal)

    def change(self, story: Story, truth: Truth, strike: Strike) -> None:
        """Tell the end, and hold the last events back for one poll."""
        story.ended = self.status
        if self.events:
            cap = story.told_number(truth.next_offset) - self.events
            story.holds.append(Hold(max(cap, min(story.head, cap + self.events)), polls=1))
