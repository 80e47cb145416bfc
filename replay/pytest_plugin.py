"""The pytest plugin of the replay: the fixture ``replay_server``.

It is loaded in every run of pytest on a machine that has Pollux, so nothing heavy is imported
until a test asks for it.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from pollux.replay.testing import ReplayUnderTest


class StartsReplays(Protocol):
    """What the fixture ``replay_server`` is: called, it starts a replay."""

    def __call__(
        self, *recordings: Path | str, faults: str | Iterable[str] = (), **options: Any
    ) -> "ReplayUnderTest":
        """Start a replay of RECORDINGS; see :class:`pollux.replay.testing.ReplayUnderTest`."""
        ...


@pytest.fixture
def replay_server() -> Iterator[StartsReplays]:
    """Start replays of recordings; all of them end with the test.

    ::

        def test_my_client(replay_server):
            replay = replay_server("tools", speed=10, faults="poll 3 -> reset")
            my_client.run(replay.base_url)
            replay.assert_client_ok()
    """
    with ExitStack() as running:

        def start(
            *recordings: Path | str, faults: str | Iterable[str] = (), **options: Any
        ) -> "ReplayUnderTest":
            from pollux.replay.testing import ReplayUnderTest

            return running.enter_context(ReplayUnderTest(*recordings, faults=faults, **options))

        yield start
