"""Waits for a condition, with a generous deadline."""

import time
from collections.abc import Callable

DEADLINE = 20.0


def eventually(condition: Callable[[], object]) -> None:
    """Return once CONDITION holds; fail when it does not within the deadline."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
