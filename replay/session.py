"""One user of the replay server: the task that is live, those that ended, the conversations."""

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pollux.replay.clock import Clock
from pollux.replay.conversations import Conversation, ConversationBook
from pollux.replay.errors import ReplayError
from pollux.replay.frames import TimeBase
from pollux.replay.play import Play
from pollux.replay.recording import Recording
from pollux.replay.timeline import Timeline

_KEPT_PLAYS = 16


class TaskIsLive(ReplayError):
    """Another task must end first (api_v1 2.2)."""


class NoSuchConversation(ReplayError):
    """There is no conversation of that id (api_v1 2.1)."""


class Session:
    """What one user of the replay server has; safe for threads.

    Each accepted message plays the next of the recordings; behind the last one the first comes
    again.

    Args:
        recordings: At least one.
        make_clock: Returns the clock of a new task.
        ring: Events kept; None: as many as the recorded server kept.
        base: Which of a recording's clocks tells when something happens.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        make_clock: Callable[[], Clock],
        *,
        ring: int | None = None,
        base: TimeBase = TimeBase.SERVER,
    ) -> None:
        self._recordings = list(recordings)
        self._timelines = [Timeline(recording, base=base) for recording in recordings]
        self._make_clock = make_clock
        self._ring = ring
        self._lock = threading.Lock()
        self._book = ConversationBook(self._timelines)
        self._plays: dict[str, Play] = {}
        self._accepted = 0

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
            place = self._accepted % len(self._timelines)
            play = Play(
                self._timelines[place],
                self._make_clock(),
                ring=self._ring or self._recordings[place].ring,
                task_id=str(uuid.uuid4()),
                conversation_id=conversation.id,
                message=dict(request),
            )
            self._accepted += 1
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
        known = (timeline.header.models for timeline in self._timelines)
        return next((models for models in known if models is not None), None)

    def _find(self, conversation_id: str) -> Conversation:
        conversation = self._book.find(conversation_id)
        if conversation is None:
            raise NoSuchConversation("there is no such conversation")
        return conversation
