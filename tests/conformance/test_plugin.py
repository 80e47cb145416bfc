"""The pytest plugin in somebody else's repository."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.conformance.workshop import OTHER_TOKEN, TOKEN, Workshop

_HEAVY = ("httpx", "jsonschema", "rich", "flask", "yaml", "openai", "hypothesis", "click")


def _pytest(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:schemathesis", *arguments],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_loading_it_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        f"import sys\ndef test_own():\n    assert not set({_HEAVY!r}) & set(sys.modules)\n"
    )
    # Without the plugins of others, which may import what they like.
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = _pytest(tmp_path, "-p", "pollux.conformance.plugin", environment=environment)
    assert done.returncode == 0, done.stdout


def test_own_tests_may_use_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        """
import httpx

def test_reference(reference_server):
    assert httpx.get(f"{reference_server.base_url}/api/v1/health").json()["success"]

def test_model(scripted_model):
    assert httpx.get(f"{scripted_model.base_url}/models").json()["data"]
"""
    )
    done = _pytest(tmp_path, "-q")
    assert done.returncode == 0, done.stdout


def test_own_tests_may_use_a_client_of_the_target(tmp_path: Path, workshop: Workshop) -> None:
    (tmp_path / "test_own.py").write_text(
        """
def test_client(pollux_client, pollux_target):
    assert pollux_target.other_token
    answer = pollux_client.list_conversations()
    assert answer.ok
    assert "token-of" not in repr(answer)
"""
    )
    with workshop.serve() as url:
        options = ["--pollux-url", url, "--pollux-token", TOKEN]
        environment = {"POLLUX_OTHER_TOKEN": OTHER_TOKEN}
        done = _pytest(tmp_path, "-q", *options, environment=environment)
        assert done.returncode == 0, done.stdout
        wrong = _pytest(tmp_path, "-q", "--pollux-url", url, "--pollux-token", "wrong")
    assert wrong.returncode != 0
    assert "the token of --token is refused" in wrong.stdout


def test_the_checks_run_beside_own_tests(tmp_path: Path, workshop: Workshop) -> None:
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")
    with workshop.serve() as url:
        done = _pytest(
            tmp_path,
            "--pyargs",
            "pollux.conformance.suite.test_auth",
            "test_own.py",
            "--pollux-url",
            url,
            "--pollux-token",
            TOKEN,
            "--pollux-only",
            "AUTH-PUBLIC-OPERATIONS",
            "--pollux-log",
            "log.ndjson",
            "--pollux-report",
            "report.json",
            "--pollux-html",
            "report.html",
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed, " in done.stdout
    assert "deselected" in done.stdout
    assert "conformant: 1 of 1 MUST verified" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "conformant"
    assert "conformant" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "log.ndjson").read_text().count("\n") == 4
    assert TOKEN not in done.stdout + (tmp_path / "log.ndjson").read_text()


def test_a_check_that_fails_is_a_failed_test_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        """
from pollux.conformance.check import verifies
from pollux.conformance.recorder import JUDGE

@verifies("POLL-SHAPE")
def test_check(request):
    request.node.stash[JUDGE].that("POLL-SHAPE", False, "the shape", expected="a", got="b")

@verifies("POLL-NEXT-OFFSET")
def test_lame(request):
    request.node.stash[JUDGE].cannot_verify("no task")
"""
    )
    done = _pytest(tmp_path, "--pollux-reference", "--pollux-only", "POLL-SHAPE")
    assert done.returncode == 1, done.stdout
    assert "FAIL POLL-SHAPE: the shape" in done.stdout
    assert "Traceback" not in done.stdout
    done = _pytest(tmp_path, "--pollux-reference", "--pollux-only", "POLL-NEXT-OFFSET")
    assert done.returncode == 1
    assert "NOT_VERIFIED POLL-NEXT-OFFSET: no task" in done.stdout


def test_without_a_target_the_checks_say_what_is_missing(tmp_path: Path) -> None:
    done = _pytest(
        tmp_path,
        "--pyargs",
        "pollux.conformance.suite.test_auth",
        environment={"POLLUX_TOKEN": "", "POLLUX_OTHER_TOKEN": ""},
    )
    assert done.returncode == 4
    assert "no token" in done.stderr


def test_workers_may_not_share_a_user(tmp_path: Path) -> None:
    options = ["--pollux-url", "http://127.0.0.1:9", "--pollux-token", "one"]
    done = _pytest(tmp_path, "-n", "2", *options)
    assert done.returncode == 4
    assert "give --token 2 times" in done.stderr


def test_workers_have_a_server_each(tmp_path: Path) -> None:
    modules = [f"pollux.conformance.suite.{name}" for name in ("test_auth", "test_cancel")]
    only = ["AUTH-PUBLIC-OPERATIONS", "CANCEL-UNKNOWN", "AUTH-SCHEME-CASE", "CANCEL-REPEATED"]
    words = [word for name in only for word in ("--pollux-only", name)]
    files = ["--pollux-log", "log.ndjson", "--pollux-report", "report.json"]
    done = _pytest(tmp_path, "-n", "2", "--pyargs", *modules, "--pollux-reference", *words, *files)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    assert "conformant: 4 of 4 MUST verified" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["verdict"], report["complete"]) == ("conformant", True)
    kinds = [
        json.loads(line)["event"] for line in (tmp_path / "log.ndjson").read_text().splitlines()
    ]
    assert sorted(kinds) == ["check"] * 4 + ["checks", "finish", "start"]


def test_workers_without_checks_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")
    done = _pytest(tmp_path, "-n", "2", "--pollux-reference")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert "Pollux" not in done.stdout
