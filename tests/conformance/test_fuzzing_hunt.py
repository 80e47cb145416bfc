"""What is generated is tried within bounds, the same again with the same seed, and made smaller."""

import time
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import strategies as st

from pollux.conformance.errors import TargetGoneError
from pollux.conformance.fuzzing.hunt import Bounds, Charge, hunt
from pollux.polling.breach import Breach

_TEXTS = st.text(max_size=40)


def charged(*requirements: str, kind: str = "accepted") -> list[Charge]:
    return [Charge(kind, Breach(name, "a text", "none", "one", ())) for name in requirements]


class Notebook:
    """A trial that notes what was tried."""

    def __init__(self, charges: Callable[[str], Sequence[Charge]]) -> None:
        self.tried: list[str] = []
        self._charges = charges

    def __call__(self, text: str) -> Sequence[Charge]:
        self.tried.append(text)
        return self._charges(text)


def broken_by(text: str) -> list[Charge]:
    return charged("A") if len(text) > 2 else []


def test_each_requirement_is_found_once_by_the_smallest_that_breaks_it() -> None:
    def charges(text: str) -> list[Charge]:
        long = charged("LONG") if len(text) > 5 else []
        return long + (charged("WIDE", kind="refused") if any(c > "\u3000" for c in text) else [])

    found = {
        charge.breach.requirement: text
        for text, charge in hunt(_TEXTS, charges, Random(1), Bounds(300))
    }
    assert found["LONG"] == "000000"
    assert len(found["WIDE"]) == 1
    assert found.keys() == {"LONG", "WIDE"}


def test_a_finding_stays_of_its_kind_while_it_is_made_smaller() -> None:
    def charges(text: str) -> list[Charge]:
        if len(text) > 3:
            return charged("LONG" if len(text) > 5 else "LESS-LONG")
        return charged("SHORT", kind="another") if text == "0" else []

    texts = _TEXTS.filter(lambda text: len(text) > 6 or len(text) < 5)
    first, *_ = hunt(texts, charges, Random(3), Bounds(200))
    assert first[1].kind == "accepted"
    assert len(first[0]) == 4


@pytest.mark.parametrize("seed", [0, 7])
def test_a_seed_tries_the_same_things_in_the_same_order(seed: int) -> None:
    books = [Notebook(broken_by), Notebook(broken_by)]
    for book in books:
        list(hunt(_TEXTS, book, Random(seed), Bounds(30)))
    assert books[0].tried == books[1].tried
    other = Notebook(broken_by)
    list(hunt(_TEXTS, other, Random(seed + 1), Bounds(30)))
    assert other.tried != books[0].tried


def test_as_many_different_things_are_tried_as_were_asked_for() -> None:
    book = Notebook(lambda _: [])
    assert list(hunt(_TEXTS, book, Random(1), Bounds(25))) == []
    assert len(book.tried) == len(set(book.tried)) == 25


def test_where_there_are_fewer_things_each_is_tried_once() -> None:
    tried: list[bool] = []

    def trial(thing: bool) -> Sequence[Charge]:
        tried.append(thing)
        return []

    assert list(hunt(st.booleans(), trial, Random(1), Bounds(25))) == []
    assert sorted(tried) == [False, True]


def test_nothing_to_try_is_nothing_found() -> None:
    nothing: st.SearchStrategy[str] = st.nothing()
    assert list(hunt(nothing, broken_by, Random(1), Bounds(25))) == []


def test_making_a_finding_smaller_is_bounded_in_number() -> None:
    book = Notebook(broken_by)
    ((text, _),) = hunt(_TEXTS, book, Random(1), Bounds(5, shrinks=2))
    assert len(book.tried) <= 5 + 2
    assert broken_by(text)


def test_making_a_finding_smaller_is_bounded_in_time() -> None:
    def slowly(text: str) -> list[Charge]:
        time.sleep(0.002)
        return broken_by(text)

    book = Notebook(slowly)
    ((text, _),) = hunt(_TEXTS, book, Random(1), Bounds(5, shrinks=10_000, seconds=0.0))
    assert len(book.tried) <= 5 + 1
    assert broken_by(text)


def test_what_is_known_already_is_not_looked_for() -> None:
    assert list(hunt(_TEXTS, broken_by, Random(1), Bounds(50), known={"A"})) == []


def test_a_trial_that_cannot_go_on_ends_the_hunt_at_once() -> None:
    def gone(text: str) -> list[Charge]:
        raise TargetGoneError("nobody there")

    book = Notebook(gone)
    with pytest.raises(TargetGoneError):
        list(hunt(_TEXTS, book, Random(1), Bounds(50)))
    assert len(book.tried) == 1


def test_one_flaky_answer_is_a_finding_all_the_same() -> None:
    """What was seen once counts, though the same thing is fine the next time."""
    answers = [charged("A")]

    def trial(_: str) -> Sequence[Charge]:
        return answers.pop() if answers else []

    ((_, charge),) = hunt(_TEXTS, trial, Random(1), Bounds(20))
    assert charge.breach.requirement == "A"
