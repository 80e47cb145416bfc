"""One log, one report: what single judgements add up to, and how it is shown."""

import io
import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from pollux.conformance.errors import LogError
from pollux.conformance.outcome import Cause, Evidence, Judgement, Outcome, Verdict, combined
from pollux.conformance.report.console import print_report
from pollux.conformance.report.json import render_json
from pollux.conformance.report.log import EventLog, read_log
from pollux.conformance.report.report import Report, build_report
from tests.polling.exchanges import exchange

SCHEMA = json.loads(
    resources.files("pollux.schemas").joinpath("report.schema.json").read_text("utf-8")
)


def _judgement(outcome: Outcome, cause: Cause | None = None, detail: str = "") -> Judgement:
    return Judgement("X", outcome, detail, cause)


PASS = _judgement(Outcome.PASS)
FAIL = _judgement(Outcome.FAIL, detail="wrong")
WARN = _judgement(Outcome.WARN, detail="odd")
LACKING = _judgement(Outcome.NOT_VERIFIED, Cause.LACKING, "needs two users")
STOPPED = _judgement(Outcome.NOT_VERIFIED, Cause.PREREQUISITE, "the send failed")
CRASHED = _judgement(Outcome.HARNESS_ERROR, detail="KeyError")
ABSENT = _judgement(Outcome.NOT_APPLICABLE, detail="there is none")


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ([PASS, PASS], Outcome.PASS),
        ([PASS, FAIL, CRASHED, STOPPED], Outcome.FAIL),
        ([PASS, CRASHED, STOPPED], Outcome.HARNESS_ERROR),
        ([PASS, WARN], Outcome.WARN),
        ([PASS, STOPPED], Outcome.NOT_VERIFIED),
        ([LACKING, PASS], Outcome.PASS),
        ([LACKING, LACKING], Outcome.NOT_VERIFIED),
        ([ABSENT, PASS], Outcome.PASS),
        ([ABSENT], Outcome.NOT_APPLICABLE),
    ],
)
def test_what_several_checks_say_of_one_requirement(
    rows: list[Judgement], outcome: Outcome
) -> None:
    for order in (rows, rows[::-1]):
        judgement = combined(order)
        assert judgement is not None
        assert judgement.outcome is outcome


def test_nothing_is_said_of_what_nothing_was_seen_of() -> None:
    assert combined([]) is None


def test_a_pass_says_what_was_left_out() -> None:
    judgement = combined([PASS, LACKING])
    assert judgement is not None
    assert judgement.detail == "seen in part: 1 of 2 checks left out, needs two users"


def test_a_judgement_survives_the_log() -> None:
    evidence = Evidence("t", "the offset", "5", "4", (exchange({"a": 1}).as_dict(),))
    judgement = Judgement("X", Outcome.FAIL, "wrong", Cause.NOT_RUN, (evidence,))
    assert Judgement.from_dict(json.loads(json.dumps(judgement.as_dict()))) == judgement


def _log(
    *outcomes: tuple[str, str, Outcome],
    checked: tuple[str, ...] | None = None,
    selected: tuple[str, ...] | None = None,
    finish: bool | None = True,
) -> EventLog:
    """Return the log of a run with one requirement for each (id, level, outcome)."""
    log = EventLog()
    names = [name for name, _, _ in outcomes]
    log.emit(
        "start",
        pollux_log=1,
        pollux_version="0",
        target={"base_url": "http://h:1", "users": 2, "command": None, "time_scale": 1.0}
        | {"buffer_size": 1000},
        profile="scripted",
        seed=7,
        only=list(selected or ()),
        requirements=[
            {"id": name, "level": level, "sentence": f"{name}.", "source": "1.1", "group": "g"}
            for name, level, _ in outcomes
        ],
    )
    checks = [
        {"check": f"test_{name}", "requirements": [name], "left_out": None}
        for name in (names if checked is None else checked)
    ]
    log.emit("checks", selected=list(selected or names), checks=checks)
    for name, _, outcome in outcomes:
        if checked is None or name in checked:
            evidence = (Evidence(f"test_{name}", "m", "e", "g", (exchange({}).as_dict(),)),)
            row = Judgement(name, outcome, "why", None, evidence)
            fields = {"check": f"test_{name}", "left_out": None, "duration_ms": 1.5}
            log.emit("check", **fields, judgements=[row.as_dict()])
    if finish is not None:
        log.emit("finish", complete=finish)
    return log


def _report(*outcomes: tuple[str, str, Outcome], **settings: Any) -> Report:
    return build_report(_log(*outcomes, **settings).events)


@pytest.mark.parametrize(
    ("outcomes", "verdict", "code"),
    [
        ([("A", "MUST", Outcome.PASS)], Verdict.CONFORMANT, 0),
        ([("A", "MUST", Outcome.PASS), ("B", "SHOULD", Outcome.WARN)], Verdict.CONFORMANT, 0),
        (
            [("A", "MUST", Outcome.PASS), ("B", "SHOULD", Outcome.NOT_VERIFIED)],
            Verdict.CONFORMANT,
            0,
        ),
        (
            [("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.NOT_APPLICABLE)],
            Verdict.CONFORMANT,
            0,
        ),
        ([("A", "MUST", Outcome.FAIL), ("B", "MUST", Outcome.PASS)], Verdict.VIOLATED, 1),
        ([("A", "MUST", Outcome.FAIL), ("B", "MUST", Outcome.NOT_VERIFIED)], Verdict.VIOLATED, 1),
        (
            [("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.NOT_VERIFIED)],
            Verdict.INCOMPLETE,
            3,
        ),
        (
            [("A", "MUST", Outcome.PASS), ("B", "SHOULD", Outcome.HARNESS_ERROR)],
            Verdict.INCOMPLETE,
            3,
        ),
        # From nothing there is no verdict.
        ([("A", "MUST", Outcome.NOT_APPLICABLE)], Verdict.INCOMPLETE, 3),
        ([], Verdict.INCOMPLETE, 3),
    ],
)
def test_the_verdict(outcomes: list[tuple[str, str, Outcome]], verdict: Verdict, code: int) -> None:
    report = _report(*outcomes)
    assert (report.verdict, report.exit_code) == (verdict, code)


@pytest.mark.parametrize("finish", [False, None])
def test_a_run_that_was_cut_off_never_looks_complete(finish: bool | None) -> None:
    report = _report(("A", "MUST", Outcome.PASS), finish=finish)
    assert report.verdict is Verdict.INCOMPLETE
    assert not report.complete
    assert "the run was cut off" in _printed(report)


def test_a_check_that_did_not_run_leaves_its_requirement_open() -> None:
    log = _log(("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.PASS))
    events = [event for event in log.events if event.get("check") != "test_B"]
    rows = {row.id: row for row in build_report(events).requirements}
    assert (rows["B"].outcome, rows["B"].cause) == (Outcome.NOT_VERIFIED, Cause.NOT_RUN)


def test_a_requirement_without_a_check_is_not_verified() -> None:
    report = _report(("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.PASS), checked=("A",))
    [_, row] = report.requirements
    assert (row.outcome, row.cause) == (Outcome.NOT_VERIFIED, Cause.NO_CHECK)
    assert report.verdict is Verdict.INCOMPLETE
    assert report.verified() == (1, 2)
    assert "no check yet: B" in _printed(report)


def test_a_selection_is_judged_alone_and_says_so() -> None:
    report = _report(
        ("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.NOT_VERIFIED), selected=("A",)
    )
    assert [row.id for row in report.requirements] == ["A"]
    assert report.verdict is Verdict.CONFORMANT
    assert "judged on a selection of 1 of 2" in _printed(report)


def test_a_breach_that_was_seen_outside_of_the_selection_counts() -> None:
    report = _report(("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.FAIL), selected=("A",))
    assert report.verdict is Verdict.VIOLATED


def test_trouble_in_the_suite_is_never_a_success() -> None:
    log = _log(("A", "MUST", Outcome.PASS))
    log.emit("trouble", message="test_x.py cannot be imported")
    report = build_report(log.events)
    assert report.verdict is Verdict.INCOMPLETE
    assert "test_x.py cannot be imported" in _printed(report)


EVERY = [(outcome.value.replace("_", "-"), "MUST", outcome) for outcome in Outcome]


def test_the_json_report_keeps_its_form() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    report = _report(*EVERY, ("S", "SHOULD", Outcome.WARN))
    data = json.loads(render_json(report))
    assert list(Draft202012Validator(SCHEMA).iter_errors(data)) == []
    assert data["pollux_report"] == 1
    assert data["verdict"] == "violated"
    assert data["counts"]["MUST"]["FAIL"] == 1
    assert data["counts"]["SHOULD"]["WARN"] == 1
    assert data["requirements"][0].keys() >= {
        "id",
        "level",
        "outcome",
        "sentence",
        "detail",
        "evidence",
    }


@pytest.mark.parametrize("name", ["verdict", "requirements", "counts", "complete"])
def test_the_schema_misses_a_field_that_is_not_there(name: str) -> None:
    data = json.loads(render_json(_report(*EVERY)))
    del data[name]
    assert list(Draft202012Validator(SCHEMA).iter_errors(data))


def _printed(report: Report) -> str:
    out = io.StringIO()
    print_report(report, Console(file=out, width=200))
    return out.getvalue()


def test_the_console_shows_what_is_broken_and_how_to_see_it_again() -> None:
    text = _printed(_report(("A", "MUST", Outcome.FAIL), ("B", "MUST", Outcome.PASS)))
    for part in ("FAIL A", "A.", "expected  e", "got       g", "curl -sS -i", "violated: 2 of 2"):
        assert part in text
    assert "B." not in text


def test_markup_in_an_answer_is_only_text() -> None:
    log = _log(("A", "MUST", Outcome.PASS))
    row = Judgement("A", Outcome.FAIL, "[red]x", None, (Evidence("t", "[/]", "[a]", "[/b]"),))
    log.emit("check", check="t", left_out=None, duration_ms=1, judgements=[row.as_dict()])
    assert "[/b]" in _printed(build_report(log.events))


def test_an_answer_cannot_write_on_the_terminal() -> None:
    log = _log(("A", "MUST", Outcome.PASS))
    evidence = Evidence("t", "m", "e", "\x1b[2Jgot\n", (exchange(b"\x1b]0;x\x07{}").as_dict(),))
    row = Judgement("A", Outcome.FAIL, "wrong", None, (evidence,))
    log.emit("check", check="t", left_out=None, duration_ms=1, judgements=[row.as_dict()])
    text = _printed(build_report(log.events))
    assert "\x1b" not in text
    assert "\\x1b[2Jgot\\n" in text


def test_a_log_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    written = _log(*EVERY)
    log = EventLog(path)
    for event in written.events:
        fields = {name: value for name, value in event.items() if name not in ("event", "at")}
        log.emit(event["event"], **fields)
    log.close()
    assert read_log(path) == log.events
    assert build_report(read_log(path)).counts() == build_report(written.events).counts()


def test_a_log_that_was_cut_in_a_line_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    lines = [json.dumps(event) for event in _log(*EVERY).events]
    path.write_text("\n".join(lines)[:-20])
    assert len(read_log(path)) == len(lines) - 1
    assert build_report(read_log(path)).verdict is not Verdict.CONFORMANT


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin"),
        ('{"event": "finish"}\n', "does not begin"),
        ('{"event": "start", "pollux_log": 2}\n', "version 2"),
        ('{"event": "start", "pollux_log": 1}\nnot json\n{}\n', "line 2"),
        ('{"event": "start", "pollux_log": 1}\n[]\n', "line 2"),
    ],
)
def test_what_is_no_log(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "log.ndjson"
    path.write_text(text)
    with pytest.raises(LogError, match=why):
        read_log(path)
