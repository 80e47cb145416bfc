"""Turns the deltas of one model answer into thinking and text events (api_v1 2.4)."""

import time
from collections.abc import Callable, Mapping
from typing import Any

Emit = Callable[[str, Mapping[str, Any]], None]


class Blocks:
    """The thinking and text blocks of one answer: one event per delta, with exactly its text.

    At most one block is open. A block of the other kind closes it, so a model that goes back
    to thinking after some text gets a second thinking block.

    Args:
        emit: Appends an event to the task.
        clock: Seconds, for ``elapsed``.
    """

    def __init__(self, emit: Emit, clock: Callable[[], float] = time.monotonic) -> None:
        self._emit = emit
        self._clock = clock
        self._open: str | None = None
        self._block: list[str] = []
        self._pieces: dict[str, list[str]] = {"thinking": [], "text": []}
        self._last_chunk: float | None = None

    @property
    def text(self) -> str:
        """All the text that was shown so far."""
        return "".join(self._pieces["text"])

    @property
    def reasoning(self) -> str:
        """All the reasoning that was shown so far."""
        return "".join(self._pieces["thinking"])

    def add_thinking(self, piece: str) -> None:
        """Show one delta of reasoning."""
        self._enter("thinking")
        self._keep(piece)
        self._emit("thinking_chunk", {"content": piece})

    def add_text(self, piece: str) -> None:
        """Show one delta of text; ``index`` counts from 1 within the answer."""
        self._enter("text")
        self._keep(piece)
        now = self._clock()
        elapsed = 0.0 if self._last_chunk is None else max(0.0, now - self._last_chunk)
        self._last_chunk = now
        self._emit(
            "text_chunk",
            {
                "content": piece,
                "index": len(self._pieces["text"]),
                "elapsed": round(elapsed, 6),
            },
        )

    def close(self) -> None:
        """Close the open block, if there is one."""
        if self._open is not None:
            self._emit(f"{self._open}_end", {"full_content": "".join(self._block)})
            self._open = None

    def _enter(self, kind: str) -> None:
        if self._open != kind:
            self.close()
            self._open, self._block = kind, []
            self._emit(f"{kind}_start", {})

    def _keep(self, piece: str) -> None:
        assert self._open is not None
        self._block.append(piece)
        self._pieces[self._open].append(piece)
