"""Ends a command by Ctrl-C or SIGTERM where it may end, and never within a write."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM has come.

    A class of its own, for ``python -m`` ends by the signal, whatever exit code was asked for,
    when a plain ``KeyboardInterrupt`` has passed through an ``exec``, as in every dataclass.
    """


class Interrupts:
    """Turns SIGINT and SIGTERM into ``Interrupted``, held back while something is written.

    SIGINT is taken, too, where a shell has it ignored (in scripts it does so for "&").
    """

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
            raise Interrupted

    def _come(self, _signal: int, _frame: FrameType | None) -> None:
        if self._held:
            self._waiting = True
        else:
            raise Interrupted
