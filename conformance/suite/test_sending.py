"""Sending a message (api_v1 2.2): what each field may be, and what comes of it."""

from collections.abc import Mapping
from typing import Any

from pollux.conformance.check import verifies
from pollux.conformance.haste import some
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, Task, User
from pollux.conformance.stored import ids, item_of, messages_of, said, text_of
from pollux.conformance.suite.test_conversations import BAD_NAMES
from pollux.polling.exchange import Exchange
from pollux.scripted_model.builder import say, script, turn

#: A picture of one pixel, the smallest there is.
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)


def send(user: User, body: Mapping[str, Any]) -> Exchange:
    """Send BODY as it is, and end the task at once that comes of it, if one does."""
    exchange = user.api.request("POST", "/messages", operation="sendMessage", body=body)
    if exchange.status == 202:
        finish(user.task_of(exchange))
    return exchange


def finish(task: Task) -> None:
    """Let TASK end: by itself where that is soon, else by a cancel."""
    if task.user.stage.scripted:
        task.end()
    else:
        task.clear()


def _good(stage: Stage, **fields: Any) -> dict[str, Any]:
    """Return a good body with other FIELDS."""
    return {"message": stage.short_message(), **fields}


def _free(stage: Stage) -> None:
    """See to it that the user is free: the positive control of what is refused afterwards."""
    finish(stage.user.start())


def _judge_status(
    judge: Judge, requirement: str, exchange: Exchange, what: str, *allowed: int
) -> None:
    judge.that(
        requirement,
        exchange.status in allowed,
        f"a send {what}",
        expected=" or ".join(map(str, allowed)),
        got=exchange.summary,
        by=exchange,
    )


@verifies("SEND-MESSAGE-REQUIRED", "SEND-MESSAGE-BLANK")
def test_a_send_without_anything_to_say_is_refused(stage: Stage, judge: Judge) -> None:
    """No message, an empty one, or one of blanks, in a new and in a given conversation."""
    _free(stage)
    place = {"conversation_id": stage.user.conversation()}
    bodies: dict[str, dict[str, Any]] = {
        "without a message": {},
        "with message null": {"message": None},
        "with an empty message": {"message": ""},
        "with an empty message and no images": {"message": "", "images": []},
        "with message and images null": {"message": None, "images": None},
    }
    for what, body in bodies.items():
        for exchange in (send(stage.user, body), send(stage.user, body | place)):
            _judge_status(judge, "SEND-MESSAGE-REQUIRED", exchange, what, 400)
    for blanks in (" ", "    ", "\n", " \t\r\n "):
        for body in ({"message": blanks}, {"message": blanks, "images": []}):
            what = f"with the message {blanks!r}"
            _judge_status(judge, "SEND-MESSAGE-BLANK", send(stage.user, body), what, 400)


@verifies("SEND-MESSAGE-TRIMMED")
def test_blanks_around_a_message_are_cut_off(stage: Stage, judge: Judge) -> None:
    """What is stored begins and ends with the text; inside of it nothing is touched."""
    inner = "Say  ok.\n\n  Nothing\telse,\n please."
    task = stage.user.start(f" \n\t {inner} \r\n\n  ")
    finish(task)
    reading = stage.user.api.get_conversation(task.conversation_id, full=True)
    stored = said(messages_of(reading), "user")
    judge.that(
        "SEND-MESSAGE-TRIMMED",
        stored == [inner],
        "the stored message, sent with blanks and line ends around it",
        expected=repr(inner),
        got=repr(stored),
        by=(task.sent, reading),
    )


@verifies("SEND-IMAGES-ONLY", slow=True)
def test_an_image_needs_no_words(stage: Stage, judge: Judge) -> None:
    """An uploaded image can be sent with message absent, null or empty."""
    _free(stage)
    uploaded = stage.user.api.upload_file(_PNG, f"{stage.name()}.png")
    if uploaded.status in (400, 415):
        judge.not_applicable("SEND-IMAGES-ONLY", "the server takes no images")
        return
    judge.require(
        "FILE-UPLOAD-SHAPE",
        uploaded.status == 200,
        "uploading a picture of one pixel",
        expected="200",
        got=uploaded.summary,
        by=uploaded,
    )
    images = {"images": [uploaded.payload.get("path")]}
    wordless: dict[str, dict[str, Any]] = {
        "without a message": {},
        "with message null": {"message": None},
        "with an empty message": {"message": ""},
    }
    for what, words in wordless.items():
        exchange = stage.user.api.request(
            "POST", "/messages", operation="sendMessage", body={**images, **words}
        )
        if exchange.status == 202:
            stage.user.task_of(exchange).clear()
        _judge_status(judge, "SEND-IMAGES-ONLY", exchange, f"of an image, {what}", 202)


@verifies("SEND-NEW-CONVERSATION", "SEND-CONVERSATION-EMPTY")
def test_a_send_that_names_no_conversation_makes_one(stage: Stage, judge: Judge) -> None:
    """Absent and null make a new one; an empty text is refused, or does the same."""
    user = stage.user
    # A new conversation is wanted, also where one is still empty.
    known = {user.conversation()}
    known |= set(ids(user.api.list_conversations(limit=100)))
    nowhere: list[dict[str, Any]] = [{}, {"conversation_id": None}, {"conversation_id": ""}]
    for place in nowhere:
        exchange = send(user, _good(stage, **place))
        name = exchange.payload.get("conversation_id")
        reading = user.api.get_conversation(name) if isinstance(name, str) else exchange
        new = exchange.status == 202 and name not in known and reading.ok
        empty = place.get("conversation_id") == ""
        refused = empty and exchange.answered and 400 <= exchange.status < 500
        judge.that(
            "SEND-CONVERSATION-EMPTY" if empty else "SEND-NEW-CONVERSATION",
            refused or new,
            f"a send with {place or 'no conversation_id'}",
            expected=("4xx, or " if empty else "") + "202 with a new conversation that can be read",
            got=f"{exchange.summary}, conversation {name!r}"
            + (", known before" if name in known else f", reading it: {reading.summary}"),
            by=(exchange, reading),
        )
        known.add(str(name))


@verifies("SEND-GIVEN-CONVERSATION")
def test_a_send_goes_on_with_the_conversation_it_names(stage: Stage, judge: Judge) -> None:
    """Each message is added to what was said there before."""
    user = stage.user
    name = user.conversation()
    kept: list[tuple[object, str]] = []
    for count in (1, 2):
        task = user.start(conversation_id=name)
        task.end()
        reading = user.api.get_conversation(name, full=True)
        rows = messages_of(reading)
        found: list[tuple[object, str]] = [(row.get("role"), text_of(row)) for row in rows]
        judge.that(
            "SEND-GIVEN-CONVERSATION",
            task.conversation_id == name
            and found[: len(kept)] == kept
            and len(said(rows, "user")) == count,
            f"message number {count} to one conversation",
            expected=f"the answer names {name}, which has {count} messages of the user",
            got=f"{task.conversation_id}; {len(said(rows, 'user'))} messages of the user, "
            f"the earlier ones {'kept' if found[: len(kept)] == kept else 'not kept'}",
            by=(task.sent, reading),
        )
        kept = found


@verifies("SEND-CONVERSATION-UNKNOWN")
def test_a_send_to_no_conversation_that_exists_is_refused(stage: Stage, judge: Judge) -> None:
    """Ids of nobody, and texts that are no ids; the one that they resemble is taken."""
    known = stage.user.conversation()
    finish(stage.user.start(conversation_id=known))
    unknown = [f"conv_{year}{known[9:]}" for year in ("1999", "2999")]
    malformed = ["index", "conv_", "no-such", f"{known}x", f"{known}.json", f"../{known}", "null"]
    for name in (*unknown, *malformed):
        exchange = send(stage.user, _good(stage, conversation_id=name))
        what = f"to the conversation {name!r}"
        _judge_status(judge, "SEND-CONVERSATION-UNKNOWN", exchange, what, 404, 400)


@verifies("SEND-MODEL-DEFAULT", "SEND-MODEL-UNKNOWN")
def test_without_a_model_the_default_one_runs(stage: Stage, judge: Judge) -> None:
    """A null model is the same as none; a model that there is not is no server error."""
    user = stage.user
    asked: list[set[str]] = []
    for fields in ({}, {"model_key": None}):
        name = stage.name("script")
        text = script(turn(say("ok")), id=name) if stage.scripted else stage.short_message()
        exchange = send(user, {"message": text, **fields})
        if stage.scripted:
            asked.append({request.model for request in stage.model.requests.list(name)})
        judge.that(
            "SEND-MODEL-DEFAULT",
            # Another model may be asked for a title, at any time.
            exchange.status == 202 and (not asked or bool(set.intersection(*asked))),
            f"a send with {fields or 'no model_key'}",
            expected="202, and both run with the same model",
            got=f"{exchange.summary}; asked {' and '.join(str(sorted(m)) for m in asked)}",
            by=exchange,
        )
    unknown = send(user, _good(stage, model_key=stage.name("no-such-model")))
    _judge_no_5xx(judge, "SEND-MODEL-UNKNOWN", unknown, "with a model that there is not")


def _judge_no_5xx(judge: Judge, requirement: str, exchange: Exchange, what: str) -> None:
    judge.that(
        requirement,
        exchange.answered and exchange.status < 500,
        f"a send {what}",
        expected="no 5xx",
        got=exchange.summary,
        by=exchange,
    )


@verifies("SEND-FIELD-UNKNOWN")
def test_an_unknown_field_is_no_server_error(stage: Stage, judge: Judge) -> None:
    """It is refused or ignored."""
    for value in ("x", 5, None, {"a": [1]}):
        exchange = send(stage.user, _good(stage, no_such_field=value))
        what = f"with the unknown field no_such_field {value!r}"
        _judge_no_5xx(judge, "SEND-FIELD-UNKNOWN", exchange, what)


@verifies("SEND-RUN-MODE", "SEND-RUN-MODE-INVALID", slow=True)
def test_there_are_three_run_modes(stage: Stage, judge: Judge) -> None:
    """In any case of letters; null is none, and any other text is refused."""
    for mode in ("fast", "thinking", "deep", "FAST", "Thinking", "dEEp", None):
        exchange = send(stage.user, _good(stage, run_mode=mode))
        _judge_status(judge, "SEND-RUN-MODE", exchange, f"with the run_mode {mode!r}", 202)
    for mode in ("turbo", "deeper", "fas", "fast,deep", "0", "true"):
        exchange = send(stage.user, _good(stage, run_mode=mode))
        _judge_status(judge, "SEND-RUN-MODE-INVALID", exchange, f"with the run_mode {mode!r}", 400)


@verifies("SEND-RUN-MODE-WINS", "SEND-THINKING-MODE", slow=True)
def test_the_mode_of_a_send_is_told_by_the_list(stage: Stage, judge: Judge) -> None:
    """`thinking_mode` counts where there is no `run_mode`."""
    rows: list[tuple[str, dict[str, Any], str]] = [
        ("SEND-THINKING-MODE", {"thinking_mode": True}, "thinking"),
        ("SEND-THINKING-MODE", {"thinking_mode": False}, "fast"),
        ("SEND-THINKING-MODE", {"thinking_mode": True, "run_mode": None}, "thinking"),
        ("SEND-RUN-MODE-WINS", {"thinking_mode": True, "run_mode": "fast"}, "fast"),
        ("SEND-RUN-MODE-WINS", {"thinking_mode": False, "run_mode": "thinking"}, "thinking"),
        ("SEND-RUN-MODE-WINS", {"thinking_mode": False, "run_mode": "deep"}, "deep"),
    ]
    for requirement, fields, mode in rows:
        task = stage.user.start(**fields)
        finish(task)
        listing = stage.user.api.list_conversations(limit=100)
        told = (item_of(listing, task.conversation_id) or {}).get("run_mode")
        if told is None:
            judge.not_applicable(requirement, "the list does not tell a run_mode")
            continue
        judge.that(
            requirement,
            str(told).lower() == mode,
            f"the listed run_mode after a send with {fields}",
            expected=mode,
            got=repr(told),
            by=(task.sent, listing),
        )


@verifies("SEND-MAX-ITERATIONS-INVALID")
def test_max_iterations_is_a_whole_number_from_1_on(stage: Stage, judge: Judge) -> None:
    """Everything else is refused, where 5 is taken."""
    finish(stage.user.start(max_iterations=5))
    wrong: list[Any] = [0, -1, -100, 1.5, 0.5, -3.0, "5", "many", "", True, False, [5], {}]
    for value in wrong:
        exchange = send(stage.user, _good(stage, max_iterations=value))
        what = f"with max_iterations {value!r}"
        _judge_status(judge, "SEND-MAX-ITERATIONS-INVALID", exchange, what, 400)


@verifies("SEND-PROMPT-UNKNOWN", "SEND-PERSONALIZATION-UNKNOWN", "SEND-NAME-INVALID")
def test_a_send_with_a_wrong_name_is_refused(stage: Stage, judge: Judge) -> None:
    """A valid name that nobody has is 404, an invalid one 400; a saved one is taken."""
    user = stage.user
    for kind, content in (("prompt", "Be brief."), ("personalization", {"tone": "calm"})):
        name, field, group = stage.name(), f"{kind}_name", kind.upper()
        save = user.api.save_prompt if kind == "prompt" else user.api.save_personalization
        saved = save(name, content)
        judge.require(
            f"{group}-SAVE-SHAPE",
            saved.ok,
            f"saving a {kind}",
            expected="200",
            got=saved.summary,
            by=saved,
        )
        finish(user.start(**{field: name}))
        for unknown in (stage.name("no-such"), name[:-1], f"{name}x"):
            exchange = send(user, _good(stage, **{field: unknown}))
            what = f"with the {field} {unknown!r}, which does not exist"
            _judge_status(judge, f"SEND-{group}-UNKNOWN", exchange, what, 404)
        for bad in some(stage, (*BAD_NAMES, f"../{name}", f"x/../{name}")):
            exchange = send(user, _good(stage, **{field: bad}))
            _judge_status(judge, "SEND-NAME-INVALID", exchange, f"with the {field} {bad!r}", 400)
