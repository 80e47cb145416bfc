"""When to poll again: soon while events come, less often while none do, patiently on failure."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# An answer with so many events came from a stream that could outrun the buffer.
_MANY_EVENTS = 250
_LONGEST_WAIT = 600.0


class Pace:
    """The intervals of one recording.

    Args:
        shortest: Seconds between polls while events come.
        longest: Seconds between polls while nothing happens, and between failed tries.
    """

    def __init__(self, shortest: float = 0.1, longest: float = 1.0) -> None:
        self._shortest = shortest
        self._longest = longest
        self._interval = shortest

    def after_answer(self, new_events: int) -> float:
        """Return the seconds to wait after an answer with NEW_EVENTS."""
        if new_events >= _MANY_EVENTS:
            self._interval = self._shortest
            return 0.0
        self._interval = self._shortest if new_events else self._longer()
        return self._interval

    def after_failure(self, retry_after: float | None) -> float:
        """Return the seconds to wait after no answer, or one that says to come back later."""
        self._interval = self._longer()
        return max(self._interval, min(retry_after or 0.0, _LONGEST_WAIT))

    def _longer(self) -> float:
        return min(self._interval * 1.5, self._longest)


class Patience:
    """How long to go on without a good answer.

    Args:
        seconds: So long, and as much longer as the server asked to be left alone.
        now: Seconds of a clock that never goes back.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self.answered()

    def answered(self) -> None:
        """Begin anew: there was a good answer."""
        self._since = self._now()
        self._told = 0.0

    def over(self, wait: float, retry_after: float | None = None) -> bool:
        """Tell whether a try after WAIT more seconds would be too late."""
        self._told = max(self._told, min(retry_after or 0.0, _LONGEST_WAIT))
        return self._now() + wait - self._since > self._seconds + self._told


def retry_after_seconds(value: str | None) -> float | None:
    """Read the header ``Retry-After``: seconds, or a date; None when it is neither."""
    if value is None:
        return None
    value = value.strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
