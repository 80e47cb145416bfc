"""The report on a terminal: a table by group, then every breach with what proves it."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
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
_LONGEST_CURL = 2000
_INDENT = " " * 5


def print_report(report: Report, console: Console) -> None:
    """Print REPORT: what was judged, the groups, what is broken, the verdict at the end."""

    def say(text: Text) -> None:
        # The terminal breaks long lines itself, so that a curl line is copied as one.
        console.print(text, soft_wrap=True, highlight=False)

    say(_heading(report))
    console.print(_groups(report))
    broken = report.having(Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR)
    for row in broken:
        say(_broken(row))
    if any(row.evidence for row in broken):
        say(
            Text(
                "\nThe curl lines take the tokens from the shell: TOKEN=... OTHER_TOKEN=...", "dim"
            )
        )
    unverified = report.having(Outcome.NOT_VERIFIED)
    if unverified:
        say(_unverified(unverified))
    for trouble in report.troubles:
        say(Text(f"trouble in the suite: {trouble}", "bold magenta"))
    say(_verdict(report))


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


def _broken(row: RequirementResult) -> Text:
    text = Text("\n")
    text.append(f"{row.outcome.value} ", _STYLES[row.outcome])
    text.append(row.id, "bold")
    text.append(f"  {row.level}  {row.source}", "dim")
    text.append(f"\n{_INDENT}{row.sentence}", "italic")
    if not row.evidence:
        text.append(f"\n{_INDENT}{row.detail}")
    for item in row.evidence[:_SHOWN_EVIDENCE]:
        _add_evidence(text, item)
    left_out = len(row.evidence) - _SHOWN_EVIDENCE
    if left_out > 0:
        text.append(f"\n{_INDENT}({left_out} more of this in the report)", "dim")
    return text


def _add_evidence(text: Text, item: Evidence) -> None:
    text.append(f"\n{_INDENT}{item.message}")
    if item.expected:
        text.append(f"\n{_INDENT}expected  ", "green").append(item.expected)
    if item.got:
        text.append(f"\n{_INDENT}got       ", "red").append(_cut(item.got))
    for exchange in item.exchanges[:_SHOWN_EXCHANGES]:
        _add_exchange(text, exchange)
    left_out = len(item.exchanges) - _SHOWN_EXCHANGES
    if left_out > 0:
        text.append(f"\n{_INDENT}({left_out} more exchanges in the report)", "dim")
    text.append(f"\n{_INDENT}seen by {item.check}", "dim")


def _add_exchange(text: Text, exchange: Mapping[str, Any]) -> None:
    request, response = exchange["request"], exchange["response"]
    answer = str(response["status"]) if response["status"] else f"no answer: {response['error']}"
    text.append(f"\n{_INDENT}{exchange['at'][11:23]}  ", "dim")
    text.append(f"{request['method']} {request['url']}")
    if request["body"]:
        text.append(f"\n{_INDENT}   > {_cut(request['body'])}")
    text.append(f"\n{_INDENT}   < {answer}", "bold")
    text.append(f"  after {exchange['elapsed_ms']:g} ms", "dim")
    if response["body"]:
        text.append(f"\n{_INDENT}   < {_cut(response['body'])}")
    if len(exchange["curl"]) <= _LONGEST_CURL:
        text.append(f"\n{_INDENT}   $ {exchange['curl']}", "cyan")


def _unverified(rows: Iterable[RequirementResult]) -> Text:
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


def _cut(text: str) -> str:
    """Return the beginning of TEXT on one line; what it says must not move the cursor."""
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text[:_SHOWN_BODY]
    )
    left_out = len(text) - _SHOWN_BODY
    return shown if left_out <= 0 else f"{shown}... ({left_out} more)"
