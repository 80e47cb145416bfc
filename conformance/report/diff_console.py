"""What changed between two runs, on a terminal."""

from rich.console import Console
from rich.text import Text

from pollux.conformance.report.console import VERDICT_STYLES
from pollux.conformance.report.diff import Change, Diff
from pollux.conformance.report.text import cut

_TITLES = {
    "new_failures": ("new failures", "bold red"),
    "new_warnings": ("new warnings", "yellow"),
    "newly_unverified": ("no longer verified", "bold magenta"),
    "fixed": ("fixed", "bold green"),
    "newly_verified": ("newly verified", "green"),
    "appeared": ("judged for the first time", "bold"),
    "disappeared": ("no longer there", "bold"),
    "changed": ("changed otherwise", "bold"),
}
_MOST_NAMED = 40
_DETAIL = 160


def print_diff(diff: Diff, console: Console) -> None:
    """Print what changed, the worst first, and a line that sums it up."""

    def say(text: Text) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    for difference in diff.differences:
        say(Text(f"not the same kind of run: {cut(difference, _DETAIL)}", "yellow"))
    lists = diff.lists()
    for name, (title, style) in _TITLES.items():
        changes = lists[name]
        if changes:
            say(Text.assemble(("\n" + title, style)))
        for change in changes[:_MOST_NAMED]:
            say(_line(change))
        if len(changes) > _MOST_NAMED:
            say(Text(f"  and {len(changes) - _MOST_NAMED} more (--json names them all)", "dim"))
    counts = [f"{title}: {len(lists[name])}" for name, (title, _) in _TITLES.items() if lists[name]]
    was, now = (Text(verdict.value, VERDICT_STYLES[verdict]) for verdict in diff.verdicts)
    say(
        Text("\n")
        .append_text(was)
        .append(", then ")
        .append_text(now)
        .append(": ")
        .append(", ".join(counts) or "nothing changed")
    )
    for reason in diff.unfinished:
        say(Text(cut(reason, _DETAIL), "bold magenta"))


def _line(change: Change) -> Text:
    line = Text(f"  {change.requirement}")
    if change.level != "MUST":
        line.append(f" ({change.level})")
    was, now = (outcome.value if outcome else "-" for outcome in (change.old, change.new))
    line.append(f"  {was} -> {now}", "dim")
    return line.append(f"  {cut(change.detail, _DETAIL)}" if change.detail else "", "dim")
