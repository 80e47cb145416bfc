"""Sessions: several recordings, chosen by order, by message or by session; apart from another."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pollux.polling.client import ApiClient
from pollux.replay.clock import clock_maker
from pollux.replay.journal import Entry
from pollux.replay.playlist import Playlist, Track
from pollux.replay.server import ReplayServer
from pollux.replay.session import Setup
from pollux.replay.sessions import Sessions
from pollux.replay.verify import Outcome, judge
from tests.replay.support import e, header, s, write


def recording(folder: Path, name: str, message: str) -> Path:
    records = [e(0, 0, content=name), e(1, 500, content=name), s("succeeded", 500)]
    head = header(request={"message": message})
    return write(folder / f"{name}.taskcast.jsonl", records, head=head)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [
        recording(tmp_path, "hello", "Say hello"),
        recording(tmp_path, "report", "Write a report"),
        recording(tmp_path, "long-report", "Write a report of ten pages"),
    ]


@pytest.fixture
def server(files: list[Path]) -> Iterator[ReplayServer]:
    with ReplayServer(*files, clock="manual") as running:
        yield running


class Client:
    """A client of one session."""

    def __init__(self, server: ReplayServer, session: str = "", **headers: str) -> None:
        prefix = f"/s/{session}" if session else ""
        self.base = server.base_url + prefix
        self.headers = {"Authorization": "Bearer any", **headers}

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        return httpx.request(
            method, f"{self.base}/api/v1{path}", headers=self.headers, timeout=30, **kwargs
        )

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(method, f"{self.base}/__replay/{path}", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, message: str = "x") -> str:
        answer = self.request("POST", "/messages", json={"message": message})
        assert answer.status_code == 202, answer.text
        task_id: str = answer.json()["task_id"]
        return task_id

    def plays(self, message: str = "x") -> str:
        """Send MESSAGE, let the task end, and return which recording was played."""
        task_id = self.send(message)
        self.control("POST", "seek", {"end": True})
        name: str = self.poll(task_id)["events"][0]["data"]["content"]
        return name

    def poll(self, task_id: str) -> Any:
        return self.request("GET", f"/tasks/{task_id}").json()["data"]


def test_by_order_one_recording_comes_after_the_other(server: ReplayServer) -> None:
    client = Client(server)
    assert [client.plays() for _ in range(4)] == ["hello", "report", "long-report", "hello"]


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("  say   HELLO ", "hello"),
        ("write a report", "report"),
        ("Report", "report"),
        ("please write a report!", "report"),
        ("Write a report of ten pages, please", "long-report"),
        ("the long-report", "long-report"),
    ],
)
def test_by_message_its_text_decides(files: list[Path], message: str, name: str) -> None:
    with ReplayServer(*files, clock="manual", choose="message") as server:
        assert Client(server).plays(message) == name


def test_a_message_that_asks_for_none_gets_the_next_in_order(files: list[Path]) -> None:
    with ReplayServer(*files, clock="manual", choose="message") as server:
        client = Client(server)
        told = [client.plays(text) for text in ("?", "report", "?", "?")]
        assert told == ["hello", "report", "report", "long-report"]


def test_recordings_of_one_name_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [recording(folder, "hello", "x") for folder in (tmp_path, tmp_path / "other")]
    with ReplayServer(*paths, clock="manual") as server:
        client = Client(server)
        client.plays()
        client.plays()
        state = client.control("GET", "state")
        assert state["recordings"] == ["hello", "hello-2"]
        assert [task["recording"] for task in state["tasks"]] == ["hello-2", "hello"]


def test_a_session_named_like_a_recording_plays_it(server: ReplayServer) -> None:
    assert [Client(server, "report").plays() for _ in range(2)] == ["report", "report"]
    assert Client(server, "report~of-Ann").plays() == "report"
    assert Client(server, "reporter").plays() == "hello"


def test_a_header_of_the_first_request_chooses_the_recording(server: ReplayServer) -> None:
    client = Client(server, "mine", **{"X-Pollux-Recording": "report"})
    assert [client.plays(), client.plays()] == ["report", "report"]
    assert Client(server, "mine").plays() == "report"
    other = Client(server, "mine", **{"X-Pollux-Recording": "hello"})
    refused = other.request("GET", "/conversations")
    assert (refused.status_code, refused.json()["success"]) == (400, False)
    assert "another /s/<id>/" in refused.json()["error"]
    client.control("POST", "reset")
    assert other.plays() == "hello"


def test_a_wrong_header_is_refused_and_says_what_there_is(server: ReplayServer) -> None:
    wrong = Client(server, "mine", **{"X-Pollux-Recording": "nothing"})
    refused = wrong.request("POST", "/messages", json={"message": "x"})
    assert refused.status_code == 400
    assert "'nothing'" in refused.json()["error"]
    assert "hello, report, long-report" in refused.json()["error"]
    assert refused.headers["access-control-allow-origin"] == "*"
    assert Client(server, "mine", **{"X-Pollux-Recording": "report"}).plays() == "report"


def test_a_header_of_the_first_request_sets_the_faults(server: ReplayServer) -> None:
    ann = Client(server, "ann", **{"X-Pollux-Faults": "poll 1 -> status 503; poll 2 -> status 429"})
    bob = Client(server, "bob")
    for client, expected in ((ann, [503, 429, 200]), (bob, [200, 200, 200])):
        task_id = client.send()
        answers = [client.request("GET", f"/tasks/{task_id}").status_code for _ in range(3)]
        assert answers == expected
    wrong = Client(server, "eve", **{"X-Pollux-Faults": "poll 1 -> explode"})
    refused = wrong.request("POST", "/messages", json={"message": "x"})
    assert (refused.status_code, refused.json()["success"]) == (400, False)
    assert "explode" in refused.json()["error"]


def test_pages_may_send_the_headers_of_a_session(server: ReplayServer) -> None:
    preflight = Client(server, "ann").request("OPTIONS", "/messages")
    allowed = preflight.headers["access-control-allow-headers"]
    assert {"X-Pollux-Faults", "X-Pollux-Recording"} <= set(allowed.split(", "))


def test_looking_into_a_session_does_not_begin_it(server: ReplayServer) -> None:
    client = Client(server, "mine", **{"X-Pollux-Recording": "report"})
    client.control("GET", "state")
    client.request("OPTIONS", "/messages")
    assert client.plays() == "report"


def test_sessions_share_nothing(server: ReplayServer) -> None:
    ann, bob, nobody = Client(server, "ann"), Client(server, "bob"), Client(server)
    tasks = [client.send() for client in (ann, bob, nobody)]
    assert len(set(tasks)) == 3  # nobody is refused because another has a task
    ann.control("POST", "step", {"events": 1})
    assert [c.poll(t)["next_offset"] for c, t in zip((ann, bob, nobody), tasks, strict=True)] == [
        1,
        0,
        0,
    ]
    assert bob.request("GET", f"/tasks/{tasks[0]}").status_code == 404
    bob.control("POST", "speed", {"speed": 3})
    bob.control("PUT", "breakpoints", {"breakpoints": ["idx=1"]})
    told = [c.control("GET", "state") for c in (ann, bob)]
    assert [state["speed"] for state in told] == [1, 3]
    assert [state["breakpoints"] for state in told] == [[], ["idx=1"]]
    assert [c.request("GET", "/conversations").json()["total"] for c in (ann, bob)] == [2, 2]
    known = Client(server).control("GET", "sessions")["sessions"]
    assert {state["session"] for state in known} == {"", "ann", "bob"}


def test_a_reset_session_begins_anew(server: ReplayServer) -> None:
    ann, bob = Client(server, "ann"), Client(server, "bob")
    task_id, other = ann.send(), bob.send()
    ann.control("POST", "loop", {"loop": True})
    ann.control("POST", "play")
    state = ann.control("POST", "reset")
    assert (state["tasks"], state["requests"], state["loop"], state["playing"]) == (
        [],
        0,
        False,
        False,
    )
    assert ann.request("GET", f"/tasks/{task_id}").status_code == 404
    assert ann.plays() == "hello"
    assert bob.poll(other)["status"] == "running"


def test_loop_plays_the_same_again(files: list[Path]) -> None:
    with ReplayServer(*files, clock="manual") as server:
        client = Client(server)
        assert [client.plays(), client.plays()] == ["hello", "report"]
        client.control("POST", "loop", {"loop": True})
        assert [client.plays(), client.plays()] == ["report", "report"]
        client.control("POST", "loop", {"loop": False})
        assert client.plays() == "long-report"
    with ReplayServer(*files, clock="manual", loop=True) as server:
        assert [Client(server).plays() for _ in range(3)] == ["hello"] * 3


@pytest.mark.parametrize("path", ["/s/", "/s//api/v1/health", "/s/a%20b/api/v1/health", "/s/a b"])
def test_a_session_needs_a_proper_name(server: ReplayServer, path: str) -> None:
    answer = httpx.get(server.base_url + path)
    assert (answer.status_code, answer.json()["success"]) == (404, False)
    assert "/s/<id>/api/v1" in answer.json()["error"]


def test_a_session_may_be_named_in_any_script(server: ReplayServer) -> None:
    client = Client(server, "会话-1")
    assert client.control("GET", "state")["session"] == "会话-1"
    assert client.request("GET", "/health").status_code == 200


def test_sessions_that_were_not_asked_for_longest_are_forgotten(files: list[Path]) -> None:
    with ReplayServer(files[0]) as server:
        playlist: Playlist = server.session.playlist
        sessions = Sessions(playlist, Setup(clock_maker("manual")), most=3)
        first, default = sessions.get("a"), sessions.get("")
        sessions.get("b")
        assert sessions.get("a") is first
        sessions.get("c")
        assert [session.id for session in sessions.all()] == ["c", "a", ""]
        assert sessions.get("") is default
        assert sessions.get("a") is first


def test_the_longest_journal_makes_room_for_the_others(files: list[Path]) -> None:
    with ReplayServer(files[0]) as server:
        playlist: Playlist = server.session.playlist
        sessions = Sessions(playlist, Setup(clock_maker("manual")), most_entries=1500)
        ann, bob = sessions.get("ann").journal, sessions.get("bob").journal
        for number in range(2000):
            ann.add(Entry(number, 0.0, 0.0, 0.0, "ann", "GET", "/"))
            sessions.get("ann")
        for number in range(100):
            bob.add(Entry(number, 0.0, 0.0, 0.0, "bob", "GET", "/"))
        assert bob.whole and len(bob) == 100
        assert not ann.whole
        assert 1000 <= len(ann) <= 2000
        assert ann.entries[-1].number == 1999
        assert ann.since(1999)[1] == [ann.entries[-1]]
        assert {result.outcome for result in judge(ann)} == {Outcome.UNTESTABLE}


def test_a_cap_shortens_the_pauses_and_nothing_else(tmp_path: Path) -> None:
    records = [e(0, 100), e(1, 60_100), e(2, 60_200), e(3, 95_200), s("succeeded", 95_200)]
    path = write(tmp_path / "slow.taskcast.jsonl", records)
    with ReplayServer(path, clock="manual", cap=2) as server:
        client = Client(server)
        task_id = client.send()
        assert client.control("GET", "recording")["duration_ms"] == 100 + 2000 + 100 + 2000
        heads = []
        for ms in (2050, 100, 2000, 100):
            server.advance(ms)
            heads.append(client.poll(task_id)["next_offset"])
        assert heads == [1, 2, 3, 4]
        assert client.poll(task_id)["events"][-1] == records[3].payload
        client.control("POST", "seek", {"ms": 2150})
        assert client.poll(task_id)["next_offset"] == 2


def test_a_cap_of_nothing_lets_all_happen_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [e(0, 900), e(1, 5000), s("succeeded", 9000)])
    with ReplayServer(path, cap=0) as server, ApiClient(server.base_url, "any") as client:
        task_id = client.send_message("x").json["task_id"]
        assert client.poll_task(task_id).json["data"]["status"] == "succeeded"


def test_what_no_replay_can_do_is_refused(files: list[Path]) -> None:
    with pytest.raises(ValueError, match="order, message"):
        ReplayServer(files[0], choose="dice")


def test_messages_choose_the_longest_text_that_fits(server: ReplayServer) -> None:
    tracks: list[Track] = list(server.session.playlist.tracks)
    playlist = Playlist(tracks)
    assert playlist.by_message("") is None
    assert playlist.by_message("nothing of that") is None
    found = playlist.by_message("a long-report like report")
    assert found is tracks[2]
