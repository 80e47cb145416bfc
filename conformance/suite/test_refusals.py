"""A refused request has no effect (api_v1 1.12): no conversation, no metadata, no task."""

from collections.abc import Iterator
from typing import Any

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, User
from pollux.conformance.stored import changed, ids
from pollux.conformance.suite.test_sending import finish
from pollux.polling.exchange import Exchange

Body = dict[str, Any]


def _wrong_fields(stage: Stage) -> Iterator[Body]:
    """Yield fields of which one alone makes a good send a wrong one."""
    yield {"message": "", "images": []}
    yield {"message": 5}
    yield {"images": [f"{stage.name('no-such')}.png"]}
    yield {"model_key": stage.name("no-such")}
    yield {"run_mode": "turbo"}
    yield {"run_mode": 5}
    yield {"thinking_mode": "true", "run_mode": None}
    yield {"max_iterations": 0}
    yield {"max_iterations": "many"}
    yield {"personalization_name": "../../x"}
    yield {"personalization_name": stage.name("no-such")}
    yield {"prompt_name": "../../x"}
    yield {"prompt_name": stage.name("no-such")}


@verifies("REFUSED-NO-CONVERSATION", "REFUSED-NO-METADATA", "REFUSED-NO-TASK", slow=True)
def test_a_refused_send_leaves_no_trace(stage: Stage, judge: Judge) -> None:
    """Whatever a send is refused for: lists and conversations are as before, the user is free."""
    user = stage.user
    saved = user.api.save_prompt(stage.name(), "Be brief.")
    judge.require(
        "PROMPT-SAVE-SHAPE", saved.ok, "saving a prompt", expected="200", got=saved.summary
    )
    # What the refused sends would write, had they been taken.
    good: Body = {
        "message": stage.short_message(),
        "run_mode": "deep",
        "max_iterations": 7,
        "prompt_name": saved.payload.get("name"),
    }
    finish(user.start(**{name: good[name] for name in good if name != "message"}))
    place = {"conversation_id": user.conversation()}
    for wrong in _wrong_fields(stage):
        _judge_refusal(judge, user, {**good, **wrong})
        if _judge_refusal(judge, user, {**good, **place, **wrong}):
            # It was taken and has written: for the next ones another conversation is needed.
            place = {"conversation_id": user.conversation()}
    following = user.api.send_message(**good)
    judge.that(
        "REFUSED-NO-TASK",
        following.status == 202,
        "a good send right after refused ones",
        expected="202",
        got=following.summary,
        by=following,
    )
    if following.status == 202:
        finish(user.task_of(following))


def _judge_refusal(judge: Judge, user: User, body: Body) -> bool:
    """Judge what comes of a send that should be refused; tell whether it was taken."""
    api, place = user.api, body.get("conversation_id")
    what = "a send with " + ", ".join(
        f"{name} {value!r:.40}" for name, value in body.items() if name != "message" or not value
    )
    listed = api.list_conversations(limit=100)
    before = api.get_conversation(str(place), full=True) if place else None
    exchange = api.request("POST", "/messages", operation="sendMessage", body=body)
    if exchange.status == 202:
        finish(user.task_of(exchange))
        return True
    if not 400 <= exchange.status < 500:
        return False
    judge.that(
        "REFUSED-NO-TASK",
        exchange.status != 409,
        f"{what}, while none of the sends before was accepted",
        expected="refused for what is wrong with it",
        got=exchange.summary,
        by=exchange,
    )
    _judge_list(judge, user, exchange, listed, what)
    if before is not None:
        after = api.get_conversation(str(place), full=True)
        judge.that(
            "REFUSED-NO-METADATA",
            before.ok and not changed(before, after),
            f"the conversation that was named by {what}",
            expected="what it was before",
            got=changed(before, after),
            by=(exchange, before, after),
        )
    return False


def _judge_list(judge: Judge, user: User, exchange: Exchange, before: Exchange, what: str) -> None:
    after = user.api.list_conversations(limit=100)
    new = set(ids(after)) - set(ids(before))
    judge.that(
        "REFUSED-NO-CONVERSATION",
        after.ok and not new and before.payload.get("total") == after.payload.get("total"),
        f"the list of conversations after {what}, which was refused",
        expected=f"no new one, total {before.payload.get('total')}",
        got=f"total {after.payload.get('total')}, new: {', '.join(new) or 'none'}",
        by=(exchange, before, after),
    )
    for name in new:
        user.made(name)
