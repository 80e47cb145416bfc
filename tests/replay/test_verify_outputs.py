"""The report of pollux verify: its verdict, and how it is written."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from pollux.replay.verify import RULES, End, Outcome
from pollux.replay.verify.outputs import (
    print_report,
    render_html,
    render_json,
    render_junit,
)
from pollux.replay.verify.report import Report, Verdict, Visit
from tests.replay.verify_support import Visit as Made

SCHEMA = Path(__file__).parents[2] / "schemas" / "verify-report.schema.json"


def visited(made: Made, scenario: str = "calm", **fields: Any) -> Visit:
    told: dict[str, Any] = {
        "sentence": "Nothing goes wrong.",
        "faults": "",
        "stream": "tools",
        "end": End.EXITED,
        "exit_code": 0,
        "seconds": 1.5,
        "requests": made.journal.entries,
        "shown": len(made.journal.acks),
        "unfired": (),
        "results": tuple(made.judged().values()),
    }
    return Visit(scenario=scenario, **{**told, **fields})


def report(*visits: Visit, **fields: Any) -> Report:
    told: dict[str, Any] = {
        "client": "my client {base_url}",
        "recording": "tools",
        "started_at": "2026-01-23T23:42:45+00:00",
        "finished_at": "2026-01-23T23:43:45+00:00",
        "version": "0.1.0",
    }
    return Report(visits=visits, **{**told, **fields})


def good() -> Made:
    made = Made().poll(0, [0, 1]).show(0, 1)
    return made.poll(2, [2], status="succeeded").show(2)


def skipping() -> Made:
    made = Made().poll(0, [0, 1]).show(0, 1)
    return made.poll(3, [3], status="succeeded").show(3)


def hidden() -> Made:
    return Made().poll(0, [0, 1]).poll(2, [2], status="succeeded")


TROUBLE = {
    "trouble": "the client neither sent a message nor polled a task",
    "last_words": "Oh.\x07",
}
REPORTS = {
    Verdict.CONFORMANT: report(visited(good())),
    Verdict.VIOLATED: report(visited(good()), visited(skipping(), "storm")),
    Verdict.INCOMPLETE: report(visited(hidden()), visited(Made(), "hang", **TROUBLE)),
}


def text_of(told: Report) -> str:
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as capture:
        print_report(told, console)
    return capture.get()


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(Verdict.CONFORMANT, 0), (Verdict.VIOLATED, 1), (Verdict.INCOMPLETE, 3)],
)
def test_the_exit_code_follows_from_the_verdict(verdict: Verdict, code: int) -> None:
    assert REPORTS[verdict].verdict is verdict
    assert REPORTS[verdict].exit_code == code


def test_from_nothing_there_is_no_good_verdict() -> None:
    assert report().verdict is Verdict.INCOMPLETE
    assert report(visited(Made())).verdict is Verdict.INCOMPLETE
    assert report(visited(good()), complete=False).verdict is Verdict.INCOMPLETE


def test_a_client_in_trouble_in_one_scenario_is_not_found_good() -> None:
    told = report(visited(good()), visited(Made(), "hang", **TROUBLE))
    assert told.verdict is Verdict.INCOMPLETE


def test_what_is_shown_may_be_left_out() -> None:
    told = report(visited(hidden()), rendering=False)
    assert told.verdict is Verdict.CONFORMANT
    assert "SHOWN-ALL" not in {standing.rule.id for standing in told.standings}
    assert "not to be judged" in text_of(told)


def test_a_rule_stands_as_in_the_worst_scenario() -> None:
    standing = {one.rule.id: one for one in REPORTS[Verdict.VIOLATED].standings}
    assert standing["OFFSET-NO-SKIP"].outcome is Outcome.FAIL
    assert standing["OFFSET-NO-SKIP"].scenario == "storm"
    assert standing["OFFSET-NO-REWIND"].scenario == "calm"
    assert standing["RETRY-AFTER"].scenario is None


@pytest.mark.parametrize("told", REPORTS.values(), ids=list(REPORTS))
def test_the_json_is_valid_by_its_schema(told: Report) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    data = json.loads(render_json(told))
    Draft202012Validator(schema).validate(data)
    assert [rule["id"] for rule in data["rules"]] == [rule.id for rule in RULES]


def test_the_proof_is_printed_with_what_was_asked_and_answered() -> None:
    text = text_of(REPORTS[Verdict.VIOLATED])
    assert "FAIL OFFSET-NO-SKIP  MUST  api_v1 2.3.1, 2.3.3" in text
    assert "storm: request 2 asked from 3 instead of 2" in text
    assert "running, 2 events (0..1), next_offset 2" in text
    assert "violated:" in text


def test_what_could_not_be_judged_says_what_to_give_and_trouble_shows_the_last_words() -> None:
    text = text_of(REPORTS[Verdict.INCOMPLETE])
    assert 'print one line {"idx": N} on stdout' in text
    assert "trouble hang: the client neither sent" in text
    assert "Oh.\ufffd" in text


def test_junit_is_red_where_the_exit_code_is_not_0() -> None:
    root = ET.fromstring(render_junit(REPORTS[Verdict.VIOLATED]))
    failed = [
        case.get("name") for case in root.iter("testcase") if case.find("failure") is not None
    ]
    assert failed == ["OFFSET-NO-SKIP"]
    assert root.get("failures") == "1"
    root = ET.fromstring(render_junit(REPORTS[Verdict.INCOMPLETE]))
    assert root.get("failures") == "0"
    assert int(root.get("errors", "0")) > 1
    root = ET.fromstring(render_junit(REPORTS[Verdict.CONFORMANT]))
    assert (root.get("failures"), root.get("errors")) == ("0", "0")


@pytest.mark.parametrize("told", REPORTS.values(), ids=list(REPORTS))
def test_the_page_stands_alone(told: Report) -> None:
    page = render_html(told)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page
    assert told.verdict.value in page
    for rule in RULES:
        assert f'id="{rule.id}"' in page


def test_what_a_client_prints_is_text_in_the_page() -> None:
    words = visited(good(), last_words="<b>bold</b>")
    assert "&lt;b&gt;bold&lt;/b&gt;" in render_html(report(words))
