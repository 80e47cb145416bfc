"""Record event streams, play them to clients, judge the clients."""

import importlib
from typing import TYPE_CHECKING, Any

from pollux.replay.errors import RecorderError, RecordingError, ReplayError

if TYPE_CHECKING:
    from pollux.replay.recorder import Options, Progress, RecordingResult, record
    from pollux.replay.recording import Recording
    from pollux.replay.server import ReplayServer
    from pollux.replay.timeline import Timeline

__all__ = [
    "Options",
    "Progress",
    "RecorderError",
    "Recording",
    "RecordingError",
    "RecordingResult",
    "ReplayError",
    "ReplayServer",
    "Timeline",
    "record",
]

# Imported when they are asked for: Flask and httpx take a third of a second, and the command
# line needs one of them at a time.
_HOMES = {
    "Options": "recorder",
    "Progress": "recorder",
    "Recording": "recording",
    "RecordingResult": "recorder",
    "ReplayServer": "server",
    "Timeline": "timeline",
    "record": "recorder",
}


def __getattr__(name: str) -> Any:
    """Return a public name from the module that has it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
