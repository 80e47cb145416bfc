"""The effect ``late-terminal``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Lasting, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Story
from pollux.replay.faults.triggers import Truth
from pollux.replay.faults.values import count, parameter


@register
@dataclass(frozen=True)
class LateTerminal(Lasting):
    """Tells all events, and goes on telling that the task runs for some polls more.

    Hurts clients that stop at a ``task_complete`` event, or that poll without a pause because
    each answer is empty.
    """

    aliases = ("delay-terminal",)
    example = "terminal -> late-terminal 3"

    polls: int = field(
        default=3, metadata=parameter(count(1), "how many polls of the ended task", bare=True)
    )

    def change(self, story: Story, truth: Truth, strike: Strike) -> None:
        """Make the status come late."""
        story.late_polls += self.polls
