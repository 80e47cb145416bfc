"""Several runs side by side, on a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pollux.conformance.outcome import Outcome
from pollux.conformance.report.compare import Cell, Comparison
from pollux.conformance.report.console import OUTCOME_STYLES, VERDICT_STYLES
from pollux.conformance.report.report import Report
from pollux.conformance.report.text import visible


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the groups, then the requirements on which the runs differ."""
    table = _table(comparison, "group")
    table.add_row(Text("verdict", "bold"), *map(_verdict, comparison.reports))
    for level in ("MUST", "SHOULD"):
        verified = [Text("{} of {}".format(*run.verified(level))) for run in comparison.reports]
        table.add_row(f"{level} verified", *verified)
    for group, cells in comparison.groups.items():
        table.add_row(group, *map(_cell, cells))
    console.print(table)
    contrasts = comparison.contrasts
    if contrasts:
        console.print()
        table = _table(comparison, f"where they differ: {len(contrasts)}")
        for contrast in contrasts:
            name = Text(contrast.row.id)
            if contrast.row.level != "MUST":
                name.append(f" ({contrast.row.level})", "dim")
            table.add_row(name, *map(_outcome, contrast.outcomes))
        console.print(table)
    else:
        console.print("\nThey do not differ in any requirement.")
    for note in comparison.notes:
        console.print(Text(visible(note), "yellow"), soft_wrap=True, highlight=False)


def _table(comparison: Comparison, title: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(title, no_wrap=True)
    for name in comparison.names:
        table.add_column(Text(visible(name)), overflow="fold")
    return table


def _verdict(report: Report) -> Text:
    text = Text.assemble((report.verdict.value, VERDICT_STYLES[report.verdict]))
    return text if report.complete else text.append(", cut off", "bold magenta")


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return Text("-", "dim")
    text = Text(f"{cell.held} of {cell.of}")
    if cell.broken:
        text.append(f", {cell.broken} broken", "bold red")
    if cell.unknown:
        text.append(f", {cell.unknown} unknown", "magenta")
    return text


def _outcome(outcome: Outcome | None) -> Text:
    return Text(outcome.value, OUTCOME_STYLES[outcome]) if outcome else Text("-", "dim")
