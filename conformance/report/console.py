"""The report on a terminal: a table by group, then every breach with what proves it."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pollux.conformance.outcome import Cause, Evidence, Outcome, Verdict
from pollux.conformance.report.report import Report, RequirementResult

_STYLES = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.WARN: "yellow",
    Outcome.NOT_VERIFIED: "magenta",
    Outcome.NOT_APPLICABLE: "dim",
    Outcome.HARNESS_ERROR: "bold magenta",
}
_VERDICT_STYLES = {
    Verdict.CONFORMANT: "bold green",
    Verdict.VIOLATED: "bold red",
    Verdict.INCOMPLETE: "bold magenta",
}
_SHOWN_EVIDENCE = 2
_SHOWN_EXCHANGES = 4
_SHOWN_BODY = 500


def print_report(report: Report, console: Console) -> None:
    """Print REPORT: what was judged, the groups, what is broken, the verdict at the end."""
    console.print(_heading(report), highlight=False)
    console.print(_groups(report))
    for row in report.having(Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR):
        console.print(_broken(row), highlight=False)
    unverified = report.having(Outcome.NOT_VERIFIED)
    if unverified:
        console.print(_unverified(unverified), highlight=False)
    for trouble in report.troubles:
        console.print(Text(f"trouble in the suite: {trouble}", "bold magenta"))
    console.print(_verdict(report), highlight=False)


def _heading(report: Report) -> Text:
    text = Text("\nPollux ", "bold")
    text.append(f"{report.target['base_url']}", "bold")
    text.append(f"  profile {report.profile}, seed {report.seed}\n")
    if report.selection:
        text.append(
            f"selection: {len(report.requirements)} of {report.out_of} requirements "
            f"(--only {' '.join(report.selection)})\n",
            "yellow",
        )
    return text


def _groups(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("group")
    shown = [outcome for outcome in Outcome if report.having(outcome)]
    for outcome in shown:
        table.add_column(outcome.value, justify="right", style=_STYLES[outcome])
    for group in dict.fromkeys(row.group for row in report.requirements):
        rows = [row for row in report.requirements if row.group == group]
        counts = [sum(row.outcome is outcome for row in rows) for outcome in shown]
        table.add_row(group, *(str(count) if count else "" for count in counts))
    return table


def _broken(row: RequirementResult) -> RenderableType:
    head = Text("\n")
    head.append(f"{row.outcome.value} ", _STYLES[row.outcome])
    head.append(row.id, "bold")
    head.append(f"  {row.level}  {row.source}", "dim")
    parts: list[RenderableType] = [head, _indented(Text(row.sentence, "italic"))]
    if not row.evidence:
        parts.append(_indented(Text(row.detail)))
    for item in row.evidence[:_SHOWN_EVIDENCE]:
        parts.append(_evidence(item))
    left_out = len(row.evidence) - _SHOWN_EVIDENCE
    if left_out > 0:
        parts.append(_indented(Text(f"({left_out} more of this in the report)", "dim")))
    return Group(*parts)


def _evidence(item: Evidence) -> RenderableType:
    text = Text()
    text.append(f"{item.message}\n")
    if item.expected:
        text.append("expected  ", "green").append(f"{item.expected}\n")
    if item.got:
        text.append("got       ", "red").append(f"{_cut(item.got, _SHOWN_BODY)}\n")
    for exchange in item.exchanges[:_SHOWN_EXCHANGES]:
        text.append_text(_exchange(exchange))
    left_out = len(item.exchanges) - _SHOWN_EXCHANGES
    if left_out > 0:
        text.append(f"({left_out} more exchanges in the report)\n", "dim")
    text.append(f"seen by {item.check}", "dim")
    return _indented(text)


def _exchange(exchange: Mapping[str, Any]) -> Text:
    request, response = exchange["request"], exchange["response"]
    text = Text()
    text.append(f"{exchange['at'][11:23]}  ", "dim")
    text.append(f"{request['method']} {request['url']}\n")
    if request["body"]:
        text.append(f"   > {_cut(request['body'], _SHOWN_BODY)}\n")
    answer = str(response["status"]) if response["status"] else f"no answer: {response['error']}"
    text.append(f"   < {answer}", "bold").append(f"  after {exchange['elapsed_ms']:g} ms\n", "dim")
    if response["body"]:
        text.append(f"   < {_cut(response['body'], _SHOWN_BODY)}\n")
    if len(exchange["curl"]) <= 2000:
        text.append(f"   $ {exchange['curl']}\n", "cyan")
    return text


def _unverified(rows: Iterable[RequirementResult]) -> RenderableType:
    """Name the reasons once each: the same one often holds for many requirements."""
    reasons: dict[str, list[RequirementResult]] = {}
    for row in rows:
        reasons.setdefault(row.detail or "no reason is known", []).append(row)
    text = Text("\nnot verified\n", "bold magenta")
    for reason, group in reasons.items():
        names = [row.id if row.level == "MUST" else f"{row.id} ({row.level})" for row in group]
        if group[0].cause is Cause.NO_CHECK and len(names) > 12:
            names = [*names[:10], f"and {len(names) - 10} more"]
        text.append(f"  {reason}: ").append(", ".join(names) + "\n", "dim")
    return text


def _verdict(report: Report) -> Text:
    musts, of_musts = report.verified("MUST")
    shoulds, of_shoulds = report.verified("SHOULD")
    text = Text("\n")
    text.append(report.verdict.value, _VERDICT_STYLES[report.verdict])
    text.append(f": {musts} of {of_musts} MUST verified, {shoulds} of {of_shoulds} SHOULD")
    failed, warned = len(report.having(Outcome.FAIL)), len(report.having(Outcome.WARN))
    if failed:
        text.append(f", {failed} violated", "bold red")
    if warned:
        text.append(f", {warned} warnings", "yellow")
    if report.selection:
        text.append(f"; judged on a selection of {len(report.requirements)} of {report.out_of}")
    if not report.complete:
        text.append("; the run was cut off", "bold magenta")
    return text


def _indented(renderable: RenderableType) -> Padding:
    return Padding(renderable, (0, 0, 0, 5))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text) - limit} more)"
