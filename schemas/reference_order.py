"""The order of events that the reference server keeps, as a table of states (api_v1 2.4).

    task      := ai_message_start iteration* end
    iteration := [thinking_start thinking_chunk+ thinking_end] [text_start text_chunk+ text_end]
                 (tool_preparing tool_intent*)* tool*
    tool      := tool_start update_action
    end       := task_complete | error [task_complete]
                 | update_action(cancelled)* task_stopped
    anywhere  := token_update | system_message | todo_updated | file_tree_update
                 | conversation_changed | error(retry = true)

The events of `anywhere` may stand between any two others after `ai_message_start`, and
`conversation_changed` also after the end. An iteration that a cancel, a failure or a retry cuts
off leaves its blocks open; a tool is no block, so a retry does not excuse its answer.

What the language comes to: an iteration has no visible start and each of its parts may be
absent, so outside of blocks and tools anything may begin, whatever was before it: text, then
thinking, or a tool that was prepared some blocks ago.
"""

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

from pollux.schemas.events import ANYWHERE_TYPES


class _At(Enum):
    """Where a stream may be; the value says it in words."""

    BEFORE = "before ai_message_start"
    BETWEEN = "outside of blocks and tools"
    PREPARED = "after a tool was prepared"
    THINKING_EMPTY = "right after thinking_start"
    THINKING = "inside a thinking block"
    TEXT_EMPTY = "right after text_start"
    TEXT = "inside a text block"
    TOOL = "while a tool runs"
    STOPPING = "after tools were cancelled"
    FAILING = "after an error that a task_complete is to follow"
    FAILED = "after the task failed"
    COMPLETED = "after task_complete"
    STOPPED = "after task_stopped"


# A word is the event's type, except for these: events that have several parts to play.
_RETRY = "error (retry)"
_ANSWER = "update_action of the tool that runs"
_CANCELLED = "update_action (cancelled)"
_ANYWHERE = "any of the events that may come anywhere"

_Row = Mapping[str, tuple[_At, ...]]


def _anywhere(at: _At) -> _Row:
    return {_ANYWHERE: (at,), "conversation_changed": (at,), _RETRY: (at,)}


# A cancel or a failure, which may cut off everything.
_CUT: _Row = {
    _CANCELLED: (_At.STOPPING,),
    "task_stopped": (_At.STOPPED,),
    "error": (_At.FAILED, _At.FAILING),
}
_BETWEEN: _Row = {
    **_anywhere(_At.BETWEEN),
    **_CUT,
    "thinking_start": (_At.THINKING_EMPTY,),
    "text_start": (_At.TEXT_EMPTY,),
    "tool_preparing": (_At.PREPARED,),
    "tool_start": (_At.TOOL,),
    "task_complete": (_At.COMPLETED,),
}
_AFTER_END = "conversation_changed"


def _block(at: _At) -> _Row:
    # A retry may pass by, or cut the block off.
    return {**_anywhere(at), **_CUT, _RETRY: (at, _At.BETWEEN)}


# From each state: the word, and the states that it may lead to.
_TABLE: Mapping[_At, _Row] = {
    _At.BEFORE: {"ai_message_start": (_At.BETWEEN,)},
    _At.BETWEEN: _BETWEEN,
    _At.PREPARED: {**_BETWEEN, **_anywhere(_At.PREPARED), "tool_intent": (_At.PREPARED,)},
    _At.THINKING_EMPTY: {**_block(_At.THINKING_EMPTY), "thinking_chunk": (_At.THINKING,)},
    _At.THINKING: {
        **_block(_At.THINKING),
        "thinking_chunk": (_At.THINKING,),
        "thinking_end": (_At.BETWEEN,),
    },
    _At.TEXT_EMPTY: {**_block(_At.TEXT_EMPTY), "text_chunk": (_At.TEXT,)},
    _At.TEXT: {**_block(_At.TEXT), "text_chunk": (_At.TEXT,), "text_end": (_At.BETWEEN,)},
    _At.TOOL: {**_anywhere(_At.TOOL), **_CUT, _ANSWER: (_At.BETWEEN,)},
    _At.STOPPING: {
        **_anywhere(_At.STOPPING),
        _CANCELLED: (_At.STOPPING,),
        "task_stopped": (_At.STOPPED,),
    },
    _At.FAILING: {**_anywhere(_At.FAILING), "task_complete": (_At.FAILED,)},
    _At.FAILED: {_AFTER_END: (_At.FAILED,)},
    _At.COMPLETED: {_AFTER_END: (_At.COMPLETED,)},
    _At.STOPPED: {_AFTER_END: (_At.STOPPED,)},
}
_ENDS: Mapping[str, _At] = {
    "succeeded": _At.COMPLETED,
    "failed": _At.FAILED,
    "canceled": _At.STOPPED,
    "stopped": _At.STOPPED,
}
_States = frozenset[_At]


class ReferenceOrder:
    """Follows one stream through the table.

    Some words leave it open where the stream is (a retry may have cut its block off), and a gap
    does, too: so it is in several states at once, and breaks the order when none is left.
    """

    def __init__(self) -> None:
        self._states: _States = frozenset({_At.BEFORE})
        # None: not known, or not told, and then any answer is its.
        self._tool: str | None = None

    def feed(self, kind: str, data: Mapping[str, Any]) -> str | None:
        """Take in an event of a core type; return what is wrong with its place."""
        words = self._words(kind, data)
        states = _after(self._states, words)
        if kind == "tool_start":
            self._tool = _text(data.get("preparing_id"))
        if states:
            self._states = states
            return None
        problem = f"{kind} {_where(self._states)}; what may come there: {_expected(self._states)}"
        # From here on as if what was missing had been lost. An answer that belongs to no tool
        # may have been meant for the one that runs.
        self._states = _after(frozenset(_At), words) or self._states | {_At.BETWEEN}
        return problem

    def gap(self) -> None:
        """Note that one or more events were lost."""
        self._states = _reachable(self._states)
        self._tool = None

    def finish(self, status: str) -> str | None:
        """Judge the end of a task with a terminal STATUS."""
        if _ENDS[status] in self._states:
            return None
        return f"the task is {status}, but its events end {_where(self._states)}"

    def _words(self, kind: str, data: Mapping[str, Any]) -> tuple[str, ...]:
        if kind in ANYWHERE_TYPES:
            return (kind if kind == "conversation_changed" else _ANYWHERE,)
        if kind == "error":
            return (_RETRY if data.get("retry") is True else kind,)
        if kind != "update_action":
            return (kind,)
        named = _text(data.get("preparing_id"))
        answer = self._tool is None or named is None or named == self._tool
        cancelled = data.get("status") == "cancelled"
        return (_ANSWER,) * answer + (_CANCELLED,) * cancelled


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


# Few sets of states ever occur, so that these two are answered from their caches.
@cache
def _after(states: _States, words: tuple[str, ...]) -> _States:
    return frozenset(
        following for state in states for word in words for following in _TABLE[state].get(word, ())
    )


@cache
def _reachable(states: _States) -> _States:
    """Return where a stream may be after one or more events."""
    found: set[_At] = set()
    waiting = list(states)
    while waiting:
        new = {at for following in _TABLE[waiting.pop()].values() for at in following} - found
        found |= new
        waiting += new
    return frozenset(found)


def _where(states: _States) -> str:
    return " or ".join(state.value for state in _At if state in states)


def _expected(states: _States) -> str:
    return ", ".join(sorted({word for state in states for word in _TABLE[state]}))
