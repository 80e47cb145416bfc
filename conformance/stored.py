"""What a server has stored of conversations, as checks read it: listings, histories, texts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pollux.conformance.stage import User
from pollux.polling.exchange import Exchange

Message = Mapping[str, Any]

# Pages of 100 of a user who has a great many conversations; what was just changed comes first.
_MOST_PAGES = 20


def listed(listing: Exchange) -> list[Mapping[str, Any]]:
    """Return the items of a list of conversations; none when it is no such list."""
    items = listing.payload.get("data")
    rows = items if isinstance(items, list) else []
    return [row for row in rows if isinstance(row, dict)]


def ids(listing: Exchange) -> list[str]:
    """Return the ids in a list of conversations, in its order."""
    return [str(row.get("id")) for row in listed(listing)]


def item_of(listing: Exchange, conversation_id: str) -> Mapping[str, Any] | None:
    """Return the item of one conversation, or None when it is not in the list."""
    rows = [row for row in listed(listing) if row.get("id") == conversation_id]
    return rows[0] if rows else None


def pages(user: User) -> Iterator[Exchange]:
    """Ask for all conversations of USER, page by page."""
    offset = 0
    for _ in range(_MOST_PAGES):
        page = user.api.list_conversations(limit=100, offset=offset)
        yield page
        found = len(listed(page))
        offset += found
        total = page.payload.get("total")
        if not found or (isinstance(total, int) and offset >= total):
            break


def data_of(reading: Exchange) -> Mapping[str, Any]:
    """Return the conversation that was read; empty when there is none in the answer."""
    data = reading.payload.get("data")
    return data if isinstance(data, dict) else {}


def messages_of(reading: Exchange) -> list[Message]:
    """Return the messages that were read, but for those that a server keeps for itself."""
    rows = data_of(reading).get("messages")
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [row for row in found if row.get("role") != "system"]


def since_last_user(messages: Sequence[Message]) -> list[Message]:
    """Return what comes after the last message of the user."""
    roles = [message.get("role") for message in messages]
    last = max((place for place, role in enumerate(roles) if role == "user"), default=-1)
    return list(messages[last + 1 :])


def text_of(message: Message) -> str:
    """Return the text of one message, whose content may be a text or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def said(messages: Sequence[Message], role: str) -> list[str]:
    """Return the texts of all messages of one ROLE."""
    return [text_of(message) for message in messages if message.get("role") == role]


def tool_calls_of(message: Message) -> list[Mapping[str, Any]]:
    """Return the tool calls of a message; none of a message that is not an assistant's."""
    calls = message.get("tool_calls") if message.get("role") == "assistant" else None
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def unanswered(messages: Sequence[Message]) -> list[str]:
    """Return the ids of the tool calls after which no message with their result comes.

    The messages may be stored ones or those of a request to a model: both have OpenAI's shape.
    """
    missing = []
    for place, message in enumerate(messages):
        results = {
            later.get("tool_call_id")
            for later in messages[place + 1 :]
            if later.get("role") == "tool"
        }
        missing += [
            str(call.get("id")) for call in tool_calls_of(message) if call.get("id") not in results
        ]
    return missing


def changed(before: Exchange, after: Exchange) -> str:
    """Return in words how two readings of one conversation differ; empty when they do not."""
    old, new = data_of(before), data_of(after)
    if not old or not new:
        return "" if old == new and before.status == after.status else after.summary
    return ", ".join(
        f"{name}: {old.get(name)!r} became {new.get(name)!r}"[:200]
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def disturbed(before: Exchange, after: Exchange) -> str:
    """Return in words how somebody has changed a conversation between two readings.

    A server may give it a title when its task has ended, at any time; then what belongs to the
    title may have changed, too, and the messages alone can tell.
    """
    old, new = data_of(before), data_of(after)
    titled = bool(new) and old.get("title") != new.get("title")
    return "" if titled and old.get("messages") == new.get("messages") else changed(before, after)
