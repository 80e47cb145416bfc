"""The commands ``record`` and ``replay`` as they are typed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pollux.polling.client import ApiClient
from pollux.replay.cli import record, replay
from pollux.replay.format import Record
from pollux.replay.recording import Recording
from pollux.replay.writer import RecordingWriter
from pollux.serving import WsgiServer
from tests.replay.fake_server import FakeServer, cut, failure, words
from tests.replay.support import TASK_ID, short_answer, write

WITHOUT_TOKEN = {"POLLUX_TOKEN": ""}


def run_record(*arguments: str, env: dict[str, str] = WITHOUT_TOKEN) -> Result:
    return CliRunner().invoke(record, arguments, env=env)


@pytest.fixture
def output(tmp_path: Path) -> str:
    return str(tmp_path / "out.taskcast.jsonl")


def test_record_writes_a_recording_and_says_so(output: str) -> None:
    with FakeServer(words(3)) as server:
        result = run_record(server.url, "--token", "t", "--send", "Hello", "-o", output)
    assert result.exit_code == 0, result.output
    assert "3 events, succeeded" in result.stdout
    assert f"task {TASK_ID}: succeeded, 3 events, over (end)" in result.stderr.splitlines()
    with Recording(output) as recording:
        assert recording.warnings() == []


def test_record_takes_the_token_from_the_environment_and_answers_in_json(output: str) -> None:
    with FakeServer(words(3)) as server:
        arguments = [server.url, "--task", TASK_ID, "-o", output, "--json", "--title", "Three"]
        result = run_record(*arguments, env={"POLLUX_TOKEN": "from-env"})
        assert server.tokens >= {"Bearer from-env"}
    told = json.loads(result.stdout)
    assert (told["complete"], told["events"], told["path"]) == (True, 3, output)
    with Recording(output) as recording:
        assert recording.header.fields["title"] == "Three"


def test_record_passes_the_fields_of_the_message_on(output: str) -> None:
    with FakeServer(words(1)) as server:
        result = run_record(
            *(server.url, "--token", "t", "--send", "Hi", "-o", output),
            *("--run-mode", "deep", "--model-key", "m", "--redact", "Hi"),
        )
        assert server.bodies == [{"message": "Hi", "run_mode": "deep", "model_key": "m"}]
    assert result.exit_code == 0
    with Recording(output) as recording:
        assert recording.header.request["message"] == "<redacted-1>"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--send", "x"], "a token is needed"),
        (["--token", "t"], "either --task ID or --send TEXT"),
        (["--token", "t", "--task", "a", "--send", "x"], "either --task ID or --send TEXT"),
        (["--token", "t", "--task", "a", "--run-mode", "fast"], "go with --send"),
        (["--token", "t", "--task", "a", "--timeout", "0"], "--timeout"),
    ],
)
def test_record_refuses_what_makes_no_sense(arguments: list[str], says: str, output: str) -> None:
    result = run_record("http://localhost:1", *arguments, "-o", output)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not Path(output).exists()


def test_record_exits_with_2_when_there_is_nothing_to_record(output: str) -> None:
    with FakeServer() as server:
        server.send_reactions.append(failure(401))
        refused = run_record(server.url, "--token", "t", "--send", "x", "-o", output)
    assert (refused.exit_code, "token is refused" in refused.stderr) == (2, True)
    gone = run_record(server.url, "--token", "t", "--send", "x", "-o", output)
    assert (gone.exit_code, "cannot be reached" in gone.stderr) == (2, True)
    nonsense = run_record("localhost", "--token", "t", "--send", "x", "-o", output)
    assert (nonsense.exit_code, "http://" in nonsense.stderr) == (2, True)
    nowhere = run_record(server.url, "--token", "t", "--send", "x", "-o", output + "/none/a")
    assert (nowhere.exit_code, "cannot be written" in nowhere.stderr) == (2, True)
    assert not Path(output).exists()


def test_record_does_not_overwrite_unless_forced(output: str) -> None:
    Path(output).write_text("precious")
    with FakeServer(words(1)) as server:
        arguments = [server.url, "--token", "t", "--send", "x", "-o", output]
        refused = run_record(*arguments)
        assert (refused.exit_code, "--force" in refused.stderr) == (2, True)
        assert Path(output).read_text() == "precious"
        assert run_record(*arguments, "--force").exit_code == 0
    with Recording(output) as recording:
        assert recording.warnings() == []


def test_record_exits_with_3_when_the_task_vanishes(output: str) -> None:
    with FakeServer(words(9)) as server:
        server.reactions.extend([None, cut, cut, failure(404)])
        result = run_record(server.url, "--token", "t", "--send", "x", "-o", output)
    assert result.exit_code == 3
    assert "incomplete: vanished" in result.stdout
    assert "trying again after no answer" in result.stderr


def test_record_exits_with_3_when_the_file_cannot_be_written_on(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: RecordingWriter, record: Record) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RecordingWriter, "write", full)
    with FakeServer(words(9)) as server:
        result = run_record(server.url, "--token", "t", "--send", "x", "-o", output)
    assert result.exit_code == 3
    assert "No space left on device" in result.stderr


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pollux", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "POLLUX_TOKEN": "t"},
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_record_ends_on_a_signal_with_a_recording_that_can_be_played(
    output: str, number: signal.Signals
) -> None:
    with (
        FakeServer(words(3), end="") as server,
        running("record", server.url, "--send", "x", "-o", output) as process,
    ):
        assert server.polled.wait(30)
        code, out, _ = ended(process, number)
    assert code == 3
    assert "incomplete: interrupted" in out
    with Recording(output) as recording:
        assert recording.warnings() == ["the recording is incomplete: interrupted"]
        assert recording.checksum_matches() is True


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_record_that_is_killed_leaves_all_that_was_told_and_a_warning(
    output: str, ending: str
) -> None:
    with (
        FakeServer(words(3), end="") as server,
        running("record", server.url, "--send", "x", "-o", output + ending) as process,
    ):
        assert process.stderr is not None
        assert any("3 events" in line for line in process.stderr)
        process.kill()
    with Recording(output + ending) as recording:
        assert "what came after event 2 is missing" in recording.warnings()[-1]
        assert [placed.record.code for placed in recording.records()].count("e") == 3


def ready(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_replay_serves_until_ctrl_c(tmp_path: Path) -> None:
    path = write(tmp_path / "short.taskcast.jsonl", short_answer())
    with running("replay", str(path), "--port", "0", "--speed", "1000", "--json") as process:
        told = ready(process)
        assert told["recordings"] == [
            {
                "name": "short",
                "path": str(path),
                "events": 6,
                "status": "succeeded",
                "complete": True,
            }
        ]
        with ApiClient(told["base_url"], "any") as client:
            task_id = client.send_message("Hello").json["task_id"]
            while (data := client.poll_task(task_id, 0).json["data"])["status"] != "succeeded":
                pass
        assert len(data["events"]) == 6
        assert ended(process, signal.SIGINT) == (0, "", "")


def test_replay_by_hand_moves_with_lines_of_standard_input(tmp_path: Path) -> None:
    path = write(tmp_path / "short.taskcast.jsonl", short_answer())
    with running("replay", str(path), "--port", "0", "--clock", "manual", "--json") as process:
        told = ready(process)
        assert process.stdin is not None
        assert process.stderr is not None
        assert "Enter" in process.stderr.readline()
        with ApiClient(told["base_url"], "any") as client:
            task_id = client.send_message("Hello").json["task_id"]
            heads = []
            for line in ("\n", "2\n", "100ms\n", "1s\n", "what\n"):
                process.stdin.write(line)
                process.stdin.flush()
                said = process.stderr.readline()
                heads.append(client.poll_task(task_id, 0).json["data"]["next_offset"])
        assert heads == [1, 3, 3, 6, 6]
        assert "'what' is not understood" in said
        assert ended(process, signal.SIGTERM)[0] == 0


def test_replay_opens_its_viewer_when_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\nprintf %s "$1" > "{opened}.part"\nmv "{opened}.part" "{opened}"\n'
    )
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    with running("replay", str(path), "--port", "0", "--view", "--json") as process:
        told = ready(process)
        while not opened.exists():
            assert process.poll() is None
        assert opened.read_text() == told["view_url"] == told["control_url"] + "/view"
        assert ended(process, signal.SIGINT)[0] == 0


def test_replay_prints_where_it_is_controlled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    with running("replay", str(path), "--port", "0", "--cap", "0.5", "--loop") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        assert ended(process, signal.SIGINT)[0] == 0
    base = lines[0].split()[2]
    assert f"{base}/__replay/view" in lines[4]
    assert f"{base}/__replay)" in lines[4]


def test_replay_refuses_a_bad_breakpoint(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    result = CliRunner().invoke(replay, [str(path), "--port", "0", "--break", "idx=x"])
    assert (result.exit_code, "idx=x" in result.stderr) == (2, True)


def test_replay_warns_of_what_is_missing_and_plays_what_is_there(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.taskcast.jsonl", short_answer(), trailer=False)
    with running("replay", str(path), "--port", "0", "--host", "0.0.0.0") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        code, _, err = ended(process, signal.SIGINT)
    assert code == 0
    assert "Replaying on http://127.0.0.1:" in lines[0]
    assert "cut: ? events, no end" in lines[1]
    assert "curl" in lines[3]
    assert "there is no trailer" in err
    assert "can be reached from other machines" in err


def test_replay_says_what_to_do_when_the_port_is_in_use(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    with WsgiServer(lambda _e, _s: []) as server:
        result = CliRunner().invoke(replay, [str(path), "--port", str(server.port)])
    assert result.exit_code == 2
    assert f"port {server.port} is in use" in result.stderr
    assert "--port" in result.stderr


def test_replay_refuses_what_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    for text, says in (("hello", "is not a recording"), ('{"taskcast":9}\n', "newer pollux")):
        path.write_text(text)
        result = CliRunner().invoke(replay, [str(path), "--port", "0"])
        assert (result.exit_code, says in result.stderr) == (2, True), result.output
    path.write_text('{"taskcast":1}')
    endless = CliRunner().invoke(replay, [str(path), "--port", "0", "--speed", "nan"])
    assert (endless.exit_code, "greater than 0" in endless.stderr) == (2, True)
    missing = CliRunner().invoke(replay, [str(tmp_path / "none"), "--port", "0"])
    assert (missing.exit_code, "No such file" in missing.stderr) == (2, True)
    assert CliRunner().invoke(replay, []).exit_code == 2


@pytest.mark.parametrize("command", [record, replay])
def test_help_tells_the_exit_codes(command: Any) -> None:
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert "Exit codes: 0" in result.stdout
