"""Runs the checks of the state machine and of the ring's properties against twisted servers."""

from pollux.conformance.effort import Budget
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import Report, build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.target import Profile, Target
from pollux.schemas.requirements import load_requirements
from tests.conformance.workshop import OTHER_TOKEN, Twist, Workshop

MACHINE = "test_state_machine"
RING = "test_ring_properties"


def judged(
    workshop: Workshop,
    twist: Twist,
    *modules: str,
    budget: Budget | None = None,
    only: tuple[str, ...] = (),
    profile: Profile = Profile.SCRIPTED,
    other_token: str | None = OTHER_TOKEN,
    time_scale: float = 1.0,
) -> Report:
    """Run the checks of these MODULES against a twisted server, with few sequences."""
    with workshop.serve(twist) as url:
        target = workshop.target(
            url, time_scale=time_scale, profile=profile, other_token=other_token
        )
        return judged_target(target, *modules, budget=budget, only=only)


def judged_target(
    target: Target, *modules: str, budget: Budget | None = None, only: tuple[str, ...] = ()
) -> Report:
    """Run the checks of these MODULES, with few sequences."""
    few = budget or Budget(sequences=2, steps=20, examples=4)
    log = EventLog()
    run_checks(
        Plan(target, load_requirements(), only=only, seed=1, budget=few), log, modules=modules
    )
    return build_report(log.events)


def scripts(report: Report) -> list[str]:
    """Return the shell lines of all sequences in a report."""
    return [item.script for row in report.requirements for item in row.evidence if item.script]


def requests_in(script: str) -> int:
    """Return how many requests the lines of a sequence make."""
    return script.count("/api/v1/")
