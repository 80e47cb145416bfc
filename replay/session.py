"""One session of the replay server: the task that is live, those that ended, the conversations."""

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pollux.replay.breakpoints import Breakpoint
from pollux.replay.clock import Clock
from pollux.replay.conversations import Conversation, ConversationBook
from pollux.replay.errors import ReplayError
from pollux.replay.faults import FaultSyntaxError, RuleSet, parse_rules
from pollux.replay.journal import Journal
from pollux.replay.play import Play
from pollux.replay.playlist import Playlist, Track

_KEPT_PLAYS = 16


class TaskIsLive(ReplayError):
    """Another task must end first (api_v1 2.2)."""


class NoSuchConversation(ReplayError):
    """There is no conversation of that id (api_v1 2.1)."""


class BadSession(ReplayError):
    """A session cannot begin as the headers of its first request want it to."""


@dataclass(frozen=True)
class Setup:
    """How sessions begin.

    Attributes:
        make_clock: Returns the clock of a new task.
        ring: Events kept; None: as many as the recorded server kept.
        choose: One of :data:`pollux.replay.playlist.CHOICES`.
        loop: Whether the recording played last is played again for every further message.
        breakpoints: Where tasks stop.
        faults: What goes wrong. Every session counts for itself.
    """

    make_clock: Callable[[], Clock]
    ring: int | None = None
    choose: str = "order"
    loop: bool = False
    breakpoints: Sequence[Breakpoint] = ()
    faults: RuleSet = field(default_factory=RuleSet)


class Session:
    """What one user of the replay server has, apart from all others; safe for threads.

    Args:
        session_id: What stands in ``/s/<id>/``; empty for the session without that prefix.
        playlist: What is played.
        setup: How it begins.
        only: The recording that is always played; None: as the setup says.

    Attributes:
        journal: What clients asked and were told.
        faults: What goes wrong; may be replaced at any time.
        loop: Whether the recording played last is played again for every further message.
    """

    def __init__(
        self, session_id: str, playlist: Playlist, setup: Setup, *, only: Track | None = None
    ) -> None:
        self.id = session_id
        self.playlist = playlist
        self.journal = Journal()
        self.faults = setup.faults.fresh()
        self.loop = setup.loop
        self._setup = setup
        self._only = only
        self._begun_with: tuple[str | None, ...] | None = None
        clock = setup.make_clock()
        self._playing, self._speed = clock.playing, clock.speed
        self._breakpoints = setup.breakpoints
        self._lock = threading.Lock()
        self._book = ConversationBook([track.timeline for track in playlist.tracks])
        self._plays: dict[str, Play] = {}
        self._by_order = 0
        self._last: Track | None = None

    def begin(self, *, recording: str | None = None, faults: str | None = None) -> None:
        """Take note of what the headers of a request ask of the session.

        The first request decides; later ones may only say the same again, or nothing.

        Args:
            recording: Name of the only recording to be played.
            faults: The fault rules, in place of those that every session begins with.

        Raises:
            BadSession: when it cannot be so; nothing has changed then.
        """
        asked = (recording, faults)
        with self._lock:
            if self._begun_with is not None:
                pairs = zip(asked, self._begun_with, strict=True)
                if any(new not in (None, old) for new, old in pairs):
                    raise BadSession(
                        "this session has begun otherwise: use another /s/<id>/, or reset it "
                        "(POST /__replay/reset)"
                    )
                return
            only = self._only if recording is None else self._track(recording)
            if faults is not None:
                try:
                    self.faults = parse_rules(faults, seed=self.faults.seed)
                except FaultSyntaxError as error:
                    raise BadSession(str(error)) from None
            self._only = only
            self._begun_with = asked

    def send(self, request: Mapping[str, Any]) -> Play:
        """Start a task (api_v1 2.2).

        Args:
            request: The body of the message, already found valid.

        Raises:
            NoSuchConversation: when it names one that is not there.
            TaskIsLive: while another task is live; nothing has changed then.
        """
        with self._lock:
            wanted = request.get("conversation_id")
            conversation = self._find(wanted) if wanted is not None else None
            if self.live_play() is not None:
                raise TaskIsLive("a task is live already: cancel it, or wait until it has ended")
            conversation = conversation or self._book.create()
            track = self._choose(str(request.get("message") or ""))
            play = Play(
                track.timeline,
                self._make_clock(),
                ring=self._setup.ring or track.ring,
                task_id=str(uuid.uuid4()),
                conversation_id=conversation.id,
                message=dict(request),
                name=track.name,
                breakpoints=self._breakpoints,
            )
            self._plays[play.task_id] = play
            while len(self._plays) > _KEPT_PLAYS:
                self._plays.pop(next(iter(self._plays))).retire()
            conversation.add_play(play)
            return play

    def play(self, task_id: str) -> Play | None:
        """Return the task of this id, or None when there is none (any more)."""
        play = self._plays.get(task_id)
        return None if play is None or play.state.gone else play

    def live_play(self) -> Play | None:
        """Return the task that is live, or None."""
        return next((play for play in self.plays() if play.live), None)

    def plays(self) -> list[Play]:
        """Return the tasks that can be polled, the latest first."""
        return list(reversed(list(self._plays.values())))

    def current(self) -> Play | None:
        """Return the latest task, which is the one that the control API moves, or None."""
        return next(iter(self.plays()), None)

    @property
    def playing(self) -> bool:
        """Whether the latest task goes on, or without one, whether the next will."""
        play = self.current()
        return self._playing if play is None else play.moment.playing

    @property
    def speed(self) -> float | None:
        """Recorded seconds per second; None when time does not move the tasks."""
        return self._speed

    def tune(self, *, playing: bool | None = None, speed: float | None = None) -> None:
        """Let the latest task and those that will come play or pause, or set their speed.

        Raises:
            ValueError: when the clock cannot go at this speed; nothing has changed then.
        """
        with self._lock:
            if speed is not None:
                self._setup.make_clock().speed = speed  # refuses what no clock can do
                self._speed = speed
            if playing is not None:
                self._playing = playing
            play = self.current()
            if play is not None:
                play.tune(playing=playing, speed=speed)

    @property
    def breakpoints(self) -> Sequence[Breakpoint]:
        """Where tasks stop."""
        return self._breakpoints

    @breakpoints.setter
    def breakpoints(self, breakpoints: Sequence[Breakpoint]) -> None:
        with self._lock:
            self._breakpoints = breakpoints
            play = self.current()
            if play is not None:
                play.stop_at(breakpoints)

    @property
    def choose(self) -> str:
        """How the recording of the next task is chosen."""
        return self._setup.choose

    @property
    def only(self) -> str | None:
        """The name of the recording that is always played, or None."""
        return None if self._only is None else self._only.name

    def retire(self) -> None:
        """Let go of what only polls need: nobody can reach this session any more."""
        with self._lock:
            for play in self._plays.values():
                play.retire()

    def create_conversation(self) -> Conversation:
        """Begin a conversation (api_v1 2.1)."""
        with self._lock:
            return self._book.create()

    def conversation(self, conversation_id: str) -> Conversation:
        """Return a conversation.

        Raises:
            NoSuchConversation: there is none of this id.
        """
        with self._lock:
            return self._find(conversation_id)

    def conversations(self) -> list[Conversation]:
        """Return all conversations, the one changed last first."""
        with self._lock:
            return self._book.newest_first()

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation (api_v1 2.1).

        Raises:
            NoSuchConversation: there is none of this id.
            TaskIsLive: its task is live.
        """
        with self._lock:
            conversation = self._find(conversation_id)
            if any(play.live for play in conversation.plays):
                raise TaskIsLive("a task is live in this conversation: cancel it first")
            self._book.remove(conversation)

    def models(self) -> list[Any] | None:
        """Return what the recorded servers list as models, or None when nobody recorded it."""
        known = (track.timeline.header.models for track in self.playlist.tracks)
        return next((models for models in known if models is not None), None)

    def _find(self, conversation_id: str) -> Conversation:
        conversation = self._book.find(conversation_id)
        if conversation is None:
            raise NoSuchConversation("there is no such conversation")
        return conversation

    def _make_clock(self) -> Clock:
        clock = self._setup.make_clock()
        clock.playing = self._playing
        if self._speed is not None:
            clock.speed = self._speed
        return clock

    def _choose(self, message: str) -> Track:
        chosen = self._only
        if chosen is None and self.loop:
            chosen = self._last
        if chosen is None and self.choose == "message":
            chosen = self.playlist.by_message(message)
        if chosen is None:
            chosen = self.playlist.tracks[self._by_order % len(self.playlist.tracks)]
            self._by_order += 1
        self._last = chosen
        return chosen

    def _track(self, name: str) -> Track:
        track = self.playlist.find(name)
        if track is None:
            known = ", ".join(self.playlist.names())
            raise BadSession(f"there is no recording {name!r} here: there are {known}")
        return track
