"""The baseline: what is known is no news, what is new is red, and what passes must go."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from pollux.conformance.baseline import (
    TODO,
    Baseline,
    BaselineError,
    Entry,
    apply_baseline,
    baseline_text,
    read_baseline,
)
from pollux.conformance.outcome import Outcome, Verdict
from pollux.conformance.report.report import Report
from pollux.conformance.report.result import Known
from pollux.schemas.requirements import load_requirements
from tests.conformance.made_reports import Row, made_report, printed

SCHEMA = json.loads(
    resources.files("pollux.schemas").joinpath("baseline.schema.json").read_text("utf-8")
)
TODAY = datetime.now(UTC).date()
PASSES: Row = ("A", "MUST", Outcome.PASS)
FAILS: Row = ("F", "MUST", Outcome.FAIL)
WARNS: Row = ("W", "SHOULD", Outcome.WARN)
UNKNOWN: Row = ("U", "MUST", Outcome.NOT_VERIFIED)


def _baseline(*names: str, until: date | None = None) -> Baseline:
    return {name: Entry(name, "left as it is", until) for name in names}


def _judged(baseline: Baseline, *rows: Row, finish: bool = True) -> Report:
    return apply_baseline(made_report(*rows, finish=finish), baseline)


@pytest.mark.parametrize(
    ("rows", "names", "code"),
    [
        ([PASSES, FAILS], "F", 0),
        ([PASSES, FAILS], "", 1),
        ([PASSES, FAILS, ("G", "MUST", Outcome.FAIL)], "F", 1),
        # It passes now: the entry has to go.
        ([PASSES], "A", 1),
        ([PASSES, FAILS], "AF", 1),
        # What could not be judged neither passes nor fails.
        ([PASSES, UNKNOWN], "U", 3),
        ([PASSES, ("N", "MUST", Outcome.NOT_APPLICABLE)], "N", 0),
        ([PASSES, ("H", "MUST", Outcome.HARNESS_ERROR)], "H", 3),
        ([PASSES], "X", 0),
        # A warning was never red; that it passes again is.
        ([PASSES, WARNS], "W", 0),
        ([PASSES, WARNS], "", 0),
        ([PASSES, ("W", "SHOULD", Outcome.PASS)], "W", 1),
        ([PASSES, FAILS, UNKNOWN], "F", 3),
    ],
)
def test_the_exit_code_with_a_baseline(rows: list[Row], names: str, code: int) -> None:
    assert _judged(_baseline(*names), *rows).exit_code == code


def test_a_known_failure_of_a_run_cut_off_is_no_success() -> None:
    assert _judged(_baseline("F"), PASSES, FAILS, finish=False).exit_code == 3


def test_the_verdict_stays_what_it_is() -> None:
    report = _judged(_baseline("F"), PASSES, FAILS)
    assert report.verdict is Verdict.VIOLATED
    data = report.as_dict()
    assert data["verdict"] == "violated"
    assert data["baseline"] == {
        "holds": True,
        "new": [],
        "known": ["F"],
        "stale": [],
        "expired": [],
        "unseen": [],
    }
    rows = {row["id"]: row["known"] for row in data["requirements"]}
    assert rows == {"A": None, "F": {"reason": "left as it is", "until": None}}


def test_what_each_entry_is_taken_for() -> None:
    report = _judged(_baseline("A", "F", "U", "W", "X"), PASSES, FAILS, UNKNOWN, WARNS)
    standing = report.standing
    assert standing is not None
    assert (standing.known, standing.stale, standing.unseen) == (("F", "W"), ("A",), ("U", "X"))
    assert standing.new == standing.expired == ()


def test_an_entry_counts_up_to_its_date() -> None:
    report = _judged(_baseline("F", until=TODAY + timedelta(1)), PASSES, FAILS)
    assert (report.exit_code, report.requirements[1].known) == (
        0,
        Known("left as it is", (TODAY + timedelta(1)).isoformat()),
    )
    report = _judged(_baseline("F", until=TODAY - timedelta(1)), PASSES, FAILS)
    assert report.exit_code == 1
    assert report.standing is not None
    assert (report.standing.new, report.standing.expired) == (("F",), ("F",))
    assert "no longer in the baseline: its date is past\n  F" in printed(report)


def test_the_day_of_the_run_decides_however_late_it_is_rendered() -> None:
    old = made_report(PASSES, FAILS)
    assert Entry("F", "r", date(2020, 1, 1)).covers(date(2020, 1, 1))
    long_ago = replace(old, started_at="2020-01-01T23:59:59.000+00:00")
    assert apply_baseline(long_ago, _baseline("F", until=date(2020, 1, 1))).exit_code == 0


def test_the_console_shows_what_is_known_apart() -> None:
    text = printed(_judged(_baseline("A", "F", "X"), PASSES, FAILS, ("G", "MUST", Outcome.FAIL)))
    assert "FAIL G" in text
    assert "FAIL F" not in text
    assert "known, by the baseline\n  F: left as it is" in text
    assert "passes now: remove it from the baseline\n  A" in text
    assert "not judged by this run\n  X" in text
    assert "2 violated (1 of them new), 1 to remove from the baseline" in text
    assert re.search(r"group +PASS +FAIL +known\ng +1 +1 +1\n", text)


HEAD = "pollux_baseline: 1\nfailures:\n"


def _file(folder: Path, text: str) -> Path:
    path = folder / "baseline.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        f"{HEAD}  - requirement: POLL-IDX-START\n    reason: ' wegen Łódź '\n"
        "    until: 2030-12-31\n"
        "  - {requirement: SEND-RACE, reason: r, until: null}\n",
    )
    assert read_baseline(path, load_requirements()) == {
        "POLL-IDX-START": Entry("POLL-IDX-START", "wegen Łódź", date(2030, 12, 31)),
        "SEND-RACE": Entry("SEND-RACE", "r"),
    }


@pytest.mark.parametrize("text", ["pollux_baseline: 1\nfailures: []\n", HEAD])
def test_a_file_may_name_nothing(tmp_path: Path, text: str) -> None:
    assert read_baseline(_file(tmp_path, text), ["A"]) == {}


ENTRY = f"{HEAD}- requirement: SEND-RACE\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{HEAD}- requirement: POLL-IDX-STRAT\n", "line 3: .* did you mean 'POLL-IDX-START'"),
        (f"{HEAD}- requirement: poll-idx-start\n", "did you mean 'POLL-IDX-START'"),
        (ENTRY, "line 3: SEND-RACE has no reason"),
        (f"{ENTRY}  reason: ' '\n", "line 4: SEND-RACE has no reason"),
        (f"{ENTRY}  reason:\n", "line 4: SEND-RACE has no reason"),
        (f"{ENTRY}  reason: '{TODO}'\n", "line 4: .*write down why"),
        (f"{ENTRY}  reson: x\n", "line 4: unknown word 'reson'; did you mean 'reason'"),
        (f"{ENTRY}  reason: r\n  until: soon\n", "line 5: 'until' is 'soon'"),
        (f"{ENTRY}  reason: r\n  until: 2030-02-31\n", "line 5: 'until'"),
        (f"{ENTRY}  reason: [r]\n", "line 4: a text"),
        (f"{ENTRY}  reason: r\n- requirement: SEND-RACE\n  reason: r\n", "line 5: .* twice"),
        (f"{ENTRY}  reason: r\n  reason: s\n", "line 5: 'reason' is there twice"),
        (f"{HEAD}- reason: r\n", "line 3: 'requirement' is missing"),
        (f"{HEAD}- SEND-RACE\n", "line 3: not a mapping"),
        ("pollux_baseline: 1\nfailures: x\n", "line 2: 'failures' is not a list"),
        ("pollux_baseline: 1\n", "'failures' is missing"),
        ("failures: []\n", "'pollux_baseline' is missing"),
        ("pollux_baseline: 2\nfailures: []\n", "line 1: a baseline of version 2"),
        ("pollux_baseline: 1\nfailure: []\n", "line 2: unknown word 'failure'; did you mean"),
        ("", "empty"),
        ("a: [\n", "not YAML"),
        ("- a\n", "not a mapping"),
    ],
)
def test_what_is_no_baseline(tmp_path: Path, text: str, why: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(BaselineError, match=why) as caught:
        read_baseline(path, load_requirements())
    assert str(caught.value).startswith(str(path))


def test_the_failures_of_a_run_are_written_and_need_a_reason(tmp_path: Path) -> None:
    report = made_report(PASSES, FAILS, ("B", "MUST", Outcome.FAIL), WARNS, UNKNOWN)
    path = _file(tmp_path, baseline_text(report, {}))
    data = yaml.safe_load(path.read_text("utf-8"))
    assert [row["requirement"] for row in data["failures"]] == ["B", "F"]
    with pytest.raises(BaselineError, match="write down why"):
        read_baseline(path, "ABFWU")
    assert [*read_baseline(path, "ABFWU", unexplained=True)] == ["B", "F"]
    path.write_text(path.read_text("utf-8").replace(TODO, "slow disk"), "utf-8")
    baseline = read_baseline(path, "ABFWU")
    assert apply_baseline(report, baseline).exit_code == 3
    data = yaml.safe_load(path.read_text("utf-8"))
    assert list(Draft202012Validator(SCHEMA).iter_errors(data)) == []


def test_what_stands_in_the_file_already_stays(tmp_path: Path) -> None:
    report = made_report(PASSES, FAILS, ("B", "MUST", Outcome.FAIL), WARNS, UNKNOWN)
    before = {
        "A": Entry("A", "passes now, so it goes"),
        "F": Entry("F", 'kept: "as: it" is # 世', date(2030, 1, 2)),
        "U": Entry("U", "not judged, so it stays"),
        "W": Entry("W", "a warning"),
        "X": Entry("X", "not in this run"),
    }
    path = _file(tmp_path, baseline_text(report, before))
    after = read_baseline(path, "ABFWUX", unexplained=True)
    assert {**after} == {
        **{name: entry for name, entry in before.items() if name != "A"},
        "B": Entry("B", TODO),
    }
    assert [*after] == sorted(after)
    assert baseline_text(report, after) == path.read_text("utf-8")


def test_the_schema_says_the_same() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for entry in (
        {"requirement": "A"},
        {"requirement": "A", "reason": ""},
        {"requirement": "A", "reason": TODO},
        {"requirement": "A", "reason": "r", "untill": "2030-01-01"},
    ):
        data = {"pollux_baseline": 1, "failures": [entry]}
        assert list(Draft202012Validator(SCHEMA).iter_errors(data))
