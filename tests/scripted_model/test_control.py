"""The model under control: the same checks on a model in this process and over HTTP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from pollux.scripted_model import ScriptedModel
from pollux.scripted_model.builder import error, hold, say, script, turn
from pollux.scripted_model.control import ControlError, HttpModelControl, ModelControl
from pollux.scripted_model.control_app import ControlApp
from pollux.scripted_model.server import ModelServer
from tests.scripted_model.clients import in_process, raw
from tests.scripted_model.test_statements import said
from tests.scripted_model.waiting import DEADLINE, eventually


@pytest.fixture(params=["in this process", "over HTTP"])
def control(request: pytest.FixtureRequest, model: ScriptedModel) -> Iterator[ModelControl]:
    if request.param == "in this process":
        yield model
        return
    server: ModelServer = request.getfixturevalue("server")
    with HttpModelControl(server.base_url) as over_http:
        yield over_http


def held(name: str) -> str:
    return script(turn(hold(name), say("after")))


def test_an_answer_is_held_and_released(control: ModelControl, model: ScriptedModel) -> None:
    assert control.holds.waiting("a") == 0
    assert not control.holds.wait_until_held("a", 0.05)
    with ThreadPoolExecutor(3) as pool:
        waiting = pool.submit(control.holds.wait_until_held, "a", DEADLINE, 2)
        answers = [pool.submit(in_process(model).stream, held("a")) for _ in range(2)]
        assert waiting.result()
        assert control.holds.waiting("a") == 2
        assert control.holds.names() == {"a": 2}
        assert control.open_answers == 2
        control.holds.release("a")
        assert [said(answer.result()) for answer in answers] == [["after"], ["after"]]
    assert control.holds.names() == {}
    assert control.open_answers == 0


def test_an_early_release_counts(control: ModelControl, model: ScriptedModel) -> None:
    control.holds.release("b")
    assert said(in_process(model).stream(held("b"))) == ["after"]


def test_all_are_released(control: ModelControl, model: ScriptedModel) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(in_process(model).stream, held(name)) for name in "ab"]
        assert control.holds.wait_until_held("a", DEADLINE)
        assert control.holds.wait_until_held("b", DEADLINE)
        control.holds.release_all()
        assert [said(answer.result()) for answer in answers] == [["after"], ["after"]]


def test_requests_are_seen_and_forgotten(control: ModelControl, model: ScriptedModel) -> None:
    raw(model, "hello")
    raw(model, script(turn(say("ä")), id="s"))
    first, second = control.requests.list()
    assert (first.number, second.number) == (1, 2)
    assert second.messages[0]["content"].startswith("pollux-script s")
    assert control.requests.list("s") == [second]
    assert control.requests.list(after=2) == []
    control.requests.clear()
    assert control.requests.list() == []


def test_reset_makes_a_new_start(control: ModelControl, model: ScriptedModel) -> None:
    flaky = script(turn(error(503, times=1), say("well")))
    assert raw(model, flaky).status_code == 503
    control.holds.release("a")
    control.reset()
    assert raw(model, flaky).status_code == 503
    assert control.requests.list(after=1)
    assert not model.holds.is_released("a")


def test_a_long_wait_asks_again(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pollux.scripted_model.control.MAX_WAIT", 0.05)
    monkeypatch.setattr("pollux.scripted_model.control_app.MAX_WAIT", 0.05)
    with HttpModelControl(server.url) as control, ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(control.holds.wait_until_held, "late", DEADLINE)
        assert not control.holds.wait_until_held("late", 0.2)
        answer = pool.submit(in_process(server.model).stream, held("late"))
        assert waiting.result()
        control.holds.release("late")
        answer.result()


def test_too_many_waits_are_answered_at_once(model: ScriptedModel) -> None:
    """They must not take the threads away from those who release."""
    app = ControlApp(model)
    with ThreadPoolExecutor(20) as pool:
        waits = [
            pool.submit(app.answer, "GET", "/control/holds/a/wait", {"timeout": "10"})
            for _ in range(20)
        ]
        eventually(lambda: sum(wait.done() for wait in waits) == 12)
        with model.holds.waiter("a", lambda: None):
            found = [wait.result()[1]["held"] for wait in waits]
    assert sorted(found) == [False] * 12 + [True] * 8


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "nonsense", 404, "there is no"),
        ("GET", "", 404, "there is no"),
        ("GET", "holds/a/b/c", 404, "there is no"),
        ("POST", "holds/a%2Fb/release", 404, "there is no"),
        ("GET", "reset", 405, "takes POST only"),
        ("POST", "state", 405, "takes GET only"),
        ("POST", "holds/a%20b/release", 400, "letters, digits"),
        ("POST", "holds//release", 400, "letters, digits"),
        ("GET", "holds/a/wait?timeout=soon", 400, "'timeout' must be a number"),
        ("GET", "holds/a/wait?timeout=-1", 400, "'timeout' must not be below 0"),
        ("GET", "holds/a/wait?timeout=nan", 400, "'timeout' must not be below 0"),
        ("GET", "requests?after=x", 400, "'after' must be a number"),
    ],
)
def test_wrong_control_requests_are_refused(
    server: ModelServer, method: str, path: str, status: int, message: str
) -> None:
    response = httpx.request(method, f"{server.url}/control/{path}", trust_env=False)
    assert response.status_code == status
    assert message in response.json()["error"]["message"]


def test_the_state_tells_what_is_going_on(server: ModelServer) -> None:
    with ThreadPoolExecutor(1) as pool, HttpModelControl(server.url) as control:
        answer = pool.submit(in_process(server.model).stream, held("s"))
        assert control.holds.wait_until_held("s", DEADLINE)
        assert control.call("GET", "state") == {
            "open_answers": 1,
            "holds": {"s": 1},
            "requests": 1,
            "requests_kept": 1,
        }
        control.holds.release("s")
        answer.result()


def test_errors_of_the_control_say_what_is_wrong(server: ModelServer) -> None:
    with (
        HttpModelControl(server.url) as control,
        pytest.raises(ControlError, match=r"refused POST holds/a b/release.*letters"),
    ):
        control.holds.release("a b")
    server.stop()
    with (
        HttpModelControl(server.url) as control,
        pytest.raises(ControlError, match="cannot be controlled"),
    ):
        control.holds.names()
