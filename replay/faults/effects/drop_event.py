"""The effect ``drop-event``."""

from dataclasses import dataclass

from pollux.replay.faults.effect import Lasting, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Story
from pollux.replay.faults.triggers import Asked, Truth


@register
@dataclass(frozen=True)
class DropEvent(Lasting):
    """Loses events for good: a hole in the middle of the stream.

    Which: those that ``idx`` or ``type`` name; without such a trigger the one in the middle of
    the answer. Hurts clients that look for a gap at the first event of an answer only, or not at
    all.
    """

    example = "idx 40..42 -> drop-event"
    lawful = False

    def fits(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether there is an event."""
        return truth is not None and bool(truth.events)

    def change(self, story: Story, truth: Truth, strike: Strike) -> None:
        """Lose the events."""
        lost = strike.named or (truth.events[len(truth.events) // 2][0],)
        story.lost.update(story.told_number(idx) for idx in lost)
