"""Faults of polling, offsets and the window (api_v1 2.3)."""

from typing import Any

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import ring


@mutant("POLL-OFFSET-RESPECTED")
def polling_repeats_the_event_before_the_offset(patch: Patch) -> None:
    """A poll returns the event before its offset again."""

    @patch.wrap(ring.EventRing, "window")
    def window(original: Any, self: ring.EventRing, offset: int) -> Any:
        return original(self, max(0, offset - 1))
