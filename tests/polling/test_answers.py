"""The rules of every single answer: each breach is charged to its requirement."""

from typing import Any

import pytest

from pollux.polling.answers import judge_answer
from pollux.polling.exchange import Exchange
from tests.polling.exchanges import JSON_HEADERS, Notebook, exchange, poll_body
from tests.polling.simulated import SimulatedTask

_SENT = {
    "success": True,
    "task_id": "60322db3-f884-4a1e-a9b3-6eeb07fbab47",
    "conversation_id": "conv_20260123_234245_036",
    "status": "running",
    "created_at": 1769182965.3,
}
_HTML = (("Content-Type", "text/html"),)


def _judged(shown: Exchange) -> Notebook:
    notebook = Notebook()
    judge_answer(shown, notebook)
    return notebook


def _send(**changes: Any) -> Exchange:
    return exchange({**_SENT, **changes}, status=202, operation="sendMessage", method="POST")


@pytest.mark.parametrize(
    "shown",
    [
        _send(),
        _send(extra={"a": 1}, status="pending"),
        exchange({"success": True, "status": "ok"}),
        exchange({"success": False, "error": "x", "code": 5}, status=404, operation="pollTask"),
        exchange({"success": False, "error": "busy"}, status=503),
        exchange(b"\x89PNG", operation="downloadFile", headers=(("Content-Type", "image/png"),)),
        exchange(b"", method="OPTIONS", operation=None, status=204, headers=()),
        exchange(poll_body(SimulatedTask().data(0)), operation="pollTask"),
        exchange(status=0, error="timed out"),
        exchange(
            {"success": True, "status": "ok"},
            headers=(*JSON_HEADERS, ("Set-Cookie", "AWSALB=1"), ("set-cookie", "__cf_bm=2")),
        ),
    ],
)
def test_a_right_answer_breaks_nothing(shown: Exchange) -> None:
    assert _judged(shown).broken == set()


@pytest.mark.parametrize(
    ("shown", "broken"),
    [
        (exchange(b"<h1>", status=404, headers=_HTML), {"ENVELOPE-FAILURE"}),
        (exchange([], status=400), {"ENVELOPE-FAILURE"}),
        (exchange({"success": False}, status=400), {"ENVELOPE-FAILURE"}),
        (exchange({"success": False, "error": " "}, status=400), {"ENVELOPE-FAILURE"}),
        (exchange({"success": False, "error": ["x"]}, status=400), {"ENVELOPE-FAILURE"}),
        (exchange({"error": "x"}, status=400), {"ENVELOPE-FAILURE"}),
        (exchange({"success": True, "error": "x"}, status=400), {"ENVELOPE-STATUS-AGREES"}),
        (exchange({"success": False, "status": "ok"}), {"ENVELOPE-STATUS-AGREES"}),
        (exchange({"status": "ok"}), {"ENVELOPE-SUCCESS"}),
        (exchange({"success": 1, "status": "ok"}), {"ENVELOPE-SUCCESS"}),
        (exchange(b"ok", headers=_HTML), {"ENVELOPE-SUCCESS"}),
        (exchange({"success": False, "error": "x"}, status=500), {"COMMON-NO-SERVER-ERROR"}),
        (exchange({"success": True}), {"HEALTH-SHAPE"}),
        (exchange({"success": True}, operation="cancelTask"), set()),
        (_send(task_id=5), {"SEND-TASK-ID-UUID"}),
        (_send(conversation_id="conv_1"), {"CONV-ID-PATTERN"}),
        (_send(status="done"), {"SEND-STATUS-LIVE"}),
        (_send(created_at="now"), {"SEND-CREATED-AT"}),
        (
            exchange(poll_body({**SimulatedTask().data(0), "status": "x"}), operation="pollTask"),
            {"TASK-STATUS-KNOWN"},
        ),
        (
            exchange(
                poll_body({**SimulatedTask().data(0), "next_offset": -1}), operation="pollTask"
            ),
            {"POLL-NEXT-OFFSET-NOT-NEGATIVE"},
        ),
        (
            exchange(
                poll_body({**SimulatedTask().data(0), "next_offset": "0"}), operation="pollTask"
            ),
            {"POLL-SHAPE"},
        ),
        (
            exchange(
                poll_body({**SimulatedTask().data(0), "window_start": "0"}), operation="pollTask"
            ),
            {"RING-WINDOW-START-TRUE"},
        ),
        (exchange(poll_body({"events": {}}), operation="pollTask"), {"POLL-SHAPE"}),
        (
            exchange({"success": False, "error": "x"}, status=401),
            {"HEADER-WWW-AUTHENTICATE"},
        ),
        (
            exchange(
                {"success": True, "status": "ok"}, headers=(("Content-Type", "application/json"),)
            ),
            {"HEADER-NO-STORE", "HEADER-NOSNIFF"},
        ),
        (
            exchange(
                {"success": True, "status": "ok"},
                headers=(*JSON_HEADERS, ("Set-Cookie", "session=x")),
            ),
            {"AUTH-NO-COOKIE"},
        ),
    ],
)
def test_a_wrong_answer_is_charged_to_its_rule(shown: Exchange, broken: set[str]) -> None:
    assert _judged(shown).broken == broken


def test_a_field_that_is_right_holds_its_own_rule() -> None:
    held = _judged(_send()).held_rules
    assert held >= {"SEND-SHAPE", "SEND-TASK-ID-UUID", "CONV-ID-PATTERN", "SEND-STATUS-LIVE"}
    assert "SEND-STATUS-LIVE" not in _judged(_send(status="done")).held_rules


def test_the_events_of_a_poll_are_left_to_the_task() -> None:
    data = SimulatedTask().data(0)
    data["events"] = [{"idx": "wrong"}] * 3
    assert _judged(exchange(poll_body(data), operation="pollTask")).broken == set()
