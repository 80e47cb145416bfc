"""How hypothesis is used here: it makes cases, and neither keeps, prints nor shortens them."""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.strategies import SearchStrategy

_Case = TypeVar("_Case")

# A server may be slow, and a step may come to nothing.
_NO_MATTER = (
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
    HealthCheck.too_slow,
)


def quiet_settings(cases: int, steps: int = 50) -> settings:
    """Return settings for so many CASES, which the seed alone decides.

    Nothing is shortened by hypothesis, see :mod:`pollux.conformance.machine.shorten`.

    Args:
        cases: How many are made; the first one is the simplest of all.
        steps: The most steps of a state machine.
    """
    return settings(
        max_examples=max(1, cases),
        stateful_step_count=max(1, steps),
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        suppress_health_check=_NO_MATTER,
        verbosity=Verbosity.quiet,
    )


class _Left(BaseException):
    """Leaves hypothesis; it is no ``Exception``, which would be a finding to it."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def for_each(
    cases: SearchStrategy[_Case], number: int, chance: int, call: Callable[[_Case], None]
) -> None:
    """Call a function with a NUMBER of cases, the simplest of all not being among them.

    Args:
        cases: What cases there are.
        number: How many are tried.
        chance: The seed.
        call: What is called.

    Raises:
        Exception: whatever CALL raises; no further case is tried then.
    """
    is_first = True

    @seed(chance)
    @quiet_settings(number + 1)
    @given(cases)
    def play(case: _Case) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            return
        try:
            call(case)
        except Exception as error:
            raise _Left(error) from error

    try:
        play()
    except _Left as left:
        raise left.error from None
