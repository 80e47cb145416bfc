"""What is said while a run lasts."""

import io

from rich.console import Console

from pollux.conformance.outcome import Judgement, Outcome
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.progress import LiveProgress
from tests.conformance.made_reports import HOSTILE


def _said(*rows: Judgement) -> str:
    out = io.StringIO()
    with LiveProgress(Console(file=out, width=40)) as progress:
        log = EventLog(None, [progress])
        log.emit("checks", selected=[], checks=[{"left_out": None}])
        for row in rows:
            log.emit("check", check="t", left_out=None, duration_ms=1, judgements=[row.as_dict()])
    return out.getvalue()


def test_a_failure_is_said_once_in_one_line() -> None:
    row = Judgement("A", Outcome.FAIL, "a long reason " * 5)
    assert _said(row, row) == f"FAIL A: {'a long reason ' * 5}\n"


def test_what_passes_is_not_said() -> None:
    assert _said(Judgement("A", Outcome.PASS)) == ""


def test_a_hostile_answer_is_only_text() -> None:
    text = _said(Judgement("A", Outcome.FAIL, HOSTILE))
    assert "\\x1b[2J\\x00" in text
    assert "\x1b" not in text
    assert text.count("\n") == 1
