"""The effect ``unknown-type``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Lasting, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Story
from pollux.replay.faults.triggers import Truth
from pollux.replay.faults.values import TEXT, count, parameter


@register
@dataclass(frozen=True)
class UnknownType(Lasting):
    """Adds an event of an unheard-of type in front of the first one that nobody was told yet.

    It has an idx of its own: every later event of this task is told with an idx higher by one,
    ``next_offset`` and ``window_start`` too, in every later poll; the idx of triggers stay those
    of the recording. Hurts clients that throw an error at a type they do not know (api_v1 2.4:
    they ignore it), or that stop counting there.
    """

    example = "poll 2 -> unknown-type future_event"

    type: str = field(default="pollux_unknown", metadata=parameter(TEXT, "its type", bare=True))
    count: int = field(default=1, metadata=parameter(count(1, 1000), "how many such events"))

    def change(self, story: Story, truth: Truth, strike: Strike) -> None:
        """Add the events."""
        for number in range(1, self.count + 1):
            data = {"message": "an event of the future", "number": number, "parts": [None, {}]}
            story.add({"type": self.type, "data": data}, truth.next_offset)
