"""The command pollux verify."""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from pollux import fixtures
from pollux.cli import main
from pollux.replay.verify.scenarios import BY_NAME

ROOT = Path(__file__).parents[2]
TOOLS = str(fixtures.recording_path("tools"))
PYTHON, CLIENTS = shlex.quote(sys.executable), ROOT / "examples" / "clients"
GOOD = f"{PYTHON} {CLIENTS / 'python_httpx.py'} {{base_url}}"
TWIN = f"{PYTHON} {CLIENTS / 'twins.py'}"


def verify(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["verify", *arguments])


def test_a_good_client(tmp_path: Path) -> None:
    files = {name: tmp_path / f"r.{name}" for name in ("report", "junit", "html")}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    done = verify(TOOLS, "--client", GOOD, "--scenario", "calm", *options)
    assert done.exit_code == 0, done.output
    assert "conformant: 9 of 9 MUST judged, 0 broken, in 1 scenario" in done.output
    schema = json.loads((ROOT / "schemas" / "verify-report.schema.json").read_text())
    report = json.loads(files["report"].read_text())
    Draft202012Validator(schema).validate(report)
    assert [scenario["name"] for scenario in report["scenarios"]] == ["calm"]
    assert report["scenarios"][0]["requests"][0]["operation"] == "sendMessage"
    assert 'name="OFFSET-NO-SKIP"' in files["junit"].read_text()
    assert "conformant" in files["html"].read_text()


def test_a_bad_one_and_nothing_but_json() -> None:
    command = f"{TWIN} OFFSET-NO-SKIP {{base_url}}"
    done = verify(TOOLS, "--client", command, "--scenario", "calm", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["verdict"] == "violated"
    assert [rule["id"] for rule in report["rules"] if rule["outcome"] == "FAIL"] == [
        "OFFSET-NO-SKIP"
    ]


def test_a_client_that_does_not_say_what_it_shows() -> None:
    silent = f"{GOOD} > /dev/null"
    done = verify(TOOLS, "--client", silent, "--scenario", "calm")
    assert done.exit_code == 3
    assert 'print one line {"idx": N} on stdout' in done.output
    done = verify(TOOLS, "--client", silent, "--scenario", "calm", "--delivery-only")
    assert done.exit_code == 0, done.output


def test_a_client_that_does_nothing_is_shown_with_its_last_words() -> None:
    done = verify(TOOLS, "--client", "echo Oh; echo dear >&2; exit 7", "--scenario", "calm")
    assert done.exit_code == 3
    assert "neither sent a message nor polled a task: it ended with exit code 7" in done.output
    assert "Oh" in done.output
    assert "dear" in done.output


def test_a_client_that_stays_open_and_asks_for_nothing() -> None:
    stays = f"{GOOD}; sleep 600"
    done = verify(TOOLS, "--client", stays, "--scenario", "calm", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["scenarios"][0]["end"] == "silent"


def test_a_client_that_takes_too_long() -> None:
    done = verify(TOOLS, "--client", "sleep 600", "--scenario", "calm", "--timeout", "0.5")
    assert done.exit_code == 3
    assert "its time was over (--timeout)" in done.output


def test_the_address_and_the_token_are_in_the_environment() -> None:
    command = f'{GOOD.replace("{base_url}", "$POLLUX_BASE_URL")} "$POLLUX_TOKEN"'
    done = verify(TOOLS, "--client", command, "--scenario", "calm")
    assert done.exit_code == 0, done.output


def test_fault_rules_of_a_file(tmp_path: Path) -> None:
    faults = tmp_path / "mine.faults"
    faults.write_text("storm: poll 2 -> status 503 retry-after=1\n")
    done = verify(TOOLS, "--client", GOOD, "--faults", str(faults), "--json")
    assert done.exit_code == 0, done.output
    (scenario,) = json.loads(done.stdout)["scenarios"]
    assert (scenario["name"], scenario["unfired"]) == ("faults", [])
    waited = next(one for one in scenario["results"] if one["rule"] == "RETRY-AFTER")
    assert waited["outcome"] == "PASS"


def test_a_short_recording_is_replaced_where_faults_would_come_too_late() -> None:
    short = str(fixtures.recording_path("short-answer"))
    done = verify(short, "--client", GOOD, "--scenario", "calm", "--json")
    assert json.loads(done.stdout)["scenarios"][0]["stream"] == (
        "made, for short-answer has only 18 events"
    )


def test_an_interrupted_run_says_what_it_has_seen(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    arguments = ["verify", TOOLS, "--client", GOOD, "--report", str(report)]
    with subprocess.Popen(
        [sys.executable, "-m", "pollux", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        while "2 of" not in running.stderr.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
        assert "this is what was seen" in said
    assert running.returncode == 3, said
    told = json.loads(report.read_text())
    assert (told["complete"], told["verdict"]) == (False, "incomplete")
    assert [scenario["name"] for scenario in told["scenarios"]] == ["calm"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([TOOLS], "Missing option '--client'"),
        (["no-such-file", "--client", "x"], "no-such-file: No such file or directory"),
        ([TOOLS, "--client", "x", "--scenario", "cam"], "did you mean 'calm'?"),
        ([TOOLS, "--client", "x", "--report", "/no/such/folder/r.json"], "there is no such folder"),
        (
            [str(fixtures.recording_path("server-restarted")), "--client", "x"],
            "does not tell how its task ended",
        ),
    ],
)
def test_what_cannot_work_is_said_at_once(arguments: list[str], message: str) -> None:
    done = verify(*arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_a_wrong_fault_rule_is_shown_with_its_place(tmp_path: Path) -> None:
    faults = tmp_path / "mine.faults"
    faults.write_text("poll 2 -> rest\n")
    done = verify(TOOLS, "--client", GOOD, "--faults", str(faults))
    assert done.exit_code == 2
    assert "mine.faults, line 1, column 11" in done.output


def test_the_list_names_all_scenarios() -> None:
    done = verify("--list")
    assert done.exit_code == 0
    assert all(f"{name}: " in done.output for name in BY_NAME)
