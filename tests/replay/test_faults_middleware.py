"""The journal of requests, the rules of each session, and the options of ``pollux replay``."""

import json
import signal
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from pollux.polling.client import ApiClient
from pollux.replay.cli import replay
from pollux.replay.faults import parse_rules
from pollux.replay.faults.catalogue import effects_table, triggers_table
from pollux.replay.faults.registry import all_effects
from pollux.replay.server import ReplayServer
from tests.replay.faults_support import EVENTS, Faulty, faulty, stream
from tests.replay.support import short_answer, write
from tests.replay.test_cli import ended, ready, running

DOCS = Path(__file__).parents[2] / "docs" / "faults.md"


def test_the_journal_tells_what_was_asked_and_answered(tmp_path: Path) -> None:
    with faulty(tmp_path, "storm: poll 2 -> status 503 retry-after=3", ring=4) as client:
        client.get()
        client.get(3)
        client.get(3)
        client.http.get("/conversations", params={"limit": 5})
        client.http.post(f"/tasks/{client.task_id}/cancel")
        client.http.get("/nowhere")
        client.http.get("/tasks/none")
        entries = client.server.session.journal.entries
    assert [entry.number for entry in entries] == list(range(1, 9))
    assert [(entry.operation, entry.http_status) for entry in entries] == [
        ("sendMessage", 202),
        ("pollTask", 200),
        ("pollTask", 503),
        ("pollTask", 200),
        ("listConversations", 200),
        ("cancelTask", 200),
        (None, 404),
        ("pollTask", 404),
    ]
    first, refused, second = entries[1:4]
    assert (first.poll, first.offset, first.told_status) == (1, 0, "running")
    assert (first.events, first.next_offset, first.window_start) == ((0, 1, 2), 3, 0)
    assert (first.faults, first.intact, first.in_flight) == ((), True, 0)
    assert (refused.poll, refused.offset, refused.faults) == (2, 3, ("storm",))
    assert (refused.retry_after, refused.next_offset, refused.told_status) == (3.0, None, None)
    assert (second.poll, second.events, second.window_start) == (3, (5, 6, 7, 8), 5)
    assert {entry.task_id for entry in entries} == {None, client.task_id, "none"}
    assert entries[4].path == "/api/v1/conversations?limit=5"
    for entry in entries:
        assert entry.client == "127.0.0.1 probe/1"
        assert entry.took_ms >= 0
    assert [entry.since_ms for entry in entries] == sorted(entry.since_ms for entry in entries)
    assert "secret-token" not in json.dumps([entry.as_dict() for entry in entries])


def test_no_token_gets_into_the_journal_by_the_query(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as client:
        client.http.get(f"/tasks/{client.task_id}?from=0&token=secret-token&api%20key=secret-token")
        entry = client.last
    assert "secret" not in entry.path
    assert entry.path.endswith("?from=0&token=...&api+key=...")


@pytest.mark.parametrize(("offset", "understood"), [("2", 2), ("x", None), ("-1", None)])
def test_a_bad_offset_is_none(tmp_path: Path, offset: str, understood: int | None) -> None:
    with faulty(tmp_path, "always -> unknown-type\npoll 1.. -> evict") as client:
        answer = client.http.get(f"/tasks/{client.task_id}", params={"from": offset})
        assert answer.status_code == (400 if understood is None else 200)
        assert (client.last.poll, client.last.offset) == (1, understood)


def test_control_and_preflight_are_neither_hit_nor_journalled(tmp_path: Path) -> None:
    with faulty(tmp_path, "always -> status 503") as client:
        before = len(client.server.session.journal.entries)
        assert httpx.get(f"{client.server.control_url}/state").status_code == 200
        assert client.http.options("/messages").status_code == 204
        assert len(client.server.session.journal.entries) == before


def test_an_answer_is_in_the_journal_before_its_client_can_ask_again(tmp_path: Path) -> None:
    with faulty(tmp_path, "every 3 -> drip 1ms pieces=4", per_poll=1) as client:
        for number in range(2, 40):
            client.get()
            entry = client.last
            assert (entry.number, entry.in_flight) == (number, 0)


def test_sessions_have_rules_and_counts_of_their_own(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> status 503") as client:
        assert client.get().status_code == 503
        base = f"{client.server.base_url}/s/other"
        with ApiClient(base, "any") as other:
            task_id = other.send_message("Hello").json["task_id"]
            assert other.poll_task(task_id).status == 503
            client.server.sessions.get("other").faults = parse_rules("poll 3 -> status 500")
            assert other.poll_task(task_id).status == 200
            assert other.poll_task(task_id).status == 500
        assert client.session_faults.fired("poll 1 -> status 503") == 1
        entry = client.server.sessions.get("other").journal.entries[0]
        assert (entry.number, entry.path) == (1, "/api/v1/messages")


def test_what_is_lost_stays_lost_when_the_rules_change(tmp_path: Path) -> None:
    with faulty(tmp_path, "poll 1 -> evict\npoll 1 -> unknown-type") as client:
        assert client.told() == ([2, 3], 4, "running")
        client.server.session.faults = parse_rules("")
        assert client.told() == ([2, 3, 4, 5, 6], 7, "running")


def test_several_rules_hit_one_answer(tmp_path: Path) -> None:
    first = ("wrong-content-type text/html", "duplicate 1", "drip 1ms")
    rules = [f"poll 1 -> {effect}" for effect in first]
    second = ["poll 2 -> html", "poll 2 -> truncate 20"]
    with faulty(tmp_path, "\n".join([*rules, *second])) as client:
        answer = client.get()
        assert answer.headers["content-type"] == "text/html"
        assert [event["idx"] for event in answer.json()["data"]["events"]] == [0, 1, 2, 2]
        assert client.last.faults == tuple(rules)
        with pytest.raises(httpx.RemoteProtocolError):
            client.get()
        assert client.last.http_status == 502


def test_rules_may_be_given_as_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", stream())
    with ReplayServer(path, faults="operation send -> busy") as server:
        client = Faulty(server, httpx.Client(base_url=f"{server.base_url}/api/v1"))
        assert client.send().status_code == 409
        client.http.close()


def options(*arguments: str) -> list[str]:
    return [*arguments, "--port", "0", "--clock", "poll", "--per-poll", str(EVENTS)]


def test_replay_says_at_its_end_which_rule_fired(tmp_path: Path) -> None:
    path = write(tmp_path / "short.taskcast.jsonl", short_answer())
    rules = tmp_path / "storm.faults"
    rules.write_text("# bad weather\nstorm: poll 1..2 -> status 503\n", encoding="utf-8")
    arguments = options("replay", str(path), "--faults", str(rules), "--fault", "idx 99 -> evict")
    with running(*arguments, "--fault-seed", "7", "--json") as process:
        with ApiClient(ready(process)["base_url"], "any") as client:
            task_id = client.send_message("Hello").json["task_id"]
            assert [client.poll_task(task_id).status for _ in range(3)] == [503, 503, 200]
        code, out, err = ended(process, signal.SIGINT)
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert (told["session"], told["seed"]) == ("", 7)
    assert [(rule["name"], rule["fired"]) for rule in told["faults"]] == [
        ("storm", 2),
        ("idx 99 -> evict", 0),
    ]


def test_replay_says_so_in_words(tmp_path: Path) -> None:
    path = write(tmp_path / "short.taskcast.jsonl", short_answer())
    with running(*options("replay", str(path), "--fault", "idx 99 -> evict")) as process:
        assert process.stdout is not None
        while "control API" not in process.stdout.readline():
            pass
        code, out, _ = ended(process, signal.SIGTERM)
    assert (code, out) == (0, "Faults (seed 0):\n  idx 99 -> evict: never fired\n")


def test_replay_refuses_wrong_rules_with_their_place(tmp_path: Path) -> None:
    path = str(write(tmp_path / "short.taskcast.jsonl", short_answer()))
    rules = tmp_path / "storm.faults"
    rules.write_text("\npoll 3 -> stauts\n", encoding="utf-8")
    wrong = CliRunner().invoke(replay, options(path, "--faults", str(rules)))
    assert wrong.exit_code == 2
    assert f"{rules}, line 2, column 11: " in wrong.stderr
    assert "did you mean 'status'?" in wrong.stderr
    wrong = CliRunner().invoke(replay, options(path, "--fault", "pol 3 -> reset"))
    assert (wrong.exit_code, "--fault, line 1, column 1" in wrong.stderr) == (2, True)
    rules.write_bytes(b"\xff")
    wrong = CliRunner().invoke(replay, options(path, "--faults", str(rules)))
    assert (wrong.exit_code, "no text in UTF-8" in wrong.stderr) == (2, True)
    wrong = CliRunner().invoke(replay, options(path, "--faults", str(tmp_path / "none")))
    assert (wrong.exit_code, "No such file" in wrong.stderr) == (2, True)


def test_list_faults_needs_no_recording() -> None:
    listed = CliRunner().invoke(replay, ["--list-faults"])
    assert listed.exit_code == 0
    for name, effect in all_effects().items():
        assert name in listed.stdout
        assert effect.example in " ".join(listed.stdout.split())


def test_the_document_has_the_tables_of_the_registry() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert effects_table() in text
    assert triggers_table() in text


def test_the_rules_in_the_document_are_rules() -> None:
    text = DOCS.read_text(encoding="utf-8")
    blocks = text.split("```")[1::2]
    files = [block.removeprefix("faults\n") for block in blocks if block.startswith("faults\n")]
    assert files
    for block in files:
        assert parse_rules(block)
