"""Models and health (api_v1 2.7): what is listed can be used."""

from pollux.conformance.check import verifies
from pollux.conformance.haste import is_quick
from pollux.conformance.judge import Judge
from pollux.conformance.named import items_of
from pollux.conformance.stage import Stage
from pollux.polling.exchange import Exchange

# Behind a model of which nothing is known every task costs somebody's money.
_MOST_MODELS = 5
_END_SECONDS = 20.0


@verifies("MODEL-HIDDEN", "MODEL-LIST-SHAPE")
def test_only_visible_models_are_listed(stage: Stage, judge: Judge) -> None:
    """No item says of itself that it is hidden."""
    exchange = stage.user.api.list_models()
    hidden = [item for item in items_of(exchange) if item.get("visible") is False]
    judge.that(
        "MODEL-LIST-SHAPE",
        exchange.status == 200,
        "the list of models",
        expected="200 with items",
        got=exchange.summary,
        by=exchange,
    )
    judge.that(
        "MODEL-HIDDEN",
        not hidden,
        "the models in the list",
        expected="none with visible false",
        got=", ".join(f"{item.get('model_key')!r}" for item in hidden),
        by=exchange,
    )


@verifies("MODEL-KEY-ACCEPTED")
def test_every_listed_model_can_be_asked_for(stage: Stage, judge: Judge) -> None:
    """A send for each listed key, one after the other."""
    user = stage.user
    listed = user.api.list_models()
    keys = [str(item["model_key"]) for item in items_of(listed) if "model_key" in item]
    if not keys:
        judge.not_applicable("MODEL-KEY-ACCEPTED", "no model is listed")
        return
    user.free()
    for key in keys if stage.scripted else stage.random.sample(keys, len(keys))[:_MOST_MODELS]:
        exchange = _send(stage, key)
        judge.that(
            "MODEL-KEY-ACCEPTED",
            exchange.status == 202,
            f"a send with the model_key {key!r}, which is listed",
            expected="202",
            got=exchange.summary,
            by=(listed, exchange),
        )
        if exchange.status == 202:
            # Some models may be out of reach here: what becomes of the task is not the matter.
            task = user.task_of(exchange)
            task.cancel()
            if task.ends_within(_END_SECONDS) is None:
                judge.cannot_verify("a cancelled task did not end: the next send would be in vain")


def _send(stage: Stage, key: str) -> Exchange:
    """Send a message to the model KEY, again as long as something else keeps the user busy."""
    sent: list[Exchange] = []

    def free() -> bool:
        message = stage.short_message()
        sent.append(stage.user.api.send_message(message, model_key=key))
        return sent[-1].status != 409

    stage.eventually(free, 20)
    return sent[-1]


@verifies("HEALTH-SHAPE")
def test_a_server_that_answers_is_healthy(stage: Stage, judge: Judge) -> None:
    """It says so itself, before a task and after one."""
    for _ in range(1 if is_quick(stage) else 2):
        exchange = stage.user.api.health()
        judge.that(
            "HEALTH-SHAPE",
            exchange.status == 200 and exchange.payload.get("status") == "ok",
            "the health of a server that answers",
            expected="200 with status ok",
            got=f"{exchange.summary}, status {exchange.payload.get('status')!r}",
            by=exchange,
        )
        stage.user.free()
