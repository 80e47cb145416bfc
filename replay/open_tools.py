"""Which tools of a stream are open, and how a stream ends when its client cancels the task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TOOL_TYPES = frozenset({"tool_preparing", "tool_start", "update_action"})
_STOPPED = {"message": "the task was cancelled", "reason": "user_stop"}
_CANCELLED_RESULT = {"success": False, "error": "cancelled before it was finished"}


@dataclass(frozen=True, slots=True)
class OpenTool:
    """A tool call that was announced and has no result yet.

    Attributes:
        preparing_id: The model's id of the call.
        name: Name of the tool.
        action_id: The id that the tool got when it started, or None.
    """

    preparing_id: str
    name: str
    action_id: str | None = None


def follow(tools: tuple[OpenTool, ...], event: Mapping[str, Any]) -> tuple[OpenTool, ...]:
    """Return the tools that are open behind EVENT, given those before it."""
    kind, data = event.get("type"), event.get("data")
    if kind not in _TOOL_TYPES or not isinstance(data, dict):
        return tools
    key = data.get("id") if kind == "tool_preparing" else data.get("preparing_id")
    if not isinstance(key, str):
        return tools
    if kind == "update_action":
        # A tool that awaits an approval is still open; every other status ends it.
        if str(data.get("status")).startswith("awaiting"):
            return tools
        return tuple(tool for tool in tools if tool.preparing_id != key)
    action = data.get("id") if kind == "tool_start" else None
    opened = OpenTool(key, str(data.get("name")), action if isinstance(action, str) else None)
    if all(tool.preparing_id != key for tool in tools):
        return (*tools, opened)
    return tuple(opened if tool.preparing_id == key else tool for tool in tools)


def cancelled_end(tools: tuple[OpenTool, ...], head: int, ts: float) -> list[dict[str, Any]]:
    """Return the events that end a stream for a cancel (api_v1 2.4).

    Args:
        tools: The open ones; each is told that it was cancelled.
        head: idx of the first of these events.
        ts: Epoch seconds of all of them.
    """
    told: list[tuple[str, dict[str, Any]]] = [("update_action", _cancelled(tool)) for tool in tools]
    told.append(("task_stopped", dict(_STOPPED)))
    return [
        {"idx": idx, "type": kind, "data": data, "ts": ts}
        for idx, (kind, data) in enumerate(told, start=head)
    ]


def _cancelled(tool: OpenTool) -> dict[str, Any]:
    started = {} if tool.action_id is None else {"id": tool.action_id}
    return {
        "preparing_id": tool.preparing_id,
        **started,
        "status": "cancelled",
        "result": dict(_CANCELLED_RESULT),
        "message": f"{tool.name}: cancelled",
    }
