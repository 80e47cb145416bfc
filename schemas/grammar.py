"""Reads a task's events one by one and names the first rule that they break (api_v1 2.4).

Two strictnesses:

* :attr:`Grammar.COMMON` holds every server to the rules that are for every server
  (``common_rules``) and leaves the order of events to it.
* :attr:`Grammar.REFERENCE` also holds it to the order of the reference server
  (``reference_order``), by which no other server is judged.

COMMON does not ask for any order of blocks and tools among each other, nor for one end: a tool
may be prepared before the thinking or the text before it has ended, tools may run side by side,
and whatever the catalogue allows anywhere may come before the start or behind the end.

One decision lies in it. Of a model that goes back to reasoning after it has begun its text, one
public implementation makes a ``thinking_chunk`` behind the ``thinking_end``, without a new start.
The contract says that chunks lie between their start and their end, and it also says that an
implementation that interleaves as that one does is not wrong. The first is what every client may
count on, so it is the rule; the second is said of just this server's stream, so it is the
exception, and it is read as narrowly as that stream allows: such chunks pass while a text block
is open that follows the thinking block in the same answer of the model, and nowhere else, neither
behind its ``text_end`` nor behind a tool or an error. A ``text_chunk`` behind its ``text_end`` is
never right. The reference server opens a new thinking block instead.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pollux.schemas.common_rules import CommonRules, Finding
from pollux.schemas.events import EVENT_TYPES
from pollux.schemas.reference_order import ReferenceOrder

#: The ``rule`` of a stream that breaks only the order of the reference server. It is no id of
#: the catalogue of requirements, because no other server is judged by it.
REFERENCE_ORDER = "REFERENCE-ORDER"

_TYPES = frozenset(EVENT_TYPES)
_TERMINAL = frozenset({"succeeded", "failed", "canceled", "stopped"})


class Grammar(Enum):
    """How strictly a stream is read; see the module."""

    REFERENCE = "reference"
    COMMON = "common"


@dataclass(frozen=True)
class Violation:
    """One rule that a stream breaks.

    Attributes:
        rule: The id of a requirement, or :data:`REFERENCE_ORDER`.
        idx: The event that breaks it; None where it is the end of the stream.
        message: What is wrong.
    """

    rule: str
    idx: int | None
    message: str


class StreamReader:
    """Reads the stream of one task, in the order of idx.

    It may be read on after a violation: what was missing is taken as lost. A stream may begin in
    the middle, and a hole in the idx is a :meth:`gap`: whether there may be one is for the rules
    of polling to say, and what cannot be known across it is taken to be right. Types outside of
    the catalogue, and events that lack a type or data, are passed over.

    Time and memory are constant per event, but for the chunks of open blocks, which are kept
    until their end, and the ids of tool calls.

    Args:
        grammar: How strictly to read.
    """

    def __init__(self, grammar: Grammar = Grammar.REFERENCE) -> None:
        self._common = CommonRules()
        self._order = ReferenceOrder() if grammar is Grammar.REFERENCE else None
        self._next_idx = 0

    def feed(self, event: Mapping[str, Any]) -> Violation | None:
        """Take in the next event; return the first rule that it breaks."""
        idx = event.get("idx")
        if not isinstance(idx, int):
            idx = None
        else:
            if idx > self._next_idx:
                self.gap()
            self._next_idx = idx + 1
        kind, data = event.get("type"), event.get("data")
        if not isinstance(kind, str) or kind not in _TYPES or not isinstance(data, dict):
            return None
        finding = self._common.feed(kind, data, idx)
        misplaced = self._order.feed(kind, data) if self._order else None
        return _violation(finding, misplaced, idx)

    def gap(self) -> None:
        """Note that one or more events were lost here."""
        self._common.gap()
        if self._order:
            self._order.gap()

    def finish(self, status: str) -> Violation | None:
        """Judge the end of the stream; nothing while STATUS is not a terminal one."""
        if status not in _TERMINAL:
            return None
        finding = self._common.finish(status)
        misplaced = self._order.finish(status) if self._order else None
        return _violation(finding, misplaced, None)


def first_violation(
    events: Iterable[Mapping[str, Any]], status: str, grammar: Grammar = Grammar.REFERENCE
) -> Violation | None:
    """Return the first violation of a task that has these events, in order, and this status."""
    reader = StreamReader(grammar)
    for event in events:
        if violation := reader.feed(event):
            return violation
    return reader.finish(status)


def _violation(finding: Finding | None, misplaced: str | None, idx: int | None) -> Violation | None:
    if finding is not None:
        return Violation(finding[0], idx, finding[1])
    if misplaced is not None:
        return Violation(REFERENCE_ORDER, idx, misplaced)
    return None
