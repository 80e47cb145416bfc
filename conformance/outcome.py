"""What can come of a requirement and of a whole run, and how single judgements add up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What is known of one requirement after a run."""

    PASS = "PASS"
    FAIL = "FAIL"
    WARN = "WARN"  # a SHOULD or MAY is broken
    NOT_VERIFIED = "NOT_VERIFIED"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    HARNESS_ERROR = "HARNESS_ERROR"


class Cause(StrEnum):
    """Why a requirement is NOT_VERIFIED."""

    LACKING = "lacking"  # the target was given without what the check needs
    PREREQUISITE = "prerequisite"  # something before it failed
    NO_CHECK = "no-check"  # this version of the suite has no check for it
    NOT_RUN = "not-run"  # the run ended before its check did


class Verdict(StrEnum):
    """What is said of the implementation."""

    CONFORMANT = "conformant"
    VIOLATED = "violated"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Evidence:
    """One thing that was seen.

    Attributes:
        check: Where it was seen.
        message: What was looked at, in a sentence.
        expected: What the contract asks for.
        got: What came instead.
        exchanges: The requests and answers that prove it, as JSON data without secrets.
        script: Lines for a shell that show it, where one request is not enough.
    """

    check: str
    message: str
    expected: str = ""
    got: str = ""
    exchanges: tuple[Mapping[str, Any], ...] = ()
    script: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the evidence as JSON data."""
        return {
            "check": self.check,
            "message": self.message,
            "expected": self.expected,
            "got": self.got,
            "exchanges": [dict(exchange) for exchange in self.exchanges],
            **({"script": self.script} if self.script else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Evidence":
        """Read what :meth:`as_dict` wrote."""
        return cls(
            check=data["check"],
            message=data["message"],
            expected=data["expected"],
            got=data["got"],
            exchanges=tuple(data["exchanges"]),
            script=data.get("script", ""),
        )


@dataclass(frozen=True)
class Judgement:
    """What one check says of one requirement.

    Attributes:
        requirement: Id of the requirement.
        outcome: What the check found.
        detail: Why, in a sentence; empty for a plain PASS.
        cause: The kind of NOT_VERIFIED.
        evidence: What proves it.
    """

    requirement: str
    outcome: Outcome
    detail: str = ""
    cause: Cause | None = None
    evidence: tuple[Evidence, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return the judgement as JSON data."""
        return {
            "requirement": self.requirement,
            "outcome": self.outcome.value,
            "detail": self.detail,
            "cause": self.cause.value if self.cause else None,
            "evidence": [item.as_dict() for item in self.evidence],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Judgement":
        """Read what :meth:`as_dict` wrote."""
        return cls(
            requirement=data["requirement"],
            outcome=Outcome(data["outcome"]),
            detail=data["detail"],
            cause=Cause(data["cause"]) if data["cause"] else None,
            evidence=tuple(map(Evidence.from_dict, data["evidence"])),
        )


def combined(judgements: Iterable[Judgement]) -> Judgement | None:
    """Return what all checks of one requirement say together, or None when there are none.

    A breach outweighs everything. A check that could not come to an end outweighs those that
    passed: together they have not seen all they set out to see. A check that was left out
    because the target lacks what it needs does not undo another one's PASS, but is named.
    """
    rows = list(judgements)
    if not rows:
        return None
    worst = min(rows, key=_weight)
    evidence = tuple(item for row in rows if row.outcome is worst.outcome for item in row.evidence)
    detail = worst.detail
    if worst.outcome is Outcome.PASS:
        left_out = [row for row in rows if row.cause is Cause.LACKING]
        if left_out:
            detail = f"seen in part: {len(left_out)} of {len(rows)} checks left out, "
            detail += left_out[0].detail
    return Judgement(worst.requirement, worst.outcome, detail, worst.cause, evidence)


def _weight(judgement: Judgement) -> int:
    match judgement.outcome:
        case Outcome.FAIL:
            return 0
        case Outcome.WARN:
            return 1
        case Outcome.HARNESS_ERROR:
            return 2
        case Outcome.NOT_VERIFIED if judgement.cause is not Cause.LACKING:
            return 3
        case Outcome.PASS:
            return 4
        case Outcome.NOT_VERIFIED:
            return 5
        case Outcome.NOT_APPLICABLE:
            return 6
    raise ValueError(judgement.outcome)
