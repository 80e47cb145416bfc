"""What moves a replay on: the time of day, a hand, or the client's own polls."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol


class Movable(Protocol):
    """What a clock moves; a :class:`pollux.replay.timeline.Cursor`."""

    def advance_to(self, ms: float) -> None:
        """Let everything happen up to MS milliseconds from the beginning."""
        ...

    def step(self, events: int = 1) -> None:
        """Let EVENTS more events happen."""
        ...


class Clock(Protocol):
    """Decides, whenever a client asks, how far a replay has come. One for each replay.

    Whoever sets ``playing`` or ``speed`` drives the replay to this moment before, and anchors
    the clock behind it.

    Attributes:
        playing: Whether it moves the replay at all.
        per_poll: New events that a poll brings, where polls bring them.
    """

    playing: bool
    per_poll: int

    @property
    def speed(self) -> float | None:
        """Recorded seconds per second; None when time does not move this clock."""
        ...

    @speed.setter
    def speed(self, speed: float) -> None: ...

    def anchor(self, position_ms: float) -> None:
        """Learn that the replay stands at POSITION_MS now: it begins, or was moved by hand."""
        ...

    def drive(self, replay: Movable, *, polled: bool) -> None:
        """Move REPLAY on to where it is now, unless the clock is paused.

        Args:
            replay: What is moved.
            polled: Whether a client polls for events; else it asks for something else, such
                as whether the task is live.
        """
        ...


class WallClock:
    """Time goes on by itself, as long as it plays.

    Args:
        speed: Recorded seconds per second, greater than 0.
        now: Seconds of a clock that never goes back.
        playing: Whether time goes on at once.

    Raises:
        ValueError: for a speed that is none.
    """

    def __init__(
        self,
        speed: float = 1.0,
        now: Callable[[], float] = time.monotonic,
        *,
        playing: bool = True,
    ) -> None:
        self.speed = speed
        self.playing = playing
        self.per_poll = 1
        self._now = now
        self._anchored_at = now()
        self._anchor_ms = 0.0

    @property
    def speed(self) -> float:
        """Recorded seconds per second."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        if not 0 < speed < math.inf:
            raise ValueError("the speed of a replay is a number greater than 0")
        self._speed = speed

    def anchor(self, position_ms: float) -> None:
        """Go on from POSITION_MS at this moment."""
        self._anchored_at = self._now()
        self._anchor_ms = position_ms

    def drive(self, replay: Movable, *, polled: bool) -> None:
        """Move REPLAY on by the time that has passed."""
        if self.playing:
            elapsed_ms = (self._now() - self._anchored_at) * 1000
            replay.advance_to(self._anchor_ms + elapsed_ms * self._speed)


class ManualClock(WallClock):
    """Time stands still until it is told to play: the replay moves when it is told to.

    Args:
        speed: Recorded seconds per second, once it plays.
    """

    def __init__(self, speed: float = 1.0) -> None:
        super().__init__(speed, playing=False)


class PollClock:
    """Every poll brings the same number of new events: what a client sees is the same each time.

    Args:
        events: New events per poll, at least 1.
    """

    def __init__(self, events: int = 1) -> None:
        if events < 1:
            raise ValueError("a poll brings at least 1 event")
        self.per_poll = events
        self.playing = True

    @property
    def speed(self) -> None:
        """None: time does not matter."""
        return None

    @speed.setter
    def speed(self, speed: float) -> None:
        raise ValueError("the poll clock has no speed: each poll brings the same number of events")

    def anchor(self, position_ms: float) -> None:
        """Go on from there with the next poll."""

    def drive(self, replay: Movable, *, polled: bool) -> None:
        """Let the next events happen, if this is a poll."""
        if polled and self.playing:
            replay.step(self.per_poll)


CLOCKS = ("wall", "manual", "poll")


def clock_maker(clock: str, *, speed: float = 1.0, per_poll: int = 1) -> Callable[[], Clock]:
    """Return what makes the clock of each new task.

    Args:
        clock: One of :data:`CLOCKS`.
        speed: Of the wall clock, and of the manual one while it plays: recorded seconds per
            second.
        per_poll: Of the poll clock: new events per poll.

    Raises:
        ValueError: for another clock, or one that could not run so.
    """
    makers: dict[str, Callable[[], Clock]] = {
        "wall": partial(WallClock, speed),
        "manual": partial(ManualClock, speed),
        "poll": partial(PollClock, per_poll),
    }
    if clock in makers:
        makers[clock]()  # what is wrong is told now, not to the first client
        return makers[clock]
    raise ValueError(f"{clock!r} is no clock: there are {', '.join(CLOCKS)}")
