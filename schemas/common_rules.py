"""The rules for the event stream of every server, whatever the order of its events (api_v1 2.4)."""

from collections.abc import Mapping
from typing import Any

from pollux.schemas.events import WORK_TYPES

#: A requirement id, and what is wrong.
Finding = tuple[str, str]

_EMPTY_CHUNK = "EVENT-EMPTY-CHUNK"
_MESSAGE_START = "EVENT-MESSAGE-START"
_CHUNK_PLACE = "EVENT-CHUNK-PLACE"
_FULL_CONTENT = "EVENT-FULL-CONTENT"
_TEXT_INDEX = "EVENT-TEXT-INDEX"
_TEXT_ELAPSED = "EVENT-TEXT-ELAPSED"
_START_PREPARED = "EVENT-TOOL-START-PREPARED"
_ANSWERED = "EVENT-TOOL-ANSWERED"
_FAILURE_EVENT = "TASK-FAILURE-EVENT"

#: Every rule that can be found broken, and the event types without which a stream that keeps it
#: has not shown so.
COMMON_RULES: Mapping[str, frozenset[str]] = {
    _EMPTY_CHUNK: frozenset({"thinking_chunk", "text_chunk"}),
    _MESSAGE_START: frozenset({"ai_message_start"}),
    _CHUNK_PLACE: frozenset({"thinking_chunk", "text_chunk"}),
    _FULL_CONTENT: frozenset({"thinking_end", "text_end"}),
    _TEXT_INDEX: frozenset({"text_chunk"}),
    _TEXT_ELAPSED: frozenset({"text_chunk"}),
    _START_PREPARED: frozenset({"tool_start"}),
    _ANSWERED: frozenset({"tool_start"}),
    _FAILURE_EVENT: frozenset({"error"}),
}


class CommonRules:
    """Keeps as much of one stream as it takes to judge it: open blocks, tools, a few flags.

    Where something is not known, after a gap or because a payload is broken, it is taken to be
    as it should.
    """

    def __init__(self) -> None:
        self._beginning = _Beginning()
        self._blocks = _Blocks()
        self._tools = _Tools()
        self._may_have_failed = False

    def feed(self, kind: str, data: Mapping[str, Any], idx: int | None) -> Finding | None:
        """Take in an event of a core type; return what it breaks."""
        if kind == "error":
            self._may_have_failed = True
        # All of them look at the event before the first finding is chosen.
        findings = (
            _empty_chunk(kind, data),
            self._beginning.feed(kind),
            self._blocks.feed(kind, data),
            self._tools.feed(kind, data, idx),
        )
        return next(filter(None, findings), None)

    def gap(self) -> None:
        """Note that one or more events were lost."""
        self._may_have_failed = True
        self._beginning.gap()
        self._blocks.gap()
        self._tools.gap()

    def finish(self, status: str) -> Finding | None:
        """Judge the end of a task with a terminal STATUS."""
        if status == "succeeded":
            return self._beginning.finish() or self._tools.finish() or self._blocks.finish()
        if status == "failed" and not self._may_have_failed:
            return _FAILURE_EVENT, "the task is failed, but there is no error event"
        return None


def _empty_chunk(kind: str, data: Mapping[str, Any]) -> Finding | None:
    if kind in ("thinking_chunk", "text_chunk") and data.get("content") == "":
        return _EMPTY_CHUNK, f"{kind} has an empty content"
    return None


class _Beginning:
    """One ``ai_message_start``, before the first answer of the model."""

    def __init__(self) -> None:
        self._begun: bool | None = False  # None: not known

    def feed(self, kind: str) -> Finding | None:
        begun = self._begun
        if kind == "ai_message_start":
            self._begun = True
            if begun:
                return _MESSAGE_START, "ai_message_start comes once more, or too late"
        elif kind in WORK_TYPES:
            self._begun = True
            if begun is False:
                return _MESSAGE_START, f"{kind} comes before ai_message_start"
        return None

    def gap(self) -> None:
        if not self._begun:
            self._begun = None

    def finish(self) -> Finding | None:
        if self._begun is False:
            return _MESSAGE_START, "the task succeeded without an ai_message_start"
        return None


class _Block:
    """The thinking block, or the text block, that is open or was the last one open."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.open: bool | None = False  # None: not known
        self._chunks: list[str] = []
        self._whole = True  # whether these are all chunks that the block has had so far
        self._excused = False  # whether it may stay without an end

    def start(self) -> Finding | None:
        finding = self.unfinished()
        self.open, self._chunks, self._whole, self._excused = True, [], True, False
        return finding

    def chunk(self, content: object) -> Finding | None:
        outside = self.open is False
        if not self.open:
            self.open, self._chunks, self._whole = True, [], False
        if isinstance(content, str):
            self._chunks.append(content)
        else:
            self._chunks, self._whole = [], False
        # Whose start was lost may be a chunk that needs no end, see the grammar module.
        self._excused = not self._whole
        if outside:
            return _CHUNK_PLACE, f"{self._name}_chunk comes outside of a {self._name} block"
        return None

    def end(self, full: object) -> Finding | None:
        joined, whole, outside = "".join(self._chunks), self._whole, self.open is False
        self.open, self._chunks, self._whole = False, [], True
        if not isinstance(full, str) or full == joined or (not whole and full.endswith(joined)):
            return None
        if outside:
            return _FULL_CONTENT, (
                f"{self._name}_end comes outside of a {self._name} block, so it has no chunks, "
                f"but its full_content has {len(full)} characters"
            )
        return _FULL_CONTENT, (
            f"the full_content of {self._name}_end ({len(full)} characters) is not what its "
            f"chunks give ({len(joined)} characters); {_difference(full, joined, whole)}"
        )

    def cut(self) -> None:
        """Take in that an error may have cut the block off."""
        self._excused = True

    def lose(self) -> None:
        self.open, self._chunks, self._whole = None, [], False

    def unfinished(self) -> Finding | None:
        """Return a finding if a block with chunks is open that ought to have an end."""
        if self.open and self._chunks and not self._excused:
            return _CHUNK_PLACE, (
                f"{len(self._chunks)} {self._name}_chunk(s) are not followed by a {self._name}_end"
            )
        return None


class _Blocks:
    """Chunks lie in their blocks, the ends tell all of them, and ``index`` counts them."""

    def __init__(self) -> None:
        self._thinking = _Block("thinking")
        self._text = _Block("text")
        # Whether this answer has had its thinking_end, and then its text_start.
        self._thought = self._may_resume = False
        self._index: int | None = 0  # of the last chunk; None: not known
        self._anew = True  # whether a block that begins now begins an iteration for certain
        self._first = True  # whether the next chunk is the first of its block

    def feed(self, kind: str, data: Mapping[str, Any]) -> Finding | None:
        finding = None
        match kind:
            case "thinking_start":
                self._thought = self._may_resume = False
                finding = self._thinking.start()
            case "thinking_chunk":
                # Thinking that goes on behind its end: see the grammar module.
                if self._thinking.open is not False or not self._may_resume:
                    finding = self._thinking.chunk(data.get("content"))
            case "thinking_end":
                self._thought = True
                finding = self._thinking.end(data.get("full_content"))
            case "text_start":
                self._may_resume = self._thought
                self._first = True
                if self._anew:
                    self._index = 0
                finding = self._text.start()
            case "text_chunk":
                finding = self._text.chunk(data.get("content"))
                # Looked at in any case, so that it is known when the next one is counted.
                count = self._count(data.get("index"), data.get("elapsed"))
                finding = finding or count
            case "text_end":
                self._thought = self._may_resume = False
                finding = self._text.end(data.get("full_content"))
            case "tool_start" | "update_action":
                # The model's answer is over; a block that is still open goes on counting.
                self._thought = self._may_resume = False
                self._anew = True
            case "error":
                self._thought = self._may_resume = False
                self._thinking.cut()
                self._text.cut()
        return finding

    def gap(self) -> None:
        self._thinking.lose()
        self._text.lose()
        self._thought = self._may_resume = False
        self._index, self._anew = None, False

    def finish(self) -> Finding | None:
        return self._thinking.unfinished() or self._text.unfinished()

    def _count(self, index: object, elapsed: object) -> Finding | None:
        last, first = self._index, self._first
        self._first = self._anew = False
        if not isinstance(index, int):
            self._index = None
            return None
        self._index = index
        # A block that begins may begin an iteration, or go on with one after more thinking.
        expected = {last + 1} if last is not None else {max(1, index)}
        if first:
            expected.add(1)
        if index not in expected:
            return _TEXT_INDEX, (
                f"text_chunk has the index {index} instead of "
                f"{' or '.join(map(str, sorted(expected)))}"
            )
        if isinstance(elapsed, int | float) and (elapsed < 0 or (index == 1 and elapsed != 0)):
            wanted = "0, as it is the first one" if index == 1 else "0 or more"
            return _TEXT_ELAPSED, f"text_chunk has elapsed {elapsed} instead of {wanted}"
        return None


class _Tools:
    """Every ``tool_start`` was prepared, and is answered once."""

    def __init__(self) -> None:
        self._prepared: set[str] = set()
        # By preparing_id: where tools that have no answer yet began, ...
        self._running: dict[str, list[int | None]] = {}
        # ... and whether those that have one can get no other.
        self._answered: dict[str, bool] = {}
        self._cancelled_late: Finding | None = None
        self._lossy = False

    def feed(self, kind: str, data: Mapping[str, Any], idx: int | None) -> Finding | None:
        match kind:
            case "tool_preparing":
                if isinstance(name := data.get("id"), str):
                    self._prepared.add(name)
                    self._answered.pop(name, None)  # some models use an id again
            case "tool_start":
                if isinstance(name := data.get("preparing_id"), str):
                    return self._start(name, idx)
            case "update_action":
                if isinstance(name := data.get("preparing_id"), str):
                    return self._answer(name, data.get("status"))
        return None

    def gap(self) -> None:
        self._lossy = True
        self._running.clear()
        self._answered.clear()

    def finish(self) -> Finding | None:
        for name, starts in self._running.items():
            return _ANSWERED, (
                f"the tool that began at idx {starts[0]} (preparing_id {name!r}) is not answered "
                "by an update_action, and the task succeeded"
            )
        return self._cancelled_late

    def _start(self, name: str, idx: int | None) -> Finding | None:
        self._running.setdefault(name, []).append(idx)
        if name in self._prepared or self._lossy:
            return None
        return _START_PREPARED, f"tool_start has the preparing_id {name!r}, which was not prepared"

    def _answer(self, name: str, status: object) -> Finding | None:
        if isinstance(status, str) and status.startswith("awaiting_"):
            return None  # it waits for somebody: no answer yet
        # What a server's own status means is not known: a report on the way, or the answer.
        last_word = status in ("completed", "cancelled")
        if name in self._running:
            self._running[name].pop(0)
            if not self._running[name]:
                del self._running[name]
            self._answered[name] = last_word
            return None
        # A tool that never ran has its update_action, too: refused, or cancelled before.
        if not last_word or name not in self._answered:
            return None
        if not self._answered[name]:
            self._answered[name] = True
            return None
        finding = _ANSWERED, f"the tool with the preparing_id {name!r} is answered once more"
        if status != "cancelled":
            return finding
        # Wrong, unless the task turns out to be cancelled.
        self._cancelled_late = self._cancelled_late or finding
        return None


def _difference(full: str, joined: str, whole: bool) -> str:
    """Say where two texts part, with a few characters of each."""
    if not whole:
        return f"it ends in {full[-20:]!r}, the chunks that are known in {joined[-20:]!r}"
    pairs = enumerate(zip(full, joined, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(full), len(joined)))
    return f"from character {at} on {full[at : at + 20]!r} instead of {joined[at : at + 20]!r}"
