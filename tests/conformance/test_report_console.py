"""The report on a terminal and in a pipe: what is shown of evidence, and how much of it."""

import re

import pytest

from pollux.conformance.outcome import Evidence, Outcome
from pollux.conformance.report.evidence import telling
from pollux.conformance.report.report import Report
from tests.conformance.made_reports import HOSTILE, hostile_report, made_report, printed
from tests.polling.exchanges import exchange

FAILS = ("A", "MUST", Outcome.FAIL)


def test_the_console_shows_what_is_broken_and_how_to_see_it_again() -> None:
    text = printed(made_report(FAILS, ("B", "MUST", Outcome.PASS)))
    for part in ("FAIL A", "A.", "expected  e", "got       g", "curl -sS -i", "violated: 2 of 2"):
        assert part in text
    assert "B." not in text


@pytest.mark.parametrize("terminal", [False, True])
def test_a_hostile_answer_is_only_text(terminal: bool) -> None:
    text = printed(hostile_report(), terminal=terminal)
    assert "[red]\\x1b[2J\\x00" in text
    # On a terminal the program itself writes escapes, but only those of styles.
    for char in ("\x1b[2J", "\x07", "\x00", "\u202e", "\ud800", "\r"):
        assert char not in text
    assert text.encode()


def _large() -> Report:
    """Return a report with one failure of which there is much too much."""
    long = "x" * 500
    exchanges = [
        exchange(
            {"text": long * 8},
            url=f"http://h:1/api/v1/tasks/t?from={number}&pad={long}",
            request_body=long.encode() * 4,
            method="POST",
            status=200 + number % 3,
        ).as_dict()
        for number in range(50)
    ]
    proof = Evidence("t.py::test", long, long * 5, long * 5, tuple(exchanges))
    return made_report(FAILS, evidence={"A": (proof,) * 20})


def test_a_failure_fits_a_screen() -> None:
    text = printed(_large(), width=80, terminal=True)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")
    begin = next(number for number, line in enumerate(lines) if line.startswith("FAIL"))
    end = next(number for number, line in enumerate(lines) if "more of this" in line)
    # A long curl line stays whole, so that it can be copied, and takes several on the screen.
    height = sum(max(1, -(-len(line) // 80)) for line in lines[begin:end])
    assert height <= 50
    assert all(len(line) < 100 for line in lines[begin:end])


def test_a_long_curl_line_is_named_and_a_short_one_shown() -> None:
    text = printed(_large())
    assert "(curl lines that are too long for here are in the report)" in text
    assert "curl -sS" not in text
    assert "curl -sS" in printed(made_report(FAILS))


def test_a_long_query_is_cut_but_not_in_the_curl_line() -> None:
    query = "q=" + "y" * 500 + "end"
    proof = Evidence("t", "m", "e", "g", (exchange({}, url=f"http://h:1/a?{query}").as_dict(),))
    lines = printed(made_report(FAILS, evidence={"A": (proof,)})).split("\n")
    [request] = [line for line in lines if "GET /a" in line]
    assert len(request) < 200
    assert request.endswith("yend")
    assert "more)" in request
    [curl] = [line for line in lines if "curl" in line and "$ curl" in line]
    assert query in curl


def test_exchanges_that_are_alike_are_shown_once() -> None:
    sends = [
        exchange({}, method="POST", status=202 if number == 4 else 409).as_dict()
        for number in range(32)
    ]
    found = telling(sends, 3)
    assert [(row["response"]["status"], alike) for row, alike in found] == [(409, 30), (202, 0)]
    proof = Evidence("t", "m", "e", "g", tuple(sends))
    text = printed(made_report(FAILS, evidence={"A": (proof,)}))
    assert "(and 30 more like it)" in text
    assert "more exchanges" not in text


def test_of_many_different_exchanges_the_first_and_the_last_are_shown() -> None:
    polls = [exchange({}, url=f"http://h/t?from={number}").as_dict() for number in range(9)]
    assert [row["request"]["url"][-1] for row, _ in telling(polls, 3)] == ["0", "7", "8"]
    proof = Evidence("t", "m", "e", "g", tuple(polls))
    assert "(6 more exchanges in the report)" in printed(
        made_report(FAILS, evidence={"A": (proof,)})
    )


def test_a_pipe_gets_whole_lines_and_no_colours() -> None:
    sentence = "A long rule. " * 30
    rows = [{"id": "A", "level": "MUST", "sentence": sentence, "source": "1.1", "group": "g"}]
    text = printed(made_report(FAILS, requirements=rows), width=80)
    assert sentence in text
    assert "\x1b" not in text
    assert HOSTILE not in text


def test_the_same_reason_is_said_once() -> None:
    rows = [(f"R{number}", "MUST", Outcome.NOT_VERIFIED) for number in range(20)]
    text = printed(made_report(*rows))
    assert text.count("why: R0") == 1
    assert "and 8 more" in text
