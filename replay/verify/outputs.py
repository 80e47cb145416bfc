"""The report on a terminal, as JSON, as JUnit XML and as one HTML page."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib import resources

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pollux.replay.journal import Entry
from pollux.replay.verify.outcome import Level, Outcome
from pollux.replay.verify.report import Report, Standing, Verdict, Visit

STYLES = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.WARN: "yellow",
    Outcome.UNTESTABLE: "magenta",
    Outcome.NOT_APPLICABLE: "dim",
}
_VERDICT_STYLES = {
    Verdict.CONFORMANT: "bold green",
    Verdict.VIOLATED: "bold red",
    Verdict.INCOMPLETE: "bold magenta",
}
_MOST_REQUESTS = 8


def print_report(report: Report, console: Console) -> None:
    """Print the rules, what breaks them with the requests that prove it, and the verdict."""

    def say(*parts: str | tuple[str, str]) -> None:
        console.print(Text.assemble(*parts), soft_wrap=True, highlight=False)

    say((f"\n{_without_controls(report.client)}", "bold"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "level", "outcome", "in scenario"):
        table.add_column(name)
    for standing in report.standings:
        outcome = Text(standing.outcome.value, STYLES[standing.outcome])
        table.add_row(standing.rule.id, standing.rule.level.value, outcome, standing.scenario or "")
    console.print(table)
    for standing in report.standings:
        if standing.red or standing.unproved:
            say("")
            say(
                (standing.outcome.value, STYLES[standing.outcome]),
                (f" {standing.rule.id}", "bold"),
                (f"  {standing.rule.level.value}  {standing.rule.source}", "dim"),
            )
            say((f"  {standing.rule.sentence}", "italic"))
            say(f"  {standing.scenario}: {_without_controls(standing.result.detail)}")
            for line in proof_lines(report, standing):
                say((f"    {_without_controls(line)}", "dim"))
    for visit in report.visits:
        if visit.trouble:
            say("\n", ("trouble", "bold magenta"), f" {visit.scenario}: {visit.trouble}")
            for line in visit.last_words.splitlines()[-_MOST_REQUESTS:]:
                say((f"    {_without_controls(line)}", "dim"))
        elif visit.unfired:
            names = ", ".join(visit.unfired)
            say((f"note: {visit.scenario}: never fired: {names}", "dim"))
    say("\n", (verdict_line(report), _VERDICT_STYLES[report.verdict]))


def verdict_line(report: Report) -> str:
    """Return the verdict in one line, with what it is based on."""
    must = report.counts()[Level.MUST.value]
    applicable = sum(must.values()) - must[Outcome.NOT_APPLICABLE.value]
    judged = applicable - must[Outcome.UNTESTABLE.value]
    line = (
        f"{report.verdict.value}: {judged} of {applicable} MUST judged, "
        f"{must[Outcome.FAIL.value]} broken, in {len(report.visits)} scenario"
        f"{'' if len(report.visits) == 1 else 's'}"
    )
    warned = report.counts()[Level.SHOULD.value][Outcome.WARN.value]
    if warned:
        line += f"; {warned} SHOULD broken"
    if not report.rendering:
        line += "; what is shown was not to be judged"
    return line if report.complete else f"{line}; the run was cut off"


def proof_lines(report: Report, standing: Standing) -> Iterator[str]:
    """Yield the requests that prove what STANDING says, one a line."""
    if standing.scenario is None:
        return
    requests = proof(report.visit(standing.scenario), standing)
    yield from (request_line(entry) for entry in requests[:_MOST_REQUESTS])
    if len(requests) > _MOST_REQUESTS:
        yield f"... and {len(requests) - _MOST_REQUESTS} more requests"


def proof(visit: Visit, standing: Standing) -> list[Entry]:
    """Return the requests of VISIT that prove what STANDING says."""
    wanted = set(standing.result.polls)
    return [entry for entry in visit.requests if entry.number in wanted]


def request_line(entry: Entry) -> str:
    """Return one request and its answer, for the reader of a report."""
    line = f"#{entry.number} at {entry.since_ms / 1000:.3f} s  {entry.method} {entry.path}"
    answer = f"{entry.http_status}" if entry.http_status else "no answer"
    if entry.told_status is not None:
        events = f"{len(entry.events)} events"
        if entry.events:
            events += f" ({entry.events[0]}..{entry.events[-1]})"
        answer += f" {entry.told_status}, {events}, next_offset {entry.next_offset}"
    if entry.retry_after is not None:
        answer += f", Retry-After {entry.retry_after:g}"
    if entry.faults:
        answer += f" [{', '.join(entry.faults)}]"
    return f"{line} -> {answer}"


def render_json(report: Report) -> str:
    """Return REPORT as JSON, valid by ``schemas/verify-report.schema.json``."""
    return json.dumps(report.as_dict(), ensure_ascii=False, indent=2) + "\n"


def render_junit(report: Report) -> str:
    """Return REPORT as JUnit XML: a suite for each scenario, a case for each rule it speaks of.

    A failure is what makes the exit code 1, an error what makes it 3.
    """
    root = ET.Element("testsuites", {"name": "Pollux: client of API v1"})
    unproved = {standing.rule.id for standing in report.standings if standing.unproved}
    for visit in report.visits:
        cases = []
        if visit.trouble:
            cases.append(_case(visit, "the client is at work"))
            _add(cases[-1], "error", "trouble", visit.trouble, visit.last_words)
        for standing in report.standings:
            result = visit.result(standing.rule.id)
            if result.outcome is Outcome.NOT_APPLICABLE:
                continue
            case = _case(visit, standing.rule.id)
            cases.append(case)
            here = Standing(standing.rule, result.outcome, visit.scenario, result)
            text = "\n".join([standing.rule.sentence, *proof_lines(report, here)])
            if result.outcome is Outcome.FAIL:
                _add(case, "failure", result.outcome.value, result.detail, text)
            elif result.outcome is Outcome.WARN:
                ET.SubElement(case, "system-out").text = _without_controls(
                    f"WARN {result.detail}\n{text}"
                )
            elif result.outcome is Outcome.UNTESTABLE:
                kind = "error" if standing.rule.id in unproved else "skipped"
                _add(case, kind, result.outcome.value, result.detail, text)
        suite = ET.SubElement(root, "testsuite", {"name": visit.scenario})
        suite.extend(cases)
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
        suite.set("tests", str(len(cases)))
        suite.set("time", f"{visit.seconds:.3f}")
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def render_html(report: Report) -> str:
    """Return REPORT as one HTML page that works offline."""
    import jinja2

    template = resources.files("pollux.replay.verify").joinpath("templates", "report.html")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        report=report, proof=proof, line=request_line, verdict=verdict_line(report)
    )


def _case(visit: Visit, name: str) -> ET.Element:
    return ET.Element(
        "testcase", {"classname": f"verify.{visit.scenario}", "name": name, "time": "0.000"}
    )


def _add(case: ET.Element, kind: str, type_: str, message: str, text: str) -> None:
    told = {"type": type_, "message": _without_controls(message)}
    ET.SubElement(case, kind, told).text = _without_controls(text) or None


def _without_controls(text: str) -> str:
    """Return TEXT without what XML forbids and what a terminal would obey."""
    return "".join(
        letter if letter in "\n\t" or (letter.isprintable() and letter != "\ufffe") else "\ufffd"
        for letter in text
    )
