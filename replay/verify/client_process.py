"""A client as a process group of its own: started through the shell, listened to, ended whole."""

import json
import os
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, Self

from pollux.process_groups import end_group
from pollux.replay.errors import ReplayError
from pollux.replay.journal import Ack, Journal

_TAIL_LINES = 30
_LONGEST_LINE = 1000
_GRACE_SECONDS = 2.0


class ClientProcess:
    """One run of a client. A context manager that starts it and ends its whole group.

    Lines of JSON on its standard output say what it shows: ``{"idx": 5}`` an event,
    ``{"gap": [5, 9]}`` that the events 5 to 8 are lost to it. Other lines are left alone.

    Args:
        command: A shell command, its placeholders replaced already.
        environment: Variables beside those of this process.
        journal: Where what it shows is written down.

    Raises:
        ReplayError: on a system without process groups.
    """

    def __init__(self, command: str, environment: Mapping[str, str], journal: Journal) -> None:
        if os.name != "posix":
            raise ReplayError(
                "starting a client needs process groups, which only POSIX systems have: start "
                "'pollux replay' and the client yourself, and ask for /__replay/report"
            )
        self._command = command
        self._environment = {**os.environ, **environment}
        self._journal = journal
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Start the client."""
        process = subprocess.Popen(  # the user's own command, as with make or tox
            self._command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._process = process
        for stream, take in ((process.stdout, self._listen), (process.stderr, self._keep)):
            reader = threading.Thread(target=_drain, args=(stream, take), daemon=True)
            reader.start()
            self._readers.append(reader)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the whole group, and read what it has printed."""
        self.end()

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    def ended_within(self, seconds: float) -> bool:
        """Wait up to SECONDS for its end; tell whether the shell that was started has ended."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def last_words(self) -> str:
        """The last lines that it has printed and that say nothing of what it shows."""
        return "\n".join(self._tail)

    def end(self) -> None:
        """End every process of the group: politely first, then at once."""
        if self._process is None:
            return
        end_group(self._process, grace=_GRACE_SECONDS)
        for reader in self._readers:
            reader.join(_GRACE_SECONDS)

    def _listen(self, line: str) -> None:
        ack = read_ack(line, self._journal.since_ms())
        if ack is None:
            self._keep(line)
        else:
            self._journal.ack(ack)

    def _keep(self, line: str) -> None:
        text = line.rstrip()[:_LONGEST_LINE]
        if text:
            self._tail.append(text)


def read_ack(line: str, since_ms: float) -> Ack | None:
    """Return what LINE says of an event or a gap, or None when it says nothing of them."""
    try:
        told: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(told, dict):
        return None
    if _is_index(told.get("idx")):
        return Ack(since_ms, told["idx"], "stdout")
    gap = told.get("gap")
    if isinstance(gap, list) and len(gap) == 2 and all(map(_is_index, gap)):
        return Ack(since_ms, gap[1], "stdout", (gap[0], gap[1]))
    return None


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _drain(stream: IO[str] | None, take: Any) -> None:
    if stream is None:
        raise AssertionError("the output was asked for")
    with stream:
        for line in stream:
            take(line)
