"""The replay server: plays recordings to clients that speak API v1."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pollux.replay.api import create_app
from pollux.replay.breakpoints import parse_breakpoints
from pollux.replay.clock import clock_maker
from pollux.replay.control.guard import Guard
from pollux.replay.control.routes import control_blueprint
from pollux.replay.faults import RuleSet, parse_rules
from pollux.replay.faults.middleware import FaultMiddleware
from pollux.replay.frames import TimeBase
from pollux.replay.play import Play
from pollux.replay.playlist import CHOICES, Playlist
from pollux.replay.recording import Recording
from pollux.replay.session import Session, Setup
from pollux.replay.sessions import SessionRouter, Sessions
from pollux.serving import WsgiServer, serve_until_signal


class ReplayServer:
    """Plays recordings from this process. A context manager.

    Args:
        recordings: Files.
        choose: Which of them a message plays: ``order`` (the next one), or ``message`` (the one
            that its text asks for, see :meth:`pollux.replay.playlist.Playlist.by_message`).
        loop: Whether every message plays what the one before played, once there is one.
        clock: ``wall``, ``manual`` or ``poll``.
        speed: Of the wall clock: recorded seconds per second.
        per_poll: Of the poll clock: new events per poll.
        cap: Seconds; longer pauses in the recordings are shortened to it. None: none are.
        breakpoints: Where tasks stop, see :mod:`pollux.replay.breakpoints`.
        faults: What goes wrong: rules, or their text as :func:`parse_rules` reads it.
        ring: Events kept; None: as many as the recorded server kept.
        base: Which of a recording's clocks tells when something happens.
        token: The only token that is taken; None takes any.
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        threads: Requests answered at the same time.
        control_anywhere: Whether other machines may use the control API.

    Raises:
        BadBreakpoint: when a breakpoint cannot be understood.
        FaultSyntaxError: when a fault rule cannot be understood.
        RecordingError: when a file cannot be played.
        OSError: when a file cannot be opened, or the address not be listened on.
    """

    def __init__(
        self,
        *recordings: Path | str,
        choose: str = "order",
        loop: bool = False,
        clock: str = "wall",
        speed: float = 1.0,
        per_poll: int = 1,
        cap: float | None = None,
        breakpoints: Sequence[str] = (),
        faults: RuleSet | str = "",
        ring: int | None = None,
        base: TimeBase = TimeBase.SERVER,
        token: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        threads: int = 64,
        control_anywhere: bool = False,
    ) -> None:
        if not recordings:
            raise ValueError("a replay needs at least one recording")
        if choose not in CHOICES:
            raise ValueError(f"{choose!r} is no way to choose: there are {', '.join(CHOICES)}")
        cap_ms = None if cap is None else round(cap * 1000)
        setup = Setup(
            clock_maker(clock, speed=speed, per_poll=per_poll),
            ring=ring,
            choose=choose,
            loop=loop,
            breakpoints=parse_breakpoints(breakpoints),
            faults=parse_rules(faults) if isinstance(faults, str) else faults,
        )
        with contextlib.ExitStack() as opened:
            self.recordings: Sequence[Recording] = [
                opened.enter_context(contextlib.closing(Recording(path))) for path in recordings
            ]
            playlist = Playlist.of(self.recordings, base, cap_ms)
            self.sessions = Sessions(playlist, setup)
            about = {"clock": clock, "cap_ms": cap_ms}
            guard = Guard(host, anywhere=control_anywhere)
            self.app = create_app(control_blueprint(self.sessions, guard, about), token=token)
            routed = SessionRouter(FaultMiddleware(self.app), self.sessions)
            self.wsgi = WsgiServer(
                routed, host=host, port=port, threads=threads, detect_disconnect=True
            )
            self._opened = opened.pop_all()

    @property
    def session(self) -> Session:
        """The session of those clients that name none."""
        return self.sessions.get("")

    @property
    def base_url(self) -> str:
        """``http://host:port``, without the prefix of the API."""
        return self.wsgi.base_url

    @property
    def control_url(self) -> str:
        """Where the control API is."""
        return f"{self.base_url}/__replay"

    @property
    def view_url(self) -> str:
        """Where the viewer is."""
        return f"{self.control_url}/view"

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
        self.sessions.closing.set()
        self.wsgi.stop(timeout)
        self._opened.close()

    def serve(self, on_ready: Callable[[], object]) -> None:
        """Serve in the foreground until Ctrl-C or SIGTERM, then stop.

        Args:
            on_ready: Called once requests are being answered.
        """
        try:
            serve_until_signal(self.wsgi, on_ready=on_ready, on_stop=self.sessions.closing.set)
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
