"""The command ``pollux model``, as a user starts it."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from click.testing import CliRunner

from pollux.scripted_model.cli import model
from tests.scripted_model.waiting import DEADLINE


@pytest.fixture
def running() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "pollux", "model", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", last: str) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if last in line:
            break
    return "".join(lines)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_it_prints_its_address_and_an_example_and_ends_with_ctrl_c(
    running: "subprocess.Popen[str]",
) -> None:
    told = read_until(running, "Ctrl-C")
    found = re.search(r"answers at (http://127\.0\.0\.1:\d+/v1) ", told)
    assert found
    assert f"OPENAI_BASE_URL={found[1]}" in told
    curl = shlex.split(told[told.index("curl") : told.index("Ctrl-C")])
    body = curl[curl.index("-d") + 1]
    url = next(word for word in curl if word.startswith("http"))
    answer = httpx.post(url, content=body, timeout=DEADLINE, trust_env=False)
    texts = [
        json.loads(line[6:])["choices"][0]["delta"]
        for line in answer.text.splitlines()
        if line.startswith("data: {")
    ]
    assert {"content": "world"} in texts
    # A request that is held does not keep it from ending.
    port = httpx.URL(url).port
    assert port
    with socket.create_connection(("127.0.0.1", port)) as connection:
        asked = [{"role": "user", "content": "pollux-script\nhold a\nsay 1"}]
        held = json.dumps({"model": "m", "messages": asked})
        head = f"POST {httpx.URL(url).path} HTTP/1.1\r\nHost: x\r\n"
        head += f"Content-Length: {len(held)}\r\n\r\n"
        connection.sendall((head + held).encode())
        wait = f"http://127.0.0.1:{port}/control/holds/a/wait"
        assert httpx.get(wait, timeout=DEADLINE, trust_env=False).json()["held"]
        running.send_signal(signal.SIGINT)
        begin = time.monotonic()
        assert running.wait(DEADLINE) == 0
        assert time.monotonic() - begin < 4.5  # five seconds is what a running answer would get


def test_a_port_in_use_is_a_usage_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(model, ["--listen", f"127.0.0.1:{port}"])
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in result.output


@pytest.mark.parametrize(
    "listen", ["", "8092", "localhost", "localhost:", ":80", "localhost:x", "localhost:65536"]
)
def test_a_wrong_address_is_a_usage_error(listen: str) -> None:
    result = CliRunner().invoke(model, ["--listen", listen])
    assert result.exit_code == 2
    assert f"{listen!r} is not HOST:PORT" in result.output


@pytest.mark.parametrize(
    ("listen", "warns"),
    [("127.0.0.1:0", False), ("localhost:0", False), ("[::1]:0", False), ("0.0.0.0:0", True)],
)
def test_it_warns_when_others_can_reach_it(
    monkeypatch: pytest.MonkeyPatch, listen: str, warns: bool
) -> None:
    from pollux.scripted_model.server import ModelServer

    def serve(server: ModelServer, on_ready: object) -> None:
        assert callable(on_ready)
        on_ready()
        server.stop()

    monkeypatch.setattr(ModelServer, "serve_until_signal", serve)
    result = CliRunner().invoke(model, ["--listen", listen])
    if listen == "[::1]:0" and "cannot listen" in result.output:
        pytest.skip("no IPv6 here")
    assert result.exit_code == 0, result.output
    assert ("Warning: whoever reaches" in result.output) == warns


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, pollux.scripted_model, pollux.scripted_model.cli\n"
        "heavy = {'openai', 'httpx', 'httpx2', 'flask', 'waitress', 'jsonschema', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
