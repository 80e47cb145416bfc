"""The effect ``extra-fields``."""

from dataclasses import dataclass
from typing import Any

from pollux.replay.faults.effect import Passing, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.story import Story, Told

_EXTRA: dict[str, Any] = {"pollux_extra": {"unknown": [1, "two", None]}}


@register
@dataclass(frozen=True)
class ExtraFields(Passing):
    """Adds fields that nobody knows to the answer, its ``data``, each event and its ``data``.

    Hurts clients that check answers against a closed schema (api_v1 2.4: more fields may come).
    """

    example = "always -> extra-fields"
    lawful = True

    def retell(self, told: Told, story: Story, strike: Strike) -> None:
        """Add the fields."""
        told.payload.update(_EXTRA)
        told.data.update(_EXTRA)
        told.events = [
            {**event, **_EXTRA, "data": {**event["data"], **_EXTRA}} for event in told.events
        ]
