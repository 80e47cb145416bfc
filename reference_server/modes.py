"""Run modes: whether the model thinks, how hard, and whether it plans first (api_v1 2.2)."""

from dataclasses import dataclass
from enum import StrEnum


class RunMode(StrEnum):
    """How a task is run: ``fast`` answers at once, ``thinking`` thinks, ``deep`` plans too."""

    FAST = "fast"
    THINKING = "thinking"
    DEEP = "deep"


@dataclass(frozen=True)
class Effort:
    """What a run mode asks of the model for one call.

    Attributes:
        thinking: Whether to think before answering.
        level: OpenAI's ``reasoning_effort``; None where thinking is off.
    """

    thinking: bool
    level: str | None


def effort(
    mode: RunMode,
    call: int,
    *,
    thinking_interval: int | None,
    fast_only: bool,
    thinking_only: bool,
) -> Effort:
    """Return the effort of model call number CALL (from 1) of a task.

    Args:
        mode: The run mode of the task.
        call: Which model call of the task it is.
        thinking_interval: In thinking mode, think on the first and then on every n-th call;
            None thinks on each.
        fast_only: The model cannot think; it is never asked to.
        thinking_only: The model always thinks.
    """
    if fast_only:
        return Effort(False, None)
    wanted = {
        RunMode.FAST: thinking_only,
        RunMode.THINKING: (call - 1) % (thinking_interval or 1) == 0 or thinking_only,
        RunMode.DEEP: True,
    }[mode]
    if not wanted:
        return Effort(False, None)
    return Effort(True, "high" if mode is RunMode.DEEP else "medium")
