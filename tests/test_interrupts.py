"""Ctrl-C ends a recording between two writes."""

import signal

import pytest

from pollux.replay.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_what_is_not_held(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts().caught():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert signal.getsignal(number) != before
    assert signal.getsignal(number) == before


def test_a_signal_within_a_write_comes_behind_it() -> None:
    interrupts = Interrupts()
    written = []
    with interrupts.caught():
        with pytest.raises(KeyboardInterrupt), interrupts.held_back():
            signal.raise_signal(signal.SIGINT)
            written.append("all of it")
        with interrupts.held_back():
            written.append("and the trailer")
    assert written == ["all of it", "and the trailer"]
