"""Servers that are right in another way: no sequence of calls and no polls turn anything red."""

from pathlib import Path

import pytest

from pollux.conformance.outcome import Outcome
from pollux.conformance.target import Profile
from tests.conformance.machine_workshop import MACHINE, RING, judged
from tests.conformance.workshop import OTHER_TOKEN, Workshop, straight
from tests.freedoms.grounds import judge, standing, told
from tests.freedoms.test_freedoms import _FREEDOMS


@pytest.mark.parametrize("name", _FREEDOMS)
def test_a_server_with_ways_of_its_own_is_right(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freedom = _FREEDOMS[name]
    freedom.patch(monkeypatch)
    with standing(freedom.server, tmp_path) as target:
        report = judge(target, (MACHINE, RING), ("checked",))
    assert told(report, Outcome.FAIL, Outcome.HARNESS_ERROR) == {}
    assert told(report, Outcome.NOT_VERIFIED) == {}
    assert len(report.having(Outcome.PASS)) > 40


@pytest.mark.parametrize("other_token", [OTHER_TOKEN, None])
def test_what_needs_no_model_is_played_without_one(
    workshop: Workshop, other_token: str | None
) -> None:
    report = judged(
        workshop,
        straight,
        MACHINE,
        RING,
        profile=Profile.BLACKBOX,
        other_token=other_token,
        only=("checked",),
    )
    assert told(report, Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR) == {}
    passed = told(report, Outcome.PASS).keys()
    assert {"CONV-DELETE-GONE", "PROMPT-ROUND-TRIP", "FILE-ROUND-TRIP"} <= passed
    assert "SEND-AFTER-END" not in passed
