"""Folds the event log of a run into one report: outcome by requirement, counts, verdict."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pollux.conformance.outcome import Cause, Judgement, Outcome, Verdict, combined
from pollux.conformance.report.log import Event
from pollux.conformance.report.result import RequirementResult, Standing

REPORT_VERSION = 1
#: The effort of runs that say nothing of it.
NORMAL_EFFORT = "normal"

_LEVELS = ("MUST", "SHOULD", "MAY")


@dataclass(frozen=True)
class Report:
    """The whole of a run.

    Attributes:
        target: What was judged, without secrets.
        profile: ``blackbox`` or ``scripted``.
        seed: Repeats the run's random choices.
        requirements: One result for each requirement that was asked for, and for each other
            one of which a breach was seen.
        complete: Whether the run came to its end.
        selection: What ``--only`` named; empty: everything.
        troubles: What went wrong in the suite itself.
        started_at: ISO time.
        finished_at: ISO time of the last event.
        version: Version of Pollux.
        out_of: How many requirements there are.
        effort: ``quick``, ``normal`` or ``thorough``.
        standing: How the run stands to its baseline; None when it has none.
    """

    target: Mapping[str, Any]
    profile: str
    seed: int
    requirements: tuple[RequirementResult, ...]
    complete: bool
    selection: tuple[str, ...]
    troubles: tuple[str, ...]
    started_at: str
    finished_at: str
    version: str
    out_of: int
    effort: str
    standing: Standing | None = None

    def having(self, *outcomes: Outcome, level: str | None = None) -> list[RequirementResult]:
        """Return the results with one of these OUTCOMES (and of this LEVEL)."""
        return [
            row
            for row in self.requirements
            if row.outcome in outcomes and (level is None or row.level == level)
        ]

    @property
    def verdict(self) -> Verdict:
        """What is said of the implementation: by its MUSTs, and never from nothing."""
        if self.having(Outcome.FAIL):
            return Verdict.VIOLATED
        return Verdict.INCOMPLETE if self.unfinished else Verdict.CONFORMANT

    @property
    def unfinished(self) -> bool:
        """Whether something required is not known, whatever else is."""
        return bool(
            not self.complete
            or self.troubles
            or self.having(Outcome.HARNESS_ERROR)
            or self.having(Outcome.NOT_VERIFIED, level="MUST")
            or self.verified()[0] == 0
        )

    @property
    def partial(self) -> bool:
        """Whether only some of the requirements were asked for."""
        return len(self.requirements) < self.out_of

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of the requirements, in the order of the contract."""
        return tuple(dict.fromkeys(row.group for row in self.requirements))

    def verified(self, *levels: str) -> tuple[int, int]:
        """Return how many requirements were verified, and out of how many that apply.

        Args:
            levels: Which levels count; by default MUST and SHOULD.
        """
        rows = [row for row in self.requirements if row.level in (levels or ("MUST", "SHOULD"))]
        applicable = [row for row in rows if row.outcome is not Outcome.NOT_APPLICABLE]
        known = (Outcome.PASS, Outcome.FAIL, Outcome.WARN)
        return sum(row.outcome in known for row in applicable), len(applicable)

    @property
    def exit_code(self) -> int:
        """0 all required holds, 1 something is violated, 3 something was not verified.

        With a baseline, 1 says that a failure is new or that a known one passes now.
        """
        holds = not self.having(Outcome.FAIL) if self.standing is None else self.standing.holds
        if not holds:
            return 1
        return 3 if self.unfinished else 0

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of requirements by level and outcome."""
        found = Counter((row.level, row.outcome) for row in self.requirements)
        return {
            level: {outcome.value: found[level, outcome] for outcome in Outcome}
            for level in _LEVELS
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON data, in the form of ``schemas/report.schema.json``."""
        verified, of = self.verified()
        return {
            "pollux_report": REPORT_VERSION,
            "target": dict(self.target),
            "profile": self.profile,
            "seed": self.seed,
            "effort": self.effort,
            "verdict": self.verdict.value,
            "counts": self.counts(),
            "requirements": [row.as_dict() for row in self.requirements],
            "verified": {"count": verified, "of": of},
            "selection": {
                "only": list(self.selection),
                "requirements": len(self.requirements),
                "of": self.out_of,
            },
            "complete": self.complete,
            "troubles": list(self.troubles),
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "pollux_version": self.version,
            "baseline": self.standing.as_dict() if self.standing else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Report":
        """Read what :meth:`as_dict` wrote."""
        standing = data.get("baseline")
        return cls(
            target=data["target"],
            profile=data["profile"],
            seed=data["seed"],
            requirements=tuple(map(RequirementResult.from_dict, data["requirements"])),
            complete=data["complete"],
            selection=tuple(data["selection"]["only"]),
            troubles=tuple(data["troubles"]),
            started_at=data["started_at"],
            finished_at=data["finished_at"],
            version=data["pollux_version"],
            out_of=data["selection"]["of"],
            effort=data.get("effort", NORMAL_EFFORT),
            standing=Standing.from_dict(standing) if standing else None,
        )


def build_report(events: Sequence[Event]) -> Report:
    """Return the report that the EVENTS of a log amount to."""
    start = events[0]
    judged: dict[str, list[Judgement]] = {}
    durations: dict[str, float] = {}
    for event in _of_kind(events, "check"):
        durations[event["check"]] = event["duration_ms"]
        for row in event["judgements"]:
            judged.setdefault(row["requirement"], []).append(Judgement.from_dict(row))
    checks: dict[str, list[str]] = {}
    shares: dict[str, float] = defaultdict(float)
    selected = {requirement["id"] for requirement in start["requirements"]}
    for event in _of_kind(events, "checks"):
        selected = set(event["selected"])
        for check in event["checks"]:
            share = durations.get(check["check"], 0.0) / max(len(check["requirements"]), 1)
            for requirement in check["requirements"]:
                checks.setdefault(requirement, []).append(check["check"])
                shares[requirement] += share
    results = []
    for requirement in start["requirements"]:
        name = requirement["id"]
        rows = judged.get(name, [])
        rows += [_not_run(name) for check in checks.get(name, ()) if check not in durations]
        seen_broken = any(row.outcome in (Outcome.FAIL, Outcome.WARN) for row in rows)
        if name in selected or seen_broken:
            judgement = combined(rows) or _no_check(name)
            known_checks = tuple(checks.get(name, ()))
            results.append(_result(requirement, judgement, known_checks, shares[name]))
    finish = next(_of_kind(events, "finish"), None)
    return Report(
        target=start["target"],
        profile=start["profile"],
        seed=start["seed"],
        requirements=tuple(results),
        complete=bool(finish and finish["complete"]),
        selection=tuple(start["only"]),
        troubles=tuple(event["message"] for event in _of_kind(events, "trouble")),
        started_at=start["at"],
        finished_at=events[-1]["at"],
        version=start["pollux_version"],
        out_of=len(start["requirements"]),
        effort=start.get("effort", NORMAL_EFFORT),
    )


def _of_kind(events: Iterable[Event], kind: str) -> Iterator[Event]:
    return (event for event in events if event["event"] == kind)


def _not_run(name: str) -> Judgement:
    return Judgement(name, Outcome.NOT_VERIFIED, "the run ended before", Cause.NOT_RUN)


def _no_check(name: str) -> Judgement:
    return Judgement(name, Outcome.NOT_VERIFIED, "no check yet", Cause.NO_CHECK)


def _result(
    requirement: Mapping[str, Any],
    judgement: Judgement,
    checks: tuple[str, ...],
    duration_ms: float,
) -> RequirementResult:
    return RequirementResult(
        id=requirement["id"],
        level=requirement["level"],
        sentence=requirement["sentence"],
        source=requirement["source"],
        group=requirement["group"],
        outcome=judgement.outcome,
        detail=judgement.detail,
        cause=judgement.cause,
        checks=checks,
        evidence=judgement.evidence,
        duration_ms=round(duration_ms, 1),
    )
