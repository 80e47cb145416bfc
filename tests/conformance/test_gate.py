"""Racing requests go on together, and never wait for somebody who does not come."""

import threading
import time
from functools import partial

import pytest

from pollux.conformance.gate import Gate, together
from pollux.conformance.judge import Judge
from pollux.conformance.pulse import Pulse
from pollux.conformance.stage import Stage
from pollux.conformance.target import Target
from pollux.schemas.requirements import load_requirements


@pytest.fixture
def stage() -> Stage:
    """A stage on which nobody appears."""
    target = Target(base_url="http://127.0.0.1:9", token="t", time_scale=0.02)
    judge = Judge("test_gate", ["SEND-RACE"], load_requirements())
    return Stage(target, judge, Pulse(target.base_url, target.time_scale), None, "1")


def test_nobody_goes_on_before_all_have_come(stage: Stage) -> None:
    gate, came = Gate(stage, 3), list[int]()
    lock = threading.Lock()

    def come(pause: float) -> int:
        time.sleep(pause)
        with lock:
            came.append(1)
        gate.wait()
        return len(came)

    assert together([partial(come, pause) for pause in (0.0, 0.01, 0.02)]) == [3, 3, 3]


def test_a_gate_to_which_too_few_come_is_broken_up(stage: Stage) -> None:
    gate = Gate(stage, 3)
    began = time.monotonic()
    together([gate.wait, gate.wait])
    first = time.monotonic() - began
    gate.wait()  # who comes later goes on at once
    assert 0.09 <= first < 5


def test_a_request_that_is_repeated_waits_once(stage: Stage) -> None:
    gate = Gate(stage, 2)
    wait = gate.once()
    together([wait, gate.wait])
    began = time.monotonic()
    wait()
    assert time.monotonic() - began < 0.05


def test_what_one_call_raises_is_raised(stage: Stage) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        together([fail, lambda: None])
