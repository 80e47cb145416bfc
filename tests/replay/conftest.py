"""A replay of a recording at a clock that the test moves, and a client of it.

A module that uses them says in a fixture of its own, ``recording``, what is replayed.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pollux.polling.client import ApiClient
from pollux.replay.server import ReplayServer


@pytest.fixture
def server(recording: Path) -> Iterator[ReplayServer]:
    with ReplayServer(recording, clock="manual") as running:
        yield running


@pytest.fixture
def client(server: ReplayServer) -> Iterator[ApiClient]:
    with ApiClient(server.base_url, "any") as connected:
        yield connected
