"""docs/verify.md says of rules and scenarios what the code says."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pollux.replay.faults import parse_rules
from pollux.replay.verify import RULES
from pollux.replay.verify.rules import BY_ID
from pollux.replay.verify.scenarios import FEWEST_EVENTS, SCENARIOS, Scenario

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below HEADING."""
    section = DOC.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def twins() -> ModuleType:
    folder = ROOT / "examples" / "clients"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("twins", folder / "twins.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(folder))


def test_the_table_of_rules() -> None:
    named = twins().TWINS
    assert rows("The rules") == [
        [f"`{rule.id}`", rule.level, rule.sentence, rule.source, f"`{named[rule.id].__name__}`"]
        for rule in RULES
    ]


def test_the_table_of_scenarios() -> None:
    assert rows("The scenarios") == [
        [
            f"`{scenario.name}`",
            scenario.sentence,
            f"{'made' if scenario.stream else 'the recording'}, {scenario.clock} clock",
            "<br>".join(f"`{line}`" for line in scenario.faults.splitlines()) or "-",
            ", ".join(f"`{rule}`" for rule in scenario.rules),
        ]
        for scenario in SCENARIOS
    ]
    assert f"fewer than {FEWEST_EVENTS} events" in DOC


def test_every_rule_has_a_twin_and_a_scenario() -> None:
    assert set(twins().TWINS) == {rule.id for rule in RULES}
    assert {rule for scenario in SCENARIOS for rule in scenario.rules} == set(BY_ID)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario.name))
def test_the_faults_of_a_scenario_are_understood(scenario: Scenario) -> None:
    assert str(parse_rules(scenario.faults)) == scenario.faults


def test_every_file_that_is_named_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", DOC):
        assert (ROOT / "docs" / target).exists(), target
