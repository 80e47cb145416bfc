"""The replay server: plays recordings to clients that speak API v1."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pollux.replay.api import create_app
from pollux.replay.clock import clock_maker
from pollux.replay.frames import TimeBase
from pollux.replay.play import Play
from pollux.replay.recording import Recording
from pollux.replay.session import Session
from pollux.serving import WsgiServer, serve_until_signal


class ReplayServer:
    """Plays recordings from this process. A context manager.

    Args:
        recordings: Files; each accepted message plays the next one.
        clock: ``wall``, ``manual`` or ``poll``.
        speed: Of the wall clock: recorded seconds per second.
        per_poll: Of the poll clock: new events per poll.
        ring: Events kept; None: as many as the recorded server kept.
        base: Which of a recording's clocks tells when something happens.
        token: The only token that is taken; None takes any.
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        threads: Requests answered at the same time.

    Raises:
        RecordingError: when a file cannot be played.
        OSError: when a file cannot be opened, or the address not be listened on.
    """

    def __init__(
        self,
        *recordings: Path | str,
        clock: str = "wall",
        speed: float = 1.0,
        per_poll: int = 1,
        ring: int | None = None,
        base: TimeBase = TimeBase.SERVER,
        token: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        threads: int = 16,
    ) -> None:
        if not recordings:
            raise ValueError("a replay needs at least one recording")
        make_clock = clock_maker(clock, speed=speed, per_poll=per_poll)
        with contextlib.ExitStack() as opened:
            self.recordings: Sequence[Recording] = [
                opened.enter_context(contextlib.closing(Recording(path))) for path in recordings
            ]
            self.session = Session(self.recordings, make_clock, ring=ring, base=base)
            self._about: dict[str, Any] = {
                "recordings": [recording.name for recording in self.recordings],
                "clock": clock,
                "speed": speed if clock == "wall" else None,
            }
            app = create_app(self.session, token=token, describe=lambda: self._about)
            self.wsgi = WsgiServer(app, host=host, port=port, threads=threads)
            self._opened = opened.pop_all()

    @property
    def base_url(self) -> str:
        """``http://host:port``, without the prefix of the API."""
        return self.wsgi.base_url

    def step(self, events: int = 1) -> None:
        """Let EVENTS more events of the live task happen.

        Raises:
            LookupError: when no task is live.
        """
        self._live().move(lambda cursor: cursor.step(events))

    def advance(self, ms: float) -> None:
        """Let MS milliseconds of the live task pass.

        Raises:
            LookupError: when no task is live.
        """
        self._live().move(lambda cursor: cursor.advance_to(cursor.position_ms + ms))

    def start(self) -> Self:
        """Begin to answer requests."""
        self.wsgi.start()
        return self

    def stop(self, timeout: float = 5.0) -> None:
        """Finish the running requests, stop, and close the recordings."""
        self.wsgi.stop(timeout)
        self._opened.close()

    def serve(self, on_ready: Callable[[], object]) -> None:
        """Serve in the foreground until Ctrl-C or SIGTERM, then stop.

        Args:
            on_ready: Called once requests are being answered.
        """
        try:
            serve_until_signal(self.wsgi, on_ready=on_ready)
        finally:
            self._opened.close()

    def __enter__(self) -> Self:
        """Start serving."""
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.stop()

    def _live(self) -> Play:
        play = self.session.live_play()
        if play is None:
            raise LookupError("no task is live: send a message first")
        return play
