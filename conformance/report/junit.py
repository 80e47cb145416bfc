"""The report as JUnit XML: one test case for each requirement, in suites by group.

A viewer shows red exactly what keeps the exit code from 0: a failure is what makes it 1, an
error what makes it 3. What a baseline knows is skipped with its reason, and so is what does
not apply. A MUST that was not verified is an error, never skipped: to most viewers "skipped"
looks like success.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from datetime import datetime

from pollux.conformance.outcome import Outcome
from pollux.conformance.report.evidence import Limits, evidence_lines
from pollux.conformance.report.report import Report
from pollux.conformance.report.result import RequirementResult
from pollux.conformance.report.text import visible

_NAME = "API v1"
# Of the run itself: what is wrong with it beside the requirements.
_RUN = "run"
_LIMITS = Limits(
    full=3, brief=7, exchanges=8, text=1000, body=1000, url=400, curl=8000, longest_curl=20_000
)


def render_junit(report: Report) -> str:
    """Return REPORT as JUnit XML, in the form that Jenkins, GitLab and GitHub's viewers read."""
    root = ET.Element("testsuites", {"name": f"Pollux: {_NAME}"})
    cases = [_run_case(name, problem, report) for name, problem in _run_problems(report)]
    if cases:
        _add_suite(root, _RUN, cases, report)
    for group in report.groups:
        rows = [row for row in report.requirements if row.group == group]
        _add_suite(root, group, [_case(row, report) for row in rows], report)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", _seconds(_duration_ms(report)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _run_problems(report: Report) -> Iterable[tuple[str, str]]:
    if not report.complete:
        left = len(report.having(Outcome.NOT_VERIFIED))
        yield (
            "the run came to its end",
            f"the run was cut off; {left} requirements are not verified",
        )
    for number, trouble in enumerate(report.troubles, 1):
        yield f"the suite works, {number}", trouble
    if report.verified()[0] == 0:
        yield "something was verified", "nothing was verified: there is no verdict from nothing"


def _run_case(name: str, problem: str, report: Report) -> ET.Element:
    case = ET.Element("testcase", {"classname": _classname(_RUN), "name": name, "time": "0.000"})
    _add(case, "error", "incomplete" if report.complete else "cut-off", problem, problem)
    return case


def _add_suite(root: ET.Element, name: str, cases: list[ET.Element], report: Report) -> None:
    def number(kind: str) -> str:
        return str(sum(case.find(kind) is not None for case in cases))

    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": name,
            "tests": str(len(cases)),
            "failures": number("failure"),
            "errors": number("error"),
            "skipped": number("skipped"),
            "time": _seconds(sum(float(case.get("time", "0")) * 1000 for case in cases)),
            "timestamp": report.started_at[:19],
        },
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(report).items():
        ET.SubElement(properties, "property", {"name": key, "value": visible(value)})
    suite.extend(cases)


def _properties(report: Report) -> dict[str, str]:
    musts, of = report.verified("MUST")
    return {
        "target": str(report.target["base_url"]),
        "verdict": report.verdict.value,
        "verified": f"{musts} of {of} MUST",
        "judged": f"{len(report.requirements)} of {report.out_of} requirements",
        "complete": str(report.complete).lower(),
        "profile": report.profile,
        "effort": report.effort,
        "seed": str(report.seed),
        "pollux": report.version,
    }


def _case(row: RequirementResult, report: Report) -> ET.Element:
    name = {"classname": _classname(row.group), "name": row.id}
    case = ET.Element("testcase", {**name, "time": _seconds(row.duration_ms)})
    detail = f"{row.sentence} ({row.level}, {row.source})"
    lines = [detail, *map(str, evidence_lines(row, _LIMITS))]
    if row.known is not None:
        until = f", until {row.known.until}" if row.known.until else ""
        _add(case, "skipped", "known", f"known{until}: {row.known.reason}")
        _add_output(case, lines)
    elif report.standing is not None and row.id in report.standing.stale:
        message = "it passes now: remove it from the baseline"
        _add(case, "failure", "stale-baseline", message, detail)
    elif row.outcome is Outcome.FAIL:
        _add(case, "failure", row.outcome.value, row.detail, "\n".join(lines))
    elif row.outcome is Outcome.HARNESS_ERROR or (
        row.outcome is Outcome.NOT_VERIFIED and row.level == "MUST"
    ):
        _add(case, "error", row.outcome.value, row.detail, "\n".join(lines))
    elif row.outcome in (Outcome.NOT_VERIFIED, Outcome.NOT_APPLICABLE):
        _add(case, "skipped", row.outcome.value, f"{row.outcome.value}: {row.detail}")
    elif row.outcome is Outcome.WARN:
        _add_output(case, [f"WARN {row.detail}", *lines])
    return case


def _add(case: ET.Element, kind: str, type_: str, message: str, text: str = "") -> None:
    found = ET.SubElement(case, kind, {"type": type_, "message": visible(message)})
    found.text = visible(text, keep="\n") or None


def _add_output(case: ET.Element, lines: Iterable[str]) -> None:
    ET.SubElement(case, "system-out").text = "\n".join(visible(line) for line in lines)


def _classname(group: str) -> str:
    # Jenkins takes what stands before the last dot as a package.
    return f"api_v1.{group}"


def _duration_ms(report: Report) -> float:
    begun, ended = map(datetime.fromisoformat, (report.started_at, report.finished_at))
    return (ended - begun).total_seconds() * 1000


def _seconds(milliseconds: float) -> str:
    return f"{max(milliseconds, 0) / 1000:.3f}"
