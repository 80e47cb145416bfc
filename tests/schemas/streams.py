"""Builds event streams from words, one letter an event, with payloads that belong together."""

from typing import Any

Event = dict[str, Any]

#: The letters: t u v and x y z are start, chunk and end of thinking and text; p i s are a tool
#: prepared, its intent and its start; k its completed and c its cancelled update_action; w and j
#: may come anywhere; r is an error that is tried again, e one that is not; A begins, d and q end.
TYPES = {
    "A": "ai_message_start",
    "t": "thinking_start",
    "u": "thinking_chunk",
    "v": "thinking_end",
    "x": "text_start",
    "y": "text_chunk",
    "z": "text_end",
    "p": "tool_preparing",
    "i": "tool_intent",
    "s": "tool_start",
    "k": "update_action",
    "c": "update_action",
    "w": "token_update",
    "j": "conversation_changed",
    "r": "error",
    "e": "error",
    "d": "task_complete",
    "q": "task_stopped",
}
_TOKENS = {
    "cumulative_input_tokens": 20,
    "cumulative_output_tokens": 10,
    "cumulative_total_tokens": 30,
    "current_context_tokens": 30,
    "updated_at": "2026-01-23T23:42:47+00:00",
}


def stream(word: str) -> list[Event]:
    """Return the events of a word; blanks in it are passed over.

    Tools start in the order they were prepared, and are answered in the order they started.
    """
    return _Teller().tell(word.replace(" ", ""))


def numbered(events: list[Event]) -> list[Event]:
    """Return copies of events with the idx that they have in this order."""
    return [{**event, "idx": idx} for idx, event in enumerate(events)]


def with_data(word: str, at: int, **data: object) -> list[Event]:
    """Return the stream of a word with some fields of one payload replaced."""
    events = stream(word)
    events[at]["data"] |= data
    return events


class _Teller:
    def __init__(self) -> None:
        self.chunks: dict[str, list[str]] = {"thinking": [], "text": []}
        self.index = 0
        self.calls = 0
        self.prepared: list[str] = []
        self.running: list[str] = []

    def tell(self, word: str) -> list[Event]:
        return [
            {"idx": idx, "type": TYPES[letter], "data": self.data(letter, idx), "ts": 1e9 + idx}
            for idx, letter in enumerate(word)
        ]

    def data(self, letter: str, idx: int) -> dict[str, Any]:
        match letter:
            case "t":
                self.chunks["thinking"] = []
            case "u":
                self.chunks["thinking"].append(f"u{idx} ")
                return {"content": f"u{idx} "}
            case "v":
                return {"full_content": "".join(self.chunks["thinking"])}
            case "x":
                # Every block may be one of a new iteration, whose index begins anew.
                self.chunks["text"], self.index = [], 0
            case "y":
                self.chunks["text"].append(f"y{idx} ")
                self.index += 1
                elapsed = 0.0 if self.index == 1 else 0.02
                return {"content": f"y{idx} ", "index": self.index, "elapsed": elapsed}
            case "z":
                return {"full_content": "".join(self.chunks["text"])}
            case "p":
                self.calls += 1
                self.prepared.append(f"call_{self.calls}")
                return {"id": self.prepared[-1], "name": "f", "message": "m", "intent": None}
            case "i":
                return {"id": f"call_{self.calls}", "name": "f", "intent": "look"}
            case "s":
                name = self.prepared.pop(0) if self.prepared else "call_unprepared"
                self.running.append(name)
                return {"id": f"tool_{name}", "name": "f", "arguments": {}, "preparing_id": name}
            case "k" | "c":
                waiting = self.running or (self.prepared if letter == "c" else [])
                name = waiting.pop(0) if waiting else "call_stray"
                status = "completed" if letter == "k" else "cancelled"
                return {
                    "preparing_id": name,
                    "status": status,
                    "result": {"success": letter == "k"},
                }
            case "w":
                return dict(_TOKENS)
            case "j":
                return {"conversation_id": "conv_20260123_234245_036", "title": "T"}
            case "r":
                return {"message": "busy", "retry": True, "attempt": 1, "max_attempts": 5}
            case "e":
                return {"message": "gone", "retry": False}
            case "d":
                return {"total_iterations": 1, "total_tool_calls": self.calls}
            case "q":
                return {"message": "stopped", "reason": "user_stop"}
        return {}
