"""The conversations of a replay session: the recorded ones, and those that clients begin."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pollux.replay import transcript
from pollux.replay.play import Play
from pollux.replay.timeline import Timeline

DEFAULT_TITLE = "新对话"
_LONGEST_TITLE = 50
#: How many conversations of clients a session keeps.
_MOST = 1000


@dataclass(frozen=True)
class Turn:
    """One message of the user and what came of it.

    Attributes:
        request: The body that was sent; empty when nobody knows.
        sent_at: ISO time of the sending.
        events: Yields the events told so far.
        over: Whether no more events will come.
    """

    request: Mapping[str, Any]
    sent_at: str
    events: Callable[[], Iterable[Mapping[str, Any]]]
    over: Callable[[], bool]

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages of this turn, as far as it has come."""
        return [*self._sent(), *transcript.messages(self.events())]

    def messages_count(self) -> int:
        """Return how many messages there are; of a turn that is over it is counted once."""
        return self._final_count if self.over() else len(self.messages())

    def title(self) -> str | None:
        """Return the title that this turn gave the conversation, or None."""
        return transcript.title(self.events())

    @cached_property
    def _final_count(self) -> int:
        return len(self.messages())

    def _sent(self) -> Iterator[dict[str, Any]]:
        text, images = self.request.get("message"), self.request.get("images")
        if text or images:
            message = {"role": "user", "content": text or "", "timestamp": self.sent_at}
            yield {**message, "images": images} if images else message


class Conversation:
    """One conversation; its messages are made from its turns whenever they are asked for.

    Args:
        conversation_id: Its id.
        created_at: ISO time.
        before: The stored conversation that the first turn went on with; empty for a new one.
    """

    def __init__(
        self, conversation_id: str, created_at: str, before: Mapping[str, Any] | None = None
    ) -> None:
        self.id = conversation_id
        self._created_at = created_at
        self._before = before or {}
        self._turns: list[Turn] = []
        self.plays: list[Play] = []

    def add_recorded(self, timeline: Timeline) -> None:
        """Add the turn that TIMELINE holds, as a thing of the past."""
        sent_at = transcript.iso_time(timeline.created_at)
        request = timeline.header.request
        self._turns.append(Turn(request, sent_at, timeline.events, lambda: True))

    def add_play(self, play: Play) -> None:
        """Add the turn that has just begun."""
        self.plays.append(play)
        sent_at = transcript.iso_time(None)
        self._turns.append(Turn(play.message, sent_at, play.events, lambda: not play.live))

    @property
    def updated_at(self) -> str:
        """ISO time of the last sending."""
        return self._turns[-1].sent_at if self._turns else self._created_at

    def item(self) -> dict[str, Any]:
        """Return the item that a list of conversations shows (api_v1 2.1)."""
        earlier = len(self._earlier_messages())
        return {
            **self._summary(),
            **self._metadata(),
            "messages_count": earlier + sum(turn.messages_count() for turn in self._turns),
        }

    def document(self, *, full: bool) -> dict[str, Any]:
        """Return the conversation; with FULL its messages, too (api_v1 2.1)."""
        messages = None
        if full:
            messages = [*self._earlier_messages()]
            for turn in self._turns:
                messages += turn.messages()
        return {**self._summary(), "messages": messages, "metadata": self._metadata()}

    def _summary(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self._title(),
            "created_at": self._created_at,
            "updated_at": self.updated_at,
        }

    def _metadata(self) -> dict[str, Any]:
        requests = [turn.request for turn in self._turns]
        return {
            name: next((r[field] for r in reversed(requests) if r.get(field)), None)
            for name, field in (
                ("run_mode", "run_mode"),
                ("model_key", "model_key"),
                ("custom_prompt_name", "prompt_name"),
                ("personalization_name", "personalization_name"),
            )
        }

    def _title(self) -> str:
        for turn in reversed(self._turns):
            if told := turn.title():
                return told
        stored = self._before.get("title")
        if isinstance(stored, str) and stored:
            return stored
        first = next((str(turn.request.get("message") or "") for turn in self._turns), "")
        return " ".join(first.split())[:_LONGEST_TITLE].strip() or DEFAULT_TITLE

    def _earlier_messages(self) -> list[Any]:
        stored = self._before.get("messages")
        return stored if isinstance(stored, list) else []


class ConversationBook:
    """All conversations of a session; the session's lock guards it.

    Args:
        recorded: Timelines whose conversations are there from the start.
        most: How many others are kept; of more, the oldest are forgotten.
    """

    def __init__(self, recorded: Iterable[Timeline], most: int = _MOST) -> None:
        self._conversations: dict[str, Conversation] = {}
        self._begun: dict[str, None] = {}
        self._most = most
        for timeline in recorded:
            header = timeline.header
            if header.conversation_id is None:
                continue
            conversation = self._conversations.get(header.conversation_id)
            if conversation is None:
                before = header.conversation
                created_at = before.get("created_at") or transcript.iso_time(timeline.created_at)
                conversation = Conversation(header.conversation_id, str(created_at), before)
                self._conversations[conversation.id] = conversation
            conversation.add_recorded(timeline)

    def create(self) -> Conversation:
        """Begin a new conversation under an id that nobody else has (api_v1 2.1)."""
        moment = datetime.now()
        while (conversation_id := _id_of(moment)) in self._conversations:
            moment += timedelta(milliseconds=1)
        conversation = Conversation(conversation_id, transcript.iso_time(None))
        self._conversations[conversation_id] = conversation
        self._begun[conversation_id] = None
        if len(self._begun) > self._most:
            self.remove(self._conversations[next(iter(self._begun))])
        return conversation

    def find(self, conversation_id: str) -> Conversation | None:
        """Return the conversation of this id, or None."""
        return self._conversations.get(conversation_id)

    def remove(self, conversation: Conversation) -> None:
        """Forget CONVERSATION."""
        del self._conversations[conversation.id]
        self._begun.pop(conversation.id, None)

    def newest_first(self) -> list[Conversation]:
        """Return all of them, the one changed last first."""
        return sorted(
            self._conversations.values(), key=lambda c: (c.updated_at, c.id), reverse=True
        )


def _id_of(moment: datetime) -> str:
    return f"conv_{moment:%Y%m%d_%H%M%S}_{moment.microsecond // 1000:03d}"
