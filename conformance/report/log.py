"""The event log of a run: one JSON object a line, the source of every report.

``start`` comes first: the target and the requirements. ``checks`` names the checks with what
they judge. Then one ``check`` for each check that has ended, ``trouble`` for what went wrong
outside of one, and ``finish`` at the end. A log without ``finish`` is of a run cut off.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from pollux.conformance.errors import LogError

LOG_VERSION = 1

Event = Mapping[str, Any]


class EventLog:
    """Takes the events of a run, keeps them, and passes them on.

    Args:
        path: File to which every event is written at once; None keeps them in memory only.
        listeners: Called with every event, such as the progress on the terminal.
    """

    def __init__(
        self, path: Path | None = None, listeners: Iterable[Callable[[Event], None]] = ()
    ) -> None:
        self.events: list[Event] = []
        self._listeners = tuple(listeners)
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        if path is not None:
            self._file = path.open("w", encoding="utf-8")

    def emit(self, kind: str, **fields: Any) -> None:
        """Add an event of this KIND, with the time at which it happened."""
        event = {
            "event": kind,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **fields,
        }
        with self._lock:
            self.events.append(event)
            if self._file is not None:
                # Surrogates that a broken server sent are kept as escapes.
                self._file.write(json.dumps(event) + "\n")
                self._file.flush()
        for listener in self._listeners:
            listener(event)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def read_log(path: Path) -> list[Event]:
    """Return the events of the log in PATH; an unfinished last line is left out.

    Raises:
        LogError: when it is not such a log, or one of a newer version.
        OSError: when it cannot be read.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    events: list[Event] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                break
            raise LogError(f"{path}, line {number}: not JSON: {error}") from error
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            raise LogError(f"{path}, line {number}: not an event of a run")
        events.append(event)
    if not events or events[0]["event"] != "start":
        raise LogError(f"{path} does not begin with a 'start' event: it is not the log of a run")
    version = events[0].get("pollux_log")
    if version != LOG_VERSION:
        raise LogError(f"{path} is a log of version {version}; this Pollux reads {LOG_VERSION}")
    return events
