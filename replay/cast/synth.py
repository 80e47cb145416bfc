"""Makes up recordings: tasks that never were, from a seed, byte for byte the same each time."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pollux.replay.cast.dice import Dice
from pollux.replay.cast.entries import Entry
from pollux.replay.cast.scenes import Story
from pollux.replay.cast.sink import Sink
from pollux.replay.format import EVICTED, FORMAT_VERSION, Code, Header

_CREATED_AT_MS = 1_769_182_965_300
_BETWEEN_POLLS_MS = 100
_LONGEST_WAIT_MS = 1000
_LATENCY_MS = 3
_ALL_SCENES = ("talk", "burst", "overrun", "thinking", "tools", "unicode")


@dataclass(frozen=True)
class Plan:
    """What is made up.

    Attributes:
        seed: The same seed, with the same plan, makes the same bytes.
        events: How many events the task has, at least 2; overruns lose some of them.
        scenes: What happens; all of it when there are none.
        ring: How many events the server keeps.
    """

    seed: int
    events: int = 4000
    scenes: tuple[str, ...] | None = None
    ring: int = 1000


def synth(plan: Plan, sink: Sink) -> None:
    """Write the recording of PLAN; memory is bounded by the ring and the longest text."""
    dice = Dice(plan.seed)
    sink.begin(_header(plan, dice))
    recorder = _Recorder(plan.ring)
    story = Story(dice, plan.scenes or _ALL_SCENES, plan.events, plan.ring)
    for entry in recorder.recorded(story):
        sink.add(entry)
    sink.finish()


def _header(plan: Plan, dice: Dice) -> Header:
    scenes = ", ".join(plan.scenes or _ALL_SCENES)
    return Header(
        {
            "taskcast": FORMAT_VERSION,
            "recorded_at": _CREATED_AT_MS / 1000,
            "recorder": "pollux cast synth",
            "title": f"Made up from the seed {plan.seed}: {scenes}",
            "task": {
                "task_id": dice.uuid(),
                "conversation_id": f"conv_20260123_154245_{dice.below(1000):03}",
                "created_at": _CREATED_AT_MS / 1000,
            },
            "request": {"message": f"Show me: {scenes}"},
        }
    )


class _Recorder:
    """Polls a server that was never there, as ``pollux record`` would have done."""

    def __init__(self, ring: int) -> None:
        self._ring = ring
        self._window: deque[dict[str, Any]] = deque(maxlen=ring)
        self._next_idx = self._head = 0
        self._now_ms = 0
        self._wait_ms = _BETWEEN_POLLS_MS
        self._next_poll_ms = _BETWEEN_POLLS_MS

    def recorded(self, story: Story) -> Iterator[Entry]:
        """Yield the records of STORY."""
        yield self._status("running", 0)
        at_ms = 0
        for beat in story.beats():
            at_ms += beat.after_ms
            while self._next_poll_ms <= at_ms:
                yield from self._poll(self._next_poll_ms)
            if beat.away_ms:
                self._next_poll_ms = max(self._next_poll_ms, at_ms + beat.away_ms)
            ts = (_CREATED_AT_MS + at_ms) / 1000
            event = {"idx": self._next_idx, "type": beat.kind, "data": beat.data, "ts": ts}
            self._window.append(event)
            self._next_idx += 1
        yield from self._poll(max(self._next_poll_ms, at_ms))
        yield self._status("succeeded", at_ms)._replace(at_ms=self._now_ms)

    def _poll(self, at_ms: int) -> Iterator[Entry]:
        self._now_ms = at_ms + _LATENCY_MS
        window_start = self._next_idx - len(self._window)
        first = max(self._head, window_start)
        count = self._next_idx - first
        poll = {"from": self._head, "next": self._next_idx, "count": count, "ms": _LATENCY_MS}
        yield self._entry(Code.POLL, {**poll, "window_start": window_start})
        if first > self._head:
            yield self._entry(Code.GAP, {"from": self._head, "to": first, "reason": EVICTED})
        # Only what is new: the window may be long, and most of it was told before.
        for place in range(len(self._window) - count, len(self._window)):
            yield self._entry(Code.EVENT, self._window[place])
        self._head = self._next_idx
        longer = min(self._wait_ms * 3 // 2, _LONGEST_WAIT_MS)
        self._wait_ms = _BETWEEN_POLLS_MS if count else longer
        self._next_poll_ms = at_ms + self._wait_ms

    def _status(self, status: str, at_ms: int) -> Entry:
        payload: dict[str, Any] = {"status": status, "ts": (_CREATED_AT_MS + at_ms) / 1000}
        if status != "running":
            payload["error"] = None
        return self._entry(Code.STATUS, payload)

    def _entry(self, code: Code, payload: dict[str, Any]) -> Entry:
        return Entry(self._now_ms, code, payload)
