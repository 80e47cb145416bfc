"""Records what every check says, in one place: pytest's hooks. No outcome is ever lost.

Where the checks run (which may be a worker of pytest-xdist) the record of a check travels
with the report of its teardown; where the reports arrive it goes into the event log.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Never

import pytest

from pollux import __version__
from pollux.conformance.check import Declaration, declaration
from pollux.conformance.effort import Budget, Effort
from pollux.conformance.errors import CannotVerifyError
from pollux.conformance.judge import Judge
from pollux.conformance.launch import ServerProcess
from pollux.conformance.outcome import Cause, Judgement, Outcome
from pollux.conformance.plugin import PLAN
from pollux.conformance.report.log import LOG_VERSION, EventLog
from pollux.conformance.selection import selected
from pollux.conformance.target import Target
from pollux.schemas.requirements import Need, Requirement

#: Where the fixture ``judge`` finds the judge of its test.
JUDGE = pytest.StashKey[Judge]()

_DECLARATION = pytest.StashKey[Declaration]()
_LACKING = pytest.StashKey[str]()
_END = pytest.StashKey[BaseException]()
_STARTED = pytest.StashKey[float]()

#: Where a worker of pytest-xdist leaves what checks it has found.
CHECKS = "pollux_checks"

_SUITE = "pollux.conformance.suite."
_RECORD = "pollux_check"


@dataclass(frozen=True)
class Plan:
    """What a run is asked to do.

    Attributes:
        target: The implementation.
        catalogue: All requirements.
        only: Which requirements are judged, see :func:`pollux.conformance.selection.selected`.
        seed: Repeats the random choices of the checks.
        every_requirement: Fail the collection when a requirement has no check.
        budget: How much the checks may try; a quick one leaves out those that are slow.
        process: The implementation, when this process has started it: restarts need it.
    """

    target: Target
    catalogue: Mapping[str, Requirement]
    only: tuple[str, ...] = ()
    seed: int = 0
    every_requirement: bool = False
    budget: Budget = field(default_factory=Budget)
    process: ServerProcess | None = None


class Recorder:
    """The pytest plugin of one run.

    Args:
        plan: What is to be done.
        log: Takes the events; None where somebody else writes it (in a worker).
    """

    def __init__(self, plan: Plan, log: EventLog | None) -> None:
        self.plan = plan
        self.log = log
        self._interrupted = False
        self._checks_known = False
        if log is not None:
            self._begin(log)

    def _begin(self, log: EventLog) -> None:
        plan = self.plan
        log.emit(
            "start",
            pollux_log=LOG_VERSION,
            pollux_version=__version__,
            target=plan.target.public(),
            profile=plan.target.profile.value,
            seed=plan.seed,
            only=list(plan.only),
            effort=plan.budget.effort.value,
            requirements=[
                {
                    "id": requirement.id,
                    "level": requirement.level.value,
                    "sentence": requirement.sentence,
                    "source": requirement.source,
                    "group": requirement.group,
                }
                for requirement in plan.catalogue.values()
            ],
        )

    def pytest_configure(self, config: pytest.Config) -> None:
        """Tell the fixtures what is judged."""
        config.stash[PLAN] = self.plan

    # -- collection ---------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Read the declarations, refuse wrong ones, keep the checks that were asked for."""
        checks = self._checks(items)
        covered = {name for check in checks.values() for name in check.requirements}
        missing = sorted(self.plan.catalogue.keys() - covered)
        if missing and self.plan.every_requirement:
            self._refuse([f"{name} has no check" for name in missing])
        wanted = selected(self.plan.only, self.plan.catalogue, covered)
        if self.plan.budget.effort is Effort.QUICK:
            checks = {item: check for item, check in checks.items() if not check.slow}
            wanted &= {name for check in checks.values() for name in check.requirements}
        unwanted = {
            item
            for item in items
            if item.stash.get(_DECLARATION, None) is not None
            and not (item in checks and wanted.intersection(checks[item].requirements))
        }
        if unwanted:
            config.hook.pytest_deselected(items=list(unwanted))
            items[:] = [item for item in items if item not in unwanted]
        rows = [
            {
                "check": check_name(item),
                "requirements": list(check.requirements),
                "left_out": self._lacking(check),
            }
            for item, check in checks.items()
            if item not in unwanted
        ]
        self.note_checks({"selected": sorted(wanted), "checks": rows})
        if hasattr(config, "workeroutput"):
            config.workeroutput[CHECKS] = {"selected": sorted(wanted), "checks": rows}

    def note_checks(self, checks: Mapping[str, Any]) -> None:
        """Write into the log which checks there are; the first to say so counts."""
        if self.log is not None and not self._checks_known:
            self._checks_known = True
            self.log.emit("checks", **checks)

    def note_trouble(self, message: str) -> None:
        """Write into the log what went wrong outside of a check."""
        if self.log is not None:
            self.log.emit("trouble", message=message)

    def _checks(self, items: Sequence[pytest.Item]) -> dict[pytest.Item, Declaration]:
        checks: dict[pytest.Item, Declaration] = {}
        wrong = []
        known_needs = {need.value for need in Need}
        for item in items:
            check = declaration(item)
            if check is None:
                if _in_suite(item):
                    wrong.append(f"{check_name(item)} declares no requirement")
                continue
            unknown = [name for name in check.requirements if name not in self.plan.catalogue]
            unknown += check.needs - known_needs
            wrong += [f"{check_name(item)} declares {name}, which is unknown" for name in unknown]
            checks[item] = check
            item.stash[_DECLARATION] = check
        if wrong:
            self._refuse(wrong)
        return checks

    def _refuse(self, reasons: Sequence[str]) -> Never:
        message = "; ".join(reasons)
        self.note_trouble(message)
        raise pytest.UsageError(message)

    def _lacking(self, check: Declaration) -> str | None:
        reasons = [self.plan.target.lacking(Need(need)) for need in sorted(check.needs)]
        return next((reason for reason in reasons if reason), None)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module of checks that cannot be imported."""
        if report.failed:
            self.note_trouble(f"{report.nodeid}: {report.longreprtext[-2000:]}")

    # -- one check ----------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Give the check its judge, or leave it out when the target lacks what it needs."""
        check = item.stash.get(_DECLARATION, None)
        if check is None:
            return
        item.stash[JUDGE] = Judge(check_name(item), check.requirements, self.plan.catalogue)
        lacking = self._lacking(check)
        if lacking:
            item.stash[_LACKING] = lacking
            pytest.skip(f"NOT VERIFIED: {lacking}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Run the check, and fail the test when the check has something to say."""
        judge = item.stash.get(JUDGE, None)
        try:
            yield
            if judge is not None:
                judge.finish()
        except CannotVerifyError as error:
            if judge is None:
                raise
            item.stash[_END] = error
        if judge is not None:
            text = _failure(judge.judgements(item.stash.get(_END, None)))
            if text:
                pytest.fail(text, pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note what ended the check; let its record travel with the last report."""
        report = yield
        check = item.stash.get(_DECLARATION, None)
        if check is None:
            return report
        item.stash.setdefault(_STARTED, call.start)
        error = call.excinfo.value if call.excinfo else None
        if error is not None and _LACKING not in item.stash:
            # What this plugin itself raised to fail the test is no news.
            own = call.when == "call" and isinstance(error, pytest.fail.Exception)
            if not own:
                item.stash.setdefault(_END, error)
        if call.when == "teardown":
            setattr(report, _RECORD, self._record(item, check, call.stop))
        return report

    def _record(self, item: pytest.Item, check: Declaration, stop: float) -> dict[str, Any]:
        lacking = item.stash.get(_LACKING, None)
        if lacking is not None:
            judgements = [
                Judgement(name, Outcome.NOT_VERIFIED, lacking, Cause.LACKING)
                for name in check.requirements
            ]
        else:
            judgements = item.stash[JUDGE].judgements(item.stash.get(_END, None))
        return {
            "check": check_name(item),
            "left_out": lacking,
            "duration_ms": round((stop - item.stash[_STARTED]) * 1000, 1),
            "judgements": [judgement.as_dict() for judgement in judgements],
        }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the record of a check into the log."""
        record = getattr(report, _RECORD, None)
        if record is not None and self.log is not None:
            self.log.emit("check", **record)

    # -- the end ------------------------------------------------------------------------

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that the run was cut off."""
        self._interrupted = True

    def pytest_internalerror(self, excrepr: object) -> None:
        """Note an error of pytest or of this plugin."""
        self._interrupted = True
        self.note_trouble(str(excrepr)[-4000:])

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the log: complete only when nothing kept the run from its end."""
        if self.log is not None and not session.config.option.collectonly:
            ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
            self.log.emit("finish", complete=ended and not self._interrupted)


def check_name(item: pytest.Item) -> str:
    """Return the name of a check: module and function, without the way there."""
    path, colons, test = item.nodeid.partition("::")
    return path.rpartition("/")[2] + colons + test


def _in_suite(item: pytest.Item) -> bool:
    module = getattr(item, "module", None)
    return getattr(module, "__name__", "").startswith(_SUITE)


def _failure(judgements: Sequence[Judgement]) -> str:
    shown = (Outcome.FAIL, Outcome.NOT_VERIFIED, Outcome.HARNESS_ERROR)
    return "\n".join(_lines(judgement) for judgement in judgements if judgement.outcome in shown)


def _lines(judgement: Judgement) -> str:
    lines = [f"{judgement.outcome.value} {judgement.requirement}: {judgement.detail}"]
    for item in judgement.evidence[:1]:
        lines += [f"  expected {item.expected}", f"  got      {item.got}"]
        lines += [f"  $ {exchange['curl']}" for exchange in item.exchanges[:2]]
    return "\n".join(lines)
