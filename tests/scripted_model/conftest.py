"""A model, its server, and the four ways to ask it."""

from collections.abc import Iterator

import pytest

from pollux.scripted_model import IN_PROCESS_BASE_URL, ScriptedModel
from pollux.scripted_model.server import ModelServer
from tests.scripted_model.clients import Asking, AskingAsync, AskingSync


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    model = ScriptedModel()
    yield model
    model.close()


@pytest.fixture
def server(model: ScriptedModel) -> Iterator[ModelServer]:
    with ModelServer(model) as server:
        yield server


@pytest.fixture(params=["sync", "async", "sync over HTTP", "async over HTTP"])
def asking(request: pytest.FixtureRequest, model: ScriptedModel) -> Asking:
    match request.param:
        case "sync":
            return AskingSync(IN_PROCESS_BASE_URL, model.transport())
        case "async":
            return AskingAsync(IN_PROCESS_BASE_URL, model.async_transport())
        case "sync over HTTP":
            return AskingSync(request.getfixturevalue("server").base_url, None)
        case _:
            return AskingAsync(request.getfixturevalue("server").base_url, None)
