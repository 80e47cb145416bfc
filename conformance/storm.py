"""Writes that go on until the server is killed in their midst, and what it had acknowledged."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import pytest

from pollux.conformance.errors import CannotVerifyError, LaunchError
from pollux.conformance.launch import ServerProcess
from pollux.conformance.plugin import PLAN
from pollux.conformance.stage import Stage
from pollux.polling.answers import judge_answer
from pollux.polling.client import ApiClient
from pollux.polling.exchange import Exchange
from pollux.polling.http import Limits

#: Does one piece of work with the client it is given; False ends it.
Work = Callable[[ApiClient], bool]

_READY_SECONDS = 20.0
_LONGEST_RAGE_SECONDS = 0.15
_REFUSED_PAUSE_SECONDS = 0.05
_LOOK_PAUSE_SECONDS = 0.02


def server_of(config: pytest.Config) -> ServerProcess:
    """Return the implementation under test, to be killed and started again.

    Raises:
        CannotVerifyError: when it is not this process that has started it.
    """
    process = config.stash[PLAN].process
    if process is None:
        raise CannotVerifyError("the implementation was not started by the process that checks it")
    return process


@dataclass
class Trail:
    """The versions that one writer has sent of one object, one after the other, from 1.

    Attributes:
        sent: The last one that was sent.
        acknowledged: The last one that was answered with 200; 0 is what was there before.
    """

    sent: int = 0
    acknowledged: int = 0

    @property
    def possible(self) -> range:
        """The versions of which one must be there: the last acknowledged, or a later one."""
        return range(self.acknowledged, self.sent + 1)


class Storm:
    """Workers that repeat what they do until the server is killed.

    Args:
        stage: Whose server it is.
        server: The process that is killed.
    """

    def __init__(self, stage: Stage, server: ServerProcess) -> None:
        self._stage = stage
        self._server = server
        self._works: list[tuple[str, Work]] = []
        self._trails: list[Trail] = []

    def worker(self, token: str, work: Work) -> None:
        """Have WORK repeated, with a client of its own, until it returns False."""
        self._works.append((token, work))

    def writer(self, token: str, send: Callable[[ApiClient, int], Exchange]) -> Trail:
        """Have SEND called with the versions 1, 2, 3 and so on of an object."""
        trail = Trail()

        def work(api: ApiClient) -> bool:
            trail.sent += 1
            exchange = send(api, trail.sent)
            if exchange.status == 200:
                trail.acknowledged = trail.sent
            elif exchange.answered:
                trail.sent -= 1  # what is refused has no effect
                time.sleep(_REFUSED_PAUSE_SECONDS)
            return exchange.answered

        self.worker(token, work)
        self._trails.append(trail)
        return trail

    def strike(
        self,
        *,
        ready: Callable[[], bool] = lambda: True,
        while_starting: Callable[[ApiClient], None] | None = None,
    ) -> None:
        """Let all work, kill the server at some moment, and start it again.

        Args:
            ready: Tells when the work has come far enough for the kill; every writer must have
                seen a success of its own in any case.
            while_starting: Called again and again, with a client of the first user, from the
                kill until a little after the server is ready.

        Raises:
            CannotVerifyError: when the work does not get that far, or the server does not
                start again.
        """
        stage, stop, started = self._stage, threading.Event(), threading.Event()

        def far_enough() -> bool:
            return all(trail.acknowledged for trail in self._trails) and ready()

        with ThreadPoolExecutor(len(self._works) + 1) as pool:
            try:
                futures = [pool.submit(self._repeat, stop, *work) for work in self._works]
                far = stage.eventually(far_enough, _READY_SECONDS)
                time.sleep(stage.random.uniform(0.0, _LONGEST_RAGE_SECONDS))
                self._server.kill()
                stop.set()
                wait(futures)
                if while_starting is not None:
                    futures.append(self._watch(pool, while_starting, started))
                self._server.start()
            except LaunchError as error:
                raise CannotVerifyError(f"killed, and then {error}") from None
            finally:
                stop.set()
                started.set()
        for future in futures:
            future.result()
        if not far:
            raise CannotVerifyError("what was to be killed in its midst was not accepted at all")

    def _repeat(self, stop: threading.Event, token: str, work: Work) -> None:
        with self._client(token) as api:
            while not stop.is_set() and work(api):
                pass

    def _watch(
        self, pool: ThreadPoolExecutor, look: Callable[[ApiClient], None], started: threading.Event
    ) -> Future[None]:
        def watch() -> None:
            with self._client(self._stage.user.token) as api:
                while not started.wait(_LOOK_PAUSE_SECONDS):
                    look(api)
                look(api)

        return pool.submit(watch)

    def _client(self, token: str) -> ApiClient:
        """Return a client that takes an answer that does not come for what has to be expected."""
        stage = self._stage
        return ApiClient(
            stage.target.base_url,
            token,
            redactor=stage.target.redactor(),
            observer=lambda exchange: judge_answer(exchange, stage.judge),
            limits=Limits(timeout=stage.pulse.timeout),
        )
