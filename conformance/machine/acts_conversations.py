"""What can be done with conversations (api_v1 2.1)."""

from typing import Any

from pollux.conformance.machine.blame import Blame, excerpt
from pollux.conformance.machine.model import Conversation, End
from pollux.conformance.machine.play import NOBODYS, Play
from pollux.conformance.stored import data_of, ids, item_of, listed, messages_of, pages, text_of
from pollux.polling.exchange import Exchange

_NOBODYS_ID = "conv_19990101_000000_000"
_NOBODYS_OTHER_ID = "conv_20010101_000000_000"
_END_SECONDS = 10.0


def conversation_of(play: Play, owner: int, which: int) -> Conversation | None:
    """Return one of the conversations of a user, the last one made being number 0, or None."""
    made = play.world.of(play.number(owner))
    return made[-1 - which % len(made)] if made and which != NOBODYS else None


def id_of(conversation: Conversation | None) -> str:
    """Return the id of a conversation; for None one that nobody has."""
    return _NOBODYS_ID if conversation is None else conversation.id


def create(play: Play, user: int, prompt: int = -1, personalization: int = -1) -> None:
    """Create a conversation, with the names of what was saved before or without."""
    number, api = play.number(user), play.user(user).api
    chosen = (
        _saved_name(play, number, 0, prompt),
        _saved_name(play, number, 1, personalization),
    )
    fields = ("prompt_name", "personalization_name")
    body = {field: name for field, name in zip(fields, chosen, strict=True) if name is not None}
    exchange = api.create_conversation(body)
    made = exchange.payload.get("conversation_id")
    rule = "CONV-CREATE-NAMES" if body else "CONV-CREATE-SHAPE"
    right = exchange.status == 200 and isinstance(made, str)
    if right:
        play.sent(exchange, conversation_id=("C", str(made)))
    else:
        play.sent(exchange)
    blame = Blame(rule, "200 with a conversation_id", exchange.summary)
    if not play.check(None if right else blame, rule, "creating a conversation", exchange):
        return
    play.user(user).made(str(made))
    known = [each.id for each in play.world.conversations]
    blame = Blame("CONV-ID-UNIQUE", "an id of its own", f"{made}")
    if play.check(blame if made in known else None, "CONV-ID-UNIQUE", "a new id", exchange):
        play.world.made(number, str(made), chosen)


def _saved_name(play: Play, user: int, kind: int, name: int) -> str | None:
    shelf = (play.world.prompts, play.world.personalizations)[kind]
    label = play.name(name) if name >= 0 else None
    return label if label and shelf.text(user, label) is not None else None


def read(play: Play, user: int, owner: int, which: int, full: int = 1) -> None:
    """Read a conversation, of one's own or another user's, there or not."""
    conversation = conversation_of(play, owner, which)
    api, name = play.user(user).api, id_of(conversation)
    exchange = play.sent(api.get_conversation(name, full=bool(full)))
    if not is_there(play, user, conversation):
        others = conversation is not None and conversation.owner != play.number(user)
        isolation = "ISOLATION-CONVERSATION-READ" if others else None
        rule = (None if others or conversation is None else conversation.gone) or "CONV-GET-UNKNOWN"
        what = "reading a conversation that the user has not"
        play.absent(
            exchange, what, rule, isolation, lambda: api.get_conversation(_NOBODYS_OTHER_ID)
        )
        return
    if conversation is None:
        return
    if exchange.status == 404:
        # Whether it is gone, or only not found when it is read.
        list_conversations(play, user)
    if exchange.status != 200:
        if not play.ledger.breaches:
            deleted = "ISOLATION-CONVERSATION-DELETE"
            rule = deleted if deleted in conversation.tried else "CONV-GET-SHAPE"
            play.status(exchange, rule, "reading a conversation that is there", 200)
        return
    play.ledger.held("CONV-GET-SHAPE")
    data = data_of(exchange)
    if not full:
        blame = Blame("CONV-GET-WITHOUT-MESSAGES", "messages null", excerpt(data.get("messages")))
        right = "messages" in data and data["messages"] is None
        held = "CONV-GET-WITHOUT-MESSAGES"
        play.check(None if right else blame, held, "reading without full=1", exchange)
        return
    _judge_history(play, exchange, conversation)


def is_there(play: Play, user: int, conversation: Conversation | None) -> bool:
    """Tell whether a conversation exists for a user."""
    if conversation is None or conversation.gone:
        return False
    return conversation.owner == play.number(user)


def _judge_history(play: Play, exchange: Exchange, conversation: Conversation) -> None:
    rows = data_of(exchange).get("messages")
    blame = Blame("CONV-GET-FULL", "the list of its messages", excerpt(rows))
    right = isinstance(rows, list)
    if not play.check(None if right else blame, "CONV-GET-FULL", "reading with full=1", exchange):
        return
    told = [(str(row.get("role")), text_of(row)) for row in messages_of(exchange)]
    held = ["REFUSED-NO-METADATA"] if "REFUSED-NO-METADATA" in conversation.tried else []
    if any(turn.end is End.SUCCEEDED for turn in conversation.turns):
        held += ["CONV-HISTORY-COMPLETE", "SEND-GIVEN-CONVERSATION"]
    what = f"the history of a conversation after {len(conversation.turns)} messages"
    play.check(play.world.blame_messages(conversation, told), held, what, exchange)


def list_conversations(play: Play, user: int) -> None:
    """List all conversations of a user."""
    number, world = play.number(user), play.world
    found = list(pages(play.user(user)))
    for page in found:
        play.sent(page)
        if not play.status(page, "CONV-LIST-SHAPE", "listing the conversations", 200):
            return
    names = [name for page in found for name in ids(page)]
    what = "the conversations of this sequence in the list"
    if not play.check(world.blame_listed(number, names), world.rules_of_list(number), what, found):
        return
    total = found[0].payload.get("total")
    if isinstance(total, int):
        what = "the total, beside the one that was told before"
        blame = world.blame_total(number, total)
        if not play.check(blame, world.rules_of_total(number), what, found[0]):
            return
    changes = {str(row.get("id")): row.get("updated_at") for page in found for row in listed(page)}
    what = "the order of the conversations of this sequence"
    play.check(world.blame_order(number, changes), (), what, found)


def compare(play: Play, user: int, which: int) -> None:
    """Hold the item of a conversation in the list against what reading it tells."""
    conversation = conversation_of(play, user, which)
    if conversation is None or conversation.gone:
        return
    live = play.world.senders[play.number(user)].live
    if live is not None and live[0] is conversation:
        return  # it is being written to
    api = play.user(user).api
    before = api.get_conversation(conversation.id, full=True)
    listing = play.sent(api.list_conversations(limit=100))
    after = play.sent(api.get_conversation(conversation.id, full=True))
    item = item_of(listing, conversation.id)
    if item is None or not (before.ok and after.ok):
        return  # the other steps say what is wrong
    for field in ("title", "created_at", "messages_count"):
        allowed = [value for reading in (before, after) for value in _told(reading, field)]
        got = item.get(field)
        blame = Blame("CONV-LIST-CONSISTENT", " or ".join(map(repr, allowed)), excerpt(got))
        what = f"the {field} of a conversation in the list, beside reading it"
        by = (listing, after)
        right = None if got in allowed else blame
        if not play.check(right, "CONV-LIST-CONSISTENT", what, by):
            return
    if not conversation.turns and any(conversation.names):
        got = (item.get("custom_prompt_name"), item.get("personalization_name"))
        blame = Blame("CONV-CREATE-NAMES", f"{conversation.names}", f"{got}")
        right = None if got == conversation.names else blame
        play.check(right, "CONV-CREATE-NAMES", "the names in the list", listing)


def _told(reading: Exchange, field: str) -> list[Any]:
    data = data_of(reading)
    if field != "messages_count":
        return [data.get(field)]
    rows = data.get("messages")
    # A message that a server keeps for itself may count or not.
    return [len(rows) if isinstance(rows, list) else 0, len(messages_of(reading))]


def delete(play: Play, user: int, owner: int, which: int) -> None:
    """Delete a conversation, of one's own or another user's, there or not, in use or not."""
    conversation = conversation_of(play, owner, which)
    api = play.user(user).api
    exchange = play.sent(api.delete_conversation(id_of(conversation)))
    if not is_there(play, user, conversation):
        others = conversation is not None and conversation.owner != play.number(user)
        rule = (conversation.gone if conversation else None) or "CONV-DELETE-UNKNOWN"
        if conversation is not None and others:
            rule = "ISOLATION-CONVERSATION-DELETE"
            conversation.tried.append(rule)
        play.status(exchange, rule, "deleting a conversation that the user has not", 404)
        return
    if conversation is None:
        return
    live = play.world.senders[conversation.owner].live
    if live is not None and live[0] is conversation:
        _delete_in_use(play, exchange, conversation)
        return
    if play.status(exchange, "CONV-DELETE-SHAPE", "deleting a conversation", 200):
        conversation.gone = "CONV-DELETE-GONE"
        for turn in conversation.turns:
            # Whether its task is gone, too, is not said.
            play.tasks[turn.task].watcher.invariants.may_be_gone()


def _delete_in_use(play: Play, exchange: Exchange, conversation: Conversation) -> None:
    what = "deleting a conversation while its task is live"
    if not play.status(exchange, "CONV-DELETE-LIVE", what, 200, 409):
        return
    turn = conversation.turns[-1]
    if exchange.status == 409:
        turn.tried.append("CONV-DELETE-LIVE")
        conversation.tried.append("CONV-DELETE-LIVE")
        return
    task = play.tasks[turn.task]
    task.watcher.invariants.may_be_gone()
    ended = play.stage.eventually(lambda: _has_ended(play, turn.task), _END_SECONDS)
    blame = Blame("CONV-DELETE-LIVE-ENDS-TASK", "a terminal status", "it is still live")
    rule = "CONV-DELETE-LIVE-ENDS-TASK"
    if play.check(None if ended else blame, rule, "the task of a deleted conversation", exchange):
        task.release()
        conversation.gone = "CONV-DELETE-LIVE-STAYS-GONE"
        play.world.ended(conversation.owner, End.UNKNOWN)


def _has_ended(play: Play, task_id: str) -> bool:
    task = play.tasks[task_id]
    _, poll = task.watcher.ask(task.watcher.invariants.head)
    return poll is None or poll.terminal
