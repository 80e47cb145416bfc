"""The recorder gets the whole stream of a task, whatever the server and the line do to it."""

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pollux.interrupts import Interrupts
from pollux.replay.errors import RecorderError, RecordingCutOff, RecordingExists
from pollux.replay.format import Record
from pollux.replay.pace import Pace
from pollux.replay.recorder import Options, Progress, RecordingResult, record
from pollux.replay.recording import Recording
from pollux.replay.writer import RecordingWriter
from tests.replay.fake_server import Answer, FakeServer, cut, failure, text, words
from tests.replay.support import CONVERSATION_ID, CREATED_AT, TASK_ID, event

TOKEN = "s3cret-token-of-the-recorder"
QUICK = Options(pace=lambda: Pace(0.001, 0.01), timeout=5.0, patience=5.0)


def recorded(
    server: FakeServer, path: Path, options: Options = QUICK, **how: Any
) -> tuple[RecordingResult, list[Record]]:
    how = how or {"request": {"message": "Hello"}}
    result = record(server.url, TOKEN, path, options=options, **how)
    with Recording(path) as recording:
        assert recording.checksum_matches() is True
        return result, [placed.record for placed in recording.records()]


def payloads(records: list[Record], code: str) -> list[Any]:
    return [entry.payload for entry in records if entry.code == code]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.taskcast.jsonl"


def test_a_sent_message_is_recorded_to_its_end(path: Path) -> None:
    with FakeServer(words(5)) as server:
        result, records = recorded(server, path)
    assert (result.complete, result.reason, result.status) == (True, "end", "succeeded")
    assert (result.task_id, result.conversation_id) == (TASK_ID, CONVERSATION_ID)
    assert (result.events, result.lost, result.anomalies) == (5, 0, 0)
    assert payloads(records, "e") == words(5)
    assert [p["status"] for p in payloads(records, "s")] == ["pending", "running", "succeeded"]
    with Recording(path) as recording:
        header = recording.header
        assert recording.warnings() == []
    assert (header.task_id, header.created_at) == (TASK_ID, CREATED_AT)
    assert header.request == {"message": "Hello"}
    assert header.models == [{"model_key": "fake"}]
    assert server.tokens == {f"Bearer {TOKEN}"}


def test_a_task_started_elsewhere_is_recorded_from_its_first_event(path: Path) -> None:
    with FakeServer(words(5)) as server:
        result, records = recorded(server, path, task_id=TASK_ID)
        assert not any("messages" in request for request in server.requests)
    assert (result.complete, result.events) == (True, 5)
    assert payloads(records, "s")[0] == {"status": "running", "ts": CREATED_AT}


def test_after_the_end_it_looks_once_more_for_late_events(path: Path) -> None:
    with FakeServer(words(3), per_poll=9) as server:
        late: list[dict[str, Any]] = [event(3, 50)]

        def append() -> Answer:
            server.events += late
            return server._poll(3)

        server.reactions.extend([None, append])
        result, records = recorded(server, path)
        polls = [request for request in server.requests if "/tasks/" in request]
    assert (result.complete, result.events) == (True, 4)
    assert [p["kind"] for p in payloads(records, "h")] == ["late"]
    assert len(polls) == 3


@pytest.mark.parametrize(
    ("trouble", "kind", "status"),
    [
        (cut, "connection", None),
        (failure(500), "status", 500),
        (failure(503, Retry_After="0"), "status", 503),
        (failure(429, Retry_After="0"), "status", 429),
        (text(404, "<html>a proxy</html>"), "status", 404),
        (text(200, "{"), "body", 200),
        (text(200, '{"success":true,"data":{}}'), "body", 200),
        (text(200, '{"success":true,"data":{"status":"running","events":[1e999]}}'), "body", 200),
        (text(200, '{"success":false,"error":"?"}'), "body", 200),
    ],
)
def test_it_goes_on_at_its_offset_after_trouble(
    path: Path, trouble: Callable[[], Answer], kind: str, status: int | None
) -> None:
    with FakeServer(words(6)) as server:
        server.reactions.extend([None, trouble, trouble, None, trouble])
        result, records = recorded(server, path)
        offsets = [r.partition("from=")[2] for r in server.requests if "/tasks/" in r]
    assert (result.complete, result.events, result.anomalies) == (True, 6, 3)
    assert payloads(records, "e") == words(6)
    assert {p["kind"] for p in payloads(records, "h")} == {kind}
    assert {p.get("status") for p in payloads(records, "h")} == {status}
    assert [p["from"] for p in payloads(records, "h")] == [2, 2, 4]
    # A lost connection is tried once more at once by the client itself.
    assert [offset for i, offset in enumerate(offsets) if offset not in offsets[:i]] == [
        "0",
        "2",
        "4",
        "6",
    ]


def test_retry_after_is_waited_for(path: Path) -> None:
    with FakeServer(words(2)) as server:
        server.reactions.append(failure(429, Retry_After="1"))
        result, records = recorded(server, path)
    assert payloads(records, "h")[0]["retry_after"] == 1.0
    assert result.seconds >= 1.0
    assert sum(entry.delta_ms for entry in records) >= 1000


def test_a_slow_server_is_an_anomaly_and_not_the_end(path: Path) -> None:
    answered = threading.Event()

    def slow() -> Answer:
        answered.wait(20)
        return failure(500)()

    with FakeServer(words(4)) as server:
        server.reactions.append(slow)
        options = Options(pace=QUICK.pace, timeout=0.2, patience=20.0)
        result, records = recorded(server, path, options)
        answered.set()
    assert (result.complete, result.events) == (True, 4)
    assert payloads(records, "h")[0]["kind"] == "timeout"


def test_lost_events_are_a_gap(path: Path) -> None:
    with FakeServer(words(50), per_poll=25, ring=10) as server:
        result, records = recorded(server, path)
    assert (result.complete, result.events, result.lost) == (True, 20, 30)
    assert payloads(records, "g") == [
        {"from": 0, "to": 15, "reason": "evicted"},
        {"from": 25, "to": 40, "reason": "evicted"},
    ]
    assert payloads(records, "x")[0]["ring"] == 10


def test_a_task_that_vanishes_leaves_an_incomplete_recording(path: Path) -> None:
    with FakeServer(words(9)) as server:
        server.reactions.extend([None, failure(404)])
        result, records = recorded(server, path)
    assert (result.complete, result.reason, result.events) == (False, "vanished", 2)
    assert payloads(records, "h")[0]["kind"] == "vanished"
    assert payloads(records, "x")[0]["complete"] is False


def test_a_token_that_is_refused_midway_leaves_an_incomplete_recording(path: Path) -> None:
    with FakeServer(words(9)) as server:
        server.reactions.extend([None, failure(401)])
        result, _ = recorded(server, path)
    assert (result.complete, result.reason) == (False, "refused")


def test_it_gives_up_when_there_is_no_good_answer_for_too_long(path: Path) -> None:
    with FakeServer(words(9)) as server:
        server.reactions.extend([None, *[failure(500)] * 1000])
        options = Options(pace=QUICK.pace, patience=0.1)
        result, records = recorded(server, path, options)
    assert (result.complete, result.reason) == (False, "unreachable")
    assert result.anomalies == len(payloads(records, "h")) > 2


def refused(path: Path, server: FakeServer, **how: Any) -> str:
    with pytest.raises(RecorderError) as caught:
        recorded(server, path, **how)
    assert list(path.parent.iterdir()) == []
    return str(caught.value)


def test_what_is_refused_at_once_leaves_no_file(path: Path) -> None:
    with FakeServer() as server:
        server.send_reactions.extend([failure(401), failure(409), failure(400), text(202, "{}")])
        assert "token is refused" in refused(path, server)
        assert "--task" in refused(path, server)
        assert "not accepted" in refused(path, server)
        assert "not accepted" in refused(path, server)
        server.reactions.extend([failure(404), failure(400), text(200, "{}")])
        assert "knows no task" in refused(path, server, task_id="x")
        assert "cannot be polled" in refused(path, server, task_id="x")
        assert "no task" in refused(path, server, task_id="x")
    assert "cannot be reached" in refused(path, server)


def test_a_busy_server_is_asked_again_before_the_start(path: Path) -> None:
    with FakeServer(words(1)) as server:
        server.send_reactions.extend([failure(503, Retry_After="0"), failure(429)])
        result, _ = recorded(server, path)
        assert server.requests.count("POST /api/v1/messages") == 3
    assert result.complete


def test_a_task_is_joined_through_trouble(path: Path) -> None:
    with FakeServer(words(3)) as server:
        server.reactions.extend([cut, cut, failure(500), failure(503, Retry_After="0")])
        result, _ = recorded(server, path, task_id=TASK_ID)
    assert (result.complete, result.events) == (True, 3)


def test_a_lost_message_is_not_sent_twice(path: Path) -> None:
    with FakeServer(words(3)) as server:
        server.send_reactions.append(cut)
        assert "record that one with --task" in refused(path, server)
        assert server.requests.count("POST /api/v1/messages") == 1


def test_a_server_that_stays_busy_is_given_up(path: Path) -> None:
    options = Options(pace=QUICK.pace, patience=0.05)
    with FakeServer(words(3)) as server, pytest.raises(RecorderError, match="does not answer"):
        server.send_reactions.extend([failure(503)] * 1000)
        recorded(server, path, options)


def test_an_existing_file_is_found_before_anything_is_sent(path: Path) -> None:
    path.write_text("precious")
    with FakeServer() as server, pytest.raises(RecordingExists):
        recorded(server, path)
    assert server.requests == []
    assert path.read_text() == "precious"


def test_a_refused_start_does_not_cost_the_file_that_was_to_be_replaced(path: Path) -> None:
    path.write_text("precious")
    with FakeServer() as server, pytest.raises(RecorderError):
        server.send_reactions.append(failure(409))
        recorded(server, path, Options(force=True))
    assert path.read_text() == "precious"


def test_secrets_never_reach_the_file(path: Path) -> None:
    other = 'p4ssw0rd "quoted" é'
    told = [
        event(0, 0, "system_message", content=f"the token is {TOKEN}, the word {other}"),
        event(1, 0, "tool_start", arguments={TOKEN: {"deep": [other]}, "Authorization": "Basic x"}),
        event(2, 0, "system_message", content="curl -H 'Authorization: Bearer abcdefgh' x"),
    ]
    with FakeServer(told, per_poll=3) as server:
        server.reactions.append(text(500, json.dumps({"success": False, "error": TOKEN})))
        options = Options(pace=QUICK.pace, redact=(other,))
        request = {"message": f"use {other} and {TOKEN}"}
        result, records = recorded(server, path, options, request=request)
        assert server.bodies == [request]
    assert result.complete
    for secret in (TOKEN, other, other.replace('"', '\\"'), "abcdefgh", "Basic x"):
        assert secret.encode() not in path.read_bytes()
    events = [entry["data"] for entry in payloads(records, "e")]
    assert events[0]["content"] == "the token is <token>, the word <redacted-1>"
    assert events[1]["arguments"] == {
        "<token>": {"deep": ["<redacted-1>"]},
        "Authorization": "<authorization>",
    }
    assert events[2]["content"] == "curl -H 'Authorization: <authorization>' x"
    with Recording(path) as recording:
        assert recording.header.request == {"message": "use <redacted-1> and <token>"}


def test_the_past_of_a_conversation_is_recorded_with_it(path: Path) -> None:
    with FakeServer(words(1)) as server:
        recorded(server, path, request={"message": "x", "conversation_id": CONVERSATION_ID})
    with Recording(path) as recording:
        assert recording.header.conversation["title"] == "Old"


def test_lone_surrogates_survive(path: Path) -> None:
    with FakeServer([event(0, 0, content="\ud83d"), event(1, 0, content="\ude00")]) as server:
        _, records = recorded(server, path)
    assert [p["data"]["content"] for p in payloads(records, "e")] == ["\ud83d", "\ude00"]


def test_ctrl_c_ends_with_a_recording_that_can_be_played(path: Path) -> None:
    interrupts = Interrupts()

    def interrupt(progress: Progress) -> None:
        if progress.events == 4 and not progress.over:
            os.kill(os.getpid(), signal.SIGINT)

    with FakeServer(words(9), end="") as server, interrupts.caught():
        result, records = recorded(
            server,
            path,
            request={"message": "x"},
            on_progress=interrupt,
            interrupts=interrupts,
        )
    assert (result.complete, result.reason, result.events) == (False, "interrupted", 4)
    assert payloads(records, "e") == words(4)
    assert payloads(records, "x")[0]["reason"] == "interrupted"


def test_a_full_disk_is_told_and_what_is_there_can_be_played(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = RecordingWriter._to_file

    def to_file(self: RecordingWriter, data: bytes) -> None:
        if b'"idx":3' in data:
            raise OSError(28, "No space left on device")
        original(self, data)

    monkeypatch.setattr(RecordingWriter, "_to_file", to_file)
    with FakeServer(words(9)) as server, pytest.raises(RecordingCutOff, match="No space left"):
        recorded(server, path)
    with Recording(path) as recording:
        records = [placed.record for placed in recording.records()]
    assert payloads(records, "e") == words(3)


def test_progress_tells_what_goes_on(path: Path) -> None:
    told: list[Progress] = []
    with FakeServer(words(4)) as server:
        server.reactions.extend([None, failure(503)])
        recorded(server, path, request={"message": "x"}, on_progress=told.append)
    assert told[0] == Progress(TASK_ID, "pending", 0, 0, 0)
    assert [progress.trouble for progress in told if progress.trouble] == [
        "503 Service Unavailable 'no: 503'"
    ]
    assert (told[-1].over, told[-1].events, told[-1].anomalies) == ("end", 4, 1)


def test_there_is_one_thing_to_record(path: Path) -> None:
    with pytest.raises(ValueError, match="task id or a message"):
        record("http://localhost:1", TOKEN, path)
    with pytest.raises(ValueError, match="absolute URL"):
        record("localhost", TOKEN, path, task_id="x")
    assert not path.exists()
