"""The baseline: which requirements are known to fail, each with a reason and perhaps a date.

A known failure is no longer red; a new one is, and so is an entry whose requirement passes.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Never

import yaml

from pollux.conformance.errors import ConformanceError
from pollux.conformance.outcome import Outcome
from pollux.conformance.report.report import Report
from pollux.conformance.report.result import Known, RequirementResult, Standing

BASELINE_VERSION = 1

#: The reason that stands in a baseline just written; no run accepts it.
TODO = "TODO: say why"

_HEADER = (
    "# Failures that are known (pollux check --baseline). Each needs a reason; with `until`, a\n"
    "# date, it counts as known up to that day. What passes again must be removed.\n"
)
_FILE = ("pollux_baseline", "failures")
_ENTRY = ("requirement", "reason", "until")


class BaselineError(ConformanceError):
    """A baseline is wrong; the message begins with the place in the file."""


@dataclass(frozen=True)
class Entry:
    """One known failure.

    Attributes:
        requirement: Id of the requirement.
        reason: Why it is left as it is.
        until: The last day on which it counts, or None.
    """

    requirement: str
    reason: str
    until: date | None = None

    def covers(self, day: date) -> bool:
        """Whether it counts on this DAY."""
        return self.until is None or day <= self.until


Baseline = Mapping[str, Entry]


def apply_baseline(report: Report, baseline: Baseline) -> Report:
    """Return REPORT with what BASELINE says of its breaches.

    The day that decides whether an entry is still valid is the one on which the run began, so
    that a report rendered later says the same.
    """
    day = date.fromisoformat(report.started_at[:10])
    valid = {name: entry for name, entry in baseline.items() if entry.covers(day)}
    rows = tuple(_marked(row, valid.get(row.id)) for row in report.requirements)
    broken = {row.id for row in rows if _is_broken(row)}
    passed = {row.id for row in rows if row.outcome is Outcome.PASS}
    standing = Standing(
        new=tuple(row.id for row in rows if row.outcome is Outcome.FAIL and row.known is None),
        known=tuple(row.id for row in rows if row.known is not None),
        stale=tuple(sorted(passed & valid.keys())),
        expired=tuple(sorted(baseline.keys() - valid.keys())),
        unseen=tuple(sorted(valid.keys() - broken - passed)),
    )
    return replace(report, requirements=rows, standing=standing)


def _marked(row: RequirementResult, entry: Entry | None) -> RequirementResult:
    known = None
    if entry is not None and _is_broken(row):
        known = Known(entry.reason, entry.until.isoformat() if entry.until else None)
    return replace(row, known=known)


def _is_broken(row: RequirementResult) -> bool:
    return row.outcome in (Outcome.FAIL, Outcome.WARN)


def baseline_text(report: Report, before: Baseline) -> str:
    """Return the failures of REPORT as a baseline, in the form of its file.

    Entries of BEFORE stay as they are, unless their requirement passes now. A failure that it
    does not have gets a reason that no run accepts until somebody has written a better one.
    """
    outcomes = {row.id: row.outcome for row in report.requirements}
    entries = {row.id: Entry(row.id, TODO) for row in report.having(Outcome.FAIL)}
    entries |= {
        name: entry for name, entry in before.items() if outcomes.get(name) is not Outcome.PASS
    }
    data = {
        "pollux_baseline": BASELINE_VERSION,
        "failures": [_as_dict(entries[name]) for name in sorted(entries)],
    }
    return _HEADER + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=96)


def _as_dict(entry: Entry) -> dict[str, Any]:
    fields: dict[str, Any] = {"requirement": entry.requirement, "reason": entry.reason}
    return fields if entry.until is None else {**fields, "until": entry.until}


def read_baseline(
    path: Path, requirements: Collection[str], *, unexplained: bool = False
) -> Baseline:
    """Return the baseline in PATH.

    Args:
        path: A file of the form of ``schemas/baseline.schema.json``.
        requirements: All ids there are.
        unexplained: Take the reason that :func:`baseline_text` leaves, too.

    Raises:
        BaselineError: when it is none: an unknown word, no reason, a date that is none, the
            same requirement twice.
        OSError: when it cannot be read.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BaselineError(f"{path}: not YAML: {error}") from error
    return _Reader(path, requirements, unexplained).baseline(root)


class _Reader:
    """Walks the nodes of the file, since only they know their lines."""

    def __init__(self, path: Path, requirements: Collection[str], unexplained: bool) -> None:
        self._path = path
        self._requirements = requirements
        self._unexplained = unexplained

    def baseline(self, root: yaml.Node | None) -> Baseline:
        if root is None:
            raise BaselineError(f"{self._path} is empty: 'pollux_baseline: 1' is missing")
        fields = self._fields(root, _FILE, required=_FILE)
        version = self._scalar(fields["pollux_baseline"])
        if version != str(BASELINE_VERSION):
            self._refuse(
                fields["pollux_baseline"],
                f"a baseline of version {version}; this Pollux reads {BASELINE_VERSION}",
            )
        entries: dict[str, Entry] = {}
        for node in self._items(fields["failures"]):
            entry = self._entry(node)
            if entry.requirement in entries:
                self._refuse(node, f"{entry.requirement} is there twice")
            entries[entry.requirement] = entry
        return entries

    def _entry(self, node: yaml.Node) -> Entry:
        fields = self._fields(node, _ENTRY, required=("requirement",))
        name = self._scalar(fields["requirement"])
        if name not in self._requirements:
            hint = _nearest(name.upper(), self._requirements)
            self._refuse(fields["requirement"], f"there is no requirement {name!r}{hint}")
        reason = self._scalar(fields["reason"]).strip() if "reason" in fields else ""
        if not reason:
            self._refuse(fields.get("reason", node), f"{name} has no reason")
        if reason.startswith("TODO") and not self._unexplained:
            self._refuse(fields["reason"], f"{name}: write down why, instead of {TODO!r}")
        return Entry(name, reason, self._date(fields.get("until")))

    def _date(self, node: yaml.Node | None) -> date | None:
        text = "" if node is None else self._scalar(node)
        if node is None or not text:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError:
            self._refuse(node, f"'until' is {text!r}, not a date such as 2030-12-31")

    def _fields(
        self, node: yaml.Node, known: Sequence[str], *, required: Sequence[str]
    ) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._refuse(node, f"not a mapping with {', '.join(map(repr, known))}")
        fields: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self._scalar(key)
            if name not in known:
                self._refuse(key, f"unknown word {name!r}{_nearest(name, known)}")
            if name in fields:
                self._refuse(key, f"{name!r} is there twice")
            fields[name] = value
        for name in required:
            if name not in fields:
                self._refuse(node, f"{name!r} is missing")
        return fields

    def _items(self, node: yaml.Node) -> Sequence[yaml.Node]:
        if isinstance(node, yaml.ScalarNode) and not self._scalar(node):
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self._refuse(node, "'failures' is not a list")
        return list(node.value)

    def _scalar(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._refuse(node, "a text was expected")
        return "" if node.tag == "tag:yaml.org,2002:null" else str(node.value)

    def _refuse(self, node: yaml.Node, message: str) -> Never:
        raise BaselineError(f"{self._path}, line {node.start_mark.line + 1}: {message}")


def _nearest(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {found[0]!r}?" if found else ""
