"""Notices that the target has gone, so that a run ends soon instead of waiting for each answer."""

import threading

from pollux.polling.client import ApiClient
from pollux.polling.http import Limits

_USUAL_SECONDS = 15.0
_SHORT_SECONDS = 3.0
_PROBE_SECONDS = 3.0
# So many unanswered requests are an accident; more are a habit.
_ACCIDENTS = 4
# So many checks in a row find nobody there; the rest need not look.
_LOOKS = 5


class Pulse:
    """What all checks of a run know of whether the target still answers.

    Args:
        base_url: Of the target.
        time_scale: Factor of every deadline.
    """

    def __init__(self, base_url: str, time_scale: float) -> None:
        self._base_url = base_url
        self._time_scale = time_scale
        self._lock = threading.Lock()
        self._unanswered = 0
        self._looks = 0
        self._busy: set[str] = set()

    @property
    def timeout(self) -> float:
        """Seconds that a request may take; less once the target is known to leave some open."""
        usual = self._unanswered <= _ACCIDENTS
        return (_USUAL_SECONDS if usual else _SHORT_SECONDS) * self._time_scale

    def missed(self) -> bool:
        """Note that a request was not answered; tell whether the target still lives."""
        with self._lock:
            self._unanswered += 1
        return self._probe()

    def alive(self) -> bool:
        """Tell, at the beginning of a check, whether it is worth trying."""
        if self._looks == 0:
            return True
        return self._looks < _LOOKS and self._probe()

    def is_stuck(self, user: str) -> bool:
        """Tell whether USER was found busy for good before."""
        return user in self._busy

    def stuck(self, user: str) -> None:
        """Note that a task which the suite does not know keeps USER busy."""
        self._busy.add(user)

    def _probe(self) -> bool:
        limits = Limits(timeout=_PROBE_SECONDS * self._time_scale)
        with ApiClient(self._base_url, None, limits=limits) as client:
            alive = client.health().answered
        with self._lock:
            self._looks = 0 if alive else self._looks + 1
        return alive
