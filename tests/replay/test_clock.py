"""What moves a replay on."""

import pytest

from pollux.replay.clock import ManualClock, PollClock, WallClock, clock_maker


class Track:
    """Notes how it is moved."""

    def __init__(self) -> None:
        self.ms = 0.0
        self.events = 0

    def advance_to(self, ms: float) -> None:
        self.ms = ms

    def step(self, events: int = 1) -> None:
        self.events += events


class Hand:
    """A clock that is set by hand."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize("speed", [0.5, 1.0, 7.0, 1000.0])
def test_the_wall_clock_goes_at_its_speed_and_on_from_where_it_was_anchored(speed: float) -> None:
    now, track = Hand(), Track()
    clock = WallClock(speed, now)
    clock.anchor(0)
    now.seconds += 2
    clock.drive(track, polled=True)
    assert track.ms == pytest.approx(2000 * speed)
    clock.anchor(300)
    clock.drive(track, polled=False)
    assert track.ms == pytest.approx(300)
    now.seconds += 0.5
    clock.drive(track, polled=False)
    assert track.ms == pytest.approx(300 + 500 * speed)


def test_the_poll_clock_moves_only_with_polls() -> None:
    track = Track()
    clock = PollClock(3)
    clock.drive(track, polled=False)
    assert track.events == 0
    clock.drive(track, polled=True)
    clock.drive(track, polled=True)
    assert track.events == 6


def test_the_manual_clock_moves_nothing() -> None:
    track = Track()
    clock = ManualClock()
    clock.anchor(500)
    clock.drive(track, polled=True)
    assert (track.ms, track.events) == (0, 0)


def test_clocks_are_made_by_name_one_for_each_task() -> None:
    make = clock_maker("wall", speed=2.0)
    assert isinstance(make(), WallClock)
    assert make() is not make()
    assert isinstance(clock_maker("poll", per_poll=2)(), PollClock)
    assert isinstance(clock_maker("manual")(), ManualClock)
    with pytest.raises(ValueError, match="wall, manual, poll"):
        clock_maker("sundial")


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clock_that_stands_still_or_goes_back_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        WallClock(speed)
    with pytest.raises(ValueError, match="greater than 0"):
        clock_maker("wall", speed=speed)


def test_a_poll_that_brings_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        clock_maker("poll", per_poll=0)
