"""Rewrites the text of a stream across the borders of its chunks, without an empty chunk."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

from pollux.replay.cast.entries import Entry
from pollux.replay.format import Code

# So many records are held back at most while a text goes on.
_MOST_HELD = 10_000
# What a match may depend on of the text before what is looked at.
_CONTEXT = 64
_FILL = "*"
_CHUNKS = {"text_chunk": "text", "thinking_chunk": "thinking"}


class Rewriter(Protocol):
    """Says what is replaced."""

    def matches(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield begin, end and replacement of each place in TEXT, in order, apart."""
        ...

    def text(self, text: str) -> str:
        """Return TEXT with its replacements."""
        ...

    def entry(self, entry: Entry) -> Entry:
        """Return ENTRY with replacements in all its texts."""
        ...


@dataclass(eq=False)
class _Held:
    """A record that waits; a chunk's content is None once it has nothing to wait for."""

    entry: Entry
    content: str | None = None


class Chunks:
    """Holds the chunks of a text back until nothing can reach from one into the next.

    What replaces a text that several chunks share is spread over them; where it has fewer
    characters than there are chunks, it is filled up with ``*``, and so is its place in the
    ``full_content`` at the end, which is still all chunks joined.

    Args:
        rewriter: Says what is replaced.
        reach: How many characters a replaced text may have across chunks.
    """

    def __init__(self, rewriter: Rewriter, reach: int) -> None:
        self._rewriter = rewriter
        self._held: deque[_Held] = deque()
        self._blocks = {name: _Block(rewriter, reach) for name in _CHUNKS.values()}

    def rewritten(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield ENTRIES in their order with their texts rewritten."""
        for entry in entries:
            self._take(entry)
            if len(self._held) > _MOST_HELD:
                self._settle_all()
            while self._held and self._held[0].content is None:
                yield self._held.popleft().entry
        self._settle_all()
        yield from (held.entry for held in self._held)

    def _take(self, entry: Entry) -> None:
        kind, data = _kind_and_data(entry)
        if kind in _CHUNKS and isinstance(data.get("content"), str):
            bare = entry.with_member("data", {**data, "content": ""})
            other = self._rewriter.entry(bare)
            self._held.append(_Held(entry if other is bare else other, data["content"]))
            self._blocks[_CHUNKS[kind]].add(self._held[-1])
            return
        held = _Held(self._rewriter.entry(entry))
        self._held.append(held)
        if entry.code == Code.GAP or kind == "error":
            self._settle_all()
            for block in self._blocks.values():
                block.restart()
        elif kind.removesuffix("_start") in self._blocks:
            self._settle_all()
            self._blocks[kind.removesuffix("_start")].restart()
        elif kind.removesuffix("_end") in self._blocks:
            block = self._blocks[kind.removesuffix("_end")]
            block.settle(whole=True)
            if isinstance(data.get("full_content"), str):
                _set(held, "full_content", block.full(data["full_content"]))
            block.restart()

    def _settle_all(self) -> None:
        for block in self._blocks.values():
            block.settle(whole=True)


class _Block:
    """The chunks of one text that wait."""

    def __init__(self, rewriter: Rewriter, reach: int) -> None:
        self._rewriter = rewriter
        self._reach = reach
        self._chunks: list[_Held] = []
        self._length = 0
        self.restart()

    def restart(self) -> None:
        """Begin another text."""
        self._before = ""
        self._fills: list[int] = []

    def add(self, chunk: _Held) -> None:
        """Take the next chunk."""
        self._chunks.append(chunk)
        self._length += len(chunk.content or "")
        if self._length > 4 * self._reach + _CONTEXT:
            self.settle(whole=False)

    def settle(self, *, whole: bool) -> None:
        """Rewrite the chunks: all, or those that nothing to come can change."""
        context = len(self._before)
        text = self._before + "".join(chunk.content or "" for chunk in self._chunks)
        matches = [match for match in self._rewriter.matches(text) if match[1] > context]
        border = len(text)
        if not whole:
            border -= self._reach
            border = min([border, *(begin for begin, end, _ in matches if end > border)])
        bounds = list(accumulate((len(c.content or "") for c in self._chunks), initial=context))
        count = _whole_chunks(bounds, matches, border)
        done, self._chunks = self._chunks[:count], self._chunks[count:]
        if not done:
            return
        end = bounds[count]
        known = [match for match in matches if match[0] < end]
        self._rewrite(done, bounds[: count + 1], known, text)
        self._before = text[max(0, end - _CONTEXT) : end]
        self._length = len(text) - end

    def full(self, text: str) -> str:
        """Return the text of all chunks with its replacements, filled up as theirs."""
        matches = list(self._rewriter.matches(text))
        if not any(self._fills) or len(matches) < len(self._fills):
            return self._rewriter.text(text)
        fills = [0] * (len(matches) - len(self._fills)) + self._fills
        pieces, end = [], 0
        for (begin, behind, new), fill in zip(matches, fills, strict=True):
            pieces += [text[end:begin], new, _FILL * fill]
            end = behind
        return "".join([*pieces, text[end:]])

    def _rewrite(
        self,
        chunks: list[_Held],
        bounds: list[int],
        matches: list[tuple[int, int, str]],
        text: str,
    ) -> None:
        """Give CHUNKS their new contents.

        Args:
            chunks: What is rewritten.
            bounds: Where each of them begins in TEXT, and where the last one ends.
            matches: What is replaced in them.
            text: All that is looked at.
        """
        pieces: list[list[str]] = [[] for _ in chunks]
        at = bounds[0]
        for begin, end, new in matches:
            for place, begins, ends in _shares(bounds, at, begin):
                pieces[place].append(text[begins:ends])
            sharing = [place for place, _, _ in _shares(bounds, max(at, begin), end)]
            fill = max(0, len(sharing) - len(new))
            self._fills.append(fill)
            new += _FILL * fill
            # The first one gets what the others, with a character each, do not need.
            split = len(new) - len(sharing) + 1
            for place, part in zip(sharing, [new[:split], *new[split:]], strict=True):
                pieces[place].append(part)
            at = end
        for place, begins, ends in _shares(bounds, at, bounds[-1]):
            pieces[place].append(text[begins:ends])
        for chunk, parts in zip(chunks, pieces, strict=True):
            _set(chunk, "content", "".join(parts))
            chunk.content = None


def _whole_chunks(bounds: list[int], matches: list[tuple[int, int, str]], border: int) -> int:
    """Return how many chunks end before BORDER, and not within a match."""
    while True:
        count = max(0, bisect_right(bounds, border) - 1)
        end = bounds[count]
        torn = [begin for begin, behind, _ in matches if begin < end < behind]
        if not torn:
            return count
        border = min(torn)


def _shares(bounds: list[int], begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the chunks that share a range of the text: place, begin and end of each share."""
    place = max(0, bisect_right(bounds, begin) - 1)
    while begin < end and place + 1 < len(bounds):
        behind = min(end, bounds[place + 1])
        if behind > begin:
            yield place, begin, behind
        begin = max(begin, behind)
        place += 1


def _set(held: _Held, name: str, text: str) -> None:
    data = held.entry.payload["data"]
    if data.get(name) != text:
        held.entry = held.entry.with_member("data", {**data, name: text})


def _kind_and_data(entry: Entry) -> tuple[str, dict[str, Any]]:
    if entry.code != Code.EVENT or not isinstance(entry.payload, dict):
        return "", {}
    kind, data = entry.payload.get("type"), entry.payload.get("data")
    return (kind, data) if isinstance(kind, str) and isinstance(data, dict) else ("", {})
