"""Holds and pauses: released from outside, cancelled at once, and nothing is left behind."""

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import pytest

from pollux.scripted_model import IN_PROCESS_BASE_URL, ScriptedModel
from pollux.scripted_model.builder import error, hold, pause, say, script, turn
from pollux.scripted_model.holds import Holds
from pollux.scripted_model.server import ModelServer
from tests.scripted_model.clients import Asking, AskingAsync, in_process
from tests.scripted_model.test_statements import said
from tests.scripted_model.waiting import DEADLINE, eventually

LONG = 600.0


def held_in_the_middle(name: str) -> str:
    return script(turn(say("before "), hold(name), say("after")))


def held_at_the_start(name: str) -> str:
    return script(turn(hold(name), say("after")))


# Through the openai package


@pytest.mark.parametrize("whole", [False, True])
def test_an_answer_waits_until_it_is_released(
    asking: Asking, model: ScriptedModel, whole: bool
) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer: Any = pool.submit(asking.whole if whole else asking.stream, held_in_the_middle("a"))
        assert model.holds.wait_until_held("a", DEADLINE)
        assert model.holds.waiting("a") == 1
        assert model.open_answers == 1
        assert not answer.done()
        model.holds.release("a")
        if whole:
            assert answer.result().choices[0].message.content == "before after"
        else:
            assert said(answer.result()) == ["before ", "after"]
    assert model.holds.names() == {}
    eventually(lambda: model.open_answers == 0)


def test_a_release_before_the_hold_lets_it_pass(asking: Asking, model: ScriptedModel) -> None:
    model.holds.release("early")
    assert said(asking.stream(held_in_the_middle("early"))) == ["before ", "after"]
    assert not model.holds.wait_until_held("early", 0)


def test_an_error_can_wait_too(asking: Asking, model: ScriptedModel) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(asking.stream, script(turn(hold("e"), error(503))))
        assert model.holds.wait_until_held("e", DEADLINE)
        model.holds.release("e")
        with pytest.raises(openai.InternalServerError):
            answer.result()


def test_a_pause_takes_its_time(asking: Asking) -> None:
    begin = time.monotonic()
    assert said(asking.stream(script(turn(say("a"), pause(0.2), say("b"))))) == ["a", "b"]
    assert time.monotonic() - begin >= 0.2


def test_what_was_said_before_a_hold_has_arrived(asking: Asking, model: ScriptedModel) -> None:
    """The chunk before a hold is not kept back in any buffer."""
    seen = threading.Event()

    async def read_async(asking: AskingAsync) -> None:
        async with asking.client() as client:
            stream = await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": held_in_the_middle("b")}],
                stream=True,
            )
            async for chunk in stream:
                if chunk.choices[0].delta.content == "before ":
                    seen.set()

    def read(asking: Any) -> None:
        with asking.client() as client:
            for chunk in client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": held_in_the_middle("b")}],
                stream=True,
            ):
                if chunk.choices[0].delta.content == "before ":
                    seen.set()

    def run() -> None:
        if isinstance(asking, AskingAsync):
            asyncio.run(read_async(asking))
        else:
            read(asking)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(run)
        try:
            assert seen.wait(DEADLINE)
            assert model.holds.wait_until_held("b", DEADLINE)
        finally:
            model.holds.release("b")
        reading.result()


def test_many_holds_at_once(asking: Asking, model: ScriptedModel) -> None:
    count = 12
    with ThreadPoolExecutor(count) as pool:
        same = [pool.submit(asking.stream, held_in_the_middle("same")) for _ in range(count // 2)]
        others = {
            name: pool.submit(asking.stream, held_at_the_start(name))
            for name in (f"other-{n}" for n in range(count // 2))
        }
        assert model.holds.wait_until_held("same", DEADLINE, count=count // 2)
        for name, answer in others.items():
            assert model.holds.wait_until_held(name, DEADLINE)
            model.holds.release(name)
            assert said(answer.result()) == ["after"]
        assert model.holds.names() == {"same": count // 2}
        model.holds.release_all()
        assert [said(answer.result()) for answer in same] == [["before ", "after"]] * len(same)


def test_closing_the_model_ends_every_wait(asking: Asking, model: ScriptedModel) -> None:
    with ThreadPoolExecutor(3) as pool:
        answers = [
            pool.submit(asking.stream, held_in_the_middle("a")),
            pool.submit(asking.stream, held_at_the_start("b")),
            pool.submit(asking.stream, script(turn(say("x"), pause(LONG)))),
        ]
        assert model.holds.wait_until_held("a", DEADLINE)
        assert model.holds.wait_until_held("b", DEADLINE)
        eventually(lambda: model.open_answers == 3)
        model.close()
        for answer in answers:
            with pytest.raises(openai.APIConnectionError) as caught:
                answer.result()
            assert not isinstance(caught.value, openai.APITimeoutError)
    eventually(lambda: model.open_answers == 0)


def test_the_read_timeout_is_kept_in_process(model: ScriptedModel) -> None:
    """As over HTTP, a client that bears only so much silence gives up."""
    text = held_in_the_middle("never")
    with in_process(model).client() as client, pytest.raises(openai.APITimeoutError):
        list(
            client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": text}], stream=True, timeout=0.05
            )
        )

    async def ask() -> None:
        asking = AskingAsync(IN_PROCESS_BASE_URL, model.async_transport())
        async with asking.client() as client:
            for asked in (text, held_at_the_start("never"), script(turn(pause(LONG), say("x")))):
                with pytest.raises(openai.APITimeoutError):
                    stream = await client.chat.completions.create(
                        model="m",
                        messages=[{"role": "user", "content": asked}],
                        stream=True,
                        timeout=0.05,
                    )
                    async for _ in stream:
                        pass

    asyncio.run(ask())
    assert model.holds.names() == {}
    assert model.open_answers == 0


# Cancelling


@pytest.mark.parametrize(
    "make",
    [
        held_in_the_middle,
        held_at_the_start,
        lambda _: script(turn(say("x"), pause(LONG))),
        lambda _: script(turn(pause(LONG), say("x"))),
        lambda _: script(turn(say(100_000))),
    ],
)
def test_cancelling_the_task_ends_the_answer_at_once(
    model: ScriptedModel, make: Callable[[str], str]
) -> None:
    async def ask() -> None:
        async with AskingAsync(IN_PROCESS_BASE_URL, model.async_transport()).client() as client:
            stream = await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": make("held")}],
                stream=True,
            )
            async for _ in stream:
                pass

    async def cancel_it() -> float:
        task = asyncio.create_task(ask())
        while not model.open_answers:
            await asyncio.sleep(0)
        for _ in range(20):  # let it get to the place where it waits
            await asyncio.sleep(0)
        assert not task.done()
        begin = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - begin

    assert asyncio.run(cancel_it()) < 1.0
    gc.collect()
    assert model.open_answers == 0
    assert model.holds.names() == {}
    model.holds.release("held")  # wakes nobody


def test_an_answer_can_be_cancelled_at_every_step(model: ScriptedModel) -> None:
    """Cancelled after any number of turns of the event loop, nothing is left behind."""

    async def ask() -> None:
        async with AskingAsync(IN_PROCESS_BASE_URL, model.async_transport()).client() as client:
            stream = await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": script(turn(say(5), hold("x"), say(5)))}],
                stream=True,
            )
            async for _ in stream:
                pass

    async def cancel_after(steps: int) -> None:
        task = asyncio.create_task(ask())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    async def cancel_everywhere() -> None:
        for steps in range(60):
            await cancel_after(steps)

    asyncio.run(cancel_everywhere())
    gc.collect()
    assert model.open_answers == 0
    assert model.holds.names() == {}


def test_the_event_loop_gets_its_turn_between_two_chunks(model: ScriptedModel) -> None:
    async def ask() -> int:
        turns = 0
        done = False

        async def count() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        async with AskingAsync(IN_PROCESS_BASE_URL, model.async_transport()).client() as client:
            stream = await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": script(turn(say(500)))}],
                stream=True,
            )
            async for _ in stream:
                pass
        done = True
        await counting
        return turns

    assert asyncio.run(ask()) >= 500


def test_loops_in_several_threads_share_a_transport(model: ScriptedModel) -> None:
    transport = model.async_transport()
    asking = AskingAsync(IN_PROCESS_BASE_URL, transport)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(asking.stream, held_in_the_middle("shared")) for _ in range(8)]
        assert model.holds.wait_until_held("shared", DEADLINE, count=8)
        model.holds.release("shared")
        assert [said(answer.result()) for answer in answers] == [["before ", "after"]] * 8


def test_closing_the_response_from_another_thread_ends_a_wait(model: ScriptedModel) -> None:
    with in_process(model).client() as client:
        stream = client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": held_in_the_middle("a")}],
            stream=True,
        )
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(list, stream)
            assert model.holds.wait_until_held("a", DEADLINE)
            stream.close()
            with pytest.raises(openai.APIConnectionError) as caught:
                reading.result()
            assert not isinstance(caught.value, openai.APITimeoutError)
    assert model.holds.names() == {}
    assert model.open_answers == 0


# A client that vanishes


def ask_and_vanish(server: ModelServer, text: str, ready: Callable[[], object]) -> None:
    """Send a request over a socket, wait until READY, and close it without reading on."""
    request = httpx2.Request(
        "POST",
        f"{server.base_url}/chat/completions",
        json={"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]},
    )
    host = request.headers["host"]
    name, port = host.split(":")
    with socket.create_connection((name, int(port))) as connection:
        head = f"POST {request.url.path} HTTP/1.1\r\nHost: {host}\r\n"
        head += f"Content-Length: {len(request.content)}\r\n\r\n"
        connection.sendall(head.encode() + request.content)
        eventually(ready)


@pytest.mark.parametrize("make", [held_in_the_middle, held_at_the_start])
def test_a_vanished_client_frees_its_hold(
    server: ModelServer, model: ScriptedModel, make: Callable[[str], str]
) -> None:
    ask_and_vanish(server, make("v"), lambda: model.holds.waiting("v"))
    eventually(lambda: model.open_answers == 0)
    assert model.holds.names() == {}


def test_a_vanished_client_ends_a_pause(server: ModelServer, model: ScriptedModel) -> None:
    ask_and_vanish(server, script(turn(say("x"), pause(LONG))), lambda: model.open_answers)
    eventually(lambda: model.open_answers == 0)


def test_a_client_that_reads_nothing_of_a_burst_and_vanishes(
    server: ModelServer, model: ScriptedModel
) -> None:
    ask_and_vanish(server, script(turn(say(100_000))), lambda: model.open_answers)
    eventually(lambda: model.open_answers == 0)


# The holds themselves


def test_waiting_for_a_hold_ends_in_time() -> None:
    holds = Holds()
    assert not holds.wait_until_held("a", 0.01)
    with holds.waiter("a", lambda: None):
        assert holds.wait_until_held("a", 0)
        assert not holds.wait_until_held("a", 0.01, count=2)
    holds.close()
    assert not holds.wait_until_held("a", LONG)


def test_waiting_for_a_hold_ends_when_the_model_closes() -> None:
    holds = Holds()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(holds.wait_until_held, "a", LONG)
        holds.close()
        assert waiting.result() is False


def test_reset_shuts_what_was_released() -> None:
    holds = Holds()
    woken: list[str] = []
    holds.release("a")
    with holds.waiter("b", lambda: woken.append("b")):
        holds.reset()
    assert woken == ["b"]
    assert not holds.is_released("a")
    assert not holds.is_released("b")


def test_what_was_released_is_remembered_up_to_a_bound() -> None:
    holds = Holds(most_released=2)
    for name in ("a", "b", "a", "c"):
        holds.release(name)
    assert [holds.is_released(name) for name in "abc"] == [True, False, True]
