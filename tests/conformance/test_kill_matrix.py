"""Every MUST is broken by a mutant; the committed kill matrix says what turned red in a run."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from pollux.conformance.mutants.mutant import MutantError, load_mutants
from pollux.conformance.mutants.runner import Kill, judge_mutant, matrix, merged
from pollux.schemas.requirements import Level, load_requirements

_SAMPLE = ("auth-accepts-a-token-in-the-query", "conversation-list-of-one-is-a-list-of-twenty")


@pytest.fixture(scope="module")
def rows() -> Mapping[str, Any]:
    text = resources.files("pollux.fixtures").joinpath("kill-matrix.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)["mutants"]
    return found


def test_every_mutant_in_the_matrix_turned_red_just_what_it_must(rows: Mapping[str, Any]) -> None:
    mutants = load_mutants()
    assert set(rows) == set(mutants)
    assert {name: row["red"] for name, row in rows.items()} == {
        name: sorted(mutants[name].breaks) for name in rows
    }
    assert all(row["summary"] == mutants[name].summary for name, row in rows.items())


def test_every_must_has_a_mutant() -> None:
    broken = {name for mutant in load_mutants().values() for name in mutant.breaks}
    levels = {row.id: row.level for row in load_requirements().values()}
    assert broken <= set(levels)
    assert {name for name, level in levels.items() if level is not Level.MAY} <= broken


def test_every_known_defect_that_the_contract_forbids_has_a_mutant() -> None:
    repeated = {name for mutant in load_mutants().values() for name in mutant.upstream}
    forbidden = {name for row in load_requirements().values() for name in row.upstream}
    assert len(forbidden) >= 30
    assert forbidden <= repeated


@pytest.mark.parametrize("name", _SAMPLE)
def test_the_matrix_is_what_a_run_shows(rows: Mapping[str, Any], name: str) -> None:
    kill = judge_mutant(load_mutants()[name], quick=True)
    assert kill.trouble is None
    assert sorted(kill.red) == rows[name]["red"]


def _kill(name: str, *, trouble: str | None = None) -> Kill:
    mutant = load_mutants()[name]
    return Kill(mutant, mutant.breaks, trouble, 1.0)


def test_what_was_not_run_is_kept(tmp_path: Path) -> None:
    first, second, third = sorted(load_mutants())[:3]
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(matrix([_kill(first), _kill(second)])))
    both = merged([_kill(third), _kill(second, trouble="broken")], path, [first, second, third])
    assert list(both["mutants"]) == [first, second, third]
    assert list(merged([], path, [second])["mutants"]) == [second]


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "matrix.json"
    path.write_text("[]")
    with pytest.raises(MutantError, match="not a kill matrix"):
        merged([], path, [])
