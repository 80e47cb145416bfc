"""Requests that reach the target at the same instant, for checks of races."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pollux.conformance.stage import Stage

_GATE_SECONDS = 5.0

_Result = TypeVar("_Result")


class Gate:
    """Where requests wait before their last byte until all of them have come so far.

    A target that takes fewer connections at a time, or a slow one, breaks the gate up after a
    while: those that come later go on as they come.

    Args:
        stage: Whose target it is.
        parties: How many requests wait for each other.
    """

    def __init__(self, stage: Stage, parties: int) -> None:
        self._barrier = threading.Barrier(parties)
        self._seconds = stage.seconds(_GATE_SECONDS)

    def once(self) -> Callable[[], None]:
        """Return what waits at the gate the first time it is called.

        A request that is repeated after a 503 has nobody to wait for.
        """
        pending = [self._barrier]

        def wait() -> None:
            while pending:
                with contextlib.suppress(threading.BrokenBarrierError):
                    pending.pop().wait(self._seconds)

        return wait

    def wait(self) -> None:
        """Wait here, whatever is done then."""
        self.once()()


def together(calls: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """Make all CALLS at the same time, each in a thread of its own; return what they return."""
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        return [future.result() for future in futures]
