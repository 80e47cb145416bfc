"""Faults that happen so many times: who is counted with whom."""

import threading

import httpx2
import pytest

from pollux.scripted_model import IN_PROCESS_BASE_URL, ScriptedModel, Turn
from pollux.scripted_model.builder import cut, error, fail, malformed, say, script, turn
from pollux.scripted_model.script import Say
from pollux.scripted_model.tries import Tries
from tests.scripted_model.clients import body_of, raw, told, user

FLAKY = turn(error(503, times=2), say("well"))


def status(model: ScriptedModel, text: str) -> int:
    return raw(model, text).status_code


def test_each_fault_has_its_own_tries_in_the_order_they_stand(model: ScriptedModel) -> None:
    text = script(
        turn(
            error(429, times=1),
            error(503, times=1),
            say("a"),
            malformed(times=1),
            cut(times=1),
            say("b"),
            fail(times=1),
        )
    )
    for _ in range(2):
        endings = [told(model, text)[-1] for _ in range(6)]
        assert endings[0].startswith("HTTP 429")
        assert endings[1].startswith("HTTP 503")
        assert endings[2] == "[DONE]"  # with the malformed chunk
        assert endings[3] == "cut"
        assert endings[4].startswith("error event")
        assert endings[5] == "[DONE]"
    tries = [told(model, text) for _ in range(3)]
    assert "not JSON" in tries[2]


def test_a_fault_that_never_ends_keeps_the_count(model: ScriptedModel) -> None:
    text = script(turn(error(429, times=1), error(503)))
    assert [status(model, text) for _ in range(4)] == [429, 503, 503, 503]


def test_the_same_script_one_after_another_has_all_its_errors_again(model: ScriptedModel) -> None:
    text = script(FLAKY)
    assert [status(model, text) for _ in range(6)] == [503, 503, 200] * 2


def test_a_prompt_that_changes_between_tries_does_not_matter(model: ScriptedModel) -> None:
    asked = user(script(FLAKY))
    found = []
    for second in range(3):
        system = {"role": "system", "content": f"It is 12:00:0{second}"}
        found.append(raw(model, [system, *asked]).status_code)
    assert found == [503, 503, 200]


def test_scripts_with_different_ids_are_counted_apart(model: ScriptedModel) -> None:
    one, two = script(FLAKY, id="one"), script(FLAKY, id="two")
    found = [status(model, text) for text in (one, two, one, two, one, two)]
    assert found == [503, 503, 503, 503, 200, 200]


def test_two_keys_are_counted_apart(model: ScriptedModel) -> None:
    body = body_of(script(FLAKY))
    found = []
    with httpx2.Client(transport=model.transport(), base_url=IN_PROCESS_BASE_URL) as client:
        for key in ("a", "b") * 3:
            headers = {"Authorization": f"Bearer {key}"}
            found.append(client.post("/chat/completions", json=body, headers=headers).status_code)
    assert found == [503, 503, 503, 503, 200, 200]


def test_turns_are_counted_apart(model: ScriptedModel) -> None:
    text = script(FLAKY, FLAKY)
    first = user(text)
    second = [*first, {"role": "assistant", "content": "well"}]
    found = [raw(model, asked).status_code for asked in (first, second) * 3]
    assert found == [503, 503, 503, 503, 200, 200]


def test_reset_forgets_the_tries(model: ScriptedModel) -> None:
    text = script(FLAKY)
    assert status(model, text) == 503
    model.reset()
    assert [status(model, text) for _ in range(3)] == [503, 503, 200]


def test_no_try_is_lost_when_many_ask_at_once() -> None:
    tries = Tries()
    flaky = Turn((error(503, times=40), say("well")))
    barrier = threading.Barrier(8)
    well: list[bool] = []

    def ask() -> None:
        barrier.wait()
        for _ in range(5):
            well.append(tries.play("key", flaky) == (Say(("well",)),))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert well.count(False) == 40
    assert tries.play("key", flaky) == (Say(("well",)),)
    assert len(tries) == 0


def test_the_table_is_bounded() -> None:
    tries = Tries(most=10)
    for key in range(100):
        tries.play(key, FLAKY)
    assert len(tries) == 10


@pytest.mark.parametrize("text", ["say 1", "error 503"])
def test_turns_without_times_are_not_counted(model: ScriptedModel, text: str) -> None:
    for _ in range(3):
        status(model, f"pollux-script\n{text}")
    assert len(model._tries) == 0
