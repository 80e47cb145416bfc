"""The report on a terminal: a table by group, then every breach with what proves it."""

from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pollux.conformance.outcome import Outcome, Verdict
from pollux.conformance.report.evidence import Limits, Line, evidence_lines
from pollux.conformance.report.report import NORMAL_EFFORT, Report
from pollux.conformance.report.result import RequirementResult, Standing
from pollux.conformance.report.text import visible

OUTCOME_STYLES = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.WARN: "yellow",
    Outcome.NOT_VERIFIED: "magenta",
    Outcome.NOT_APPLICABLE: "dim",
    Outcome.HARNESS_ERROR: "bold magenta",
}
VERDICT_STYLES = {
    Verdict.CONFORMANT: "bold green",
    Verdict.VIOLATED: "bold red",
    Verdict.INCOMPLETE: "bold magenta",
}
_KNOWN = "known"
_MOST_NAMES = 12
# What goes into a file or the log of a CI system need not fit a screen.
_PIPED = Limits(text=400, body=400, curl=2000)


def print_report(report: Report, console: Console) -> None:
    """Print REPORT: what was judged, the groups, what is broken, the verdict at the end."""

    def say(text: Text) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    say(_heading(report))
    console.print(_groups(report))
    broken = [
        row
        for row in report.having(Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR)
        if row.known is None
    ]
    limits = Limits() if console.is_terminal else _PIPED
    for row in broken:
        console.print()
        for line in _broken(row, limits):
            _print_line(line, console)
    if any(row.evidence for row in broken):
        say(
            Text(
                "\nThe curl lines take the tokens from the shell: TOKEN=... OTHER_TOKEN=...", "dim"
            )
        )
    if report.standing is not None:
        say(_baseline(report, report.standing))
    unverified = report.having(Outcome.NOT_VERIFIED)
    if unverified:
        say(_unverified(unverified))
    for trouble in report.troubles:
        say(Text(f"trouble in the suite: {visible(trouble, keep=chr(10))}", "bold magenta"))
    say(_verdict(report))


def _heading(report: Report) -> Text:
    text = Text.assemble((f"\nPollux {visible(report.target['base_url'])}", "bold"))
    text.append(f"  profile {report.profile}, seed {report.seed}")
    if report.effort != NORMAL_EFFORT:
        text.append(f", {report.effort}")
    text.append("\n")
    if report.selection:
        text.append(
            f"selection: {len(report.requirements)} of {report.out_of} requirements "
            f"(--only {visible(' '.join(report.selection))})\n",
            "yellow",
        )
    return text


def _groups(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("group")
    columns: dict[str, str] = {}
    for outcome in Outcome:
        if any(row.known is None for row in report.having(outcome)):
            columns[outcome.value] = OUTCOME_STYLES[outcome]
    if any(row.known for row in report.requirements):
        columns[_KNOWN] = "yellow"
    for name, style in columns.items():
        table.add_column(name, justify="right", style=style)
    for group in report.groups:
        found = Counter(_column(row) for row in report.requirements if row.group == group)
        table.add_row(group, *(str(found[name]) if found[name] else "" for name in columns))
    return table


def _column(row: RequirementResult) -> str:
    return _KNOWN if row.known else row.outcome.value


def _broken(row: RequirementResult, limits: Limits) -> Iterator[Line]:
    title = Text.assemble((f"{row.outcome.value} ", OUTCOME_STYLES[row.outcome]), (row.id, "bold"))
    yield Line(title.append(f"  {row.level}  {row.source}", "dim"), indent=0)
    yield Line(Text(row.sentence, "italic"))
    yield from evidence_lines(row, limits)


def _print_line(line: Line, console: Console) -> None:
    if console.is_terminal and not line.whole:
        console.print(Padding(line.text, (0, 0, 0, line.indent)), highlight=False)
    else:
        # The terminal breaks a long line itself, so that it is copied as one.
        text = Text(" " * line.indent).append_text(line.text)
        console.print(text, soft_wrap=True, highlight=False)


def _baseline(report: Report, standing: Standing) -> Text:
    text = Text()
    if standing.known:
        text.append("\nknown, by the baseline\n", "bold yellow")
    for row in report.requirements:
        if row.known is not None:
            until = f" (until {row.known.until})" if row.known.until else ""
            text.append(f"  {row.id}: ").append(f"{visible(row.known.reason)}{until}\n", "dim")
    for title, names, style in (
        ("passes now: remove it from the baseline", standing.stale, "bold red"),
        ("no longer in the baseline: its date is past", standing.expired, "yellow"),
        ("in the baseline, but not judged by this run", standing.unseen, "dim"),
    ):
        if names:
            text.append(f"\n{title}\n", style).append(f"  {', '.join(names)}\n")
    text.rstrip()
    return text


def _unverified(rows: Iterable[RequirementResult]) -> Text:
    """Name the reasons once each: the same one often holds for many requirements."""
    reasons: dict[str, list[RequirementResult]] = {}
    for row in rows:
        reasons.setdefault(row.detail or "no reason is known", []).append(row)
    text = Text.assemble(("\nnot verified\n", "bold magenta"))
    for reason, group in reasons.items():
        names = [row.id if row.level == "MUST" else f"{row.id} ({row.level})" for row in group]
        if len(names) > _MOST_NAMES:
            left_out = len(names) - _MOST_NAMES
            names = [*names[:_MOST_NAMES], f"and {left_out} more"]
        text.append(f"  {visible(reason)}: ").append(", ".join(names) + "\n", "dim")
    text.rstrip()
    return text


def _verdict(report: Report) -> Text:
    musts, of_musts = report.verified("MUST")
    shoulds, of_shoulds = report.verified("SHOULD")
    text = Text("\n")
    text.append(report.verdict.value, VERDICT_STYLES[report.verdict])
    text.append(f": {musts} of {of_musts} MUST verified, {shoulds} of {of_shoulds} SHOULD")
    failed, warned = report.having(Outcome.FAIL), report.having(Outcome.WARN)
    if failed:
        text.append(f", {len(failed)} violated", "bold red")
        if report.standing is not None:
            text.append(f" ({len(report.standing.new) or 'none'} of them new)")
    if warned:
        text.append(f", {len(warned)} warnings", "yellow")
    if report.standing is not None and report.standing.stale:
        text.append(f", {len(report.standing.stale)} to remove from the baseline", "bold red")
    if report.partial:
        text.append(f"; judged on a selection of {len(report.requirements)} of {report.out_of}")
    if not report.complete:
        text.append("; the run was cut off", "bold magenta")
    return text
