"""Isolation (api_v1 1.9): what belongs to one user does not exist for another."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, Task, User
from pollux.conformance.stored import changed, ids, messages_of, pages
from pollux.polling.exchange import Exchange

_BOTH = ["two-users"]
_TRIES = 5


def _worked(judge: Judge, requirement: str, exchange: Exchange, what: str) -> None:
    """Require a step of the scenario, which another requirement is about."""
    judge.require(
        requirement, exchange.ok, what, expected="a success", got=exchange.summary, by=exchange
    )


def _refused(
    judge: Judge,
    requirement: str,
    exchange: Exchange,
    what: str,
    control: Exchange,
    *allowed: int,
) -> None:
    """Judge what another user asked for, which the owner got as CONTROL."""
    judge.that(
        requirement,
        exchange.status in allowed,
        f"{what} of another user",
        expected=" or ".join(map(str, allowed)),
        got=exchange.summary,
        by=(control, exchange),
    )


@verifies(
    "ISOLATION-CONVERSATION-LIST",
    "ISOLATION-CONVERSATION-READ",
    "ISOLATION-CONVERSATION-SEND",
    "ISOLATION-CONVERSATION-DELETE",
    needs=_BOTH,
)
def test_a_conversation_of_another_user_does_not_exist(stage: Stage, judge: Judge) -> None:
    """It is not listed, cannot be read, written to or deleted, and is afterwards as before."""
    owner, other = stage.user, stage.other
    before = other.api.list_conversations(limit=100)
    task = owner.start()
    task.end()
    untouched = owner.conversation()
    names = [task.conversation_id, untouched]
    after = list(pages(other))
    totals = [page.payload.get("total") for page in (before, after[0])]
    shown = [name for page in after for name in ids(page) if name in names]
    judge.that(
        "ISOLATION-CONVERSATION-LIST",
        not shown and len(set(totals)) == 1,
        "the list of conversations, after another user has made two",
        expected=f"neither of these, and the total {totals[0]} as before",
        got=f"the total {totals[-1]}, {len(shown)} of these",
        by=(before, *after[:3]),
    )
    for name in names:
        control = owner.api.get_conversation(name, full=True)
        _worked(judge, "CONV-GET-SHAPE", control, "reading a conversation of one's own")
        for full in (False, True):
            read = other.api.get_conversation(name, full=full)
            _refused(
                judge, "ISOLATION-CONVERSATION-READ", read, "reading a conversation", control, 404
            )
        sent = other.api.send_message(stage.short_message(), conversation_id=name)
        if sent.status == 202:
            other.task_of(sent).clear()
        _refused(
            judge,
            "ISOLATION-CONVERSATION-SEND",
            sent,
            "a send to a conversation",
            control,
            404,
            400,
        )
        now = owner.api.get_conversation(name, full=True)
        # A used one may still be given a title in the background.
        same = now.ok and messages_of(now) == messages_of(control)
        judge.that(
            "ISOLATION-CONVERSATION-SEND",
            same and (name != untouched or not changed(control, now)),
            "a conversation after another user has tried to write to it",
            expected="what it was before",
            got=changed(control, now),
            by=(control, sent, now),
        )
        deleted = other.api.delete_conversation(name)
        _refused(
            judge,
            "ISOLATION-CONVERSATION-DELETE",
            deleted,
            "deleting a conversation",
            control,
            404,
        )
        now = owner.api.get_conversation(name, full=True)
        judge.that(
            "ISOLATION-CONVERSATION-DELETE",
            now.status == 200,
            "a conversation after another user has tried to delete it",
            expected="200",
            got=now.summary,
            by=(control, deleted, now),
        )


@verifies("ISOLATION-FILE-READ", "ISOLATION-FILE-WRITE", needs=_BOTH)
def test_a_file_of_another_user_does_not_exist(stage: Stage, judge: Judge) -> None:
    """It is not listed, cannot be downloaded, and a file of the same path is another file."""
    owner, other = stage.user, stage.other
    folder, secret = stage.name("folder"), stage.name("secret").encode()
    uploaded = owner.api.upload_file(secret, f"{folder}.txt", dir=folder)
    _worked(judge, "FILE-UPLOAD-SHAPE", uploaded, "uploading a text file")
    path = str(uploaded.payload.get("path"))
    control = owner.api.download_file(path)
    _worked(judge, "FILE-ROUND-TRIP", control, "downloading a file of one's own")
    root, inside = other.api.list_files(), other.api.list_files(folder)
    judge.that(
        "ISOLATION-FILE-READ",
        folder.encode() not in root.body and inside.status >= 400,
        "the listings of files, after another user has uploaded one",
        expected=f"no {folder} in the root, and no such folder",
        got=f"{'it is' if folder.encode() in root.body else 'not'} in the root; {inside.summary}",
        by=(control, root, inside),
    )
    for asked in (path, f"/{path}", f"user_upload/{path}", f"../user_upload/{path}", folder):
        exchange = other.api.download_file(asked)
        judge.that(
            "ISOLATION-FILE-READ",
            exchange.status in (400, 404) and secret not in exchange.body,
            f"the download of {asked!r}, of another user",
            expected="404 or 400",
            got=exchange.summary,
            by=(control, exchange),
        )
    own = stage.name("own").encode()
    uploaded = other.api.upload_file(own, f"{folder}.txt", dir=folder)
    _worked(judge, "FILE-UPLOAD-SHAPE", uploaded, "uploading a text file")
    for user, content in ((owner, secret), (other, own)):
        exchange = user.api.download_file(path)
        judge.that(
            "ISOLATION-FILE-WRITE",
            exchange.status == 200 and exchange.body == content,
            f"the file of {user.label}, after two users have uploaded one of the same path",
            expected=f"200 with the own bytes {content!r}",
            got=f"{exchange.summary} with {exchange.body[:60]!r}",
            by=(uploaded, exchange),
        )


@dataclass(frozen=True)
class _Named:
    """Prompts, or personalizations: how they are saved, listed, read and used."""

    kind: str
    contents: tuple[Any, Any]

    @property
    def group(self) -> str:
        return self.kind.upper()

    def save(self, user: User, name: str, content: Any) -> Exchange:
        api = user.api
        save = api.save_prompt if self.kind == "prompt" else api.save_personalization
        return save(name, content)

    def list(self, user: User) -> Exchange:
        api = user.api
        return api.list_prompts() if self.kind == "prompt" else api.list_personalizations()

    def get(self, user: User, name: str) -> Exchange:
        api = user.api
        get = api.get_prompt if self.kind == "prompt" else api.get_personalization
        return get(name)


@verifies("ISOLATION-PROMPT-READ", "ISOLATION-PROMPT-WRITE", "ISOLATION-PROMPT-USE", needs=_BOTH)
def test_a_prompt_of_another_user_does_not_exist(stage: Stage, judge: Judge) -> None:
    """It is not listed, cannot be read or used, and one of the same name is another one."""
    _judge_named(stage, judge, _Named("prompt", ("Be brief.", "Be kind.")))


@verifies(
    "ISOLATION-PERSONALIZATION-READ",
    "ISOLATION-PERSONALIZATION-WRITE",
    "ISOLATION-PERSONALIZATION-USE",
    needs=_BOTH,
)
def test_a_personalization_of_another_user_does_not_exist(stage: Stage, judge: Judge) -> None:
    """It is not listed, cannot be read or used, and one of the same name is another one."""
    _judge_named(stage, judge, _Named("personalization", ({"tone": "calm"}, {"tone": "brisk"})))


def _judge_named(stage: Stage, judge: Judge, named: _Named) -> None:
    owner, other = stage.user, stage.other
    name = stage.name()
    rule = f"ISOLATION-{named.group}"
    saved = named.save(owner, name, named.contents[0])
    _worked(judge, f"{named.group}-SAVE-SHAPE", saved, f"saving a {named.kind}")
    control = named.get(owner, name)
    _worked(judge, f"{named.group}-GET-SHAPE", control, f"reading a {named.kind} of one's own")
    listing, read = named.list(other), named.get(other, name)
    _worked(judge, f"{named.group}-LIST-SHAPE", listing, f"the list of {named.kind}s")
    judge.that(
        f"{rule}-READ",
        name.encode() not in listing.body,
        f"the list of {named.kind}s, after another user has saved one",
        expected=f"without {name}",
        got=f"{listing.summary}, with it",
        by=(control, listing),
    )
    _refused(judge, f"{rule}-READ", read, f"reading a {named.kind}", control, 404)
    field = f"{named.kind}_name"

    def send(asked: str) -> Exchange:
        exchange = other.api.send_message(stage.short_message(), **{field: asked})
        if exchange.status == 202:
            other.task_of(exchange).clear()
        return exchange

    sent, unknown = send(name), send(stage.name())
    judge.that(
        f"{rule}-USE",
        sent.status == unknown.status,
        f"a send with the {named.kind} of another user",
        expected=f"{unknown.status}, as with one that nobody has",
        got=sent.summary,
        by=(control, unknown, sent),
    )
    saved = named.save(other, name, named.contents[1])
    _worked(judge, f"{named.group}-SAVE-SHAPE", saved, f"saving a {named.kind}")
    answers = [named.get(user, name) for user in (owner, other)]
    for user, content, exchange in zip((owner, other), named.contents, answers, strict=True):
        judge.that(
            f"{rule}-WRITE",
            _holds(exchange.payload.get("content"), content),
            f"the {named.kind} of {user.label}, after two users have saved one of the same name",
            expected=f"the own one, {content!r}",
            got=f"{exchange.summary}, {exchange.payload.get('content')!r:.200}",
            by=(saved, exchange),
        )


def _holds(found: Any, content: Any) -> bool:
    """Tell whether what was FOUND is the CONTENT saved; a personalization gets more fields."""
    if isinstance(content, dict) and isinstance(found, dict):
        return all(found.get(key) == value for key, value in content.items())
    return bool(found == content)


_Ask = Callable[[str], Exchange]


@verifies("ISOLATION-SAME-ANSWER", needs=_BOTH)
def test_another_users_object_is_like_one_that_does_not_exist(stage: Stage, judge: Judge) -> None:
    """The answers do not give away that there is something of that id."""
    owner, api = stage.user, stage.other.api
    task = owner.start()
    task.end()
    name = stage.name()
    made = [
        owner.api.save_prompt(name, "Be brief."),
        owner.api.save_personalization(name, {"tone": "calm"}),
        owner.api.upload_file(b"mine", f"{name}.txt", dir=name),
    ]
    for exchange in made:
        _worked(judge, "ENVELOPE-SUCCESS", exchange, f"{exchange.operation} with a good body")
    path = str(made[2].payload.get("path"))
    conversations = [task.conversation_id, *_ids_of_nobody(task)]
    tasks = [task.id, str(uuid.uuid4()), str(uuid.uuid4())]
    names = [name, stage.name(), stage.name()]
    paths = [path, *(path.replace(name, stage.name()) for _ in range(2))]

    def send(conversation_id: str) -> Exchange:
        exchange = api.send_message(stage.short_message(), conversation_id=conversation_id)
        if exchange.status == 202:
            stage.other.task_of(exchange).clear()
        return exchange

    def send_image(image: str) -> Exchange:
        exchange = api.send_message(stage.short_message(), images=[image])
        if exchange.status == 202:
            stage.other.task_of(exchange).clear()
        return exchange

    def create(field: str, named: str) -> Exchange:
        exchange = api.create_conversation({field: named})
        if exchange.ok:
            stage.other.made(str(exchange.payload.get("conversation_id")))
        return exchange

    questions: list[tuple[_Ask, Sequence[str]]] = [
        (partial(create, "prompt_name"), names),
        (partial(create, "personalization_name"), names),
        (send_image, paths),
        (api.get_conversation, conversations),
        (send, conversations),
        (api.delete_conversation, conversations),
        (api.poll_task, tasks),
        (api.cancel_task, tasks),
        (api.download_file, paths),
        (api.download_file, names),
        (api.list_files, names),
        (api.get_prompt, names),
        (api.get_personalization, names),
    ]
    for ask, asked in questions:
        comparison = _Comparison(ask, asked)
        for _ in range(_TRIES):
            # What differs now and then, such as a time, is no matter of whose the object is.
            if not comparison.told or comparison.shown_by_the_status:
                break
            comparison.again()
        mine, unknown = comparison.mine, comparison.unknown
        judge.that(
            "ISOLATION-SAME-ANSWER",
            not comparison.told,
            f"{mine.operation} for an object of another user, beside one that does not exist",
            expected=f"{unknown.summary}, the same answer: {comparison.allowed}",
            got=f"{mine.summary}, {comparison.told or 'the same answer'}",
            by=(unknown, mine),
        )


def _ids_of_nobody(task: Task) -> list[str]:
    """Return two ids that look like that of the task's conversation."""
    return [f"conv_{year}{task.conversation_id[9:]}" for year in ("1999", "2001")]


class _Comparison:
    """The answers for another user's object and for two that do not exist, asked for repeatedly.

    A field that does not always say the same of the objects that do not exist, such as the number
    of a request, tells nothing.

    Args:
        ask: Asks for an object.
        asked: The other user's, and two that do not exist.

    Attributes:
        mine: The last answer for the other user's object.
        unknown: The last answer for the first of those that do not exist.
    """

    def __init__(self, ask: _Ask, asked: Sequence[str]) -> None:
        self._ask = ask
        self._asked = asked
        self._mine: list[dict[str, str]] = []
        self._unknown: list[dict[str, str]] = []
        self.again()

    def again(self) -> None:
        """Ask for all of them once more."""
        self.mine, self.unknown, other = (self._ask(one) for one in self._asked)
        answers = [
            _fields(exchange, one)
            for exchange, one in zip((self.mine, self.unknown, other), self._asked, strict=True)
        ]
        self._mine += answers[:1]
        self._unknown += answers[1:]

    @property
    def shown_by_the_status(self) -> bool:
        """Whether the statuses differ, and not because the user was still busy once."""
        statuses = {self.mine.status, self.unknown.status}
        return len(statuses) > 1 and HTTPStatus.CONFLICT not in statuses

    @property
    def told(self) -> str:
        """What every answer for the other user's object says and those for the others do not."""
        return self._shown(self._mine[-1])

    @property
    def allowed(self) -> str:
        """What the answers for objects that do not exist say there."""
        return self._shown(self._unknown[-2])

    def _shown(self, fields: Mapping[str, str]) -> str:
        return ", ".join(f"{key} {fields.get(key, '(absent)')}" for key in self._differing())

    def _differing(self) -> list[str]:
        names = sorted({key for fields in (*self._mine, *self._unknown) for key in fields})
        return [
            name
            for name in names
            if len(unknown := {fields.get(name) for fields in self._unknown}) == 1
            and unknown.isdisjoint(fields.get(name) for fields in self._mine)
        ]


def _fields(exchange: Exchange, asked: str) -> dict[str, str]:
    """Return the status and the fields of an answer as JSON, without the id that was ASKED for."""
    status = {"the status": str(exchange.status)}
    if not exchange.payload:
        return status | {"the body": exchange.body.decode("utf-8", "replace").replace(asked, "...")}
    return status | {
        key: json.dumps(value, sort_keys=True).replace(asked, "...")
        for key, value in exchange.payload.items()
    }
