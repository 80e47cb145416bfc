"""What a check does in haste: in a quick run, or to see the very moment of a task's end."""

from collections.abc import Sequence
from typing import TypeVar

from pollux.conformance.effort import Effort
from pollux.conformance.errors import CannotVerifyError
from pollux.conformance.stage import Stage, Task
from pollux.polling.errors import NoAnswerError, TaskStalledError
from pollux.polling.poll import Poll
from pollux.polling.watcher import Pace

_Thing = TypeVar("_Thing")

#: No pause between two polls.
TIGHT = Pace(first=0.0, factor=1.0, most=0.0)


def is_quick(stage: Stage) -> bool:
    """Tell whether the run is to take seconds: one round of a thing is enough then."""
    return stage.budget.effort is Effort.QUICK


def some(stage: Stage, every: Sequence[_Thing]) -> Sequence[_Thing]:
    """Return all of EVERY, or in a quick run each third of them."""
    return every[::3] if is_quick(stage) else every


def first_terminal(task: Task, seconds: float = 30.0) -> Poll:
    """Poll TASK without a pause, and return the first answer that tells a terminal status.

    Args:
        task: The task; several threads may follow it.
        seconds: For how long nothing may come of it.

    Raises:
        CannotVerifyError: when it does not end, or cannot be polled.
    """
    stall = task.user.stage.seconds(seconds)
    try:
        return task.watcher.run(lambda poll: poll.terminal, pace=TIGHT, stall=stall)
    except NoAnswerError as error:
        raise CannotVerifyError(str(error), "POLL-TASK-FOUND") from error
    except TaskStalledError as error:
        raise CannotVerifyError(str(error)) from error
