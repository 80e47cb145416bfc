"""One log, one report: what single judgements add up to, and how it is shown."""

import json
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pollux.conformance.errors import LogError
from pollux.conformance.outcome import Cause, Evidence, Judgement, Outcome, Verdict, combined
from pollux.conformance.report.json import render_json
from pollux.conformance.report.log import EventLog, read_log
from pollux.conformance.report.read import read_report
from pollux.conformance.report.report import build_report
from tests.conformance.made_reports import EVERY, hostile_report, made_log, made_report, printed
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
    report = made_report(*outcomes)
    assert (report.verdict, report.exit_code) == (verdict, code)


@pytest.mark.parametrize("finish", [False, None])
def test_a_run_that_was_cut_off_never_looks_complete(finish: bool | None) -> None:
    report = made_report(("A", "MUST", Outcome.PASS), finish=finish)
    assert report.verdict is Verdict.INCOMPLETE
    assert not report.complete
    assert "the run was cut off" in printed(report)


def test_a_check_that_did_not_run_leaves_its_requirement_open() -> None:
    log = made_log(("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.PASS))
    events = [event for event in log.events if event.get("check") != "test_B"]
    rows = {row.id: row for row in build_report(events).requirements}
    assert (rows["B"].outcome, rows["B"].cause) == (Outcome.NOT_VERIFIED, Cause.NOT_RUN)


def test_a_requirement_without_a_check_is_not_verified() -> None:
    report = made_report(("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.PASS), checked=("A",))
    [_, row] = report.requirements
    assert (row.outcome, row.cause) == (Outcome.NOT_VERIFIED, Cause.NO_CHECK)
    assert report.verdict is Verdict.INCOMPLETE
    assert report.verified() == (1, 2)
    assert "no check yet: B" in printed(report)


def test_a_quick_run_that_leaves_requirements_out_says_so() -> None:
    rows = (("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.PASS))
    log = made_log(*rows, checked=("A",), selected=("A",), only=[], effort="quick")
    report = build_report(log.events)
    assert (report.verdict, report.partial) == (Verdict.CONFORMANT, True)
    text = printed(report)
    assert "seed 7, quick" in text
    assert "judged on a selection of 1 of 2" in text


def test_the_time_of_a_check_is_shared_by_what_it_judges() -> None:
    log = made_log(("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.PASS))
    events = json.loads(json.dumps(log.events))
    events[1]["checks"] = [
        {"check": "test_A", "requirements": ["A", "B"], "left_out": None},
        {"check": "test_B", "requirements": ["B"], "left_out": None},
    ]
    events[2]["duration_ms"], events[3]["duration_ms"] = 10.0, 1.0
    assert [row.duration_ms for row in build_report(events).requirements] == [5.0, 6.0]


def test_a_selection_is_judged_alone_and_says_so() -> None:
    report = made_report(
        ("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.NOT_VERIFIED), selected=("A",)
    )
    assert [row.id for row in report.requirements] == ["A"]
    assert report.verdict is Verdict.CONFORMANT
    assert "judged on a selection of 1 of 2" in printed(report)


def test_a_breach_that_was_seen_outside_of_the_selection_counts() -> None:
    report = made_report(("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.FAIL), selected=("A",))
    assert report.verdict is Verdict.VIOLATED


def test_trouble_in_the_suite_is_never_a_success() -> None:
    log = made_log(("A", "MUST", Outcome.PASS))
    log.emit("trouble", message="test_x.py cannot be imported")
    report = build_report(log.events)
    assert report.verdict is Verdict.INCOMPLETE
    assert "test_x.py cannot be imported" in printed(report)


def test_the_json_report_keeps_its_form() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    report = made_report(*EVERY, ("S", "SHOULD", Outcome.WARN))
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
    data = json.loads(render_json(made_report(*EVERY)))
    del data[name]
    assert list(Draft202012Validator(SCHEMA).iter_errors(data))


def test_a_report_is_read_back_from_its_json(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report = hostile_report()
    path.write_bytes(render_json(report).encode())
    assert read_report(path) == report


def test_a_json_report_of_an_older_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    data = json.loads(render_json(made_report(*EVERY)))
    for name in ("baseline", "effort"):
        del data[name]
    for row in data["requirements"]:
        del row["known"], row["duration_ms"]
    path.write_text(json.dumps(data))
    assert list(Draft202012Validator(SCHEMA).iter_errors(data)) == []
    assert read_report(path).counts() == made_report(*EVERY).counts()


def test_a_report_holds_what_a_broken_server_sent(tmp_path: Path) -> None:
    """Half a surrogate cannot be written as UTF-8: it stands in the JSON as its escape."""
    text = render_json(hostile_report())
    assert "\\ud800" in text
    assert list(Draft202012Validator(SCHEMA).iter_errors(json.loads(text))) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"pollux_report": 2}', "version 2"),
        ('{"pollux_report": 1}', "damaged"),
        ('{"event": "start", "pollux_log": 1}\n', "damaged: KeyError"),
        ('{"event": "start", "pollux_log": 1}\n{"event": "check"}\n', "damaged"),
        ("[]", "not an event"),
        ("\xff\xfe", "neither a report nor"),
    ],
)
def test_what_is_no_report(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(LogError, match=why):
        read_report(path)


def test_a_log_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    written = made_log(*EVERY)
    log = EventLog(path)
    for event in written.events:
        fields = {name: value for name, value in event.items() if name not in ("event", "at")}
        log.emit(event["event"], **fields)
    log.close()
    assert read_log(path) == log.events
    assert build_report(read_log(path)).counts() == build_report(written.events).counts()


def test_a_log_that_was_cut_in_a_line_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    lines = [json.dumps(event) for event in made_log(*EVERY).events]
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
