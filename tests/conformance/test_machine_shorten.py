"""Making a failing sequence short: what stays, how often it is played, servers that waver."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pollux.conformance.machine.play import Step
from pollux.conformance.machine.shorten import shortened


@dataclass(frozen=True)
class _Failure:
    steps: tuple[Step, ...]


def _steps(*names: str) -> tuple[Step, ...]:
    return tuple(Step(name, {"user": 1, "number": 7, "prompt": 3}) for name in names)


def _names(steps: Sequence[Step]) -> str:
    return " ".join(step.action for step in steps)


def _fails_with(*needed: str) -> "_Server":
    return _Server(needed)


class _Server:
    """Fails at the last of some steps, if the others have come before it in this order."""

    def __init__(self, needed: Sequence[str]) -> None:
        self.needed = needed
        self.played = 0

    def play(self, steps: Sequence[Step]) -> _Failure | None:
        self.played += 1
        left = list(self.needed)
        for number, step in enumerate(steps):
            if step.action == left[0]:
                left.pop(0)
            if not left:
                return _Failure(tuple(steps[: number + 1]))
        return None


def test_only_the_steps_that_are_needed_stay() -> None:
    server = _fails_with("b", "f", "k")
    found = shortened(_Failure(_steps(*"aabcdefghijabcdefghijk")), server.play, 30)
    assert _names(found.failure.steps) == "b f k"
    assert found.runs == server.played <= 60


def test_a_single_step_is_enough() -> None:
    found = shortened(_Failure(_steps(*"abcdefghijklm")), _fails_with("m").play, 30)
    assert _names(found.failure.steps) == "m"


def test_the_first_user_and_the_simplest_numbers_are_taken() -> None:
    found = shortened(_Failure(_steps("a", "b")), _fails_with("a", "b").play, 30)
    simple = {"user": 0, "number": 0, "prompt": -1}
    assert [dict(step.arguments) for step in found.failure.steps] == [simple, simple]


def test_an_earlier_failure_is_taken_for_a_later_one() -> None:
    def play(steps: Sequence[Step]) -> _Failure | None:
        # Without `a`, which hides it, a step before the last fails already.
        hidden = any(step.action == "a" for step in steps)
        for number, step in enumerate(steps):
            if step.action == "z" or (step.action == "m" and not hidden):
                return _Failure(tuple(steps[: number + 1]))
        return None

    found = shortened(_Failure(_steps("a", "m", "z")), play, 30)
    assert _names(found.failure.steps) in ("m", "z")


def test_what_never_shows_itself_again_stays_as_it_was_seen() -> None:
    first = _Failure(_steps(*"abc"))
    found = shortened(first, lambda _: None, 30)
    assert found.failure is first
    assert (found.runs, found.failed) == (2, 0)


def test_a_server_that_wavers_is_asked_again() -> None:
    server = _fails_with("c")
    answers = iter([None])

    def play(steps: Sequence[Step]) -> _Failure | None:
        return next(answers, server.play(steps))

    found = shortened(_Failure(_steps(*"abc")), play, 30)
    assert _names(found.failure.steps) == "c"


def test_the_number_of_runs_is_bounded() -> None:
    # Every second step is needed: hardly anything can be left out.
    letters = "abcdefghijklmnopqrstuvwxyz" * 4
    server = _fails_with(*letters)
    found = shortened(_Failure(_steps(*letters)), server.play, 300)
    assert found.runs == server.played == 100


def test_the_time_is_bounded() -> None:
    server = _fails_with("c")

    def play(steps: Sequence[Step]) -> _Failure | None:
        time.sleep(0.02)
        return server.play(steps)

    found = shortened(_Failure(_steps(*"abc")), play, 0)
    assert (found.runs, found.failed) == (0, 0)
    assert _names(found.failure.steps) == "a b c"
