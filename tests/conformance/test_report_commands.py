"""`pollux report` and the output options of `pollux check`: files, exit codes, the way back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pollux.conformance.outcome import Outcome
from pollux.conformance.report.cli import report as command
from pollux.conformance.report.json import render_json
from tests.conformance.made_reports import EVERY, Row, hostile_report, made_log, made_report
from tests.conformance.workshop import (
    OTHER_TOKEN,
    TOKEN,
    Answer,
    Inner,
    Request,
    Workshop,
    failure,
)

FORMATS = {"--report": "r.json", "--junit": "r.xml", "--html": "r.html", "--badge": "r.svg"}

# Real requirements: a baseline knows no others.
GOOD: Row = ("SEND-RACE", "MUST", Outcome.PASS)
BAD: Row = ("POLL-IDX-START", "MUST", Outcome.FAIL)
WORSE: Row = ("RING-WINDOW-KEPT", "MUST", Outcome.FAIL)


def _report(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in arguments])


def _log(folder: Path, *rows: Row, name: str = "log.ndjson", finish: bool | None = True) -> Path:
    path = folder / name
    made_log(*rows, finish=finish, path=path).close()
    return path


def _outputs(folder: Path) -> list[str]:
    folder.mkdir()
    return [word for name, file in FORMATS.items() for word in (name, str(folder / file))]


def _contents(folder: Path) -> dict[str, bytes]:
    return {file: (folder / file).read_bytes() for file in FORMATS.values()}


def crashes(request: Request, inner: Inner) -> Answer:
    return failure(500) if request.path == "/models" else inner(request)


def test_the_log_makes_the_same_files_again(workshop: Workshop, tmp_path: Path) -> None:
    """Byte by byte, and what is printed too; also by way of the JSON report."""
    log, baseline = tmp_path / "log.ndjson", tmp_path / "baseline.yaml"
    baseline.write_text(
        "pollux_baseline: 1\nfailures:\n"
        "- {requirement: AUTH-PUBLIC-OPERATIONS, reason: it crashes, until: 2999-01-01}\n"
    )
    options = ["--baseline", str(baseline)]
    only = ["--only", "AUTH-PUBLIC-OPERATIONS", "--only", "CANCEL-UNKNOWN", "--log", str(log)]
    files = _outputs(tmp_path / "run")
    with workshop.serve(crashes) as url:
        done = subprocess.run(
            [sys.executable, "-m", "pollux", "check", url, *only, *options, *files],
            env={**os.environ, "POLLUX_TOKEN": TOKEN, "POLLUX_OTHER_TOKEN": OTHER_TOKEN},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 1, done.stdout + done.stderr
    again = _report("render", log, *options, *_outputs(tmp_path / "again"))
    assert (again.exit_code, again.stdout) == (1, done.stdout)
    assert _contents(tmp_path / "again") == _contents(tmp_path / "run")
    third = _report("render", tmp_path / "run" / "r.json", *_outputs(tmp_path / "third"))
    assert (third.exit_code, third.stdout) == (1, done.stdout)
    assert _contents(tmp_path / "third") == _contents(tmp_path / "run")
    for content in _contents(tmp_path / "run").values():
        assert TOKEN.encode() not in content
        assert OTHER_TOKEN.encode() not in content


@pytest.mark.parametrize(
    ("rows", "finish", "code"),
    [([GOOD], True, 0), ([GOOD, BAD], True, 1), ([GOOD], None, 3), ([*EVERY], True, 1)],
)
def test_the_exit_code_is_that_of_the_run(
    tmp_path: Path, rows: list[Row], finish: bool | None, code: int
) -> None:
    log = _log(tmp_path, *rows, finish=finish)
    assert _report("render", log).exit_code == code
    done = _report("render", log, *_outputs(tmp_path / "out"))
    assert done.exit_code == code
    for content in _contents(tmp_path / "out").values():
        assert (b"cut off" in content or b'"complete": false' in content) == (finish is None)


def test_what_a_hostile_server_sent_is_written_in_every_format(tmp_path: Path) -> None:
    path = tmp_path / "hostile.json"
    path.write_bytes(render_json(hostile_report()).encode())
    done = _report("render", path, *_outputs(tmp_path / "out"))
    assert done.exit_code == 1, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert all(_contents(tmp_path / "out").values())


def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    done = _report("render", _log(tmp_path, GOOD), "--json")
    assert json.loads(done.stdout)["verdict"] == "conformant"


def test_what_cannot_be_written_does_not_keep_the_rest(tmp_path: Path) -> None:
    log = _log(tmp_path, GOOD)
    arguments = ["--html", str(tmp_path / "r.html"), "--badge", str(tmp_path / "r.svg")]
    # Its draft cannot be made: the name is too long for any file system.
    done = _report("render", log, "--junit", tmp_path / ("x" * 300), *arguments)
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
    assert "conformant" in done.stdout
    assert (tmp_path / "r.html").exists()
    assert (tmp_path / "r.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--html", "no/such/r.html"], "no such folder"),
        (["--write-baseline", "no/such/b.yaml"], "no such folder"),
        (["--html", "r", "--junit", "./r"], "named twice"),
        (["--baseline", "r", "--junit", "r"], "named twice"),
        (["--baseline", "none.yaml"], "none.yaml cannot be read"),
        (["--baseline", "todo.yaml"], "line 3: SEND-RACE has no reason"),
        (["--write-baseline", "wrong.yaml"], "not a mapping"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("todo.yaml").write_text("pollux_baseline: 1\nfailures:\n- requirement: SEND-RACE\n")
    Path("wrong.yaml").write_text("something else\n")
    done = _report("render", _log(tmp_path, GOOD), "--badge", "b.svg", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert why in done.stderr
    assert not Path("b.svg").exists()
    assert Path("wrong.yaml").read_text() == "something else\n"


def test_a_baseline_from_its_first_run_to_its_last(tmp_path: Path) -> None:
    both, one = _log(tmp_path, GOOD, BAD, WORSE), _log(tmp_path, GOOD, BAD, name="one")
    none = tmp_path / "none"
    made_log(GOOD, (*BAD[:2], Outcome.PASS), path=none).close()
    baseline = tmp_path / "baseline.yaml"
    assert _report("render", one, "--write-baseline", baseline).exit_code == 1
    # A reason has to be written first.
    assert _report("render", one, "--baseline", baseline).exit_code == 2
    baseline.write_text(baseline.read_text().replace("TODO: say why", "until the front end moves"))
    assert _report("render", one, "--baseline", baseline).exit_code == 0
    assert _report("render", both, "--baseline", baseline).exit_code == 1
    stale = _report("render", none, "--baseline", baseline)
    assert stale.exit_code == 1
    assert "remove it from the baseline\n  POLL-IDX-START" in stale.stdout
    # Written again, it keeps the reason and asks for the new one only.
    _report("render", both, "--write-baseline", baseline)
    text = baseline.read_text()
    assert text.count("until the front end moves") == text.count("TODO: say why") == 1
    _report("render", none, "--write-baseline", baseline)
    assert "POLL-IDX-START" not in baseline.read_text()


@pytest.mark.parametrize("as_json", [False, True])
def test_diff(tmp_path: Path, as_json: bool) -> None:
    old = _log(tmp_path, GOOD, name="old.ndjson")
    new = tmp_path / "new.json"
    new.write_text(render_json(made_report((*GOOD[:2], Outcome.FAIL))))
    flags = ["--json"] if as_json else []
    done = _report("diff", old, new, *flags)
    assert done.exit_code == 1
    if as_json:
        assert json.loads(done.stdout)["new_failures"][0]["requirement"] == "SEND-RACE"
    else:
        assert "new failures\n  SEND-RACE  PASS -> FAIL" in done.stdout
    assert _report("diff", new, old, *flags).exit_code == 0


def test_compare(tmp_path: Path) -> None:
    one = _log(tmp_path, GOOD, BAD, name="go.ndjson")
    two = _log(tmp_path, GOOD, (*BAD[:2], Outcome.PASS), name="rust.ndjson")
    page = tmp_path / "page.html"
    done = _report("compare", one, two, "--html", page, "--name", "Go server")
    assert done.exit_code == 0
    assert "Go server" in done.stdout
    assert "rust" in done.stdout
    assert "POLL-IDX-START" in done.stdout
    assert "Go server" in page.read_text()
    data = json.loads(_report("compare", one, two, "--json").stdout)
    assert data["differences"] == [
        {"requirement": "POLL-IDX-START", "level": "MUST", "outcomes": ["FAIL", "PASS"]}
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["render", "nonsense"], "not JSON"),
        (["render", "none"], "does not exist"),
        (["diff", "log.ndjson", "nonsense"], "not JSON"),
        (["compare", "log.ndjson"], "nothing to compare"),
        (["compare", "log.ndjson", "nonsense"], "not JSON"),
        (["compare", "log.ndjson", "log.ndjson", *["--name", "x"] * 3], "3 names for 2"),
        (["compare", "log.ndjson", "log.ndjson", "--html", "no/such/x"], "cannot be written"),
    ],
)
def test_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    _log(tmp_path, GOOD)
    Path("nonsense").write_text("nonsense\n")
    done = _report(*arguments)
    assert done.exit_code == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr
