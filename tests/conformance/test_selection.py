"""What --only names."""

import pytest

from pollux.conformance.errors import TargetError
from pollux.conformance.selection import selected
from pollux.schemas.requirements import load_requirements

KNOWN = load_requirements()


def test_nothing_names_everything() -> None:
    assert selected([], KNOWN, []) == set(KNOWN)


@pytest.mark.parametrize("word", ["POLL-SHAPE", "poll-shape"])
def test_an_id(word: str) -> None:
    assert selected([word], KNOWN, []) == {"POLL-SHAPE"}


def test_a_group_and_a_pattern_add_up() -> None:
    found = selected(["cancel", "RING-*"], KNOWN, [])
    assert {KNOWN[name].group for name in found} == {"cancel", "polling"}
    assert {"CANCEL-LIVE", "RING-WINDOW-KEPT"} <= found


def test_what_has_a_check() -> None:
    assert selected(["checked"], KNOWN, ["POLL-SHAPE"]) == {"POLL-SHAPE"}


@pytest.mark.parametrize("word", ["NO-SUCH", "NO-SUCH-*", "groups"])
def test_a_word_that_names_nothing(word: str) -> None:
    with pytest.raises(TargetError, match="--only"):
        selected([word], KNOWN, [])
