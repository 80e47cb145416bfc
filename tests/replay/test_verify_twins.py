"""The self-proof of pollux verify: each rule is broken by a client that breaks it alone."""

import sys
from pathlib import Path

import pytest

from pollux import fixtures
from pollux.replay.verify import RULES, End, Level, Outcome, Rule
from pollux.replay.verify.runner import Given, visit
from pollux.replay.verify.scenarios import BY_NAME, SCENARIOS

CLIENTS = Path(__file__).parents[2] / "examples" / "clients"
#: In which scenario the twin of each rule shows what is wrong with it.
SHOWN_IN = {
    "OFFSET-AS-TOLD": "calm",
    "OFFSET-NO-REWIND": "calm",
    "OFFSET-NO-SKIP": "calm",
    "RETRY-SAME-OFFSET": "resets",
    "UNTIL-TERMINAL": "late-terminal",
    "TERMINAL-STOPS": "calm",
    "GONE-STOPS": "restart",
    "TOKEN-NOT-HAMMERED": "refused",
    "BUSY-NOT-HAMMERED": "busy",
    "UNKNOWN-TOLERATED": "unknown",
    "GAP-NOTICED": "gap",
    "SHOWN-ALL": "calm",
    "SHOWN-LAST-BATCH": "calm",
    "SHOWN-ONCE": "calm",
    "SHOWN-IN-ORDER": "calm",
    "RETRY-UNREADABLE": "malformed",
    "SINGLE-FLIGHT": "slow",
    "SANE-INTERVAL": "slow",
    "BACK-OFF": "storm",
    "RETRY-AFTER": "storm",
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def given() -> Given:
    return Given.read(fixtures.recording_path("tools"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_the_twin_breaks_its_rule_and_no_other(rule: Rule, given: Given) -> None:
    scenario = BY_NAME[SHOWN_IN[rule.id]]
    assert rule.id in scenario.rules
    told = visit(
        scenario,
        given,
        f"{sys.executable} {CLIENTS / 'twins.py'} {rule.id} {{base_url}}",
        timeout=60,
    )
    assert [result.rule for result in told.results if result.red] == [rule.id], told.last_words
    red = told.result(rule.id)
    assert red.outcome is (Outcome.FAIL if rule.level is Level.MUST else Outcome.WARN)
    assert set(red.polls) <= {request.number for request in told.requests}
    assert red.polls


@pytest.mark.parametrize("name", list(BY_NAME))
def test_the_exemplary_client_keeps_every_rule(name: str, given: Given) -> None:
    scenario = BY_NAME[name]
    told = visit(
        scenario, given, f"{sys.executable} {CLIENTS / 'python_httpx.py'} {{base_url}}", timeout=60
    )
    assert told.trouble is None, told.last_words
    assert told.end is End.EXITED
    assert not told.unfired
    assert [result for result in told.results if result.red] == []
    # What a scenario is made for can be said in it, also of a client without a fault.
    outcomes = {rule: told.result(rule).outcome for rule in scenario.rules}
    assert set(outcomes.values()) == {Outcome.PASS}, outcomes


def test_every_rule_is_shown_somewhere() -> None:
    assert set(SHOWN_IN) == {rule.id for rule in RULES}
    assert set(SHOWN_IN.values()) <= {scenario.name for scenario in SCENARIOS}
