"""Several runs side by side: by group, and by requirement where they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pollux.conformance.outcome import Outcome
from pollux.conformance.report.page import render
from pollux.conformance.report.report import Report
from pollux.conformance.report.result import RequirementResult

COMPARISON_VERSION = 1

_HOLDS = frozenset({Outcome.PASS, Outcome.NOT_APPLICABLE})


@dataclass(frozen=True)
class Cell:
    """How one implementation does in one group.

    Attributes:
        held: Requirements that hold or do not apply.
        of: Requirements that were judged.
        broken: Those that are violated, warnings included.
        unknown: Those that were not verified.
    """

    held: int
    of: int
    broken: int
    unknown: int


@dataclass(frozen=True)
class Contrast:
    """A requirement on which the runs differ.

    Attributes:
        row: What one of them says of it; its id, level and sentence are those of all.
        outcomes: The outcome in each run; None where a run did not judge it.
    """

    row: RequirementResult
    outcomes: tuple[Outcome | None, ...]


@dataclass(frozen=True)
class Comparison:
    """Several runs side by side.

    Attributes:
        names: What each is called.
        reports: The runs, in the same order.
    """

    names: tuple[str, ...]
    reports: tuple[Report, ...]

    @property
    def groups(self) -> dict[str, list[Cell | None]]:
        """Each group with how each implementation does in it; None: it was not judged."""
        names = dict.fromkeys(group for report in self.reports for group in report.groups)
        return {name: [_cell(report, name) for report in self.reports] for name in names}

    @property
    def contrasts(self) -> list[Contrast]:
        """The requirements on which the runs differ, in the order of the contract."""
        tables = [{row.id: row for row in report.requirements} for report in self.reports]
        # The run that judged most has the order; what only others judged follows.
        order = dict.fromkeys(name for table in sorted(tables, key=len)[::-1] for name in table)
        found = []
        for name in order:
            rows = [table.get(name) for table in tables]
            judged = [row for row in rows if row is not None]
            # A run that did not judge it says nothing against the others.
            if len({row.outcome for row in judged}) > 1:
                outcomes = tuple(row.outcome if row else None for row in rows)
                found.append(Contrast(judged[0], outcomes))
        return found

    @property
    def notes(self) -> list[str]:
        """What to keep in mind: runs that were cut off, or looked at different things."""
        notes = [
            f"the run of {name} was cut off"
            for name, report in zip(self.names, self.reports, strict=True)
            if not report.complete
        ]
        for what, values in (
            ("profile", [report.profile for report in self.reports]),
            ("selection", [" ".join(report.selection) or "all" for report in self.reports]),
            ("effort", [report.effort for report in self.reports]),
            ("version of Pollux", [report.version for report in self.reports]),
        ):
            if len(set(values)) > 1:
                each = "; ".join(map(": ".join, zip(self.names, values, strict=True)))
                notes.append(f"not the same kind of run, {what}: {each}")
        return notes

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON data."""
        return {
            "pollux_comparison": COMPARISON_VERSION,
            "notes": self.notes,
            "implementations": [
                {
                    "name": name,
                    "base_url": report.target["base_url"],
                    "verdict": report.verdict.value,
                    "complete": report.complete,
                    "counts": report.counts(),
                }
                for name, report in zip(self.names, self.reports, strict=True)
            ],
            "differences": [
                {
                    "requirement": contrast.row.id,
                    "level": contrast.row.level,
                    "outcomes": [value.value if value else None for value in contrast.outcomes],
                }
                for contrast in self.contrasts
            ],
        }


def labels(paths: Sequence[Path], given: Sequence[str]) -> tuple[str, ...]:
    """Return a name for each report: those GIVEN, then file names, longer where they clash."""
    names = [*given, *(path.name.partition(".")[0] or path.name for path in paths[len(given) :])]
    return tuple(
        str(path) if names.count(name) > 1 and number >= len(given) else name
        for number, (path, name) in enumerate(zip(paths, names, strict=True))
    )


def render_comparison(comparison: Comparison) -> str:
    """Return the comparison as one HTML page that needs nothing from elsewhere."""
    return render("compare.html", comparison=comparison)


def _cell(report: Report, group: str) -> Cell | None:
    outcomes = [row.outcome for row in report.requirements if row.group == group]
    if not outcomes:
        return None
    held = sum(outcome in _HOLDS for outcome in outcomes)
    broken = sum(outcome in (Outcome.FAIL, Outcome.WARN) for outcome in outcomes)
    return Cell(held, len(outcomes), broken, len(outcomes) - held - broken)
