"""The places where answers wait: named holds that are released from outside, and pauses."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_MOST_RELEASED = 10_000

Wake = Callable[[], object]


class Holds:
    """The holds of one model.

    A hold is a gate: it is shut until it is released, and stays open from then on, for those
    who wait at it and for those who come later. So a release before the hold is reached lets it
    pass, and a name is good for one time (until ``reset``). Safe to use from any thread.
    """

    def __init__(self, most_released: int = _MOST_RELEASED) -> None:
        self._most_released = most_released
        self._changed = threading.Condition()
        self._waiting: dict[str, list[Wake]] = {}
        self._pausing: list[Wake] = []
        self._released: OrderedDict[str, None] = OrderedDict()
        self._closed = False

    def names(self) -> dict[str, int]:
        """Return how many answers wait at each hold at which any does."""
        with self._changed:
            return {name: len(wakes) for name, wakes in self._waiting.items()}

    def waiting(self, name: str) -> int:
        """Return how many answers wait at the hold NAME."""
        with self._changed:
            return len(self._waiting.get(name, ()))

    def is_released(self, name: str) -> bool:
        """Tell whether the hold NAME is open."""
        with self._changed:
            return self._closed or name in self._released

    def wait_until_held(self, name: str, timeout: float, count: int = 1) -> bool:
        """Wait until COUNT answers wait at the hold NAME.

        Args:
            name: Name of the hold.
            timeout: Seconds to wait at most.
            count: How many answers.

        Returns:
            Whether they do; False when the time is over, or the model is closed.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while len(self._waiting.get(name, ())) < count:
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    return False
                self._changed.wait(left)
            return True

    def release(self, name: str) -> None:
        """Open the hold NAME for good."""
        with self._changed:
            self._released.pop(name, None)
            self._released[name] = None
            while len(self._released) > self._most_released:
                self._released.popitem(last=False)
            wakes = tuple(self._waiting.get(name, ()))
        for wake in wakes:
            wake()

    def release_all(self) -> None:
        """Open every hold at which an answer waits now."""
        for name in self.names():
            self.release(name)

    def reset(self) -> None:
        """Open every hold at which an answer waits now, then shut all of them again."""
        self.release_all()
        with self._changed:
            self._released.clear()

    def close(self) -> None:
        """End every wait, pauses too; nothing waits any more afterwards."""
        with self._changed:
            self._closed = True
            wakes = [wake for wakes in self._waiting.values() for wake in wakes] + self._pausing
            self._changed.notify_all()
        for wake in wakes:
            wake()

    @property
    def closed(self) -> bool:
        """Whether the holds are closed."""
        with self._changed:
            return self._closed

    @contextmanager
    def waiter(self, name: str | None, wake: Wake) -> Iterator[bool]:
        """Wait at the hold NAME (None: in a pause) for the length of a ``with`` block.

        Args:
            name: Name of the hold.
            wake: Called when the wait is over, from any thread, perhaps twice. It must not block.

        Yields:
            Whether there is anything to wait for; False when the hold is open already.
        """
        with self._changed:
            shut = not self._closed and name not in self._released
            wakes = self._pausing if name is None else self._waiting.setdefault(name, [])
            if shut:
                wakes.append(wake)
                self._changed.notify_all()
        try:
            yield shut
        finally:
            with self._changed:
                if shut:
                    wakes.remove(wake)
                if name is not None and not wakes:
                    self._waiting.pop(name, None)
