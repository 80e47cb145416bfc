"""The list of conversations (api_v1 2.1): what is in it, its order, its pages."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pollux.conformance.check import verifies
from pollux.conformance.haste import is_quick
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, User
from pollux.conformance.stored import (
    data_of,
    ids,
    item_of,
    listed,
    messages_of,
    pages,
)
from pollux.polling.exchange import Exchange

_DEFAULT_LIMIT = 20
_TRIES = 5
_RESTLESS = "the list of conversations changes while nobody changes anything"
# So coarse may the times be that a server sorts by.
_TICK_SECONDS = 1.1
_FIELDS = (
    "id",
    "title",
    "created_at",
    "updated_at",
    "run_mode",
    "model_key",
    "custom_prompt_name",
    "personalization_name",
    "messages_count",
)


@verifies("CONV-LIST-SHAPE", "CONV-LIST-COMPLETE")
def test_every_conversation_is_listed(stage: Stage, judge: Judge) -> None:
    """One made on its own, one made by a message, and both after another one was deleted."""
    user = stage.user
    gone, alone = user.conversation(), user.conversation()
    task = user.start()
    task.end()
    deleted = user.api.delete_conversation(gone)
    found = list(pages(user))
    for page in found:
        lacking = {name for row in listed(page) for name in _FIELDS if name not in row}
        judge.that(
            "CONV-LIST-SHAPE",
            page.status == 200 and bool(listed(page)) and not lacking,
            "the list of conversations",
            expected=f"200 with items of {', '.join(_FIELDS)}",
            got=f"{page.summary}, {len(listed(page))} items, without {', '.join(lacking) or '-'}",
            by=page,
        )
    names = [name for page in found for name in ids(page)]
    for name, how in ((alone, "on its own"), (task.conversation_id, "by a message")):
        judge.that(
            "CONV-LIST-COMPLETE",
            name in names,
            f"the list of conversations after one was made {how}",
            expected=f"{name} in it",
            got=f"{len(names)} others",
            by=(deleted, *found[:3]),
        )


@verifies("CONV-LIST-CONSISTENT")
def test_list_and_reading_tell_the_same(stage: Stage, judge: Judge) -> None:
    """Title, time of creation and number of messages, of an empty and of a used conversation."""
    user = stage.user
    empty = user.conversation()
    task = user.start()
    task.end()
    for name in (empty, task.conversation_id):
        before = user.api.get_conversation(name, full=True)
        listing = user.api.list_conversations(limit=100)
        after = user.api.get_conversation(name, full=True)
        item = item_of(listing, name)
        if item is None:
            judge.cannot_verify("the conversation is not among the first 100 of the list")
        # A title may be changed in the background between the two.
        readings = [_facts(before), _facts(after)]
        for field in ("title", "created_at", "messages_count"):
            allowed = [value for facts in readings for value in facts[field]]
            judge.that(
                "CONV-LIST-CONSISTENT",
                item.get(field) in allowed,
                f"the {field} of a conversation in the list",
                expected=f"{' or '.join(map(repr, allowed))}, as when it is read",
                got=repr(item.get(field)),
                by=(before, listing, after),
            )


def _facts(reading: Exchange) -> Mapping[str, Sequence[object]]:
    data = data_of(reading)
    rows = data.get("messages")
    every = len(rows) if isinstance(rows, list) else 0
    return {
        "title": [data.get("title")],
        "created_at": [data.get("created_at")],
        # A message that a server keeps for itself may count or not.
        "messages_count": [every, len(messages_of(reading))],
    }


@dataclass(frozen=True)
class _Book:
    """What the list says while nothing changes: the newest conversations, and pages of it."""

    newest: list[str]
    total: int
    pages: Mapping[tuple[int | None, int | None], Exchange]


def _read(user: User, judge: Judge, wanted: Sequence[tuple[int | None, int | None]]) -> _Book:
    """Ask for the WANTED pages (limit, offset); once more when the list changes meanwhile."""
    tries = 0
    while True:
        before = user.api.list_conversations(limit=100)
        asked = {
            (limit, offset): user.api.list_conversations(limit=limit, offset=offset)
            for limit, offset in wanted
        }
        after = user.api.list_conversations(limit=100)
        if ids(before) == ids(after):
            total = before.payload.get("total")
            found = ids(before)
            return _Book(found, max(total if isinstance(total, int) else 0, len(found)), asked)
        tries += 1
        if tries == _TRIES:
            judge.cannot_verify(_RESTLESS)


def _have(user: User, count: int) -> None:
    """See to it that the user has COUNT conversations at least."""
    total = user.api.list_conversations(limit=1).payload.get("total")
    for _ in range(count - (total if isinstance(total, int) else 0)):
        user.conversation()


@verifies(
    "CONV-LIST-LIMIT",
    "CONV-LIST-LIMIT-DEFAULT",
    "CONV-LIST-OFFSET",
    "CONV-LIST-OUT-OF-RANGE",
)
def test_limit_and_offset_choose_a_part_of_the_list(stage: Stage, judge: Judge) -> None:
    """A user with more conversations than the default page asks for many parts of the list."""
    user = stage.user
    _have(user, _DEFAULT_LIMIT + 1)
    limits = (1, 2, 7, 20, 21, 99, 100)
    offsets = (0, 1, 2, 7, 19)
    far = (10**6, 10**9)
    strange = [(0, None), (-1, None), (101, None), (10**6, None), (5, -1), (5, -100)]
    wanted: list[tuple[int | None, int | None]] = [(None, None), *strange]
    wanted += [(limit, None) for limit in limits]
    wanted += [(5, offset) for offset in (*offsets, *far)] + [(5, None)]
    book = _read(user, judge, wanted)
    for limit in limits:
        page = book.pages[limit, None]
        judge.that(
            "CONV-LIST-LIMIT",
            page.status == 200 and len(listed(page)) == min(limit, book.total),
            f"the list of {book.total} conversations with the limit {limit}",
            expected=f"{min(limit, book.total)} items",
            got=f"{page.summary}, {len(listed(page))} items",
            by=page,
        )
    plain = book.pages[None, None]
    judge.that(
        "CONV-LIST-LIMIT-DEFAULT",
        plain.status == 200 and 0 < len(listed(plain)) <= _DEFAULT_LIMIT,
        f"the list of {book.total} conversations without a limit",
        expected=f"at most {_DEFAULT_LIMIT} items",
        got=f"{plain.summary}, {len(listed(plain))} items",
        by=plain,
    )
    _judge_offsets(judge, book, offsets, far)
    _judge_out_of_range(judge, book, strange)


def _judge_offsets(judge: Judge, book: _Book, offsets: Sequence[int], far: Sequence[int]) -> None:
    rows = [(offset, book.pages[5, offset]) for offset in (*offsets, *far)]
    rows += [(0, book.pages[5, None]), (0, book.pages[None, None])]
    for offset, page in rows:
        found = ids(page)
        expected = book.newest[offset : offset + 5]
        judge.that(
            "CONV-LIST-OFFSET",
            # How many there are is the matter of the limit.
            page.status == 200
            and bool(found) is (offset < book.total)
            and found[:1] == expected[:1],
            f"the list of {book.total} conversations from the offset {offset} on",
            expected=f"{', '.join(expected[:2])}, ..." if expected else "no items",
            got=f"{page.summary}: {', '.join(found[:2]) or 'no items'}",
            by=page,
        )


def _judge_out_of_range(
    judge: Judge, book: _Book, strange: Sequence[tuple[int, int | None]]
) -> None:
    for limit, offset in strange:
        page = book.pages[limit, offset]
        nearest = book.newest[: min(max(limit, 1), 100)]
        judge.that(
            "CONV-LIST-OUT-OF-RANGE",
            page.status == 400 or (page.status == 200 and ids(page) == nearest),
            f"the list with limit {limit}" + (f" and offset {offset}" if offset else ""),
            expected=f"400, or the {len(nearest)} newest of {book.total} conversations",
            got=f"{page.summary}, {len(listed(page))} items",
            by=page,
        )


@verifies("CONV-LIST-NOT-A-NUMBER")
def test_what_is_no_number_is_no_limit_and_no_offset(stage: Stage, judge: Judge) -> None:
    """Words and numbers with something around them are refused, where 5 is taken."""
    api = stage.user.api
    control = api.list_conversations(limit=5, offset=5)
    judge.require(
        "CONV-LIST-SHAPE",
        control.status == 200,
        "the list with limit 5 and offset 5",
        expected="200",
        got=control.summary,
        by=control,
    )
    for text in ("many", "x", "5x", "x5", "five", "--5", "5,5", "null", "[5]"):
        for name in ("limit", "offset"):
            exchange = api.list_conversations(**{name: text})
            judge.that(
                "CONV-LIST-NOT-A-NUMBER",
                exchange.status == 400,
                f"the list with {name}={text}",
                expected="400",
                got=exchange.summary,
                by=(control, exchange),
            )


@verifies("CONV-LIST-PAGES", slow=True)
def test_pages_neither_skip_nor_repeat(stage: Stage, judge: Judge) -> None:
    """Going on where a page ended leads through the list, each conversation once."""
    user = stage.user
    _have(user, 15)
    for size in (5,) if is_quick(stage) else (2, 5):
        for _ in range(_TRIES):
            before = user.api.list_conversations(limit=100)
            walked = list(_walk(user, size, len(ids(before))))
            after = user.api.list_conversations(limit=100)
            if ids(before) == ids(after):
                break
        else:
            judge.cannot_verify(_RESTLESS)
        found = [name for page in walked for name in ids(page)]
        wanted = ids(before)[: len(found)]
        place = next(
            (i for i, pair in enumerate(zip(found, wanted, strict=False)) if len(set(pair)) > 1), 0
        )
        judge.that(
            "CONV-LIST-PAGES",
            bool(found) and found == wanted,
            f"pages of {size} conversations that follow each other",
            expected=f"at place {place + 1} {wanted[place : place + 1]}",
            got=f"{found[place : place + 1]}",
            by=(before, *walked[place // size : place // size + 2]),
        )


def _walk(user: User, size: int, many: int) -> Iterator[Exchange]:
    """Ask for pages of SIZE until about 20 of at most MANY conversations were seen."""
    offset = 0
    while offset < min(many, 20):
        page = user.api.list_conversations(limit=size, offset=offset)
        yield page
        if not listed(page):
            break
        offset += len(listed(page))


@verifies("CONV-LIST-TOTAL")
def test_the_total_counts_all_conversations(stage: Stage, judge: Judge) -> None:
    """It goes up and down with each one, and is the same on every page."""
    user = stage.user
    start = user.api.list_conversations(limit=1)
    first = start.payload.get("total")
    if not isinstance(first, int):
        judge.cannot_verify("the list tells no total")
    names = [user.conversation() for _ in range(3)]
    _judge_total(judge, user, first + 3, "after three were made")
    user.api.delete_conversation(names[1])
    _judge_total(judge, user, first + 2, "after one of three new ones was deleted")


def _judge_total(judge: Judge, user: User, expected: int, when: str) -> None:
    for limit, offset in ((1, 0), (2, 1), (100, 0), (None, None), (5, expected + 5)):
        page = user.api.list_conversations(limit=limit, offset=offset)
        judge.that(
            "CONV-LIST-TOTAL",
            page.payload.get("total") == expected,
            f"the total of conversations {when}, on the page of limit {limit}, offset {offset}",
            expected=str(expected),
            got=f"{page.summary}, total {page.payload.get('total')!r}",
            by=page,
        )


@verifies("CONV-LIST-ORDER")
def test_the_last_change_comes_first(stage: Stage, judge: Judge) -> None:
    """A new conversation comes first, until a message to an older one is the later change."""
    user = stage.user
    for pause in (0.0, _TICK_SECONDS, 2 * _TICK_SECONDS):
        older = user.conversation()
        time.sleep(stage.seconds(pause))
        newer = user.conversation()
        made = user.api.list_conversations(limit=100)
        time.sleep(stage.seconds(pause))
        user.start(conversation_id=older).end()
        used = user.api.list_conversations(limit=100)
        if not _tie(made, older, newer) and not _tie(used, older, newer):
            _judge_order(judge, made, "after two were made", newer, older)
            _judge_order(judge, used, "after a message to the older of two", older, newer)
            return
    judge.cannot_verify("changes that lie seconds apart have the same updated_at")


def _tie(listing: Exchange, *names: str) -> bool:
    """Tell whether these conversations changed at the same time, as far as the server knows."""
    items = [item_of(listing, name) for name in names]
    times = [item.get("updated_at") for item in items if item is not None]
    return len(times) == len(names) and len(set(map(str, times))) == 1


def _judge_order(judge: Judge, listing: Exchange, when: str, first: str, second: str) -> None:
    found = [name for name in ids(listing) if name in (first, second)]
    judge.that(
        "CONV-LIST-ORDER",
        found == [first, second],
        f"the list of conversations {when}",
        expected=f"{first} before {second}, both among the first 100",
        got=", ".join(found) or "neither of them",
        by=listing,
    )
