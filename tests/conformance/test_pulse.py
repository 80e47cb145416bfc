"""A target that has gone is noticed soon, and is not waited for again and again."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from pollux.conformance.pulse import Pulse
from pollux.serving import WsgiServer


class _Server:
    """Answers, or lets its clients wait."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = True

    def __call__(self, _: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.asked += 1
        if not self.answers:
            time.sleep(0.2)
        start_response("200 OK", [])
        return [b""]


@pytest.fixture
def server() -> _Server:
    return _Server()


def test_who_answers_is_not_asked(server: _Server) -> None:
    with WsgiServer(server) as running:
        pulse = Pulse(running.base_url, 1.0)
        assert pulse.alive()
    assert server.asked == 0


def test_a_lost_answer_is_an_accident_where_the_target_still_lives(server: _Server) -> None:
    with WsgiServer(server) as running:
        pulse = Pulse(running.base_url, 1.0)
        assert pulse.missed()
        assert pulse.timeout == 15.0
        for _ in range(4):
            assert pulse.missed()
        # Of a target that keeps losing them, the next is not waited for so long.
        assert pulse.timeout == 3.0


def test_who_has_gone_is_looked_for_a_few_times_only(server: _Server) -> None:
    with WsgiServer(server) as running:
        pulse = Pulse(running.base_url, 0.01)
        server.answers = False
        assert not pulse.missed()
        looks = [pulse.alive() for _ in range(50)]
    assert not any(looks)
    assert server.asked == 5


def test_who_comes_back_is_welcome(server: _Server) -> None:
    with WsgiServer(server) as running:
        pulse = Pulse(running.base_url, 0.05)
        server.answers = False
        assert not pulse.missed()
        server.answers = True
        time.sleep(0.2)
        assert pulse.alive()
        server.answers = False
        assert pulse.alive()


def test_a_user_that_is_busy_for_good_is_remembered() -> None:
    pulse = Pulse("http://127.0.0.1:9", 1.0)
    pulse.stuck("one")
    assert pulse.is_stuck("one")
    assert not pulse.is_stuck("two")
