"""What changed between two runs: new failures, what was mended, what is no longer verified."""

from dataclasses import dataclass, fields
from typing import Any

from pollux.conformance.outcome import Outcome, Verdict
from pollux.conformance.report.report import Report

DIFF_VERSION = 1

_UNKNOWN = frozenset({Outcome.NOT_VERIFIED, Outcome.HARNESS_ERROR})


@dataclass(frozen=True)
class Change:
    """One requirement whose outcome is another one.

    Attributes:
        requirement: Its id.
        level: ``MUST``, ``SHOULD`` or ``MAY``.
        old: Its outcome in the old run; None when that did not judge it.
        new: Its outcome in the new run; None when that did not judge it.
        detail: What the new run says of it, or the old one when the new one does not.
    """

    requirement: str
    level: str
    old: Outcome | None
    new: Outcome | None
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "requirement": self.requirement,
            "level": self.level,
            "old": self.old.value if self.old else None,
            "new": self.new.value if self.new else None,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class Diff:
    """What changed from one run to another; each requirement is in one list at most.

    Attributes:
        verdicts: What the old and the new run say of their implementation.
        differences: Why the two runs cannot be compared rule by rule; empty: they can.
        unfinished: Why the new run does not tell the whole; empty: it does.
        new_failures: A MUST that is violated and was not.
        new_warnings: A SHOULD or MAY that is broken and was not.
        fixed: Broken before, and passes now.
        newly_unverified: Known before, and not now.
        newly_verified: Not known before, and right now.
        appeared: Only the new run judges it.
        disappeared: Only the old run judges it.
        changed: Changed otherwise, such as to NOT_APPLICABLE.
    """

    verdicts: tuple[Verdict, Verdict]
    differences: tuple[str, ...]
    unfinished: tuple[str, ...]
    new_failures: tuple[Change, ...] = ()
    new_warnings: tuple[Change, ...] = ()
    fixed: tuple[Change, ...] = ()
    newly_unverified: tuple[Change, ...] = ()
    newly_verified: tuple[Change, ...] = ()
    appeared: tuple[Change, ...] = ()
    disappeared: tuple[Change, ...] = ()
    changed: tuple[Change, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 something is newly violated, 3 something required is no longer known, else 0."""
        if self.new_failures:
            return 1
        lost = any(change.level == "MUST" for change in self.newly_unverified)
        return 3 if lost or self.unfinished else 0

    def lists(self) -> dict[str, tuple[Change, ...]]:
        """Return the lists of changes by name, the worst first."""
        names = [field.name for field in fields(self)][3:]
        return {name: getattr(self, name) for name in names}

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        changes = {name: [row.as_dict() for row in rows] for name, rows in self.lists().items()}
        return {
            "pollux_diff": DIFF_VERSION,
            "verdicts": [verdict.value for verdict in self.verdicts],
            "comparable": not self.differences,
            "differences": list(self.differences),
            "unfinished": list(self.unfinished),
            "exit_code": self.exit_code,
            **changes,
        }


def diff_reports(old: Report, new: Report) -> Diff:
    """Return what changed from OLD to NEW."""
    before = {row.id: row for row in old.requirements}
    after = {row.id: row for row in new.requirements}
    found: dict[str, list[Change]] = {}
    for name in dict.fromkeys((*after, *before)):
        was, now = before.get(name), after.get(name)
        row = now or was
        if row is None or (was and now and was.outcome is now.outcome):
            continue
        change = Change(
            requirement=name,
            level=row.level,
            old=was.outcome if was else None,
            new=now.outcome if now else None,
            detail=row.detail,
        )
        found.setdefault(_list_of(change, new), []).append(change)
    return Diff(
        verdicts=(old.verdict, new.verdict),
        differences=_differences(old, new),
        unfinished=_unfinished(new),
        **{name: tuple(changes) for name, changes in found.items()},
    )


def _list_of(change: Change, new: Report) -> str:
    match change.old, change.new:
        case _, Outcome.FAIL:
            return "new_failures"
        case _, Outcome.WARN:
            return "new_warnings"
        case old, None:
            # A smaller selection leaves open what was known; a rule may also have been dropped.
            known = old not in _UNKNOWN and old is not Outcome.NOT_APPLICABLE
            return "newly_unverified" if known and new.partial else "disappeared"
        case None, _:
            return "appeared"
        case old, now if now in _UNKNOWN:
            return "changed" if old in _UNKNOWN else "newly_unverified"
        case ((Outcome.FAIL | Outcome.WARN), Outcome.PASS):
            return "fixed"
        case old, _ if old in _UNKNOWN:
            return "newly_verified"
    return "changed"


def _differences(old: Report, new: Report) -> tuple[str, ...]:
    """Return what makes the two runs look at different things."""
    pairs = {
        "profile": (old.profile, new.profile),
        "selection": (" ".join(old.selection) or "all", " ".join(new.selection) or "all"),
        "effort": (old.effort, new.effort),
        "users": (old.target["users"], new.target["users"]),
        "version of Pollux": (old.version, new.version),
    }
    lines = [f"{name}: {was}, then {now}" for name, (was, now) in pairs.items() if was != now]
    if not old.complete:
        lines.append("the old run was cut off")
    return tuple(lines)


def _unfinished(report: Report) -> tuple[str, ...]:
    lines = [] if report.complete else ["the new run was cut off"]
    return (*lines, *(f"trouble in the suite: {trouble}" for trouble in report.troubles))
