"""`pollux check` and `pollux report` as their users see them: output, files and exit codes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.conformance.workshop import (
    OTHER_TOKEN,
    TOKEN,
    Answer,
    Inner,
    Request,
    Workshop,
    failure,
)

_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("POLLUX_", "OPENAI_"))
}
_QUICK = ("--only", "AUTH-PUBLIC-OPERATIONS", "--only", "CANCEL-UNKNOWN")


def _start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pollux", *arguments],
        env={**_ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _pollux(*arguments: str, **environment: str) -> tuple[int, str, str]:
    with _start(*arguments, **environment) as process:
        out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def _check(url: str, *arguments: str) -> tuple[int, str, str]:
    return _pollux("check", url, *arguments, POLLUX_TOKEN=TOKEN, POLLUX_OTHER_TOKEN=OTHER_TOKEN)


def test_a_server_that_holds_what_is_asked_for(workshop: Workshop) -> None:
    with workshop.serve() as url:
        code, out, err = _check(url, *_QUICK)
    assert code == 0, out + err
    assert "conformant: 2 of 2 MUST verified" in out
    assert "judged on a selection of 2 of" in out
    assert TOKEN not in out + err


def crashes(request: Request, inner: Inner) -> Answer:
    return failure(500) if request.path == "/models" else inner(request)


def test_a_server_that_breaks_a_rule(workshop: Workshop, tmp_path: Path) -> None:
    report, log = tmp_path / "report.json", tmp_path / "log.ndjson"
    with workshop.serve(crashes) as url:
        code, out, _ = _check(url, *_QUICK, "--report", str(report), "--log", str(log))
    assert code == 1
    assert "violated" in out
    assert "FAIL COMMON-NO-SERVER-ERROR" in out
    assert "curl -sS -i" in out
    data = json.loads(report.read_text())
    schema = resources.files("pollux.schemas").joinpath("report.schema.json").read_text("utf-8")
    assert list(Draft202012Validator(json.loads(schema)).iter_errors(data)) == []
    assert data["verdict"] == "violated"
    text = report.read_text() + log.read_text() + out
    assert TOKEN not in text
    assert OTHER_TOKEN not in text

    again = tmp_path / "again.json"
    code, shown, _ = _pollux("report", "render", str(log), "--report", str(again))
    assert code == 1
    assert json.loads(again.read_text()) == data
    assert shown == out


def test_what_has_no_check_is_never_a_success(workshop: Workshop) -> None:
    with workshop.serve() as url:
        code, out, _ = _check(url, "--only", "AUTH-PUBLIC-OPERATIONS", "--only", "SEND-RACE")
    assert code == 3
    assert "incomplete: 1 of 2 MUST verified" in out
    assert "the suite must be the model (--profile scripted): SEND-RACE" in out


def test_json_is_all_that_is_printed(workshop: Workshop) -> None:
    with workshop.serve() as url:
        code, out, _ = _check(url, *_QUICK, "--json")
    assert code == 0
    assert json.loads(out)["verified"] == {"count": 2, "of": 2}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["http://127.0.0.1:9"], "no token"),
        (["http://127.0.0.1:9", "--token", "t"], "does not answer"),
        (["--token", "t"], "no target"),
        (["http://127.0.0.1:9", "--token", "t", "--only", "NOTHING"], "--only NOTHING"),
        (["http://127.0.0.1:9", "--token", "t", "--profile", "other"], "--profile"),
        (["http://127.0.0.1:9", "--token", "t", "--model-listen", "x"], "HOST:PORT"),
        (["--no-such-option"], "no-such-option"),
        (["http://127.0.0.1:9", "--token", "t", "--report", "/no/such/r.json"], "no such folder"),
        (["--start", "exit 4; # {port}", "--token", "t"], "ended with code 4"),
        (["http://127.0.0.1:9", "--token", "t", "-n", "2"], "give --token 2 times"),
        (["--reference", "-n", "0"], "-n"),
        (["--target", "/no/such/pollux.toml"], "--target"),
    ],
)
def test_usage_and_unreachable_targets(arguments: Sequence[str], why: str) -> None:
    code, out, err = _pollux("check", *arguments)
    assert (code, out) == (2, "")
    assert why in err.lower() or why in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_still_writes_what_was_measured(
    workshop: Workshop, tmp_path: Path, number: signal.Signals
) -> None:
    reached, leave = threading.Event(), threading.Event()

    def stuck(request: Request, inner: Inner) -> Answer:
        if request.is_cancel:
            reached.set()
            leave.wait(20)
        return inner(request)

    report = tmp_path / "report.json"
    with workshop.serve(stuck) as url:
        environment = {"POLLUX_TOKEN": TOKEN, "POLLUX_OTHER_TOKEN": OTHER_TOKEN}
        with _start("check", url, *_QUICK, "--report", str(report), **environment) as process:
            assert reached.wait(60)
            process.send_signal(number)
            leave.set()
            out, err = process.communicate(timeout=60)
    assert process.returncode == 3, out + err
    assert "the run was cut off" in out
    assert "Traceback" not in err
    data = json.loads(report.read_text())
    assert (data["verdict"], data["complete"]) == ("incomplete", False)
    assert {row["id"]: row["outcome"] for row in data["requirements"]} == {
        "AUTH-PUBLIC-OPERATIONS": "PASS",
        "CANCEL-UNKNOWN": "NOT_VERIFIED",
    }


def test_the_reference_server_is_started_and_ended(tmp_path: Path) -> None:
    log = tmp_path / "log.ndjson"
    code, out, err = _pollux("check", "--reference", *_QUICK, "--seed", "5", "--log", str(log))
    assert code == 0, out + err
    assert "seed 5" in out
    start = json.loads(log.read_text().split("\n")[0])
    assert start["profile"] == "scripted"
    assert "pollux serve" in start["target"]["command"]
    folder = Path("/proc")
    if folder.exists():
        port = start["target"]["base_url"].rpartition(":")[2]
        deadline = time.monotonic() + 5
        while _serves(folder, port) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _serves(folder, port)


def test_workers_share_a_run(tmp_path: Path) -> None:
    log = tmp_path / "log.ndjson"
    only = ["--only", "auth", "--only", "CANCEL-UNKNOWN"]
    code, out, err = _pollux("check", "--reference", "-n", "2", *only, "--log", str(log))
    assert code == 0, out + err
    assert "conformant: 14 of 14 MUST verified" in out
    events = [json.loads(line) for line in log.read_text().splitlines()]
    # What there is to do is known before anything is done.
    assert [event["event"] for event in events[:3]] == ["start", "checks", "check"]
    assert events[-1]["event"] == "finish"


def test_a_target_file_says_what_is_judged(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with workshop.serve() as url:
        (tmp_path / "pollux.toml").write_text(
            f'[target]\nurl = "{url}"\n[[users]]\ntoken_env = "MINE"\nother_token = "wrong"\n'
        )
        code, out, err = _pollux("check", *_QUICK, MINE=TOKEN)
        assert code == 2, out
        assert "target: pollux.toml" in err
        assert "the token of --other-token is refused" in err
        code, out, err = _pollux("check", *_QUICK, "--other-token", OTHER_TOKEN, MINE=TOKEN)
    assert code == 0, out + err
    assert "conformant: 2 of 2 MUST verified" in out


def test_a_quick_run_leaves_slow_checks_out_and_says_so(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    only = ["--only", "SEND-MAX-ITERATIONS-DEFAULT", "--only", "AUTH-PUBLIC-OPERATIONS"]
    code, out, err = _pollux("check", "--reference", "--quick", *only, "--report", str(report))
    assert code == 0, out + err
    assert ", quick" in out
    assert [row["id"] for row in json.loads(report.read_text())["requirements"]] == [
        "AUTH-PUBLIC-OPERATIONS"
    ]


def _serves(folder: Path, port: str) -> bool:
    for line in folder.glob("[0-9]*/cmdline"):
        try:
            if f"--port\0{port}\0".encode() in line.read_bytes():
                return True
        except OSError:
            continue  # it ended meanwhile
    return False


def test_a_server_that_goes_away_ends_the_run_soon(workshop: Workshop) -> None:
    """A target that answers no more makes NOT_VERIFIED of the rest, not an hour of waiting."""
    count = iter(range(10**6))

    def dies(request: Request, inner: Inner) -> Answer:
        if next(count) > 30:
            time.sleep(3)
        return inner(request)

    begun = time.monotonic()
    with workshop.serve(dies) as url:
        report = workshop.folder / "report.json"
        code, _, _ = _check(
            url, "--only", "polling", "--time-scale", "0.1", "--report", str(report)
        )
    data = json.loads(report.read_text())
    assert code in (1, 3)
    assert time.monotonic() - begun < 60
    reasons = [row["detail"] for row in data["requirements"] if row["outcome"] == "NOT_VERIFIED"]
    assert any("does not answer any more" in reason for reason in reasons)


def test_a_log_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("nonsense\n")
    code, _, err = _pollux("report", "render", str(path))
    assert code == 2
    assert "not JSON" in err
