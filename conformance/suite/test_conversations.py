"""Conversations (api_v1 2.1): how they are made, what they are called, how they are read."""

import re
from datetime import datetime
from typing import Any

from pollux.conformance.check import verifies
from pollux.conformance.gate import Gate, together
from pollux.conformance.haste import is_quick, some
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, User
from pollux.conformance.stored import data_of, ids, item_of, messages_of, said
from pollux.polling.exchange import Exchange
from pollux.polling.http import LEFT_OUT

_ID = re.compile(r"conv_([0-9]{8}_[0-9]{6})_[0-9]{3}")
#: What breaks the rule for names (api_v1 2.6), and no server would trim to a valid one.
BAD_NAMES = (
    "../../x",
    "..\\x",
    "%2e%2e%2fx",
    "/etc/passwd",
    "．．／x",
    "x\0y",
    "a/b",
    "a\\b",
    "a b",
    "a.b",
    "naïve",
    "ｘ",
    "名字",
    "x" * 65,
)


def _made(user: User, exchange: Exchange) -> str | None:
    """Note the conversation that was created, and return its id; None when there is none."""
    found = exchange.payload.get("conversation_id")
    if not exchange.ok or not isinstance(found, str):
        return None
    user.made(found)
    return found


@verifies("CONV-CREATE-SHAPE", "CONV-CREATE-BODY-OPTIONAL", "CONV-ID-PATTERN")
def test_a_conversation_needs_no_body(stage: Stage, judge: Judge) -> None:
    """No body, an empty one, and one of nulls make a conversation that can be read."""
    user = stage.user
    nulls = {"prompt_name": None, "personalization_name": None}
    bodies: dict[str, Any] = {
        "without a body": LEFT_OUT,
        "with an empty object": {},
        "with prompt_name null": {"prompt_name": None},
        "with personalization_name null": {"personalization_name": None},
        "with both names null": nulls,
    }
    for what, body in bodies.items():
        exchange = user.api.create_conversation(body)
        name = _made(user, exchange)
        judge.that(
            "CONV-CREATE-BODY-OPTIONAL",
            exchange.ok and (name is None or user.api.get_conversation(name).status == 200),
            f"a conversation made {what}",
            expected="a success, and the conversation can be read",
            got=exchange.summary,
            by=exchange,
        )
        if name is None:
            continue
        judge.that(
            "CONV-CREATE-SHAPE",
            exchange.status == 200,
            f"a conversation made {what}",
            expected="200",
            got=exchange.summary,
            by=exchange,
        )
        judge.that(
            "CONV-ID-PATTERN",
            _is_a_moment(name),
            "the id of a new conversation",
            expected="conv_YYYYMMDD_HHMMSS_mmm, a date, a time and milliseconds",
            got=name,
            by=exchange,
        )


def _is_a_moment(conversation_id: str) -> bool:
    match = _ID.fullmatch(conversation_id)
    if match is None:
        return False
    try:
        datetime.strptime(match.group(1), "%Y%m%d_%H%M%S")
    except ValueError:
        return False
    return True


@verifies("CONV-ID-UNIQUE", slow=True)
def test_conversations_of_one_instant_have_ids_of_their_own(stage: Stage, judge: Judge) -> None:
    """All requests wait before their last byte; then they are let go at once."""
    many = 12
    for _ in range(1 if is_quick(stage) else 4 * stage.budget.repeats):
        exchanges = _create_at_once(stage, many)
        names = [name for exchange in exchanges if (name := _made(stage.user, exchange))]
        judge.require(
            "CONV-CREATE-SHAPE",
            len(names) == many,
            f"{many} conversations created at the same instant",
            expected=f"{many} ids",
            got=f"{len(names)} ids",
            by=[exchange for exchange in exchanges if not exchange.ok][:3],
        )
        twice = sorted({name for name in names if names.count(name) > 1})
        judge.that(
            "CONV-ID-UNIQUE",
            not twice,
            f"the ids of {many} conversations created at the same instant",
            expected=f"{many} different ones",
            got=f"{len(set(names))} different ones; more than once: {', '.join(twice)}",
            by=[e for e in exchanges if e.payload.get("conversation_id") in twice[:1]],
        )
        if twice:
            break


def _create_at_once(stage: Stage, many: int) -> list[Exchange]:
    gate = Gate(stage, many)

    def create() -> Exchange:
        return stage.user.api.request(
            "POST",
            "/conversations",
            operation="createConversation",
            body={},
            before_last_byte=gate.once(),
        )

    return together([create] * many)


@verifies("CONV-CREATE-NAMES")
def test_a_conversation_remembers_the_names_it_was_created_with(stage: Stage, judge: Judge) -> None:
    """A saved prompt and a saved personalization are listed with the conversation."""
    user = stage.user
    name = _saved(user, judge)
    exchange = user.api.create_conversation({"prompt_name": name, "personalization_name": name})
    conversation_id = _made(user, exchange)
    if exchange.ok and conversation_id is None:
        judge.cannot_verify("the answer to a creation does not name the conversation")
    listing = user.api.list_conversations(limit=100)
    item = item_of(listing, conversation_id or "") or {}
    told = {key: item.get(key) for key in ("custom_prompt_name", "personalization_name")}
    judge.that(
        "CONV-CREATE-NAMES",
        exchange.ok and set(told.values()) == {name},
        "the item of a conversation that was created with the names of a saved prompt and a "
        "saved personalization",
        expected=f"custom_prompt_name and personalization_name {name!r}",
        got=f"{exchange.summary}; listed with {told}",
        by=(exchange, listing),
    )


def _saved(user: User, judge: Judge) -> str:
    """Save a prompt and a personalization of one new name, and return it."""
    name = user.stage.name()
    for requirement, saved in (
        ("PROMPT-SAVE-SHAPE", user.api.save_prompt(name, "Be brief.")),
        ("PERSONALIZATION-SAVE-SHAPE", user.api.save_personalization(name, {"tone": "calm"})),
    ):
        judge.require(
            requirement,
            saved.ok,
            f"{saved.operation} with a good body",
            expected="200",
            got=saved.summary,
            by=saved,
        )
    return name


@verifies("CONV-CREATE-NAME-INVALID", "CONV-CREATE-NAME-UNKNOWN", "REFUSED-NO-CONVERSATION")
def test_a_conversation_of_a_wrong_name_is_not_made(stage: Stage, judge: Judge) -> None:
    """A name that breaks the rule is 400; one that nobody has is never a server error."""
    user = stage.user
    good = _saved(user, judge)
    control = user.api.create_conversation({"prompt_name": good, "personalization_name": good})
    _made(user, control)
    judge.require(
        "CONV-CREATE-NAMES",
        control.status == 200,
        "creating a conversation with saved names",
        expected="200",
        got=control.summary,
        by=control,
    )
    for field in ("prompt_name", "personalization_name"):
        for name in some(stage, BAD_NAMES):
            exchange = _create_with(judge, user, field, name)
            judge.that(
                "CONV-CREATE-NAME-INVALID",
                exchange.status == 400,
                f"creating a conversation with {field} {name!r}",
                expected="400",
                got=exchange.summary,
                by=(control, exchange),
            )
        unknown = _create_with(judge, user, field, stage.name("no-such"))
        judge.that(
            "CONV-CREATE-NAME-UNKNOWN",
            unknown.answered and unknown.status < 500,
            f"creating a conversation with a {field} that does not exist",
            expected="no 5xx",
            got=unknown.summary,
            by=unknown,
        )


def _create_with(judge: Judge, user: User, field: str, name: str) -> Exchange:
    before = user.api.list_conversations(limit=100)
    exchange = user.api.create_conversation({field: name})
    after = user.api.list_conversations(limit=100)
    _made(user, exchange)
    if 400 <= exchange.status < 500:
        new = set(ids(after)) - set(ids(before))
        judge.that(
            "REFUSED-NO-CONVERSATION",
            not new and before.payload.get("total") == after.payload.get("total"),
            f"the list of conversations after one with {field} {name!r} was refused",
            expected=f"no new one, total {before.payload.get('total')}",
            got=f"total {after.payload.get('total')}, new: {', '.join(new) or 'none'}",
            by=(exchange, before, after),
        )
    return exchange


@verifies("CONV-GET-SHAPE", "CONV-GET-WITHOUT-MESSAGES", "CONV-GET-FULL")
def test_messages_are_read_with_full_only(stage: Stage, judge: Judge) -> None:
    """Without `full=1` there is everything but the messages; with it there are all of them."""
    user = stage.user
    task = user.start()
    task.end()
    empty = user.conversation()
    for name, spoken in ((empty, False), (task.conversation_id, True)):
        whole = user.api.get_conversation(name, full=True)
        short = user.api.get_conversation(name)
        for exchange in (whole, short):
            judge.that(
                "CONV-GET-SHAPE",
                exchange.status == 200 and data_of(exchange).get("id") == name,
                "reading a conversation",
                expected=f"200 with the conversation {name}",
                got=f"{exchange.summary}, id {data_of(exchange).get('id')!r}",
                by=exchange,
            )
        rows = data_of(whole).get("messages")
        judge.that(
            "CONV-GET-FULL",
            isinstance(rows, list) and (bool(said(messages_of(whole), "user")) is spoken),
            f"reading a conversation {'with a' if spoken else 'without any'} message, with full=1",
            expected="its messages, the user's among them" if spoken else "an empty list",
            got=f"messages {str(rows)[:200]}",
            by=whole,
        )
        zero = user.api.request(
            "GET", f"/conversations/{name}", operation="getConversation", query={"full": "0"}
        )
        for exchange in (short, zero):
            data = data_of(exchange)
            judge.that(
                "CONV-GET-WITHOUT-MESSAGES",
                "messages" in data and data["messages"] is None,
                "reading a conversation without full=1",
                expected="messages null",
                got=f"messages {str(data.get('messages', '(absent)'))[:200]}",
                by=exchange,
            )


@verifies("CONV-GET-UNKNOWN", "CONV-DELETE-UNKNOWN", "CONV-ID-MALFORMED")
def test_what_does_not_exist_is_404(stage: Stage, judge: Judge) -> None:
    """Ids of nobody, and texts that are no ids, whatever they resemble."""
    user = stage.user
    known = user.conversation()
    unknown = [f"conv_{year}{known[9:]}" for year in ("1999", "2001", "2999")]
    malformed = [
        "index",
        "conv_",
        "no-such-conversation",
        known.removeprefix("conv_"),
        known.upper(),
        f"{known}.json",
        f"{known}x",
        f"x{known}",
        f"{known}0",
        f"{known} ",
        known[:-1],
        known.replace("_", "-"),
        f"{known}\u0660",
        known.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"}),
        f"..\\{known}",
        f"%2e%2e%2f{known}",
    ]
    control = user.api.get_conversation(known)
    for delete in (False, True):
        ask = user.api.delete_conversation if delete else user.api.get_conversation
        verb = "deleting" if delete else "reading"
        rows = [("CONV-DELETE-UNKNOWN" if delete else "CONV-GET-UNKNOWN", unknown)]
        rows += [("CONV-ID-MALFORMED", malformed)]
        for requirement, names in rows:
            for name in names:
                exchange = ask(name)
                judge.that(
                    requirement,
                    exchange.status == 404,
                    f"{verb} the conversation {name!r}",
                    expected="404",
                    got=exchange.summary,
                    by=(control, exchange),
                )
    judge.require(
        "CONV-GET-SHAPE",
        control.status == 200,
        "reading a conversation that exists",
        expected="200",
        got=control.summary,
        by=control,
    )
