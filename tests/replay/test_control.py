"""The control API: what it tells, what it moves, what it waits for, and whom it lets in."""

import contextlib
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

from pollux.polling.client import ApiClient
from pollux.replay.control.document import answer_validator, document
from pollux.replay.control.guard import Guard
from pollux.replay.control.waiting import Wish, wait
from pollux.replay.format import Record, dumps
from pollux.replay.journal import Ack, Entry
from pollux.replay.server import ReplayServer
from pollux.replay.sessions import SESSION_KEY
from tests.replay.support import PROPERTY, e, header, ids, json_values, s, short_answer, write

CALLS = {
    ("get", "/state"): None,
    ("get", "/sessions"): None,
    ("get", "/journal"): None,
    ("get", "/recording"): None,
    ("get", "/recording/events"): None,
    ("get", "/report"): None,
    ("get", "/wait?silence=0"): None,
    ("post", "/ack"): {"idx": [0, 1], "client": "c"},
    ("post", "/play"): None,
    ("post", "/pause"): None,
    ("post", "/step"): {"events": 1},
    ("post", "/seek"): {"idx": 2},
    ("post", "/speed"): {"speed": 2.5},
    ("post", "/loop"): {"loop": True},
    ("get", "/breakpoints"): None,
    ("put", "/breakpoints"): {"breakpoints": ["idx=1"]},
    ("delete", "/breakpoints"): None,
    ("get", "/faults"): None,
    ("put", "/faults"): {"faults": "poll 3..5 -> status 503 retry-after=2"},
    ("delete", "/faults"): None,
    ("post", "/reset"): None,
}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    middle = Record(0, "m", {"label": "half"})
    records = [*short_answer()[:6], middle, *short_answer()[6:]]
    return write(tmp_path / "short.taskcast.jsonl", records)


class Control:
    """Asks the control API and holds every answer against its document."""

    def __init__(self, server: ReplayServer) -> None:
        self.url = server.control_url
        self.operations = {
            (method, path): operation["operationId"]
            for path, item in document()["paths"].items()
            for method, operation in item.items()
        }

    def __call__(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = httpx.request(method, self.url + path, json=body, timeout=30)
        assert answer.status_code == status, answer.text
        operation = self.operations[method, path.partition("?")[0]]
        answer_validator(operation, status).validate(answer.json())
        return answer.json()


@pytest.fixture
def control(server: ReplayServer) -> Control:
    return Control(server)


def send(client: ApiClient) -> str:
    answer = client.send_message("Hello")
    assert answer.status == 202, answer.summary
    task_id: str = answer.json["task_id"]
    return task_id


def head(client: ApiClient, task_id: str) -> int:
    next_offset: int = client.poll_task(task_id, 0).json["data"]["next_offset"]
    return next_offset


# -- the document


def test_the_document_is_valid_openapi() -> None:
    validate(document())


def test_every_route_is_in_the_document_and_the_other_way_round(server: ReplayServer) -> None:
    served = server.app.url_map.iter_rules()
    routes = {
        (method.lower(), rule.rule.removeprefix("/__replay"), rule.endpoint)
        for rule in served
        if rule.endpoint.startswith("control.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {
        (method, path.replace("{file}", "<path:file>"), f"control.{operation['operationId']}")
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    }
    assert routes == documented


def test_every_answer_is_as_documented(control: Control, client: ApiClient) -> None:
    send(client)
    for (method, path), body in CALLS.items():
        control(method, path, body)
    tried = {(method, path.partition("?")[0]) for method, path in CALLS}
    texts = {path for _, path in set(control.operations) - tried}
    assert texts <= {"/stream", "/openapi.yaml", "/view", "/view/{file}"}
    told = httpx.get(control.url + "/openapi.yaml")
    assert told.headers["content-type"].startswith("application/yaml")
    assert "operationId: getState" in told.text


# -- moving


def test_stepping_by_events_and_by_time_pauses(server: ReplayServer, control: Control) -> None:
    control("post", "/play")
    control("post", "/speed", {"speed": 0.001})
    with ApiClient(server.base_url, "any") as client:
        task_id = send(client)
        assert control("post", "/step")["tasks"][0]["playing"] is False
        assert head(client, task_id) == 1
        control("post", "/step", {"events": 2})
        assert head(client, task_id) == 3
        state = control("post", "/step", {"ms": 250})
        assert head(client, task_id) == 4
        assert state["tasks"][0]["position_ms"] == 650


def test_a_step_by_polls_lets_just_these_polls_bring_something(
    control: Control, client: ApiClient
) -> None:
    task_id = send(client)
    assert head(client, task_id) == 0
    state = control("post", "/step", {"polls": 2, "per_poll": 2})
    assert (state["tasks"][0]["polls_left"], state["tasks"][0]["next_idx"]) == (2, 0)
    assert [head(client, task_id) for _ in range(4)] == [2, 4, 4, 4]
    control("post", "/step", {"polls": 1})
    control("post", "/pause")
    assert head(client, task_id) == 4


def test_a_step_by_polls_brings_what_the_poll_clock_brings(recording: Path) -> None:
    with (
        ReplayServer(recording, clock="poll", per_poll=2) as server,
        ApiClient(server.base_url, "any") as client,
    ):
        task_id = send(client)
        Control(server)("post", "/step", {"polls": 1})
        assert [head(client, task_id) for _ in range(2)] == [2, 2]


def test_seeking_goes_both_ways(control: Control, client: ApiClient) -> None:
    task_id = send(client)
    for body, expected in (
        ({"idx": 4}, 5),
        ({"idx": 0}, 1),
        ({"marker": "half"}, 3),
        ({"ms": 0}, 0),
        ({"end": True}, 6),
        ({"ms": 350.5}, 2),
    ):
        control("post", "/seek", body)
        assert head(client, task_id) == expected, body
    assert "no marker 'x'" in control("post", "/seek", {"marker": "x"}, 404)["error"]


def test_a_paused_session_begins_paused_and_goes_on_when_told(recording: Path) -> None:
    with ReplayServer(recording, speed=10_000) as server:
        control = Control(server)
        assert control("post", "/pause")["playing"] is False
        with ApiClient(server.base_url, "any") as client:
            task_id = send(client)
            assert head(client, task_id) == 0
            assert control("post", "/play")["playing"] is True
            client_sees = client.poll_task(task_id, 0).json["data"]
            while client_sees["status"] != "succeeded":
                client_sees = client.poll_task(task_id, 0).json["data"]
            assert ids(client_sees["events"]) == list(range(6))


def test_the_speed_changes_while_it_runs(recording: Path) -> None:
    with ReplayServer(recording, speed=0.0001) as server:
        control = Control(server)
        with ApiClient(server.base_url, "any") as client:
            task_id = send(client)
            assert client.poll_task(task_id).json["data"]["status"] == "pending"
            assert control("post", "/speed", {"speed": 1e6})["speed"] == 1e6
            while client.poll_task(task_id).json["data"]["status"] != "succeeded":
                pass


def test_the_poll_clock_has_no_speed_but_can_be_paused(recording: Path) -> None:
    with ReplayServer(recording, clock="poll") as server:
        control = Control(server)
        assert "no speed" in control("post", "/speed", {"speed": 2}, 409)["error"]
        assert control("get", "/state")["speed"] is None
        with ApiClient(server.base_url, "any") as client:
            task_id = send(client)
            control("post", "/pause")
            assert [head(client, task_id) for _ in range(2)] == [0, 0]
            control("post", "/play")
            assert [head(client, task_id) for _ in range(2)] == [1, 2]


def test_a_breakpoint_stops_the_task_and_is_told(control: Control, client: ApiClient) -> None:
    control("put", "/breakpoints", {"breakpoints": ["type=text_chunk data.index=2"]})
    task_id = send(client)
    state = control("post", "/step", {"ms": 60_000})
    assert state["tasks"][0]["stopped_at"] == {
        "breakpoint": "type=text_chunk data.index=2",
        "idx": 3,
    }
    assert head(client, task_id) == 4
    assert control("get", "/wait?paused=true")["fulfilled"]
    assert control("delete", "/breakpoints")["breakpoints"] == []
    control("post", "/step", {"ms": 60_000})
    assert head(client, task_id) == 6


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/step", {"events": 0}, 400),
        ("/step", {"events": 1, "ms": 1}, 400),
        ("/step", {"per_poll": 1}, 400),
        ("/step", {"step": 1}, 400),
        ("/seek", {}, 400),
        ("/seek", {"ms": 1, "idx": 1}, 400),
        ("/seek", {"ms": -1}, 400),
        ("/speed", {"speed": 0}, 400),
        ("/speed", {"speed": "2"}, 400),
        ("/speed", {}, 400),
        ("/loop", {"loop": 1}, 400),
        ("/ack", {"idx": -1}, 400),
        ("/ack", {"idx": 3, "gap": [5, 3]}, 400),
        ("/step", {"events": 1}, 409),
        ("/seek", {"idx": 1}, 409),
    ],
)
def test_what_cannot_be_done_is_refused(
    control: Control, path: str, body: Any, status: int
) -> None:
    assert control("post", path, body, status)["error"]


def test_a_bad_breakpoint_leaves_the_others(control: Control) -> None:
    control("put", "/breakpoints", {"breakpoints": ["idx=3"]})
    refused = control("put", "/breakpoints", {"breakpoints": ["idx=4", "idx=x"]}, 400)
    assert "idx=x" in refused["error"]
    assert control("get", "/breakpoints")["breakpoints"] == ["idx=3"]


def test_a_body_must_be_json(server: ReplayServer) -> None:
    for content_type, status in (("text/plain", 415), ("application/json", 400)):
        answer = httpx.post(
            server.control_url + "/speed", content=b"{", headers={"Content-Type": content_type}
        )
        assert (answer.status_code, answer.json()["success"]) == (status, False)


def test_faults_are_set_while_it_runs(control: Control, client: ApiClient) -> None:
    task_id = send(client)
    control("put", "/faults", {"faults": "storm: poll 2.. -> status 503"})
    assert [client.poll_task(task_id).status for _ in range(3)] == [200, 503, 503]
    told = control("get", "/faults")
    assert told["faults"] == "storm: poll 2.. -> status 503"
    assert [(rule["name"], rule["fired"]) for rule in told["rules"]] == [("storm", 2)]
    requests = control("get", "/journal")["requests"]
    assert [request["faults"] for request in requests[-2:]] == [["storm"], ["storm"]]
    control("delete", "/faults")
    assert client.poll_task(task_id).status == 200


def test_a_bad_fault_rule_leaves_the_others(control: Control) -> None:
    control("put", "/faults", {"faults": "terminal -> reset"})
    refused = control("put", "/faults", {"faults": "poll 3 -> statsu 503"}, 400)
    assert "status" in refused["error"]
    assert control("get", "/faults")["faults"] == "terminal -> reset"


# -- looking into it


def test_a_recording_is_told_at_a_glance(tmp_path: Path) -> None:
    gap = Record(0, "g", {"from": 3, "to": 5, "reason": "hole"})
    records = [
        s("running", 0),
        *(e(idx, 100 * idx) for idx in range(3)),
        Record(0, "m", "here"),
        gap,
        e(5, 900),
        s("succeeded", 900),
    ]
    path = write(tmp_path / "a.taskcast.jsonl", records, head=header(title="T"))
    with ReplayServer(path) as server:
        told = Control(server)("get", "/recording?name=a")
        assert (told["name"], told["header"]["title"], told["ring"]) == ("a", "T", 1000)
        assert (told["events"], told["next_idx"], told["duration_ms"]) == (4, 6, 900)
        assert told["samples"] == [
            {"at_ms": ms, "idx": i, "type": "text_chunk"}
            for i, ms in ((0, 0), (1, 100), (2, 200), (5, 900))
        ]
        assert told["markers"] == [{"at_ms": 200, "label": "here", "idx": 3}]
        assert told["gaps"] == [{"at_ms": 900, "from": 3, "to": 5}]
        assert [change["status"] for change in told["statuses"]] == ["running", "succeeded"]
        assert told["ended"] is True
        assert Control(server)("get", "/recording?name=b", status=404)["error"]


def test_a_long_recording_is_told_in_bounded_samples(tmp_path: Path) -> None:
    records = [e(idx, idx) for idx in range(10_000)]
    path = write(tmp_path / "a.taskcast.jsonl", records)
    with ReplayServer(path) as server:
        control = Control(server)
        first = control("get", "/recording?budget=4000")
        assert (first["events"], first["read_on"]) == (4000, True)
        told = control("get", "/recording")
    assert told["read_on"] is False
    assert 1000 < len(told["samples"]) <= 2048
    assert told["samples"] == sorted(told["samples"], key=lambda sample: sample["idx"])
    assert told["events"] == 10_000


def test_events_are_told_in_pages(control: Control) -> None:
    first = control("get", "/recording/events?limit=4")
    assert [item["event"]["idx"] for item in first["events"]] == [0, 1, 2, 3]
    assert [item["at_ms"] for item in first["events"]] == [100, 300, 400, 600]
    rest = control("get", f"/recording/events?from={first['next']}&limit=4")
    assert [item["event"]["idx"] for item in rest["events"]] == [4, 5]
    assert rest["next"] is None
    assert control("get", "/recording/events?from=99")["events"] == []
    for query in ("limit=0", "limit=1001", "from=x"):
        assert control("get", f"/recording/events?{query}", status=400)["error"]


def entry(number: int, **fields: Any) -> Entry:
    return Entry(number, 1.0, float(number), 1.0, "c", "GET", "/api/v1/tasks/t", **fields)


def test_the_journal_is_told_in_pages(server: ReplayServer, control: Control) -> None:
    begin = control("get", "/journal")["next"]
    for number in range(5):
        server.session.journal.add(entry(number + 1))
    first = control("get", f"/journal?since={begin}&limit=2")
    assert [request["number"] for request in first["requests"]] == [1, 2]
    rest = control("get", f"/journal?since={first['next']}")
    assert [request["number"] for request in rest["requests"]] == [3, 4, 5]
    assert control("get", f"/journal?since={rest['next']}")["requests"] == []


def test_the_clients_are_judged_while_they_work_and_afterwards(
    server: ReplayServer, control: Control, client: ApiClient
) -> None:
    assert control("get", "/report")["verdict"] == "incomplete"
    task_id = send(client)
    control("post", "/step", {"events": 4})
    client.poll_task(task_id, 0)
    client.poll_task(task_id, 2)  # instead of 4
    report = control("get", "/report?ended=true")
    assert report["verdict"] == "violated"
    broken = {rule["rule"]: rule["polls"] for rule in report["rules"] if rule["outcome"] == "FAIL"}
    first, second = [request["number"] for request in control("get", "/journal")["requests"][-2:]]
    assert broken["OFFSET-AS-TOLD"] == [first, second]
    assert "UNTIL-TERMINAL" in broken
    running = {rule["rule"]: rule["outcome"] for rule in control("get", "/report")["rules"]}
    assert running["UNTIL-TERMINAL"] != "FAIL"  # it may still go on
    assert control("get", "/report?ended=perhaps", status=400)["error"]


def test_what_was_shown_is_in_the_journal(server: ReplayServer, control: Control) -> None:
    control("post", "/ack", {"idx": 3})
    control("post", "/ack", {"idx": [4, 5], "client": "mine"})
    control("post", "/ack", {"idx": 9, "gap": [6, 9]})
    acks = server.session.journal.acks
    assert [(ack.idx, ack.client, ack.gap) for ack in acks] == [
        (3, "", None),
        (4, "mine", None),
        (5, "mine", None),
        (9, "", (6, 9)),
    ]
    assert [ack["idx"] for ack in control("get", "/journal")["acks"]] == [3, 4, 5, 9]


# -- waiting


def test_waiting_ends_when_what_was_waited_for_happens(
    server: ReplayServer, control: Control, client: ApiClient
) -> None:
    answers: dict[str, Any] = {}

    def ask(query: str) -> None:
        answers[query] = control("get", f"/wait?{query}&timeout=30")

    queries = ("polls=2", "idx=3", "acked=2", "end=true", "polls=3&end=true")
    threads = [threading.Thread(target=ask, args=(query,)) for query in queries]
    for thread in threads:
        thread.start()
    task_id = send(client)
    journal = server.session.journal
    offset = 0
    for number, fields in enumerate(
        (
            {"events": (0, 1), "next_offset": 2},
            {"events": (), "http_status": 503},
            {"events": (2, 3), "next_offset": 4, "told_status": "succeeded"},
        ),
        start=1,
    ):
        journal.add(entry(number, task_id=task_id, poll=number, offset=offset, **fields))
    journal.ack(Ack(1.0, 2))
    for thread in threads:
        thread.join(60)
    assert {query: told["fulfilled"] for query, told in answers.items()} == dict.fromkeys(
        queries, True
    )
    assert all(told["state"]["tasks"][0]["task_id"] == task_id for told in answers.values())


def test_waiting_for_what_does_not_happen_says_so(
    server: ReplayServer, control: Control, client: ApiClient
) -> None:
    send(client)
    for query in ("polls=1", "idx=0", "acked=0", "end=true", "silence=50"):
        told = control("get", f"/wait?{query}&timeout=0")
        assert told["fulfilled"] is False, query


def test_another_task_is_waited_for_anew(
    server: ReplayServer, control: Control, client: ApiClient
) -> None:
    first = send(client)
    server.session.journal.add(entry(1, task_id=first, poll=1, told_status="succeeded"))
    assert control("get", "/wait?end=true&timeout=0")["fulfilled"]
    server.advance(60_000)
    send(client)
    assert not control("get", "/wait?end=true&timeout=0")["fulfilled"]


def test_silence_is_waited_for(control: Control) -> None:
    assert control("get", "/wait?silence=0.01&timeout=30")["fulfilled"]


@pytest.mark.parametrize(
    "query", ["", "polls=x", "end=yes", "silence=-1", "idx=1&timeout=61", "idx=1&timeout=x"]
)
def test_a_wish_must_be_said_properly(control: Control, query: str) -> None:
    assert control("get", f"/wait?{query}", status=400)["error"]


def test_a_server_that_stops_ends_every_wait_and_stream(recording: Path) -> None:
    server = ReplayServer(recording).start()
    with httpx.stream("GET", server.control_url + "/stream", timeout=30) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: state"
        stopping = threading.Thread(target=server.stop, args=(60,))
        stopping.start()
        assert wait(server.sessions, "", Wish(polls=9), 1000) is False
        for _ in lines:
            pass
        stopping.join(60)
    assert not stopping.is_alive()


# -- the stream


class Told:
    """The events of a stream, as a browser would read them."""

    def __init__(self, stream: httpx.Response) -> None:
        self._lines = stream.iter_lines()

    def next(self, wanted: str) -> Any:
        kind = ""
        for line in self._lines:
            name, _, text = line.partition(": ")
            if name == "event":
                kind = text
            elif name == "data" and kind == wanted:
                return json.loads(text)
        raise AssertionError("the stream has ended")


def test_the_stream_tells_what_happens(
    server: ReplayServer, control: Control, client: ApiClient
) -> None:
    with httpx.stream("GET", server.control_url + "/stream", timeout=30) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = Told(stream)
        first = told.next("state")
        answer_validator("getState", 200).validate(first)
        assert first["tasks"] == []
        task_id = send(client)
        control("post", "/step", {"events": 2})
        while not (tasks := told.next("state")["tasks"]) or tasks[0]["next_idx"] < 2:
            pass
        assert tasks[0]["task_id"] == task_id
        control("post", "/ack", {"idx": 1})
        assert [ack["idx"] for ack in told.next("acks")] == [1]
        number = len(server.session.journal.entries) + 1
        server.session.journal.add(entry(number, poll=1, task_id="t"))
        while told.next("requests")[-1]["task_id"] != "t":
            pass
        control("post", "/reset")
        assert told.next("reset") == {}
        assert told.next("state")["tasks"] == []


def test_who_goes_away_makes_room_for_others(server: ReplayServer, control: Control) -> None:
    """There are 24 places for streams and waits; a place is given back by whoever leaves."""
    with contextlib.ExitStack() as open_streams:
        for _ in range(24):
            stream = httpx.stream("GET", server.control_url + "/stream", timeout=30)
            assert open_streams.enter_context(stream).status_code == 200
        assert "close one" in control("get", "/wait?polls=0", status=503)["error"]
    while httpx.get(server.control_url + "/wait?silence=0").status_code != 200:
        pass


def test_a_damaged_recording_is_told_to_whoever_looks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"[0,\n", *lines[3:]]))
    with ReplayServer(path) as server, ApiClient(server.base_url, "any") as client:
        send(client)
        for name in ("/state", "/recording"):
            assert "line 4" in Control(server)("get", name, status=503)["error"]
        with httpx.stream("GET", server.control_url + "/stream", timeout=30) as stream:
            assert "line 4" in Told(stream).next("problem")["error"]
    assert "failed" in caplog.text


# -- whatever is asked


@settings(PROPERTY, max_examples=200)
@given(data=st.data())
def test_no_body_breaks_it(server: ReplayServer, data: st.DataObject) -> None:
    operations = [
        (method, path, operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if "requestBody" in operation
    ]
    method, path, operation = data.draw(st.sampled_from(operations))
    names = ["events", "ms", "polls", "idx", "gap", "marker", "end", "speed", "loop", "faults"]
    values = json_values | st.integers(-1, 5) | st.floats(0, 9) | st.booleans() | st.text()
    members = st.sampled_from([*names, "seed", "client", "per_poll", "breakpoints"])
    body = data.draw(st.dictionaries(members, values, max_size=3) | json_values)
    if server.session.current() is None:
        server.session.send({"message": "Hello"})
    answer = server.app.test_client().open(
        f"/__replay{path}",
        method=method.upper(),
        data=dumps(body),
        content_type="application/json",
        environ_base={SESSION_KEY: server.session},
    )
    assert str(answer.status_code) in operation["responses"], answer.get_data()
    assert answer.status_code < 500
    answer_validator(operation["operationId"], answer.status_code).validate(answer.get_json())


# -- who may come in


@pytest.mark.parametrize(
    ("host", "origin", "welcome"),
    [
        ("localhost:8091", None, True),
        ("127.0.0.1", None, True),
        ("[::1]:8091", None, True),
        ("192.168.1.5:8091", None, True),
        ("app.localhost", None, True),
        ("evil.example", None, False),
        ("localhost.evil.example", None, False),
        ("[", None, False),
        ("", None, False),
        ("localhost:8091", "http://localhost:5173", True),
        ("localhost:8091", "http://127.0.0.1:8091", True),
        ("192.168.1.5:8091", "http://192.168.1.5:8091", True),
        ("192.168.1.5:8091", "http://192.168.1.6:8091", False),
        ("localhost:8091", "https://evil.example", False),
        ("localhost:8091", "null", False),
        ("localhost:8091", "http://localhost.evil.example", False),
    ],
)
def test_foreign_pages_are_refused(
    server: ReplayServer, host: str, origin: str | None, welcome: bool
) -> None:
    assert (Guard("127.0.0.1").complaint("127.0.0.1", host, origin) is None) is welcome
    headers = {"Host": host, **({"Origin": origin} if origin else {})}
    if host in ("", "["):
        return
    for method, path in (("POST", "/play"), ("GET", "/state")):
        answer = httpx.request(method, server.control_url + path, headers=headers)
        assert answer.status_code == (200 if welcome else 403), answer.text
        readable = answer.headers.get("access-control-allow-origin")
        assert readable == (origin if welcome and origin else None)


@pytest.mark.parametrize(
    ("remote", "anywhere", "welcome"),
    [
        ("127.0.0.1", False, True),
        ("127.8.8.8", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("192.168.1.5", False, False),
        ("192.168.1.5", True, True),
        ("::ffff:192.168.1.5", False, False),
        ("", False, False),
    ],
)
def test_other_machines_are_let_in_only_when_that_was_asked_for(
    remote: str, anywhere: bool, welcome: bool
) -> None:
    guard = Guard("replay.lan", anywhere=anywhere)
    complaint = guard.complaint(remote, "replay.lan:8091", None)
    assert (complaint is None) is welcome
    if complaint:
        assert "--control-anywhere" in complaint


def test_another_machine_is_refused_unless_the_replay_was_opened(recording: Path) -> None:
    for anywhere, status in ((False, 403), (True, 200)):
        with ReplayServer(recording, control_anywhere=anywhere) as server:
            told = server.app.test_client().get(
                "/__replay/state",
                environ_base={"REMOTE_ADDR": "192.168.1.5", SESSION_KEY: server.session},
            )
            assert told.status_code == status
            assert told.get_json()["success"] is (status == 200)


def test_a_page_of_this_machine_may_ask_before_it_posts(server: ReplayServer) -> None:
    for origin, status in (("http://localhost:5173", 204), ("https://evil.example", 403)):
        preflight = httpx.options(
            server.control_url + "/ack",
            headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
        )
        assert preflight.status_code == status
    # The API itself stays open to pages of every origin: they have no cookie to abuse.
    told = httpx.get(server.base_url + "/api/v1/health", headers={"Origin": "https://evil.example"})
    assert told.headers["access-control-allow-origin"] == "*"
