"""Whatever a check does, its requirements have an outcome in the log."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pollux.conformance.outcome import Cause, Outcome, Verdict
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import Report, build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.target import Target
from pollux.schemas.requirements import load_requirements

_CONFTEST = """
import pytest
from pollux.conformance.recorder import JUDGE

@pytest.fixture
def judge(request):
    return request.node.stash[JUDGE]
"""
_IMPORTS = """
import pytest
from pollux.conformance.check import verifies
from pollux.conformance.errors import CannotVerifyError

"""
A, B, SHOULD = "POLL-SHAPE", "POLL-NEXT-OFFSET", "HEADER-NO-STORE"

Run = Callable[..., Report]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Run]:
    """Return a function that runs the given text as the one module of a suite."""
    monkeypatch.syspath_prepend(tmp_path)
    package = f"suite_{abs(hash(request.node.name))}"
    folder = tmp_path / package
    folder.mkdir()

    def run(text: str, *, conftest: str = "", log: EventLog | None = None, **plan: Any) -> Report:
        (folder / "__init__.py").touch()
        (folder / "conftest.py").write_text(_CONFTEST + textwrap.dedent(conftest))
        (folder / "test_it.py").write_text(_IMPORTS + textwrap.dedent(text))
        log = log or EventLog()
        target = Target("http://127.0.0.1:9", "a-token")
        settings = {"only": (A, B, SHOULD), "seed": 1, **plan}
        run_checks(Plan(target, load_requirements(), **settings), log, suite=package)
        return build_report(log.events)

    yield run


def _outcomes(report: Report) -> dict[str, Outcome]:
    return {row.id: row.outcome for row in report.requirements}


def test_passes_and_breaches(run: Run) -> None:
    report = run(
        """
        @verifies("POLL-SHAPE", "POLL-NEXT-OFFSET", "HEADER-NO-STORE")
        def test_all(judge):
            judge.that("POLL-SHAPE", True, "fine")
            judge.that("POLL-NEXT-OFFSET", False, "wrong", expected="1", got="2")
            judge.that("HEADER-NO-STORE", False, "odd")
        """
    )
    assert _outcomes(report) == {A: Outcome.PASS, B: Outcome.FAIL, SHOULD: Outcome.WARN}
    assert report.complete
    assert report.requirements[1].checks == ("test_it.py::test_all",)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("raise KeyError('x')", Outcome.HARNESS_ERROR),
        ("assert 1 == 2", Outcome.HARNESS_ERROR),
        ("pytest.skip('not today')", Outcome.HARNESS_ERROR),
        ("pytest.xfail('never')", Outcome.HARNESS_ERROR),
        ("pass", Outcome.HARNESS_ERROR),
        ("judge.that('HEADER-NO-STORE', True, 'undeclared')", Outcome.HARNESS_ERROR),
        ("judge.cannot_verify('no model')", Outcome.NOT_VERIFIED),
        ("judge.not_applicable('POLL-SHAPE', 'none')", Outcome.NOT_APPLICABLE),
    ],
)
def test_however_a_check_ends(run: Run, body: str, outcome: Outcome) -> None:
    report = run(
        f"""
        @verifies("POLL-SHAPE")
        def test_it(judge):
            {body}
        """,
        only=(A,),
    )
    assert _outcomes(report) == {A: outcome}
    assert report.verdict is Verdict.INCOMPLETE


@pytest.mark.parametrize(
    ("where", "error", "outcome"),
    [
        ("setup", "KeyError('x')", Outcome.HARNESS_ERROR),
        ("setup", "CannotVerifyError('the send failed', 'SEND-SHAPE')", Outcome.NOT_VERIFIED),
        ("teardown", "KeyError('x')", Outcome.HARNESS_ERROR),
    ],
)
def test_errors_around_a_check_are_never_lost(
    run: Run, where: str, error: str, outcome: Outcome
) -> None:
    lines = [f"raise {error}", "yield"] if where == "setup" else ["yield", f"raise {error}"]
    report = run(
        f"""
        @pytest.fixture
        def things():
            {lines[0]}
            {lines[1]}

        @verifies("POLL-SHAPE")
        def test_it(judge, things):
            judge.that("POLL-SHAPE", True, "fine")
        """,
        only=(A,),
    )
    assert _outcomes(report) == {A: outcome}


def test_a_breach_outlives_an_error_of_the_teardown(run: Run) -> None:
    report = run(
        """
        @pytest.fixture
        def things():
            yield
            raise KeyError("x")

        @verifies("POLL-SHAPE")
        def test_it(judge, things):
            judge.that("POLL-SHAPE", False, "wrong")
        """
    )
    assert _outcomes(report)[A] is Outcome.FAIL


def test_what_is_settled_at_the_end_of_a_check_counts(run: Run) -> None:
    report = run(
        """
        @verifies("POLL-SHAPE")
        def test_it(judge):
            judge.that("POLL-SHAPE", True, "fine")
            judge.at_end(lambda: judge.that("POLL-SHAPE", False, "wrong after all"))
        """
    )
    assert _outcomes(report)[A] is Outcome.FAIL


def test_a_check_is_left_out_when_the_target_lacks_what_it_needs(run: Run) -> None:
    report = run(
        """
        @verifies("POLL-SHAPE", needs=["two-users"])
        def test_two(judge):
            raise AssertionError("must not run")

        @verifies("POLL-SHAPE", "POLL-NEXT-OFFSET", needs=["scripted-model"])
        def test_three(judge):
            raise AssertionError("must not run")

        @verifies("POLL-NEXT-OFFSET")
        def test_one(judge):
            judge.that("POLL-NEXT-OFFSET", True, "fine")
        """,
        only=(A, B),
    )
    rows = {row.id: row for row in report.requirements}
    assert (rows[A].outcome, rows[A].cause) == (Outcome.NOT_VERIFIED, Cause.LACKING)
    assert rows[B].outcome is Outcome.PASS
    assert "1 of 2 checks left out" in rows[B].detail


def test_a_requirement_without_a_check_is_told(run: Run) -> None:
    report = run(
        """
        @verifies("POLL-SHAPE")
        def test_it(judge):
            judge.that("POLL-SHAPE", True, "fine")
        """,
        only=(),
    )
    assert report.out_of == len(load_requirements())
    assert {row.cause for row in report.requirements if row.id != A} == {Cause.NO_CHECK}


def test_only_what_is_asked_for_is_run(run: Run) -> None:
    report = run(
        """
        @verifies("POLL-SHAPE")
        def test_wanted(judge):
            judge.that("POLL-SHAPE", True, "fine")

        @verifies("POLL-NEXT-OFFSET")
        def test_unwanted(judge):
            judge.that("POLL-NEXT-OFFSET", False, "wrong")
        """,
        only=(A,),
    )
    assert _outcomes(report) == {A: Outcome.PASS}
    assert report.verdict is Verdict.CONFORMANT


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('@verifies("NO-SUCH")\ndef test_it(judge): pass', "NO-SUCH, which is unknown"),
        ('@verifies("POLL-SHAPE", needs=["magic"])\ndef test_it(judge): pass', "magic, which"),
        ("import no_such_module", "no_such_module"),
    ],
)
def test_a_suite_that_is_wrong_says_so_and_verifies_nothing(run: Run, text: str, why: str) -> None:
    report = run(text)
    assert report.verdict is Verdict.INCOMPLETE
    assert why in " ".join(report.troubles)
    assert set(_outcomes(report).values()) == {Outcome.NOT_VERIFIED}


def test_every_requirement_can_be_demanded_a_check_of(run: Run) -> None:
    report = run(
        '@verifies("POLL-SHAPE")\ndef test_it(judge): judge.held("POLL-SHAPE")',
        every_requirement=True,
    )
    assert "POLL-NEXT-OFFSET has no check" in " ".join(report.troubles)


def test_an_interrupt_keeps_what_was_measured(run: Run) -> None:
    report = run(
        """
        @verifies("POLL-SHAPE")
        def test_first(judge):
            judge.that("POLL-SHAPE", True, "fine")

        @verifies("POLL-NEXT-OFFSET")
        def test_second(judge):
            raise KeyboardInterrupt
        """,
        only=(A, B),
    )
    rows = {row.id: row for row in report.requirements}
    assert rows[A].outcome is Outcome.PASS
    assert (rows[B].outcome, rows[B].cause) == (Outcome.NOT_VERIFIED, Cause.NOT_RUN)
    assert not report.complete
    assert report.exit_code == 3


def test_the_users_own_pytest_has_no_say(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only -p no_such_plugin")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('loaded')\n")
    report = run(
        """
        @verifies("POLL-SHAPE")
        def test_it(judge):
            judge.that("POLL-SHAPE", True, "fine")
        """,
        only=(A,),
    )
    assert _outcomes(report) == {A: Outcome.PASS}
    assert not report.troubles


def test_every_check_of_the_suite_is_recorded_once(run: Run) -> None:
    log = EventLog()
    run(
        """
        @verifies("POLL-SHAPE")
        @pytest.mark.parametrize("path", ["a", "../b", "c/d::e"])
        def test_it(judge, path):
            judge.that("POLL-SHAPE", True, "fine")
        """,
        log=log,
    )
    ended = [event["check"] for event in log.events if event["event"] == "check"]
    assert ended == [f"test_it.py::test_it[{path}]" for path in ("a", "../b", "c/d::e")]
    assert all(event["duration_ms"] >= 0 for event in log.events if event["event"] == "check")
