"""Counts how often a turn has been tried, for faults that happen so many times only."""

import threading
from collections import OrderedDict
from collections.abc import Hashable

from pollux.scripted_model.script import Ending, Fault, Statement, Turn

_MOST_KEYS = 10_000


class Tries:
    """A bounded table of tries: the turns asked for longest ago are forgotten first."""

    def __init__(self, most: int = _MOST_KEYS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._counts: OrderedDict[Hashable, int] = OrderedDict()

    def __len__(self) -> int:
        """How many turns are being counted."""
        with self._lock:
            return len(self._counts)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._counts.clear()

    def play(self, key: Hashable, turn: Turn) -> tuple[Statement, ...]:
        """Return what this try of TURN plays, and count it.

        Every fault with ``times N`` uses up N tries of its own, in the order they stand; on the
        other tries it is passed over. A try without any fault ends the counting, so that the
        same turn, asked for anew, has all its faults again.

        Args:
            key: What is being asked; two tries of one turn have the same.
            turn: The turn.
        """
        if not any(isinstance(each, Fault) and each.times for each in turn.statements):
            return turn.statements
        with self._lock:
            tried = self._counts.pop(key, 0)
            played = statements_of_try(turn, tried)
            if any(isinstance(each, Fault) for each in played):
                self._counts[key] = tried + 1
                while len(self._counts) > self._most:
                    self._counts.popitem(last=False)
        return played


def statements_of_try(turn: Turn, tried: int) -> tuple[Statement, ...]:
    """Return what is played of TURN when it has been tried TRIED times before."""
    played: list[Statement] = []
    for statement in turn.statements:
        if isinstance(statement, Fault) and statement.times is not None:
            due = 0 <= tried < statement.times
            tried -= statement.times
            if not due:
                continue
        played.append(statement)
        if isinstance(statement, Ending):
            break
    return tuple(played)
