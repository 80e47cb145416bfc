"""Breakpoints: the events behind which a replay stands still."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pollux.replay.errors import ReplayError
from pollux.replay.format import LineError, loads

_CONDITION = re.compile(r'([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|[^\s"]*))?(?=\s|$)')
_PATH = re.compile(r"[^.]+(?:\.[^.]+)*")
_PLACE = re.compile(r"[0-9]{1,9}")
_EXAMPLE = 'such as idx=300, type=tool_start, or data.name="write_file"'


class BadBreakpoint(ReplayError):
    """A breakpoint that cannot be understood; the message says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What one member of an event must be.

    Attributes:
        path: The names of the members that lead to it from the event; a whole number also
            is a place in an array, from 0.
        value: What it must be equal to; None when ``given`` is false.
        given: Whether there is a value; else it only must be there, and not be null.
    """

    path: tuple[str, ...]
    value: Any = None
    given: bool = False

    def holds(self, event: Mapping[str, Any], head: int) -> bool:
        """Tell whether it holds for EVENT, which came when HEAD was the next idx.

        Of the idx it holds as soon as it is reached, even if just that event was lost in a gap.
        """
        if self.path == ("idx",) and type(self.value) is int:
            return head <= self.value <= int(event["idx"])
        found = _member(event, self.path)
        if not self.given:
            return found is not None
        return bool(found == self.value) and isinstance(found, bool) == isinstance(self.value, bool)


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """Stops a replay behind the first event for which all its conditions hold.

    Attributes:
        text: As it was written.
        conditions: At least one.
    """

    text: str
    conditions: tuple[Condition, ...]

    def matches(self, event: Mapping[str, Any], head: int) -> bool:
        """Tell whether to stop behind EVENT, which came when HEAD was the next idx."""
        return all(condition.holds(event, head) for condition in self.conditions)


def parse_breakpoint(text: str) -> Breakpoint:
    """Read a breakpoint: one or more ``PATH=VALUE`` or ``PATH``, with blanks between them.

    VALUE is a JSON value if it can be read as one, else the text itself; what holds blanks
    stands in double quotes, as in JSON.

    Raises:
        BadBreakpoint: when it is none.
    """
    conditions = []
    place = 0
    while rest := text[place:].lstrip():
        place = len(text) - len(rest)
        match = _CONDITION.match(text, place)
        if match is None or not _PATH.fullmatch(match[1]):
            raise BadBreakpoint(
                f"the breakpoint {text!r} cannot be read at its character {place + 1}: "
                f"write PATH=VALUE, {_EXAMPLE}"
            )
        conditions.append(_condition(text, match[1], match[2]))
        place = match.end()
    if not conditions:
        raise BadBreakpoint(f"a breakpoint must say where to stop: write PATH=VALUE, {_EXAMPLE}")
    return Breakpoint(text.strip(), tuple(conditions))


def parse_breakpoints(texts: Sequence[str]) -> tuple[Breakpoint, ...]:
    """Read several breakpoints.

    Raises:
        BadBreakpoint: at the first that is none.
    """
    return tuple(parse_breakpoint(text) for text in texts)


def _condition(text: str, path: str, written: str | None) -> Condition:
    names = tuple(path.split("."))
    if written is None:
        return Condition(names)
    try:
        value = loads(written.encode())
    except LineError:
        if written.startswith('"'):
            raise BadBreakpoint(f"the breakpoint {text!r} has a bad string: {written}") from None
        value = written
    if names == ("idx",) and (type(value) is not int or value < 0):
        raise BadBreakpoint(f"the breakpoint {text!r} needs a whole number behind idx=")
    return Condition(names, value, True)


def _member(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and _PLACE.fullmatch(name):
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value
