"""Fixtures of the suite's own tests."""

from collections.abc import Iterator

import pytest

from tests.conformance.workshop import Workshop


@pytest.fixture(scope="package")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with Workshop(tmp_path_factory.mktemp("workshop")) as workshop:
        yield workshop
