"""What changed between two runs, and which of it is red."""

import io
from typing import Any

import pytest
from rich.console import Console

from pollux.conformance.outcome import Outcome
from pollux.conformance.report.diff import Diff, diff_reports
from pollux.conformance.report.diff_console import print_diff
from pollux.conformance.report.report import Report, build_report
from tests.conformance.made_reports import HOSTILE, hostile_report, made_log, made_report

A, B = ("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.PASS)


def _changed(diff: Diff) -> dict[str, list[str]]:
    return {
        name: [change.requirement for change in changes]
        for name, changes in diff.lists().items()
        if changes
    }


def _with(outcome: Outcome | None, level: str = "MUST") -> Report:
    return made_report(A, *([("X", level, outcome)] if outcome else []))


@pytest.mark.parametrize(
    ("old", "new", "where", "code"),
    [
        (Outcome.PASS, Outcome.FAIL, "new_failures", 1),
        (Outcome.NOT_VERIFIED, Outcome.FAIL, "new_failures", 1),
        (None, Outcome.FAIL, "new_failures", 1),
        (Outcome.FAIL, Outcome.PASS, "fixed", 0),
        (Outcome.FAIL, Outcome.NOT_VERIFIED, "newly_unverified", 3),
        (Outcome.PASS, Outcome.NOT_VERIFIED, "newly_unverified", 3),
        (Outcome.PASS, Outcome.HARNESS_ERROR, "newly_unverified", 3),
        (Outcome.NOT_APPLICABLE, Outcome.NOT_VERIFIED, "newly_unverified", 3),
        (Outcome.NOT_VERIFIED, Outcome.PASS, "newly_verified", 0),
        (Outcome.HARNESS_ERROR, Outcome.NOT_APPLICABLE, "newly_verified", 0),
        (Outcome.NOT_VERIFIED, Outcome.HARNESS_ERROR, "changed", 0),
        (Outcome.PASS, Outcome.NOT_APPLICABLE, "changed", 0),
        (Outcome.FAIL, Outcome.NOT_APPLICABLE, "changed", 0),
        (None, Outcome.PASS, "appeared", 0),
        (None, Outcome.NOT_VERIFIED, "appeared", 0),
        (Outcome.PASS, None, "disappeared", 0),
    ],
)
def test_each_change_has_its_place(
    old: Outcome | None, new: Outcome | None, where: str, code: int
) -> None:
    diff = diff_reports(_with(old), _with(new))
    assert _changed(diff) == {where: ["X"]}
    assert diff.exit_code == code


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (Outcome.PASS, Outcome.WARN, "new_warnings"),
        (Outcome.WARN, Outcome.PASS, "fixed"),
        (Outcome.PASS, Outcome.NOT_VERIFIED, "newly_unverified"),
    ],
)
def test_a_should_is_never_red(old: Outcome, new: Outcome, where: str) -> None:
    diff = diff_reports(_with(old, "SHOULD"), _with(new, "SHOULD"))
    assert _changed(diff) == {where: ["X"]}
    assert diff.exit_code == 0


@pytest.mark.parametrize("outcome", Outcome)
def test_what_did_not_change_is_not_named(outcome: Outcome) -> None:
    diff = diff_reports(_with(outcome), _with(outcome))
    assert (_changed(diff), diff.exit_code, diff.differences) == ({}, 0, ())
    assert "nothing changed" in _printed(diff)


def test_what_a_smaller_selection_leaves_out_is_no_longer_verified() -> None:
    diff = diff_reports(made_report(A, B), made_report(A, B, selected=["A"]))
    assert _changed(diff) == {"newly_unverified": ["B"]}
    assert diff.exit_code == 3
    assert diff.differences == ("selection: all, then A",)


def test_a_new_run_that_was_cut_off_is_never_a_success() -> None:
    diff = diff_reports(made_report(A), made_report(A, finish=None))
    assert (diff.exit_code, diff.unfinished) == (3, ("the new run was cut off",))
    assert "the new run was cut off" in _printed(diff)
    old = diff_reports(made_report(A, finish=None), made_report(A))
    assert (old.exit_code, old.differences) == (0, ("the old run was cut off",))


def test_trouble_in_the_new_run_is_never_a_success() -> None:
    log = made_log(A)
    log.emit("trouble", message="test_x.py cannot be imported")
    assert diff_reports(made_report(A), build_report(log.events)).exit_code == 3


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"profile": "blackbox"}, "profile: scripted, then blackbox"),
        ({"effort": "quick"}, "effort: normal, then quick"),
        ({"pollux_version": "9"}, "version of Pollux: 0, then 9"),
        ({"only": ["a", "b"]}, "selection: all, then a b"),
    ],
)
def test_it_says_when_the_runs_looked_at_different_things(other: dict[str, Any], why: str) -> None:
    diff = diff_reports(made_report(A), made_report(A, **other))
    assert diff.differences == (why,)
    assert diff.as_dict()["comparable"] is False
    assert f"not the same kind of run: {why}" in _printed(diff)


def test_the_console_names_the_worst_first() -> None:
    old = made_report(A, ("F", "MUST", Outcome.FAIL), ("U", "MUST", Outcome.PASS))
    new = made_report(
        ("A", "MUST", Outcome.FAIL),
        ("F", "MUST", Outcome.PASS),
        ("U", "MUST", Outcome.NOT_VERIFIED),
    )
    text = _printed(diff_reports(old, new))
    assert "new failures\n  A  PASS -> FAIL  why" in text
    titles = ["new failures\n", "no longer verified\n", "fixed\n"]
    assert sorted(titles, key=text.index) == titles
    assert "violated, then violated: new failures: 1, no longer verified: 1, fixed: 1" in text


def test_as_json_it_has_everything() -> None:
    data = diff_reports(_with(Outcome.PASS), _with(Outcome.FAIL)).as_dict()
    assert (data["pollux_diff"], data["comparable"], data["exit_code"]) == (1, True, 1)
    assert data["verdicts"] == ["conformant", "violated"]
    assert data["new_failures"] == [
        {"requirement": "X", "level": "MUST", "old": "PASS", "new": "FAIL", "detail": "why"}
    ]


def test_hostile_texts_are_only_text() -> None:
    text = _printed(diff_reports(made_report(A), hostile_report()))
    assert HOSTILE not in text
    assert "\x1b" not in text
    assert text.encode()


def _printed(diff: Diff) -> str:
    out = io.StringIO()
    print_diff(diff, Console(file=out, width=200))
    return out.getvalue()
