"""What happens in a made-up task: iterations of thinking, text and tools, by the grammar."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pollux.replay.cast.dice import Dice
from pollux.replay.cast.letters import TORTURE, WORDS

# A block needs its start, a chunk and its end; a tool its three events.
_LEAST = 3
_TOOLS = ("read_file", "write_file", "edit_file", "list_files", "delete_file", "todo_update")


@dataclass(frozen=True, slots=True)
class Beat:
    """An event before it has an idx.

    Attributes:
        kind: Its type.
        data: Its payload.
        after_ms: Milliseconds since the event before.
        away_ms: So long from here on nobody polls.
    """

    kind: str
    data: dict[str, Any]
    after_ms: int = 0
    away_ms: int = 0


class Story:
    """The events of one task that ends well.

    Args:
        dice: Decides.
        scenes: What happens: names of scenes, each of which comes in its turn.
        events: How many events there are, at least 2.
        ring: How many events the server keeps: an overrun has more of them.
    """

    def __init__(self, dice: Dice, scenes: tuple[str, ...], events: int, ring: int) -> None:
        self._dice = dice
        self._scenes = scenes
        self._ring = ring
        self._left = events
        self._iterations = self._tools = self._tokens = 0

    def beats(self) -> Iterator[Beat]:
        """Yield the events in their order."""
        acts: dict[str, Callable[[], Iterator[Beat]]] = {
            "talk": self._talk,
            "burst": self._burst,
            "overrun": self._overrun,
            "thinking": self._think_long,
            "tools": self._tool_storm,
            "unicode": self._torture,
        }
        yield self._beat("ai_message_start", {}, 5)
        while self._room >= _LEAST:
            self._iterations += 1
            yield from acts[self._scenes[(self._iterations - 1) % len(self._scenes)]]()
            if self._room:
                yield self._usage()
        while self._room:
            yield self._beat("system_message", {"content": "Nearly there."}, 10)
        totals = {"total_iterations": self._iterations, "total_tool_calls": self._tools}
        yield self._beat("task_complete", totals, 20)

    @property
    def _room(self) -> int:
        """How many events there may be before the last one."""
        return self._left - 1

    def _beat(self, kind: str, data: dict[str, Any], after_ms: int = 0, away_ms: int = 0) -> Beat:
        self._left -= 1
        return Beat(kind, data, after_ms, away_ms)

    # -- scenes -------------------------------------------------------------------------

    def _talk(self) -> Iterator[Beat]:
        dice = self._dice
        if dice.chance(0.5):
            yield from self._block("thinking", dice.between(3, 20), WORDS, (10, 60))
        yield from self._block("text", dice.between(5, 60), WORDS, (10, 80))
        if dice.chance(0.5):
            yield from self._call_tools(dice.between(1, 2))

    def _burst(self) -> Iterator[Beat]:
        """Write with pauses, and between them many chunks at once."""
        yield from self._block("text", self._dice.between(100, 400), WORDS, (0, 0), pause_every=50)

    def _overrun(self) -> Iterator[Beat]:
        """Write more than the server keeps while nobody polls."""
        many = self._ring + self._dice.between(1, self._ring)
        yield from self._block("text", many, WORDS, (0, 1), away=True)

    def _think_long(self) -> Iterator[Beat]:
        """Think in many chunks, with long silences."""
        many = self._dice.between(50, 300)
        yield from self._block("thinking", many, WORDS, (5, 40), pause_every=40, pause_ms=30_000)
        yield from self._block("text", self._dice.between(1, 5), WORDS, (10, 40))

    def _tool_storm(self) -> Iterator[Beat]:
        yield from self._call_tools(self._dice.between(15, 40))

    def _torture(self) -> Iterator[Beat]:
        """Write what is hard to show, cut where it hurts."""
        yield from self._block("text", self._dice.between(20, 120), TORTURE, (5, 60))

    # -- parts of an iteration ----------------------------------------------------------

    def _block(
        self,
        name: str,
        chunks: int,
        words: tuple[str, ...],
        pace_ms: tuple[int, int],
        *,
        pause_every: int = 0,
        pause_ms: int = 2_000,
        away: bool = False,
    ) -> Iterator[Beat]:
        """Yield a block of up to CHUNKS chunks, as many as there is room for; none without room."""
        chunks = min(chunks, self._room - 2)
        if chunks < 1:
            return
        # The recorder comes back when all of it is over.
        away_ms = (chunks + 2) * (pace_ms[1] + 1) + 500 if away else 0
        yield self._beat(f"{name}_start", {}, 50, away_ms)
        said = []
        for place in range(1, chunks + 1):
            after_ms = self._dice.between(*pace_ms)
            if pause_every and place % pause_every == 0:
                after_ms += self._dice.between(pause_ms // 2, pause_ms)
            said.append(self._dice.one_of(words))
            data: dict[str, Any] = {"content": said[-1]}
            if name == "text":
                elapsed = 0.0 if place == 1 else after_ms / 1000
                data.update(index=place, elapsed=elapsed)
            yield self._beat(f"{name}_chunk", data, after_ms)
        yield self._beat(f"{name}_end", {"full_content": "".join(said)})

    def _call_tools(self, count: int) -> Iterator[Beat]:
        count = min(count, self._room // _LEAST)
        calls = [(f"call_{self._dice.hex(12)}", self._dice.one_of(_TOOLS)) for _ in range(count)]
        for call, name in calls:
            about = {"id": call, "name": name, "message": f"preparing to call {name}"}
            yield self._beat("tool_preparing", {**about, "intent": None}, self._dice.between(0, 30))
        for place, (call, name) in enumerate(calls, start=1):
            self._tools += 1
            action = f"tool_{self._iterations}_{place}_{name}"
            path = f"notes/{self._dice.one_of(WORDS).strip()}-{place}.md"
            start = {"id": action, "name": name, "arguments": {"path": path}, "preparing_id": call}
            yield self._beat("tool_start", start, self._dice.between(0, 20))
            yield self._beat("update_action", self._answer(call, action, name), self._took_ms())

    def _answer(self, call: str, action: str, name: str) -> dict[str, Any]:
        if self._dice.chance(0.1):
            result: dict[str, Any] = {"success": False, "error": f"{name} found nothing there"}
        else:
            words = [self._dice.one_of(WORDS) for _ in range(self._dice.between(1, 40))]
            result = {"success": True, "content": "".join(words)}
        told = {"preparing_id": call, "id": action, "status": "completed", "result": result}
        return {**told, "message": f"{name}: done"}

    def _took_ms(self) -> int:
        return self._dice.between(1, 1500 if self._dice.chance(0.2) else 50)

    def _usage(self) -> Beat:
        self._tokens += self._dice.between(20, 900)
        output = self._tokens // 4
        data = {
            "cumulative_input_tokens": self._tokens,
            "cumulative_output_tokens": output,
            "cumulative_total_tokens": self._tokens + output,
            "current_context_tokens": self._tokens,
            "updated_at": "2026-01-23T15:42:45.300000+00:00",
        }
        return self._beat("token_update", data, 1)
