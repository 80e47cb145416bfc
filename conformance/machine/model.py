"""The model of a server: what it must say after any sequence of calls, without a server.

It holds what the contract makes certain. Where the contract leaves a choice, the model follows
what the server has chosen; where it leaves the outcome open, the model keeps silent.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from pollux.conformance.machine.blame import Blame, excerpt
from pollux.conformance.machine.shelf import Shelf
from pollux.conformance.machine.tree import Tree


class End(Enum):
    """How far the task of a message has come."""

    LIVE = auto()
    SUCCEEDED = auto()
    CANCELLED = auto()
    UNKNOWN = auto()  # ended by the deletion of its conversation


@dataclass
class Turn:
    """A message that was accepted, and its task.

    Attributes:
        task: Id of the task.
        text: The message.
        answer: What the model has said so far.
        end: How far it has come.
        tried: Rules by which this task must not be ended, with what was tried to end it.
        cancelled: Whether its user has cancelled it, live or ended.
        moment: When it was accepted.
    """

    task: str
    text: str
    answer: str
    end: End = End.LIVE
    tried: list[str] = field(default_factory=list)
    cancelled: bool = False
    moment: int = 0


@dataclass
class Conversation:
    """A conversation that was made in this sequence.

    Attributes:
        id: Its id.
        owner: Number of its user.
        made: Moment of its creation.
        changed: Moment of its last change for certain.
        names: The prompt and the personalization that it was created with.
        turns: What was said in it.
        gone: The rule by which it must not be seen any more; None: it is there.
        tried: Rules by which it must be as before, with what was tried on it in vain.
    """

    id: str
    owner: int
    made: int
    changed: int
    names: tuple[str | None, str | None] = (None, None)
    turns: list[Turn] = field(default_factory=list)
    gone: str | None = None
    tried: list[str] = field(default_factory=list)


@dataclass
class Sender:
    """What of a user's past matters for the next send.

    Attributes:
        live: The conversation and the message of the live task.
        ended: Whether a task has ended in this sequence.
        refused: Whether a send was refused since the last task was accepted.
        cancelled: Whether an ended task was cancelled since the last task was accepted.
    """

    live: tuple[Conversation, Turn] | None = None
    ended: bool = False
    refused: bool = False
    cancelled: bool = False


@dataclass(frozen=True)
class _Count:
    """A ``total`` that was told, and what the model had counted then."""

    total: int
    own: int
    others: int
    refused: int


class World:
    """All that the users of a sequence have.

    Args:
        users: How many users there are.
    """

    def __init__(self, users: int) -> None:
        self.senders = [Sender() for _ in range(users)]
        self.prompts = Shelf("PROMPT")
        self.personalizations = Shelf("PERSONALIZATION")
        self.files = Tree()
        self.conversations: list[Conversation] = []
        self._moment = 0
        self._counts: dict[int, _Count] = {}
        self._senders_of_texts: dict[str, int] = {}
        self._refused: Counter[int] = Counter()

    def moment(self) -> int:
        """Return a number that is larger than all before."""
        self._moment += 1
        return self._moment

    # -- conversations ------------------------------------------------------------------

    def made(
        self, user: int, conversation_id: str, names: tuple[str | None, str | None] = (None, None)
    ) -> Conversation:
        """Note a new conversation."""
        now = self.moment()
        conversation = Conversation(conversation_id, user, now, now, names)
        self.conversations.append(conversation)
        return conversation

    def of(self, user: int) -> list[Conversation]:
        """Return all conversations that USER has made, the deleted ones, too."""
        return [each for each in self.conversations if each.owner == user]

    def rules_of_list(self, user: int) -> list[str]:
        """Return the ids of the rules that a right list of a user's conversations keeps."""
        rules = ["CONV-LIST-COMPLETE"]
        rules += sorted({each.gone for each in self.of(user) if each.gone})
        others = any(each.owner != user for each in self.conversations)
        return [*rules, "ISOLATION-CONVERSATION-LIST"] if others else rules

    def rules_of_total(self, user: int) -> list[str]:
        """Return the ids of the rules that a right total keeps."""
        refused = self._refused[user] > self._counts[user].refused
        return ["CONV-LIST-TOTAL", *(["REFUSED-NO-CONVERSATION"] if refused else [])]

    def blame_listed(self, user: int, found: Sequence[str]) -> Blame | None:
        """Return what is wrong with the ids in the list of a user's conversations, if any is."""
        for each in self.conversations:
            there = each.id in found
            if each.owner != user and there:
                return Blame("ISOLATION-CONVERSATION-LIST", f"without {each.id}", "with it")
            if each.owner == user and each.gone and there:
                return Blame(each.gone, f"without {each.id}, which was deleted", "with it")
            if each.owner == user and not each.gone and not there:
                deleted = "ISOLATION-CONVERSATION-DELETE" in each.tried
                rule = "ISOLATION-CONVERSATION-DELETE" if deleted else "CONV-LIST-COMPLETE"
                return Blame(rule, f"{each.id} in it", f"{len(found)} others")
        return None

    def blame_order(self, user: int, found: Mapping[str, object]) -> Blame | None:
        """Return what is wrong with the order of a user's list, if anything is.

        Args:
            user: Whose list it is.
            found: When each conversation was changed, as the list tells it, in its order.
        """
        places = {name: place for place, name in enumerate(found)}
        mine = [each for each in self.of(user) if each.id in places]
        for older in mine:
            # Who was used may be changed in the background, for a title.
            if older.turns:
                continue
            for newer in mine:
                if newer.changed <= older.changed or places[newer.id] < places[older.id]:
                    continue
                if found[newer.id] != found[older.id]:
                    rule = older.tried[-1] if older.tried else "CONV-LIST-ORDER"
                    return Blame(rule, f"{newer.id} before {older.id}", "the other way round")
        return None

    def blame_total(self, user: int, total: int) -> Blame | None:
        """Return what is wrong with the total of a user's list, after the first one."""
        own = sum(not each.gone for each in self.of(user))
        others = sum(not each.gone for each in self.conversations) - own
        refused = self._refused[user]
        base = self._counts.setdefault(user, _Count(total, own, others, refused))
        expected = base.total + own - base.own
        if total == expected:
            return None
        rule = "CONV-LIST-TOTAL"
        if total > expected and refused > base.refused:
            rule = "REFUSED-NO-CONVERSATION"
        elif total - expected == others - base.others:
            rule = "ISOLATION-CONVERSATION-LIST"
        return Blame(rule, f"{expected}", f"{total}")

    def blame_messages(
        self, conversation: Conversation, rows: Sequence[tuple[str, str]]
    ) -> Blame | None:
        """Return what is wrong with the history of a conversation, if anything is.

        Args:
            conversation: The conversation.
            rows: Role and text of its messages; those of tools are passed over.
        """
        turns = {turn.text: turn for turn in conversation.turns}
        asked = [text for role, text in rows if role == "user"]
        for text in asked:
            if text not in turns:
                rule = self._rule_of_stranger(conversation, text)
                return Blame(rule, "only the messages sent to it", excerpt(text))
        answers = _answers(rows)
        last = conversation.turns[-1].text if conversation.turns else None
        for turn in conversation.turns:
            said = answers.get(turn.text)
            if turn.end is End.SUCCEEDED and said is None:
                rule = "CONV-HISTORY-COMPLETE" if turn.text == last else "SEND-GIVEN-CONVERSATION"
                return Blame(rule, excerpt(turn.text), f"{len(asked)} other messages")
            if turn.end is End.SUCCEEDED and (said or "").strip() != turn.answer.strip():
                return Blame("CONV-HISTORY-COMPLETE", excerpt(turn.answer), excerpt(said))
            shown = said if said is not None else "".join(answers.values())
            if turn.end is End.CANCELLED and turn.answer.strip() not in shown:
                return Blame("CONV-HISTORY-CANCEL-TEXT", excerpt(turn.answer), excerpt(shown))
        known = [turn.text for turn in conversation.turns if turn.text in answers]
        if known != asked:
            return Blame("SEND-GIVEN-CONVERSATION", "its messages in the order of the sends", "")
        return None

    def _rule_of_stranger(self, conversation: Conversation, text: str) -> str:
        sender = self._senders_of_texts.get(text)
        if sender is None:
            return "CONV-HISTORY-COMPLETE"
        if sender != conversation.owner:
            return "ISOLATION-CONVERSATION-SEND"
        accepted = any(turn.text == text for each in self.conversations for turn in each.turns)
        return "SEND-GIVEN-CONVERSATION" if accepted else "REFUSED-NO-METADATA"

    # -- sends and tasks ----------------------------------------------------------------

    def sent(self, user: int, text: str) -> None:
        """Note a message before it is known what comes of it."""
        self._senders_of_texts[text] = user

    def accepted(self, user: int, conversation: Conversation, turn: Turn) -> None:
        """Note that a send was accepted: its task is live."""
        before = self.senders[user]
        if before.cancelled:
            turn.tried.append("CANCEL-TERMINAL-NO-EFFECT")
        turn.moment = self.moment()
        conversation.turns.append(turn)
        self.senders[user] = Sender(live=(conversation, turn), ended=before.ended)

    def refused(self, user: int, target: Conversation | None) -> None:
        """Note that a send was refused: it has no effect (api_v1 1.12)."""
        self.senders[user].refused = True
        self._refused[user] += 1
        if target is not None:
            own = target.owner == user
            target.tried.append("REFUSED-NO-METADATA" if own else "ISOLATION-CONVERSATION-SEND")

    def ended(self, user: int, end: End) -> None:
        """Note that the live task of USER has ended."""
        sender = self.senders[user]
        if sender.live is not None:
            conversation, turn = sender.live
            turn.end = end
            if end is End.SUCCEEDED:
                conversation.changed = turn.moment
        sender.live = None
        # Nobody may have seen the end of a task that was deleted with its conversation.
        sender.ended |= end is not End.UNKNOWN

    def cancelled_in_vain(self, user: int) -> None:
        """Note that a task of USER that had ended was cancelled: no effect (api_v1 2.3)."""
        sender = self.senders[user]
        if sender.live is None:
            sender.cancelled = True
        else:
            sender.live[1].tried.append("CANCEL-TERMINAL-NO-EFFECT")

    def turns(self, user: int) -> list[tuple[Conversation, Turn]]:
        """Return the messages of USER that were accepted, in the order of their sends."""
        found = [(each, turn) for each in self.of(user) for turn in each.turns]
        order = list(self._senders_of_texts)
        return sorted(found, key=lambda row: order.index(row[1].text))

    def is_latest(self, user: int, turn: Turn) -> bool:
        """Tell whether TURN is of the last task: those before may be forgotten (2.3.11)."""
        return self.turns(user)[-1][1] is turn

    def rule_of_busy(self, user: int) -> str | None:
        """Return the rule that a 409 breaks when no task of USER is live; None: none for sure."""
        sender = self.senders[user]
        if sender.refused:
            return "REFUSED-NO-TASK"
        if any(other.live for other in self.senders if other is not sender):
            return "SEND-USERS-INDEPENDENT"
        return "SEND-AFTER-END" if sender.ended else None

    def rule_of_end(self, turn: Turn) -> str:
        """Return the rule that is broken when TURN does not live on, or does not succeed."""
        return turn.tried[-1] if turn.tried else "TASK-SUCCEEDS"


def _answers(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return what the assistant has said after each message of the user."""
    answers: dict[str, str] = {}
    last = ""
    for role, text in rows:
        if role == "user":
            last = text
        answers.setdefault(last, "")
        if role == "assistant":
            answers[last] += text
    return answers
