"""Implementations are started as a group, waited for, killed, restarted, and always ended."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pollux.conformance.errors import LaunchError
from pollux.conformance.launch import ServerProcess, free_port
from pollux.polling.redaction import Redactor

_SERVER = """
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(f"{os.getpid()} {os.environ.get('GREETING')}".encode())
    def log_message(self, *_): pass
print("token s3cret-token", flush=True)
time.sleep(float(sys.argv[2]))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

REDACTOR = Redactor({"s3cret-token": "$TOKEN"})


@pytest.fixture
def url() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "server.py"
    path.write_text(_SERVER)
    yield path


def _process(
    command: str, url: str, *, ready: float = 15.0, **environment: str | None
) -> ServerProcess:
    return ServerProcess(
        command, environment=environment, ready_url=url, redactor=REDACTOR, ready_seconds=ready
    )


def _command(script: Path, url: str, *, after: float = 0.0) -> str:
    words = [sys.executable, str(script), url.rpartition(":")[2], str(after)]
    return " ".join(map(shlex.quote, words))


def _pid(url: str) -> int:
    return int(httpx.get(url).text.split()[0])


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
            return True
        time.sleep(0.01)
    return False


def test_a_server_is_started_and_ended(script: Path, url: str) -> None:
    with _process(_command(script, url), url, GREETING="hello") as process:
        pid = _pid(url)
        assert httpx.get(url).text.endswith("hello")
        assert process.output == "token $TOKEN"
    assert _gone(pid)
    assert process.pid is None


def test_the_whole_group_is_ended(script: Path, url: str) -> None:
    """The shell ends at once, and its child, which does not listen to signals, too."""
    command = f"trap '' TERM; {_command(script, url)} & wait"
    with _process(command, url) as process:
        child = _pid(url)
        assert child != process.pid
        process.kill()
        assert _gone(child)


def test_a_server_that_does_not_want_to_end_is_ended_by_force(
    script: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pollux.conformance.launch._GRACE_SECONDS", 0.3)
    stubborn = script.with_name("stubborn.py")
    stubborn.write_text("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _SERVER)
    with _process(_command(stubborn, url), url):
        pid = _pid(url)
    assert _gone(pid)


def test_it_can_be_killed_and_started_again(script: Path, url: str) -> None:
    with _process(_command(script, url), url) as process:
        before = _pid(url)
        process.restart()
        assert _pid(url) != before
        assert _gone(before)
        process.kill()
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)


def test_a_variable_can_be_taken_away(
    script: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREETING", "from outside")
    with _process(_command(script, url), url, GREETING=None):
        assert httpx.get(url).text.endswith("None")


def test_a_command_that_fails_is_shown_with_its_last_words(url: str) -> None:
    command = "echo some words s3cret-token; echo more >&2; exit 7"
    with pytest.raises(LaunchError) as raised:
        _process(command, url).start()
    text = str(raised.value)
    assert "ended with code 7" in text
    assert "some words $TOKEN" in text
    assert "more" in text
    assert "s3cret" not in text


def test_a_server_that_is_never_ready_is_given_up_and_ended(script: Path, url: str) -> None:
    process = _process(_command(script, url, after=60), url, ready=0.5)
    with pytest.raises(LaunchError, match=r"did not answer within 0\.5 s"):
        process.start()
    assert process.pid is None


def test_somebody_else_at_the_address_is_not_taken_for_the_server(script: Path, url: str) -> None:
    with (
        _process(_command(script, url), url),
        pytest.raises(LaunchError, match=r"answers at .* already"),
    ):
        _process(_command(script, url), url).start()


def test_much_output_does_not_block_it(tmp_path: Path, script: Path, url: str) -> None:
    noise = f"{shlex.quote(sys.executable)} -c \"print('x' * 5_000_000)\""
    with _process(f"{noise}; exec {_command(script, url)}", url) as process:
        assert _pid(url)
        assert len(process.output) < 100_000
