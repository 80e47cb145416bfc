"""Lets Ctrl-C end a recording between two writes, and never within one."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Turns SIGINT and SIGTERM into ``KeyboardInterrupt``, held back while something is written."""

    def __init__(self) -> None:
        self._held = False
        self._waiting = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals within this context; only in the main thread."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._come) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Let no interruption into this context; one that came meanwhile comes behind it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def _come(self, _signal: int, _frame: FrameType | None) -> None:
        if self._held:
            self._waiting = True
        else:
            raise KeyboardInterrupt
