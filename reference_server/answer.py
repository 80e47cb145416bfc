"""One answer of the model while it comes in: its blocks, its tool calls, its usage."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pollux.reference_server.blocks import Blocks, Emit
from pollux.reference_server.model_client import Delta, Reasoning, Text, ToolPiece, Usage
from pollux.reference_server.tools import parse_arguments


@dataclass
class ToolCall:
    """One tool call of an answer; ``arguments`` is the text that the model sent."""

    call_id: str
    name: str
    arguments: str = ""
    prepared: bool = False
    intent_told: bool = False
    action_id: str | None = None

    def parsed(self) -> dict[str, Any] | None:
        """Return the arguments as an object; None when they are none."""
        return parse_arguments(self.arguments)

    def as_message_part(self) -> dict[str, Any]:
        """Return it in OpenAI's shape, as it is saved and sent back to the model."""
        return {
            "id": self.call_id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }


@dataclass
class Answer:
    """Collects the deltas of one model call and shows them as events at once.

    Args:
        emit: Appends an event to the task.
        used_ids: The ids of all tool calls of the task so far; ids are made unique, because
            events and saved results are matched by them.
    """

    emit: Emit
    used_ids: set[str]
    tool_calls: dict[int, ToolCall] = field(default_factory=dict)
    usage: Usage | None = None
    complete: bool = False

    def __post_init__(self) -> None:
        """Open no block yet."""
        self.blocks = Blocks(self.emit)

    def add(self, delta: Delta) -> None:
        """Take in one delta."""
        match delta:
            case Reasoning(text):
                self._tell_intents()
                self.blocks.add_thinking(text)
            case Text(text):
                self._tell_intents()
                self.blocks.add_text(text)
            case ToolPiece():
                self.blocks.close()
                self._add_tool_piece(delta)
            case Usage():
                self.usage = delta

    def close(self) -> None:
        """Close the answer: it has come in as a whole."""
        self.blocks.close()
        self._tell_intents()
        self.complete = True

    def calls(self) -> list[ToolCall]:
        """Return the tool calls in their order."""
        return [call for _, call in sorted(self.tool_calls.items()) if call.prepared]

    def as_message(self) -> dict[str, Any]:
        """Return the assistant message that is saved (api_v1 2.1)."""
        message: dict[str, Any] = {"role": "assistant", "content": self.blocks.text}
        if self.blocks.reasoning:
            message["reasoning_content"] = self.blocks.reasoning
        if self.calls():
            message["tool_calls"] = [call.as_message_part() for call in self.calls()]
        return message

    def _add_tool_piece(self, piece: ToolPiece) -> None:
        call = self.tool_calls.get(piece.index)
        if call is None:
            self._tell_intents()
            call = self.tool_calls[piece.index] = ToolCall(self._unique(piece.call_id), "")
        if piece.name and not call.prepared:
            call.name = piece.name
            call.prepared = True
            self.emit(
                "tool_preparing",
                {
                    "id": call.call_id,
                    "name": call.name,
                    "message": f"preparing to call {call.name}",
                    "intent": None,
                },
            )
        call.arguments += piece.arguments

    def _unique(self, call_id: str) -> str:
        if not call_id or call_id in self.used_ids:
            call_id = f"call_{uuid.uuid4().hex[:24]}"
        self.used_ids.add(call_id)
        return call_id

    def _tell_intents(self) -> None:
        for call in self.calls():
            if call.intent_told:
                continue
            arguments: Mapping[str, Any] = call.parsed() or {}
            intent = arguments.get("intent")
            if isinstance(intent, str) and intent:
                call.intent_told = True
                self.emit("tool_intent", {"id": call.call_id, "name": call.name, "intent": intent})
