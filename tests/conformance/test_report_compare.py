"""Implementations side by side: where they differ, and what must be kept in mind."""

import io
from pathlib import Path

from rich.console import Console

from pollux.conformance.outcome import Outcome
from pollux.conformance.report.compare import Cell, Comparison, labels, render_comparison
from pollux.conformance.report.compare_console import print_comparison
from pollux.conformance.report.report import Report
from tests.conformance.made_reports import EVERY, HOSTILE, hostile_report, made_report

GOOD = made_report(
    ("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.PASS), ("C", "SHOULD", Outcome.PASS)
)
BAD = made_report(
    ("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.FAIL), ("C", "SHOULD", Outcome.WARN)
)
PART = made_report(("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.PASS), selected=["A"])


def _of(*reports: Report) -> Comparison:
    return Comparison(tuple(f"server-{number}" for number, _ in enumerate(reports)), reports)


def _printed(comparison: Comparison) -> str:
    out = io.StringIO()
    print_comparison(comparison, Console(file=out, width=200))
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


def test_only_what_differs_is_named() -> None:
    comparison = _of(GOOD, BAD)
    assert {row.row.id: row.outcomes for row in comparison.contrasts} == {
        "B": (Outcome.PASS, Outcome.FAIL),
        "C": (Outcome.PASS, Outcome.WARN),
    }
    assert _of(GOOD, GOOD).contrasts == []
    assert "do not differ" in _printed(_of(GOOD, GOOD))
    assert "do not differ" in render_comparison(_of(GOOD, GOOD))


def test_a_run_that_did_not_judge_something_says_nothing_against_the_others() -> None:
    comparison = _of(GOOD, PART)
    assert comparison.contrasts == []
    assert comparison.notes == [
        "not the same kind of run, selection: server-0: all; server-1: A",
    ]
    outcomes = {row.row.id: row.outcomes for row in _of(GOOD, PART, BAD).contrasts}
    assert outcomes["B"] == (Outcome.PASS, None, Outcome.FAIL)


def test_the_groups_are_counted() -> None:
    assert _of(made_report(*EVERY)).groups == {"g": [Cell(held=2, of=6, broken=2, unknown=2)]}


def test_a_run_that_was_cut_off_is_marked_everywhere() -> None:
    comparison = _of(GOOD, made_report(("A", "MUST", Outcome.PASS), finish=None))
    text = _printed(comparison)
    assert "incomplete, cut off" in text
    assert "the run of server-1 was cut off" in text
    assert "cut off</span>" in render_comparison(comparison)
    assert [row["complete"] for row in comparison.as_dict()["implementations"]] == [True, False]


def test_the_console_has_a_column_for_each() -> None:
    text = _printed(_of(GOOD, BAD))
    assert "group            server-0    server-1\n" in text
    assert "verdict          conformant  violated\n" in text
    assert "g                3 of 3      1 of 3, 2 broken\n" in text
    assert "B                     PASS      FAIL\n" in text
    assert "C (SHOULD)            PASS      WARN\n" in text


def test_the_page_has_a_column_for_each() -> None:
    text = render_comparison(_of(GOOD, BAD))
    assert text.count('<th scope="col">server-1</th>') == 2
    assert '<span class="id">B</span>' in text
    assert '<span class="id">A</span>' not in text


def test_names_are_given_or_taken_from_the_files() -> None:
    paths = [Path("x/go.report.json"), Path("y/go.ndjson"), Path("z/rust.json")]
    assert labels(paths[1:], ()) == ("go", "rust")
    assert labels(paths, ()) == ("x/go.report.json", "y/go.ndjson", "rust")
    assert labels(paths, ("Old", "New")) == ("Old", "New", "rust")


def test_hostile_texts_are_only_text() -> None:
    text = _printed(Comparison((HOSTILE, "b"), (hostile_report(), GOOD)))
    assert "\x1b" not in text
    assert "\ud800" not in text
