"""What tests of broken servers share: a fault, and the requirements that it turns red."""

from dataclasses import dataclass

from pollux.conformance.outcome import Outcome
from tests.conformance.workshop import Twist, Workshop, having


@dataclass(frozen=True)
class Fault:
    """One way to be wrong.

    Attributes:
        name: What is wrong.
        twist: The broken server.
        red: The requirements that are FAIL (or WARN) for it, and no others.
        only: What is checked; by default what must be red.
        may: What may turn red as well, depending on what the clock does.
        time_scale: Less than 1 where the suite has to wait in vain.
    """

    name: str
    twist: Twist
    red: frozenset[str]
    only: tuple[str, ...] = ()
    may: frozenset[str] = frozenset()
    time_scale: float = 1.0


def fault(
    name: str,
    twist: Twist,
    *red: str,
    only: tuple[str, ...] = (),
    may: tuple[str, ...] = (),
    time_scale: float = 1.0,
) -> Fault:
    return Fault(name, twist, frozenset(red), only or red, frozenset(may), time_scale)


def name_of(value: object) -> str:
    return value.name.replace(" ", "-") if isinstance(value, Fault) else ""


def check_turns_red(workshop: Workshop, broken: Fault) -> None:
    """Judge the broken server: red is exactly what it breaks, and the suite itself is well."""
    report = workshop.judge(broken.twist, *broken.only, time_scale=broken.time_scale)
    seen = having(report, Outcome.FAIL, Outcome.WARN)
    assert seen - broken.may == broken.red, {
        row.id: row.detail for row in report.having(Outcome.FAIL, Outcome.WARN)
    }
    errors = report.having(Outcome.HARNESS_ERROR)
    assert not errors, {row.id: row.detail for row in errors}
    assert not report.troubles
    for row in report.having(Outcome.FAIL):
        assert row.evidence and row.evidence[0].expected and row.evidence[0].got
