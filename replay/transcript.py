"""From events to the messages that a server has stored: what a user would read (api_v1 2.1)."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pollux.replay.format import number


def messages(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the assistant's and the tools' messages that EVENTS make.

    Each run of text and tool calls between two model calls is one assistant message, followed
    by one tool message for every call. What a gap hides is missing, but for texts whose end
    is there: it tells them whole.
    """
    transcript = _Transcript()
    for event in events:
        data = event.get("data")
        transcript.add(str(event.get("type")), data if isinstance(data, dict) else {}, event)
    return transcript.finish()


def title(events: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the last title that EVENTS gave the conversation, or None."""
    found = None
    for event in events:
        data = event.get("data")
        if event.get("type") == "conversation_changed" and isinstance(data, dict):
            found = data.get("title") or found
    return found


def iso_time(seconds: float | None) -> str:
    """Return epoch SECONDS as ISO 8601 in UTC; now, when there are none."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat()


class _Transcript:
    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._time: str = ""
        self._begin()

    def _begin(self) -> None:
        self._blocks: dict[str, list[str]] = {"text": [], "thinking": []}
        self._chunks: dict[str, list[str]] = {"text": [], "thinking": []}
        self._calls: dict[str, dict[str, Any]] = {}
        self._results: dict[str, Any] = {}
        self._retrying = False

    def add(self, kind: str, data: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        block, _, part = kind.partition("_")
        if kind == "error":
            self._retrying = data.get("retry") is True
            return
        speaks = block in self._blocks and part in ("start", "chunk", "end")
        if not speaks and kind not in ("tool_preparing", "tool_start", "update_action"):
            return
        if self._retrying:  # what broke off is told again from its beginning
            self._begin()
        elif self._results and (speaks or kind == "tool_preparing"):
            self._close()  # the tools are done: the next model call speaks
        if speaks:
            self._add_block(block, part, data)
        else:
            self._add_tool(kind, data)
        self._time = iso_time(number(event.get("ts")))

    def finish(self) -> list[dict[str, Any]]:
        self._close()
        return self._messages

    def _add_block(self, block: str, part: str, data: Mapping[str, Any]) -> None:
        if part == "chunk":
            self._chunks[block].append(str(data.get("content", "")))
            return
        whole = data.get("full_content") if part == "end" else None
        text = whole if isinstance(whole, str) else "".join(self._chunks[block])
        self._blocks[block].append(text)
        self._chunks[block] = []

    def _add_tool(self, kind: str, data: Mapping[str, Any]) -> None:
        key = str(data.get("id") if kind == "tool_preparing" else data.get("preparing_id"))
        name = str(data.get("name", ""))
        call = self._calls.setdefault(key, {"name": name, "arguments": {}})
        if kind == "tool_start":
            call.update(name=name, arguments=data.get("arguments", {}))
        elif kind == "update_action":
            self._results[key] = data.get("result")

    def _text(self, block: str) -> str:
        return "".join([*self._blocks[block], *self._chunks[block]])

    def _close(self) -> None:
        text, reasoning = self._text("text"), self._text("thinking")
        if text or reasoning or self._calls:
            message: dict[str, Any] = {
                "role": "assistant",
                "content": text,
                "timestamp": self._time,
            }
            if reasoning:
                message["reasoning_content"] = reasoning
            if self._calls:
                message["tool_calls"] = [_call(*item) for item in self._calls.items()]
            self._messages.append(message)
            self._messages += [
                {
                    "role": "tool",
                    "content": _result(self._results.get(key)),
                    "timestamp": self._time,
                    "tool_call_id": key,
                    "name": call["name"],
                }
                for key, call in self._calls.items()
                if key in self._results
            ]
        self._begin()


def _call(key: str, call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(call["arguments"], ensure_ascii=False)
    return {
        "id": key,
        "type": "function",
        "function": {"name": call["name"], "arguments": arguments},
    }


def _result(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
