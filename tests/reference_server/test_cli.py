"""``pollux serve`` and ``pollux user`` as a user meets them."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from click.testing import CliRunner, Result

from pollux.cli import main


def pollux(*args: str) -> Result:
    return CliRunner().invoke(main, args)


@contextmanager
def serving(data_dir: Path, *args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run ``pollux serve`` on a free port; yields the process and its first line."""
    command = [sys.executable, "-m", "pollux", "serve", "--port", "0", "--data", str(data_dir)]
    with subprocess.Popen(
        [*command, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_serve_makes_a_demo_user_and_prints_a_curl_line_that_works(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, first):
        url = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert url is not None
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        words = shlex.split(lines[-1])
        headers = dict(w.split(": ", 1) for w, before in zip(words[1:], words, strict=False)
                       if before == "-H")  # fmt: skip
        response = httpx.post(words[-1], content=words[words.index("-d") + 1], headers=headers)
        assert response.status_code == 202
        token = headers["Authorization"].removeprefix("Bearer ")
        assert token not in (tmp_path / "api_users.json").read_text()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert token not in log
    assert "POST /api/v1/messages 202" in log
    with serving(tmp_path) as (process, _):
        assert process.stdout is not None
        assert "Users: demo." in process.stdout.readline()


def test_ctrl_c_ends_a_server_with_a_live_task_at_once_and_keeps_its_text(tmp_path: Path) -> None:
    with serving(tmp_path, "--user", "ann=secret-token", "--quiet") as (process, first):
        match = re.search(r"http://\S+", first)
        assert match is not None
        api = f"{match.group()}/api/v1"
        headers = {"Authorization": "Bearer secret-token"}
        body = {"message": 'pollux-script\nsay "shown"\nhold never\nsay 1'}
        sent = httpx.post(f"{api}/messages", json=body, headers=headers).json()
        task = f"{api}/tasks/{sent['task_id']}"
        while "text_chunk" not in httpx.get(task, headers=headers).text:
            pass
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert log == ""
    (stored,) = tmp_path.glob("api/users/ann/data/conversations/conv_*.json")
    assert json.loads(stored.read_text())["messages"][-1]["content"] == "shown"


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path):
        result = pollux("serve", "--data", str(tmp_path), "--port", "0")
        assert result.exit_code == 2
        assert "another server works on" in result.output


def test_mistakes_on_the_command_line_say_what_to_do_and_exit_with_2(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path / "data")]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for args, complaint in (
            (["--port", port], "Another --port"),
            (["--user", "ann"], "NAME=TOKEN"),
            (["--user", "../x=token"], "a name is made of"),
            (["--models", str(tmp_path / "absent.yaml")], "absent.yaml"),
            (["--host", "no.such.host.invalid", "--port", "0"], "cannot serve"),
        ):
            result = pollux("serve", *data, *args)
            assert result.exit_code == 2, result.output
            assert complaint in result.output


def test_users_are_added_listed_and_removed(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path)]
    assert "No users yet" in pollux("user", "list", *data).output
    token = pollux("user", "add", "ann", "--note", "for tests", *data).output.strip()
    assert len(token) >= 32
    for args in (["add", "ann"], ["add", "a b"], ["remove", "bob"]):
        result = pollux("user", *args, *data)
        assert result.exit_code == 2
        assert "Error" in result.output
    listed = pollux("user", "list", "--json", *data).output
    assert [entry["name"] for entry in json.loads(listed)["users"]] == ["ann"]
    assert token not in listed
    assert token not in pollux("user", "list", *data).output
    assert pollux("user", "remove", "ann", *data).exit_code == 0
    assert json.loads(pollux("user", "list", "--json", *data).output) == {"users": []}
