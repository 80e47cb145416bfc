"""Carries out the waiting of an answer in a thread."""

import threading
import time
from collections.abc import Callable
from enum import Enum

from pollux.scripted_model.actions import Wait, WaitForRelease
from pollux.scripted_model.holds import Holds

_LOOK_EVERY = 0.1
"""Seconds between two looks whether the client is still there."""


class Waited(Enum):
    """How a wait ended."""

    DONE = "the answer goes on"
    GONE = "the client is gone"
    CLOSED = "the model was closed"
    TIMED_OUT = "the client waits no longer"


def wait_in_thread(
    holds: Holds,
    action: Wait | WaitForRelease,
    *,
    is_gone: Callable[[], bool],
    until: float | None = None,
) -> Waited:
    """Wait as ACTION says, in this thread.

    Args:
        holds: Where to wait.
        action: A pause, or a hold.
        is_gone: Tells whether nobody is interested any more; asked every 0.1 seconds.
        until: ``time.monotonic()`` at which the client gives up.
    """
    name, end = _name_and_end(action, time.monotonic())
    woken = threading.Event()
    with holds.waiter(name, woken.set) as shut:
        while shut and not woken.is_set():
            now = time.monotonic()
            if is_gone():
                return Waited.GONE
            if end is not None and now >= end:
                return Waited.DONE
            if until is not None and now >= until:
                return Waited.TIMED_OUT
            ends = [each - now for each in (end, until) if each is not None]
            woken.wait(min([_LOOK_EVERY, *ends]))
    return Waited.CLOSED if holds.closed else Waited.DONE


def _name_and_end(action: Wait | WaitForRelease, now: float) -> tuple[str | None, float | None]:
    if isinstance(action, Wait):
        return None, now + action.seconds
    return action.hold, None
