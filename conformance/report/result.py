"""What a run says of one requirement, and how a run stands to a baseline."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pollux.conformance.outcome import Cause, Evidence, Outcome


@dataclass(frozen=True)
class Known:
    """Why a breach is no news: what the baseline says of it.

    Attributes:
        reason: Why it is left as it is.
        until: The last day (ISO 8601) on which it counts as known, or None.
    """

    reason: str
    until: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"reason": self.reason, "until": self.until}


@dataclass(frozen=True)
class Standing:
    """How a run stands to a baseline; ids of requirements.

    Attributes:
        new: Failures that the baseline does not know.
        known: Breaches that it knows.
        stale: What it says is broken, and passes now.
        expired: What it no longer covers, since its date is past.
        unseen: What it names and this run could not judge.
    """

    new: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing is new, and nothing has to be removed from the baseline."""
        return not self.new and not self.stale

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        lists = {field.name: list(getattr(self, field.name)) for field in fields(self)}
        return {"holds": self.holds, **lists}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Standing":
        """Read what :meth:`as_dict` wrote."""
        return cls(**{field.name: tuple(data[field.name]) for field in fields(cls)})


@dataclass(frozen=True)
class RequirementResult:
    """What a run says of one requirement.

    Attributes:
        id: Stable id.
        level: ``MUST``, ``SHOULD`` or ``MAY``.
        sentence: The rule.
        source: Where the contract says it.
        group: Group of the contract.
        outcome: What is known after the run.
        detail: Why, in a sentence.
        cause: The kind of NOT_VERIFIED, or None.
        checks: The checks that judge it.
        evidence: What proves the outcome.
        duration_ms: Milliseconds of its checks; one that judges several requirements counts for
            each of them in equal parts.
        known: What the baseline says of its breach, or None.
    """

    id: str
    level: str
    sentence: str
    source: str
    group: str
    outcome: Outcome
    detail: str = ""
    cause: Cause | None = None
    checks: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    duration_ms: float = 0.0
    known: Known | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the result as it stands in the JSON report."""
        return {
            "id": self.id,
            "level": self.level,
            "outcome": self.outcome.value,
            "sentence": self.sentence,
            "detail": self.detail,
            "evidence": [item.as_dict() for item in self.evidence],
            "source": self.source,
            "group": self.group,
            "cause": self.cause.value if self.cause else None,
            "checks": list(self.checks),
            "duration_ms": self.duration_ms,
            "known": self.known.as_dict() if self.known else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "RequirementResult":
        """Read what :meth:`as_dict` wrote."""
        known = data.get("known")
        return cls(
            id=data["id"],
            level=data["level"],
            sentence=data["sentence"],
            source=data["source"],
            group=data["group"],
            outcome=Outcome(data["outcome"]),
            detail=data["detail"],
            cause=Cause(data["cause"]) if data["cause"] else None,
            checks=tuple(data["checks"]),
            evidence=tuple(map(Evidence.from_dict, data["evidence"])),
            duration_ms=data.get("duration_ms", 0.0),
            known=Known(known["reason"], known["until"]) if known else None,
        )
