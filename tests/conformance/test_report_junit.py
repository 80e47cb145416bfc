"""JUnit XML: its form, what is red in it, and what a hostile server can do to it."""

import xml.etree.ElementTree as ET
from datetime import date

import pytest

from pollux.conformance.baseline import Entry, apply_baseline
from pollux.conformance.outcome import Outcome
from pollux.conformance.report.junit import render_junit
from pollux.conformance.report.report import Report, build_report
from tests.conformance.made_reports import EVERY, hostile_report, made_log, made_report

# What the schema of Jenkins' xUnit plugin (junit-10.xsd) allows.
_ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"name", "time", "classname"},
    "properties": set(),
    "property": {"name", "value"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "system-out": set(),
}
_CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "testcase": {"failure", "error", "skipped", "system-out"},
    "properties": {"property"},
}

PASSES = ("A", "MUST", Outcome.PASS)


def _read(report: Report) -> ET.Element:
    return ET.fromstring(render_junit(report).encode())


def _results(report: Report) -> dict[str, list[str]]:
    return {
        case.get("name", ""): [result.tag for result in case]
        for case in _read(report).iter("testcase")
    }


def test_each_outcome_has_its_place() -> None:
    report = made_report(
        *EVERY, ("S", "SHOULD", Outcome.NOT_VERIFIED), ("M", "MAY", Outcome.NOT_VERIFIED)
    )
    assert _results(report) == {
        "PASS": [],
        "FAIL": ["failure"],
        "WARN": ["system-out"],
        "NOT-VERIFIED": ["error"],
        "NOT-APPLICABLE": ["skipped"],
        "HARNESS-ERROR": ["error"],
        "S": ["skipped"],
        "M": ["skipped"],
    }


@pytest.mark.parametrize("report", [made_report(*EVERY), hostile_report()])
def test_the_form_is_the_one_that_viewers_know(report: Report) -> None:
    root = _read(report)
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.keys()) <= _ATTRIBUTES[element.tag]
        assert {child.tag for child in element} <= _CHILDREN.get(element.tag, set())
    for suite in root:
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped",) * 2):
            assert suite.get(attribute) == str(sum(case.find(tag) is not None for case in cases))
        for case in cases:
            assert float(case.get("time", "")) >= 0
    for attribute in ("tests", "failures", "errors"):
        assert root.get(attribute) == str(sum(int(suite.get(attribute, "")) for suite in root))


def test_a_suite_is_a_group() -> None:
    rows = [
        {"id": name, "level": "MUST", "sentence": "s", "source": "1", "group": group}
        for name, group in (("A", "auth"), ("B", "polling"), ("C", "auth"))
    ]
    log = made_log(*((row["id"], "MUST", Outcome.PASS) for row in rows), requirements=rows)
    suites = {
        suite.get("name"): [case.get("name") for case in suite.iter("testcase")]
        for suite in _read(build_report(log.events))
    }
    assert suites == {"auth": ["A", "C"], "polling": ["B"]}


def test_a_failure_is_told_with_its_evidence() -> None:
    [failure] = _read(made_report(("A", "MUST", Outcome.FAIL))).iter("failure")
    assert failure.get("message") == "why"
    text = failure.text or ""
    for part in ("A. (MUST, 1.1)", "expected  e", "got       g", "$ curl -sS -i"):
        assert part in text


def test_a_run_that_was_cut_off_has_an_error() -> None:
    results = _results(made_report(PASSES, finish=None))
    assert results == {"the run came to its end": ["error"], "A": []}


def test_nothing_measured_is_an_error() -> None:
    results = _results(made_report(("A", "MUST", Outcome.NOT_APPLICABLE)))
    assert results == {"something was verified": ["error"], "A": ["skipped"]}


def test_trouble_in_the_suite_is_an_error() -> None:
    log = made_log(PASSES)
    log.emit("trouble", message="test_x.py cannot be imported")
    assert _results(build_report(log.events)) == {"the suite works, 1": ["error"], "A": []}


FAILS = ("F", "MUST", Outcome.FAIL)
UNKNOWN = ("U", "MUST", Outcome.NOT_VERIFIED)


def _known(report: Report, *names: str) -> Report:
    return apply_baseline(
        report, {name: Entry(name, "left as it is", date(2999, 1, 1)) for name in names}
    )


@pytest.mark.parametrize(
    "report",
    [
        made_report(PASSES),
        made_report(PASSES, FAILS),
        made_report(PASSES, FAILS, UNKNOWN),
        made_report(PASSES, UNKNOWN),
        made_report(PASSES, finish=False),
        made_report(PASSES, FAILS, finish=False),
        made_report(("A", "SHOULD", Outcome.WARN)),
        made_report(PASSES, ("S", "SHOULD", Outcome.HARNESS_ERROR)),
        made_report(PASSES, ("S", "SHOULD", Outcome.NOT_VERIFIED)),
        made_report(("N", "MUST", Outcome.NOT_APPLICABLE)),
        made_report(),
        _known(made_report(PASSES, FAILS), "F"),
        _known(made_report(PASSES, FAILS), "A", "F"),
        _known(made_report(PASSES, FAILS, UNKNOWN), "F", "U"),
        _known(made_report(PASSES, FAILS, finish=None), "F"),
        _known(made_report(PASSES, FAILS)),
        hostile_report(),
    ],
)
def test_red_is_what_keeps_the_exit_code_from_0(report: Report) -> None:
    root = _read(report)
    failures, errors = root.get("failures"), root.get("errors")
    if report.exit_code == 1:
        assert failures != "0"
    else:
        assert failures == "0"
        assert (errors != "0") == (report.exit_code == 3)


def test_a_known_failure_is_skipped_with_its_reason() -> None:
    report = _known(made_report(PASSES, FAILS), "F")
    [skipped] = _read(report).iter("skipped")
    assert (skipped.get("type"), skipped.get("message")) == (
        "known",
        "known, until 2999-01-01: left as it is",
    )


def test_a_known_failure_that_passes_is_a_failure() -> None:
    [failure] = _read(_known(made_report(PASSES), "A")).iter("failure")
    assert failure.get("type") == "stale-baseline"
    assert "remove it" in failure.get("message", "")


def test_what_xml_cannot_hold_is_shown_as_an_escape() -> None:
    text = render_junit(hostile_report())
    assert all(char == "\n" or char.isprintable() for char in text)
    assert "\\x00\\x07\\ud800" in text
    assert text.encode().decode() == text
    root = ET.fromstring(text)
    assert len(list(root.iter("failure"))) == 1
    assert not list(root.iter("script"))
