"""Every effect, through a real socket: exactly what a client gets, and what the journal says."""

import http.client
import json
import random
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from werkzeug.datastructures import Headers

from pollux.replay.faults import parse_rules
from pollux.replay.faults.effect import Answer, Line, OnTheLine, Strike
from pollux.replay.faults.registry import all_effects
from pollux.replay.faults.triggers import Asked
from tests.replay.faults_support import EVENTS, Faulty, faulty
from tests.replay.support import ids

REST = (list(range(EVENTS)), EVENTS, "succeeded")


def whole_story(client: Faulty) -> tuple[list[int], int, str]:
    """What a client is told that asks for everything, once the task has ended."""
    offset = 0
    for _ in range(100):
        data = client.poll(offset)
        offset = data["next_offset"]
        if data["status"] == "succeeded" and not data["events"]:
            return client.told(0)
    raise AssertionError("the task does not end")


# -- something else in the place of the answer ------------------------------------------------


def test_status(tmp_path: Path) -> None:
    with faulty(
        tmp_path, 'poll 1..2 -> status 503 retry-after=2 header="X-Why: tired" header=X-B:b'
    ) as client:
        for _ in range(2):
            answer = client.get()
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert (answer.headers["x-why"], answer.headers["x-b"]) == ("tired", "b")
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "Retry-After" in answer.headers["access-control-expose-headers"]
            assert answer.json()["success"] is False
            assert (client.last.http_status, client.last.retry_after) == (503, 2.0)
            assert (client.last.events, client.last.told_status) == ((), None)
        assert client.told()[0] == list(range(9))
        assert client.last.intact


def test_status_with_another_body(tmp_path: Path) -> None:
    with faulty(tmp_path, 'poll 1 -> status 200 body="\\"ok\\""') as client:
        assert client.get().text == '"ok"'
        assert (client.last.http_status, client.last.intact) == (200, False)


def test_a_send_that_is_refused_starts_no_task(tmp_path: Path) -> None:
    with faulty(tmp_path, "operation send once -> status 500") as client:
        assert client.task_id == ""
        assert client.server.session.plays() == []
        assert client.send().status_code == 202
        first, second = client.server.session.journal.entries
        assert (first.operation, first.http_status, first.task_id) == ("sendMessage", 500, None)
        assert (second.http_status, second.faults) == (202, ())


def test_unauthorized(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2.. -> unauthorized") as client:
        assert client.told()[0] == [0, 1, 2]
        answer = client.get(3)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get(3).json()["success"] is False


def test_too_many(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> too-many retry-after=7") as client:
        answer = client.get()
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert (client.last.http_status, client.last.retry_after) == (429, 7.0)


def test_busy(tmp_path: Path) -> None:
    with faulty(tmp_path, "always times 1 -> busy") as client:
        entry = client.last
        assert (entry.operation, entry.http_status, entry.intact) == ("sendMessage", 409, True)
        assert client.server.session.plays() == []
        assert client.send().status_code == 202
        assert client.told()[0] == [0, 1, 2]


@pytest.mark.parametrize(("code", "cors"), [(502, None), (200, "*")])
def test_html(tmp_path: Path, code: int, cors: str | None) -> None:
    with faulty(tmp_path, f"poll 1 -> html {code}") as client:
        answer = client.get()
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (
            code,
            "text/html",
        )
        assert answer.text.startswith("<html>")
        assert answer.headers.get("access-control-allow-origin") == cors
        assert not client.last.intact


def test_epoch_reset(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2 -> epoch-reset") as client:
        client.poll()
        lost = client.task_id
        assert client.get(3).status_code == 404
        assert client.get(3).status_code == 404
        assert client.http.post(f"/tasks/{lost}/cancel").status_code == 404
        assert client.send().status_code == 202  # nothing is live any more
        assert client.task_id != lost
        assert client.told()[0] == [0, 1, 2]
        statuses = [entry.http_status for entry in client.server.session.journal.entries]
        assert statuses == [202, 200, 404, 404, 404, 202, 200]


# -- what the task tells for good -------------------------------------------------------------


def test_evict(tmp_path: Path) -> None:
    with faulty(tmp_path, "idx 4 -> evict") as client:
        assert client.told() == ([0, 1, 2], 3, "running")
        data = client.poll(3)
        assert (ids(data["events"]), data["window_start"], data["next_offset"]) == ([5], 5, 6)
        assert client.last.intact  # a right server may evict
        assert client.last.window_start == 5
        again = client.poll(0)
        assert (ids(again["events"])[0], again["window_start"]) == (5, 5)
        assert whole_story(client) == (list(range(5, EVENTS)), EVENTS, "succeeded")


def test_evict_of_everything_that_is_new_echoes_the_offset(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2 -> evict keep=0") as client:
        client.poll()
        data = client.poll(3)
        assert (data["events"], data["next_offset"], data["window_start"]) == ([], 3, 6)
        assert client.told(3) == ([6, 7, 8], 9, "running")  # and here the gap is seen


def test_evict_keeps_the_newest_by_default(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2 -> evict") as client:
        client.poll()
        assert client.told(3) == ([5], 6, "running")


def test_drop_event(tmp_path: Path) -> None:
    with faulty(tmp_path, "idx 4..5 -> drop-event") as client:
        client.poll()
        assert client.told(3) == ([3], 6, "running")
        assert not client.last.intact
        assert client.told(6) == ([6, 7, 8], 9, "running")
        assert client.last.intact
        story = whole_story(client)
        assert story[0] == [idx for idx in range(EVENTS) if idx not in (4, 5)]
        assert not client.last.intact  # the hole is in this answer again


def test_drop_event_takes_the_middle_without_a_name(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> drop-event") as client:
        assert client.told() == ([0, 2], 3, "running")
        assert client.told()[0] == [0, 2, 3, 4, 5]


def test_unknown_type_has_an_idx_of_its_own(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2 -> unknown-type martian count=2") as client:
        assert client.told() == ([0, 1, 2], 3, "running")
        data = client.poll(3)
        assert [(event["idx"], event["type"]) for event in data["events"]] == [
            (3, "martian"),
            (4, "martian"),
            (5, "text_chunk"),
            (6, "text_chunk"),
            (7, "text_chunk"),
        ]
        assert data["next_offset"] == 8
        assert client.last.intact
        assert client.told(8) == ([8, 9, 10], 11, "running")
        for offset in range(12):  # any chunking of polls tells the same
            told = client.poll(offset)["events"]
            assert ids(told) == list(range(offset, offset + len(told)))
        story = whole_story(client)
        assert story == (list(range(EVENTS + 2)), EVENTS + 2, "succeeded")
        events = client.poll()["events"]
        assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)
        contents = [event["data"].get("content") for event in events]
        assert [text for text in contents if text] == [f"#{idx} " for idx in range(EVENTS)]


def test_unknown_type_and_a_small_ring(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2..3 -> unknown-type", ring=4) as client:
        client.poll()
        client.poll(3)
        answers = [client.poll(0) for _ in range(6)]
        for data in answers:
            assert ids(data["events"]) == list(range(data["window_start"], data["next_offset"]))
        assert answers[-1]["next_offset"] == EVENTS + 2
        assert len(answers[-1]["events"]) == 4


def test_early_terminal(tmp_path: Path) -> None:
    with faulty(tmp_path, "terminal -> early-terminal succeeded events=2", per_poll=10) as client:
        assert client.told()[2] == "running"
        assert client.told(10) == (list(range(10, EVENTS - 2)), EVENTS - 2, "succeeded")
        assert not client.last.intact
        assert client.told(EVENTS - 2) == ([EVENTS - 2, EVENTS - 1], EVENTS, "succeeded")
        assert client.last.intact


def test_early_terminal_in_the_middle_stays(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2 -> early-terminal failed") as client:
        client.poll()
        assert client.told(3) == ([3, 4], 5, "failed")
        assert client.told(5) == ([5, 6, 7, 8], 9, "failed")
        assert not client.last.intact


def test_late_terminal(tmp_path: Path) -> None:
    with faulty(tmp_path, "terminal -> late-terminal 2", per_poll=EVENTS) as client:
        assert client.told() == (list(range(EVENTS)), EVENTS, "running")
        assert client.last.intact
        assert client.poll(EVENTS)["error"] is None
        assert client.last.told_status == "running"
        assert client.told(EVENTS) == ([], EVENTS, "succeeded")
        assert client.told() == REST


def test_empty_polls(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2 -> empty-polls 3") as client:
        client.poll()
        for _ in range(3):
            assert client.told(3) == ([], 3, "running")
        assert client.told(0)[0] == list(range(15))
        assert client.last.intact


def test_empty_polls_hide_the_end(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> empty-polls 2", per_poll=EVENTS) as client:
        assert [client.told() for _ in range(3)] == [([], 0, "running"), ([], 0, "running"), REST]


def test_big_batch(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2 -> big-batch 7") as client:
        client.poll()
        assert client.told(3) == ([], 3, "running")
        assert client.told(3) == ([], 3, "running")
        assert client.told(3) == (list(range(3, 12)), 12, "running")


def test_big_batch_ends_with_the_task(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> big-batch 1000") as client:
        told = [client.told() for _ in range(7)]
        assert told == [([], 0, "running")] * 6 + [REST]


# -- what one answer tells --------------------------------------------------------------------


def test_duplicate(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2..3 -> duplicate 2") as client:
        client.poll()
        assert client.told(3) == ([1, 2, 3, 4, 5], 6, "running")
        assert (client.last.events, client.last.intact) == ((1, 2, 3, 4, 5), False)
        assert client.told(0)[0] == [*range(9), 7, 8]
        assert client.told(0)[0] == list(range(12))


def test_stale_offset(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 2 -> stale-offset") as client:
        client.poll()
        assert client.told(3) == ([3, 4, 5], 3, "running")
        assert not client.last.intact
        assert client.told(3) == ([3, 4, 5, 6, 7, 8], 9, "running")


def test_reorder(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> reorder\npoll 2 -> reorder how=shuffle", per_poll=9) as client:
        assert client.told() == (list(range(8, -1, -1)), 9, "running")
        shuffled, offset, _ = client.told(0)
        assert (sorted(shuffled), offset) == (list(range(18)), 18)
        assert shuffled != list(range(18))
        assert client.told() == REST


def test_extra_fields(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> extra-fields") as client:
        answer = client.get().json()
        for place in (answer, answer["data"], *answer["data"]["events"]):
            assert "pollux_extra" in place
        assert "pollux_extra" in answer["data"]["events"][0]["data"]
        assert (client.last.intact, client.last.events) == (True, (0, 1, 2))
        assert "pollux_extra" not in client.get().text


# -- bytes and headers ------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cut", "garbage", "bytes"])
def test_malformed(tmp_path: Path, how: str) -> None:
    with faulty(tmp_path, f"poll 1 -> malformed how={how}") as client:
        answer = client.get()
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == len(answer.content)
        with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
            json.loads(answer.content)
        assert (client.last.http_status, client.last.intact) == (200, False)
        assert (client.last.events, client.last.next_offset) == ((), None)
        assert client.told()[0] == list(range(6))


def test_empty_body(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> empty-body") as client:
        answer = client.get()
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == "0"
        assert (client.last.http_status, client.last.next_offset) == (200, None)
        assert client.told()[0] == list(range(6))  # over the same connection


def test_wrong_content_type(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> wrong-content-type text/plain") as client:
        answer = client.get()
        assert answer.headers["content-type"] == "text/plain"
        assert ids(answer.json()["data"]["events"]) == [0, 1, 2]
        assert (client.last.events, client.last.intact) == ((0, 1, 2), False)


def test_cors_missing(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> cors-missing") as client:
        assert "access-control-allow-origin" not in client.get().headers
        assert "access-control-allow-origin" in client.get().headers
        assert "access-control-allow-origin" in client.http.options("/messages").headers
        client.server.session.faults = parse_rules("always -> cors-missing")
        assert not [
            name
            for name in client.http.options("/messages").headers
            if name.startswith("access-control")
        ]
        assert client.session_faults.summary() == [
            "always -> cors-missing: fired once, at a preflight"
        ]


# -- on the line ------------------------------------------------------------------------------


@contextmanager
def raw_poll(client: Faulty) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", client.server.wsgi.port, timeout=30)
    path = f"/api/v1/tasks/{client.task_id}"
    connection.request("GET", path, headers={"Authorization": "Bearer x"})
    with closing(connection):
        yield connection


def test_reset(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> reset") as client:
        with raw_poll(client) as connection, pytest.raises(ConnectionResetError):
            connection.getresponse()
        entry = client.entry(2)
        assert (entry.http_status, entry.faults) == (0, ("poll 1 -> reset",))
        assert (entry.intact, entry.events) == (False, ())
        assert client.told()[0] == list(range(6))


def test_reset_in_the_middle_of_the_body(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> reset after=10") as client:
        with raw_poll(client) as connection, closing(connection.getresponse()) as answer:
            assert int(answer.headers["content-length"]) > 10
            with pytest.raises(ConnectionResetError):
                answer.read()
        assert (client.entry(2).http_status, client.entry(2).intact) == (200, False)


def test_close(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> close") as client:
        with raw_poll(client) as connection, pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        assert client.entry(2).http_status == 0


@pytest.mark.parametrize("effect", ["close", "reset", "hang 1ms"])
@pytest.mark.parametrize("done", [False, True])
def test_a_lost_answer_to_a_send_may_have_started_a_task(
    tmp_path: Path, effect: str, done: bool
) -> None:
    with faulty(tmp_path, "poll 1 -> busy") as client:
        client.http.post(f"/tasks/{client.task_id}/cancel")
        word = " done=yes" if done else ""
        client.server.session.faults = parse_rules(f"operation send once -> {effect}{word}")
        with pytest.raises(httpx.TransportError):
            client.send()
        assert client.send().status_code == (409 if done else 202)


def test_hang_ends_when_the_client_gives_up(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> hang 10m") as client:
        with raw_poll(client):
            client.until_fired(1)
            assert client.told()[0] == list(range(6))  # others are answered meanwhile
            assert client.last.in_flight == 1
        entry = client.entry(2)
        assert (entry.http_status, entry.poll, entry.intact) == (0, 1, False)
        assert client.told(6)[0] == [6, 7, 8]
        assert client.last.in_flight == 0


def test_hang_ends_when_the_server_stops(tmp_path: Path) -> None:
    rule = "poll 1..20 -> hang 10m"
    with ExitStack() as stack, faulty(tmp_path, rule, threads=4) as client:
        connections = [stack.enter_context(raw_poll(client)) for _ in range(20)]
        client.until_fired(20)
        assert client.told()[0]  # though more hang than are answered at the same time
        client.server.stop()
        for connection in connections:
            with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
                connection.getresponse()


def test_hang_ends_by_itself(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> hang 1ms") as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get()
        assert client.told()[0]


def test_latency(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> latency 10ms jitter=1ms\npoll 2 -> latency 10m") as client:
        assert client.told()[0] == [0, 1, 2]
        assert client.last.intact
        assert client.last.took_ms >= 10
        with pytest.raises(httpx.ReadTimeout):
            client.http.get(f"/tasks/{client.task_id}", timeout=0.2)
        entry = client.entry(3)
        assert (entry.http_status, entry.intact) == (0, False)
        assert client.told(3)[0] == list(range(3, 9))


def test_drip(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> drip 20ms pieces=7\npoll 2 -> drip 10m pieces=1000") as client:
        assert client.told()[0] == [0, 1, 2]
        assert client.last.intact
        assert client.last.took_ms >= 20
        with client.http.stream("GET", f"/tasks/{client.task_id}") as answer:
            assert answer.status_code == 200  # the head is there, and the body takes its time
            assert client.session_faults.fired("poll 2 -> drip 10m pieces=1000") == 1
        entry = client.entry(3)
        assert (entry.http_status, entry.intact, entry.events) == (200, False, ())


def test_drip_waits_before_each_piece() -> None:
    [rule] = parse_rules("always -> drip 3s pieces=3").rules
    assert isinstance(rule.effect, OnTheLine)
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return True

    answer = Answer(200, Headers(), b"0123456789")
    strike = Strike(Asked(1, None, 1), None, (), random.Random(1))
    pieces = list(rule.effect.send([answer.body], answer, Line(wait), strike))
    assert (pieces, waited) == ([b"", b"012", b"345", b"6789"], [1.0, 1.0, 1.0])


def test_truncate(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> truncate 100\npoll 2 -> truncate") as client:
        with raw_poll(client) as connection, closing(connection.getresponse()) as answer:
            with pytest.raises(http.client.IncompleteRead) as caught:
                answer.read()
            length = int(answer.headers["content-length"])
        assert len(caught.value.partial) == 100
        assert caught.value.expected == length - 100
        assert (client.entry(2).http_status, client.entry(2).intact) == (200, False)
        with pytest.raises(httpx.RemoteProtocolError):
            client.get()
        assert client.told()[0] == list(range(9))


def test_every_effect_has_a_test() -> None:
    tests = " ".join(name for name in globals() if name.startswith("test_"))
    assert [name for name in all_effects() if f"test_{name.replace('-', '_')}" not in tests] == []


@pytest.mark.parametrize("name", all_effects())
def test_every_effect_describes_itself(name: str) -> None:
    effect = all_effects()[name]
    what, *why = effect.paragraphs()
    assert what.endswith(".")
    assert any("Hurts" in paragraph for paragraph in why)
    [rule] = parse_rules(effect.example).rules
    assert type(rule.effect) is effect
    assert str(rule) == effect.example
