"""Moves a manual replay by lines of text, such as those typed in a terminal."""

import re
from collections.abc import Iterable
from typing import Protocol

HELP = "Enter: one event; 10: ten events; 500ms or 2s: so much time"

_COUNT = re.compile(r"[0-9]{1,9}")
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]+)?)\s*(ms|s)")


class Steppable(Protocol):
    """What is moved; a :class:`pollux.replay.server.ReplayServer`."""

    def step(self, events: int = 1) -> None:
        """Let EVENTS more events of the live task happen."""
        ...

    def advance(self, ms: float) -> None:
        """Let MS milliseconds of the live task pass."""
        ...


def follow(replay: Steppable, lines: Iterable[str]) -> Iterable[str]:
    """Do what each of LINES says, and yield what there is to say about it."""
    for line in lines:
        yield _obey(replay, line.strip())


def _obey(replay: Steppable, line: str) -> str:
    duration = _TIME.fullmatch(line)
    try:
        if duration:
            replay.advance(float(duration[1]) * (1000 if duration[2] == "s" else 1))
        elif not line or _COUNT.fullmatch(line):
            replay.step(int(line or "1"))
        else:
            return f"{line!r} is not understood ({HELP})"
    except LookupError as error:
        return str(error)
    return "moved on"
