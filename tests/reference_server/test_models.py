"""Models by URL and from a models file, over real HTTP; what clients are told of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pollux.reference_server.app import ReferenceServer
from pollux.reference_server.config import RetryPolicy, ServerConfig
from pollux.reference_server.models import (
    ModelCatalogue,
    ModelsFileError,
    read_models_file,
    url_spec,
)
from pollux.reference_server.modes import RunMode, effort
from pollux.scripted_model import ScriptedModel
from pollux.scripted_model.server import ModelServer
from tests.reference_server.conftest import Api, chunks, types

MODELS_FILE = """
models:
  - model_key: plain
    model: name-at-the-endpoint
    api_key_env: PLAIN_KEY
    max_output_tokens: 500
  - model_key: quick
    fast_only: true
    supports_thinking: false
  - model_key: pondering
    thinking_only: true
    thinking_switch: enable_thinking
  - model_key: switched
    thinking_switch: thinking
  - model_key: hidden
    visible: false
"""


@pytest.fixture
def remote() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def api(tmp_path: Path, remote: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("PLAIN_KEY", "a-secret-key")
    file = tmp_path / "models.yaml"
    file.write_text(MODELS_FILE)
    catalogue = ModelCatalogue(read_models_file(file, remote.base_url), ScriptedModel())
    config = ServerConfig(data_dir=tmp_path / "data", retry=RetryPolicy(first_delay=0.01))
    with ReferenceServer(config, catalogue) as server:
        client = Api(server, server.services.users.add("ann"))
        client.model = remote.model
        yield client
        client.http.close()


def test_a_task_runs_on_a_model_over_http(api: Api, remote: ModelServer) -> None:
    data = api.run('think "hm"', 'say "Grüße 👋"', "call list_files {}", "turn", "say 3")
    assert data["status"] == "succeeded"
    assert chunks(data) == ["Grüße 👋", "w1 ", "w2 ", "w3 "]
    asked = remote.model.requests.list()
    assert [request.model for request in asked] == ["name-at-the-endpoint"] * 2
    assert asked[0].body["max_tokens"] == 500


@pytest.mark.parametrize("statement", ["hold never", "pause 60s"])
def test_a_cancel_reaches_a_model_call_over_http(
    api: Api, remote: ModelServer, statement: str
) -> None:
    task = api.send('say "a"', statement, 'say "b"')["task_id"]
    api.until(task, "text_chunk")
    api.http.post(f"/tasks/{task}/cancel")
    assert api.finish(task)["status"] == "canceled"
    for _ in range(1000):
        if remote.model.open_answers == 0:
            return
        remote.model.holds.wait_until_held("nothing", 0.01)
    raise AssertionError("the model still answers a cancelled call")


@pytest.mark.parametrize("statement", ["break", "malformed", "end-early", "error 500"])
def test_failures_over_http_end_the_task_as_failed(api: Api, statement: str) -> None:
    data = api.run(*(["say 1"] if "error" not in statement else []), statement)
    assert data["status"] == "failed"
    told = json.dumps(data)
    assert "a-secret-key" not in told
    assert "127.0.0.1" not in told


def test_an_endpoint_that_is_not_there_fails_the_task(tmp_path: Path) -> None:
    spec = url_spec("http://127.0.0.1:9/v1", "nobody")
    config = ServerConfig(data_dir=tmp_path, retry=RetryPolicy(first_delay=0.01))
    with ReferenceServer(config, ModelCatalogue([spec], ScriptedModel())) as server:
        api = Api(server, server.services.users.add("ann"))
        data = api.finish(api.send()["task_id"])
        api.http.close()
    assert data["status"] == "failed"
    assert types(data).count("error") == config.retry.max_attempts
    assert "127.0.0.1" not in json.dumps(data)


def test_clients_see_the_visible_models_and_not_how_they_are_reached(api: Api) -> None:
    response = api.http.get("/models")
    items = response.json()["items"]
    assert [item["model_key"] for item in items] == ["plain", "quick", "pondering", "switched"]
    assert "http" not in response.text
    assert "PLAIN_KEY" not in response.text
    for item in [*items, {"model_key": "hidden"}]:
        assert api.run("say 1", model_key=item["model_key"])["status"] == "succeeded"


@pytest.mark.parametrize(
    ("model", "mode", "expected"),
    [
        ("plain", "fast", {}),
        ("plain", "deep", {"reasoning_effort": "high"}),
        ("quick", "deep", {}),
        ("pondering", "fast", {"enable_thinking": True}),
        ("switched", "fast", {"thinking": {"type": "disabled"}}),
        ("switched", "thinking", {"thinking": {"type": "enabled"}}),
    ],
)
def test_each_endpoint_is_told_to_think_in_its_own_way(
    api: Api, remote: ModelServer, model: str, mode: str, expected: dict[str, Any]
) -> None:
    api.run("say 1", model_key=model, run_mode=mode)
    body = remote.model.requests.list()[-1].body
    keys = ("reasoning_effort", "enable_thinking", "thinking")
    assert {key: body[key] for key in keys if key in body} == expected


def test_a_thinking_interval_thinks_on_the_first_and_then_on_every_nth_call() -> None:
    def thinks(call: int) -> bool:
        return effort(
            RunMode.THINKING, call, thinking_interval=3, fast_only=False, thinking_only=False
        ).thinking

    assert [thinks(call) for call in range(1, 8)] == [True, False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a list 'models'"),
        ("models: 5", "a list 'models'"),
        ("models: []", "at least one"),
        ("models: [{name: x}]", r"models\[0\].*model_key"),
        ("models: [{model_key: a}, {model_key: a}]", "the same model_key"),
        ("models: [{model_key: a, colour: red}]", "unknown field 'colour'"),
        ("models: [{model_key: a, visible: 1}]", "visible has the wrong type"),
        ("models: [{model_key: a, context_window: true}]", "context_window has the wrong type"),
        ("models: [{model_key: a, thinking_switch: loud}]", "thinking_switch is one of"),
        ("models: [", "models.yaml"),
    ],
)
def test_a_mistake_in_a_models_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(text)
    with pytest.raises(ModelsFileError, match=complaint):
        ModelCatalogue(read_models_file(file, None), ScriptedModel())
