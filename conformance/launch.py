"""Starts an implementation as a process group of its own, waits until it answers, ends it."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Self

import httpx

from pollux.conformance.errors import LaunchError
from pollux.polling.redaction import Redactor
from pollux.process_groups import end_group

_TAIL_LINES = 40
_LONGEST_LINE = 2000
_GRACE_SECONDS = 5.0


class ServerProcess:
    """One implementation, run through the shell; it can be killed and started again.

    Args:
        command: The shell command, its placeholders replaced already.
        environment: Variables beside the ones of this process; None takes one away.
        ready_url: Asked until it answers with anything below 500.
        redactor: Keeps secrets out of the output that is shown.
        ready_seconds: How long the implementation may take to be ready.
    """

    def __init__(
        self,
        command: str,
        *,
        environment: Mapping[str, str | None],
        ready_url: str,
        redactor: Redactor,
        ready_seconds: float = 30.0,
    ) -> None:
        if os.name != "posix":
            raise LaunchError(
                "starting an implementation needs process groups, which only POSIX systems "
                "have: start it yourself and give its URL"
            )
        self._command = command
        variables = {**os.environ, **environment}
        self._environment = {name: text for name, text in variables.items() if text is not None}
        self._ready_url = ready_url
        self._redactor = redactor
        self._ready_seconds = ready_seconds
        self._output: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start the implementation; see :meth:`start`."""
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the whole process group."""
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id of the shell, which leads the group; None when nothing runs."""
        return self._process.pid if self._process else None

    @property
    def output(self) -> str:
        """The last lines the implementation has printed, without secrets."""
        return self._redactor.text("\n".join(self._output))

    def start(self) -> None:
        """Start the implementation and wait until it is ready.

        Raises:
            LaunchError: when it ends before it is ready, is not ready in time, or when
                something else answers at its address already.
        """
        with _client() as client:
            if _answers(client, self._ready_url):
                raise LaunchError(
                    f"something answers at {self._ready_url} already: end it, or choose another "
                    "port"
                )
        process = subprocess.Popen(  # the user's own command, as with make or tox
            self._command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        self._process = process
        if process.stdout is None:
            raise AssertionError("the output was asked for")
        self._reader = threading.Thread(
            target=_drain, args=(process.stdout, self._output), name="server-output", daemon=True
        )
        self._reader.start()
        try:
            self._wait_until_ready(process)
        except BaseException:
            self.stop()
            raise

    def kill(self) -> None:
        """End the whole group at once, as ``kill -9`` and a power cut do."""
        self._end(signal.SIGKILL, 0.0)

    def restart(self) -> None:
        """Kill the implementation and start it again with the same command and folder."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """Ask the group to end, and end by force what has not after five seconds."""
        self._end(signal.SIGTERM, _GRACE_SECONDS)

    def _end(self, first: signal.Signals, grace: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        end_group(process, first=first, grace=grace)
        if self._reader is not None:
            self._reader.join(1.0)
        if process.stdout is not None and self._reader is not None and not self._reader.is_alive():
            process.stdout.close()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._ready_seconds
        with _client() as client:
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    if self._reader is not None:
                        self._reader.join(1.0)
                    raise LaunchError(
                        self._failure(
                            f"it ended with code {process.returncode} before it was ready"
                        )
                    )
                if _answers(client, self._ready_url):
                    return
                time.sleep(0.05)
        raise LaunchError(
            self._failure(f"{self._ready_url} did not answer within {self._ready_seconds:g} s")
        )

    def _failure(self, what: str) -> str:
        command = self._redactor.text(self._command)
        output = self.output or "(nothing)"
        return f"the implementation did not start: {what}\n$ {command}\n{output}"


def _client() -> httpx.Client:
    return httpx.Client(trust_env=False, timeout=2.0)


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code < 500
    except httpx.HTTPError:
        return False


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _drain(stream: IO[bytes], lines: deque[str]) -> None:
    """Keep the pipe empty, or a talkative implementation would block in its next print."""
    while line := stream.readline(_LONGEST_LINE):
        lines.append(line.decode("utf-8", "replace").rstrip("\n"))
