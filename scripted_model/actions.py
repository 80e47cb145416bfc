"""What the model does, step by step: made by the engine, carried out by a transport."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Start:
    """Send the status line and the headers; comes once, before the first ``Send``."""

    status: int
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes of the body, at once and apart from the next ones."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class WaitForRelease:
    """Wait until the hold of this name is released."""

    hold: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Cut the connection, with the body unfinished; nothing comes after it."""


Action = Start | Send | Wait | WaitForRelease | Cut


def whole(
    status: int, body: bytes, content_type: str, headers: tuple[tuple[str, str], ...] = ()
) -> Iterator[Action]:
    """Answer with one body of known length."""
    yield Start(
        status, (("Content-Type", content_type), ("Content-Length", str(len(body))), *headers)
    )
    yield Send(body)
