"""The effect ``evict``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Lasting, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Story
from pollux.replay.faults.triggers import Truth
from pollux.replay.faults.values import count, parameter


@register
@dataclass(frozen=True)
class Evict(Lasting):
    """Drops old events from the buffer for good: ``window_start`` moves on, where it is told.

    Which: all up to the events that ``idx`` or ``type`` name; without such a trigger all but the
    newest. Hurts clients that do not notice that ``events[0].idx`` is beyond what they asked for,
    and so show a text with a hole as if it were whole.
    """

    example = "idx 300 -> evict"

    keep: int | None = field(
        default=None, metadata=parameter(count(), "drop all but so many of the newest events")
    )

    def change(self, story: Story, truth: Truth, strike: Strike) -> None:
        """Move the window on."""
        if self.keep is None and strike.named:
            floor = story.told_number(strike.named[-1]) + 1
        else:
            floor = story.told_number(truth.next_offset) - (1 if self.keep is None else self.keep)
        story.floor = max(story.floor, floor)
