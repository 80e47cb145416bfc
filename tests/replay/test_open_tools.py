"""A cancelled stream tells of every tool that has no result yet, then that it stopped."""

from typing import Any

from pollux.replay.open_tools import OpenTool, cancelled_end, follow
from tests.replay.support import event


def after(*events: dict[str, Any]) -> tuple[OpenTool, ...]:
    tools: tuple[OpenTool, ...] = ()
    for entry in events:
        tools = follow(tools, entry)
    return tools


PREPARED = event(0, 0, "tool_preparing", id="call_1", name="read_file")
STARTED = event(1, 0, "tool_start", id="tool_1", preparing_id="call_1", name="read_file")
OTHER = event(2, 0, "tool_preparing", id="call_2", name="list_files")
DONE = event(3, 0, "update_action", preparing_id="call_1", status="completed", result={})


def test_a_tool_is_open_from_its_announcement_to_its_result() -> None:
    assert after(PREPARED) == (OpenTool("call_1", "read_file"),)
    assert after(PREPARED, STARTED) == (OpenTool("call_1", "read_file", "tool_1"),)
    assert after(STARTED) == (OpenTool("call_1", "read_file", "tool_1"),)
    assert after(PREPARED, STARTED, OTHER, DONE) == (OpenTool("call_2", "list_files"),)


def test_a_tool_that_awaits_an_approval_is_still_open() -> None:
    waiting = event(2, 0, "update_action", preparing_id="call_1", status="awaiting_approval")
    assert after(PREPARED, STARTED, waiting) == after(PREPARED, STARTED)


def test_what_is_no_tool_event_changes_nothing() -> None:
    assert after(event(0, 0), {"type": "tool_start", "data": 3}, {"type": "tool_start"}) == ()
    assert after(event(0, 0, "tool_preparing", name="no id")) == ()


def test_the_end_of_a_cancelled_task_cancels_its_open_tools_first() -> None:
    told = cancelled_end(after(PREPARED, STARTED, OTHER), 7, 12.5)
    assert [(entry["idx"], entry["type"], entry["ts"]) for entry in told] == [
        (7, "update_action", 12.5),
        (8, "update_action", 12.5),
        (9, "task_stopped", 12.5),
    ]
    assert told[0]["data"]["preparing_id"] == "call_1"
    assert told[0]["data"]["id"] == "tool_1"
    assert told[0]["data"]["status"] == "cancelled"
    assert told[0]["data"]["result"]["success"] is False
    assert "id" not in told[1]["data"]
    assert told[2]["data"]["reason"] == "user_stop"
