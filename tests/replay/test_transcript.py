"""The history that events make is the one that the server stored."""

import json
from typing import Any

from pollux.replay.transcript import messages, title
from tests.replay.support import event


def stream(*told: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [event(idx, idx, kind, **(data or {"": None})) for idx, (kind, data) in enumerate(told)]


def bare(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in message.items() if k != "timestamp"} for message in told]


def test_text_and_thinking_make_one_message() -> None:
    told = messages(
        stream(
            ("ai_message_start", {}),
            ("thinking_start", {}),
            ("thinking_chunk", {"content": "hm"}),
            ("thinking_end", {"full_content": "hm"}),
            ("text_start", {}),
            ("text_chunk", {"content": "Hel"}),
            ("text_chunk", {"content": "lo"}),
            ("text_end", {"full_content": "Hello"}),
            ("task_complete", {}),
        )
    )
    assert bare(told) == [{"role": "assistant", "content": "Hello", "reasoning_content": "hm"}]
    assert told[0]["timestamp"].startswith("2026-01-23T")


def test_every_call_has_its_result_and_the_next_model_call_a_new_message() -> None:
    told = messages(
        stream(
            ("text_chunk", {"content": "I look."}),
            ("tool_preparing", {"id": "c1", "name": "list_files"}),
            ("tool_preparing", {"id": "c2", "name": "read_file"}),
            ("text_end", {"full_content": "I look."}),
            (
                "tool_start",
                {"id": "t1", "preparing_id": "c1", "name": "list_files", "arguments": {"path": ""}},
            ),
            ("update_action", {"preparing_id": "c1", "result": {"success": True}}),
            ("tool_start", {"id": "t2", "preparing_id": "c2", "name": "read_file"}),
            ("update_action", {"preparing_id": "c2", "result": "gone"}),
            ("text_chunk", {"content": "Done."}),
        )
    )
    assert bare(told) == [
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "list_files", "arguments": '{"path": ""}'},
                },
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "read_file", "arguments": "{}"},
                },
            ],
        },
        {
            "role": "tool",
            "content": json.dumps({"success": True}),
            "tool_call_id": "c1",
            "name": "list_files",
        },
        {"role": "tool", "content": "gone", "tool_call_id": "c2", "name": "read_file"},
        {"role": "assistant", "content": "Done."},
    ]


def test_two_rounds_of_tools_without_text_are_two_messages() -> None:
    told = messages(
        stream(
            ("tool_preparing", {"id": "c1", "name": "a"}),
            ("update_action", {"preparing_id": "c1", "result": {}}),
            ("tool_preparing", {"id": "c2", "name": "b"}),
            ("update_action", {"preparing_id": "c2", "result": {}}),
        )
    )
    assert [message["role"] for message in told] == ["assistant", "tool", "assistant", "tool"]


def test_what_was_shown_before_a_cut_is_kept() -> None:
    told = messages(stream(("text_start", {}), ("text_chunk", {"content": "Hel"})))
    assert bare(told) == [{"role": "assistant", "content": "Hel"}]


def test_what_a_retry_tells_again_stands_once() -> None:
    told = messages(
        stream(
            ("text_start", {}),
            ("text_chunk", {"content": "Hel"}),
            ("error", {"message": "cut", "retry": True}),
            ("text_start", {}),
            ("text_chunk", {"content": "Hello"}),
        )
    )
    assert bare(told) == [{"role": "assistant", "content": "Hello"}]


def test_a_failure_for_good_keeps_what_was_shown() -> None:
    told = messages(
        stream(
            ("text_chunk", {"content": "Hel"}),
            ("error", {"message": "cut", "retry": True}),
            ("error", {"message": "no", "retry": False}),
        )
    )
    assert bare(told) == [{"role": "assistant", "content": "Hel"}]


def test_behind_a_gap_the_end_of_a_text_tells_it_whole() -> None:
    told = messages(
        stream(("text_chunk", {"content": "lo"}), ("text_end", {"full_content": "Hello"}))
    )
    assert bare(told) == [{"role": "assistant", "content": "Hello"}]


def test_events_of_another_shape_are_passed_over() -> None:
    assert messages([{"type": "text_chunk"}, {"type": 3, "data": []}, {"data": {}}, {}]) == []


def test_the_last_title_counts() -> None:
    told = stream(
        ("conversation_changed", {"title": "A"}), ("conversation_changed", {"title": "B"})
    )
    assert title(told) == "B"
    assert title([]) is None
