"""The badge: what it says, and that it is an accessible image on its own."""

import xml.etree.ElementTree as ET
from datetime import date

import pytest

from pollux.conformance.baseline import Entry, apply_baseline
from pollux.conformance.outcome import Outcome
from pollux.conformance.report.badge import badge_message, render_badge
from pollux.conformance.report.report import Report
from tests.conformance.made_reports import hostile_report, made_report

PASSES = ("A", "MUST", Outcome.PASS)
FAILS = ("F", "MUST", Outcome.FAIL)
UNKNOWN = ("U", "MUST", Outcome.NOT_VERIFIED)
_SVG = "{http://www.w3.org/2000/svg}"


def _known(report: Report, *names: str) -> Report:
    return apply_baseline(report, {name: Entry(name, "why", date(2999, 1, 1)) for name in names})


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (made_report(PASSES), "conformant 1/1"),
        (made_report(PASSES, FAILS, UNKNOWN), "violated (1)"),
        (made_report(PASSES, UNKNOWN), "incomplete 1/2"),
        (made_report(PASSES, UNKNOWN, finish=None), "incomplete 1/2, cut off"),
        (made_report(PASSES, FAILS, finish=False), "violated (1), cut off"),
        (made_report(PASSES, UNKNOWN, selected=["A"]), "conformant 1/1, 1 of 2 judged"),
        (_known(made_report(PASSES, FAILS), "F"), "violated (1 known)"),
        (
            _known(made_report(PASSES, FAILS, ("G", "MUST", Outcome.FAIL)), "F"),
            "violated (2, 1 new)",
        ),
    ],
)
def test_what_it_says(report: Report, message: str) -> None:
    assert badge_message(report) == message
    svg = ET.fromstring(render_badge(report))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == svg.findtext(f"{_SVG}title") == f"API v1: {message}"
    assert [text.text for text in svg.iter(f"{_SVG}text")] == ["API v1", message]


def test_only_a_conformant_one_is_green() -> None:
    reports = [
        made_report(PASSES),
        made_report(PASSES, FAILS),
        made_report(PASSES, UNKNOWN),
        _known(made_report(PASSES, FAILS), "F"),
    ]
    colors = [render_badge(report).split('fill="')[1][:7] for report in reports]
    assert len(set(colors)) == 4
    assert colors[0] == "#2e7d32"
    # What is known is no excuse for what is not.
    assert render_badge(_known(made_report(PASSES, FAILS, UNKNOWN), "F")).count(colors[1]) == 1
    cut = _known(made_report(PASSES, FAILS, finish=None), "F")
    assert colors[1] in render_badge(cut)


def test_it_needs_nothing_from_elsewhere() -> None:
    text = render_badge(hostile_report())
    assert text.count("http") == 1  # the namespace
    assert "script" not in text
    assert "<style" not in text
