"""What can be done with messages (api_v1 2.2)."""

from pollux.conformance.errors import CannotVerifyError
from pollux.conformance.machine.acts_conversations import conversation_of, id_of, is_there
from pollux.conformance.machine.blame import Blame, excerpt
from pollux.conformance.machine.following import follow
from pollux.conformance.machine.model import Conversation, Turn
from pollux.conformance.machine.play import Play
from pollux.conformance.stored import text_of
from pollux.polling.exchange import Exchange
from pollux.scripted_model.builder import hold, say, script, turn

_NEW = -1
_BUSY_SECONDS = 20.0


def send(
    play: Play,
    user: int,
    owner: int,
    to: int,
    held: int,
    prompt: int = -1,
    personalization: int = -1,
) -> None:
    """Send a message to a new conversation or to any other; its task ends at once, or is held."""
    number = play.number(user)
    target = None if to == _NEW else conversation_of(play, owner, to)
    fields: dict[str, str] = {}
    if to != _NEW:
        fields["conversation_id"] = id_of(target)
    if prompt >= 0:
        fields["prompt_name"] = play.name(prompt)
    if personalization >= 0:
        fields["personalization_name"] = play.name(personalization)
    faults = _faults(play, user, target, fields)
    if len(faults) > 1:
        return  # what is looked at first is free
    script_id = f"{play.base}-{play.new_number()}"
    hold_name = play.hold_name() if held else None
    begin, end = f"{script_id} begins, ", "and ends"
    waits = (hold(hold_name),) if hold_name else ()
    text = script(turn(say(begin), *waits, say(end)), id=script_id)
    play.world.sent(number, text)
    exchange = _sent_when_free(play, user, text, fields)
    if exchange.status == 202:
        play.sent(
            exchange,
            task_id=("T", str(exchange.payload.get("task_id"))),
            conversation_id=("C", str(exchange.payload.get("conversation_id"))),
        )
    else:
        play.sent(exchange)
    if faults:
        allowed, rule = faults[0]
        if _is_refused(play, user, exchange, allowed, rule, fields):
            play.world.refused(number, target)
        return
    if not _is_accepted(play, number, exchange):
        return
    task = play.user(user).task_of(exchange)
    task.hold = hold_name
    play.tasks[task.id] = task
    conversation = _place(play, number, exchange, target)
    if conversation is None:
        return
    play.world.accepted(number, conversation, Turn(task.id, text, begin))
    follow(play, number, task, begin, end)
    if prompt >= 0 and not held:
        _judge_prompt(play, number, exchange, script_id, fields["prompt_name"])


def _faults(
    play: Play, user: int, target: Conversation | None, fields: dict[str, str]
) -> list[tuple[tuple[int, ...], str]]:
    """Return what is wrong with a send: the statuses that are right, and the rule."""
    number, world = play.number(user), play.world
    faults: list[tuple[tuple[int, ...], str]] = []
    live = world.senders[number].live
    if live is not None:
        same = "SAME" if live[0] is target else "OTHER"
        faults.append(((409,), f"SEND-BUSY-{same}-CONVERSATION"))
    if "conversation_id" in fields and not is_there(play, user, target):
        rule = "SEND-CONVERSATION-UNKNOWN"
        if target is not None:
            own = target.owner == number
            rule = target.gone or rule if own else "ISOLATION-CONVERSATION-SEND"
        faults.append(((404, 400), rule))
    for kind, shelf in (("PROMPT", world.prompts), ("PERSONALIZATION", world.personalizations)):
        name = fields.get(f"{kind.lower()}_name")
        if name is not None and shelf.text(number, name) is None:
            others = shelf.is_others(number, name)
            rule = f"ISOLATION-{kind}-USE" if others else f"SEND-{kind}-UNKNOWN"
            faults.append(((404,), rule))
    return faults


def _sent_when_free(play: Play, user: int, text: str, fields: dict[str, str]) -> Exchange:
    """Send; a user whom something from before this sequence keeps busy is waited for."""
    api = play.user(user).api
    exchange = api.send_message(text, **fields)
    sender = play.world.senders[play.number(user)]
    busy = sender.live is not None or play.world.rule_of_busy(play.number(user)) is not None
    if exchange.status != 409 or busy:
        return exchange
    answers = [exchange]

    def taken() -> bool:
        answers.append(api.send_message(text, **fields))
        return answers[-1].status != 409

    pulse, token = play.stage.pulse, play.user(user).token
    if pulse.is_stuck(token) or not play.stage.eventually(taken, _BUSY_SECONDS):
        pulse.stuck(token)
        raise CannotVerifyError("the user is busy with a task that this check has not started")
    return answers[-1]


def _is_refused(
    play: Play,
    user: int,
    exchange: Exchange,
    allowed: tuple[int, ...],
    rule: str,
    fields: dict[str, str],
) -> bool:
    """Judge a send that must be refused; tell whether it was."""
    if exchange.status == 409 and 409 not in allowed:
        return _is_accepted(play, play.number(user), exchange)
    if exchange.status == 202:
        play.user(user).task_of(exchange).clear()
        if rule.startswith("ISOLATION-P"):
            rule = _rule_of_use(play, user, rule, fields)
    return play.status(exchange, rule, "a send that must be refused", *allowed)


def _rule_of_use(play: Play, user: int, rule: str, fields: dict[str, str]) -> str:
    """Tell who uses what is another user's from who takes any name at all."""
    unknown = {name: play.stage.name() for name in fields if name.endswith("_name")}
    control = play.user(user).api.send_message(play.stage.short_message(), **unknown)
    if control.status != 202:
        return rule
    play.user(user).task_of(control).clear()
    return rule.replace("ISOLATION", "SEND").replace("USE", "UNKNOWN")


def _is_accepted(play: Play, number: int, exchange: Exchange) -> bool:
    rule = "SEND-SHAPE"
    if exchange.status == 409:
        rule = play.world.rule_of_busy(number) or rule
    right = exchange.status == 202 and isinstance(exchange.payload.get("task_id"), str)
    blame = Blame(rule, "202 with a task_id", exchange.summary)
    held = ["SEND-SHAPE"]
    sender = play.world.senders[number]
    held += ["SEND-AFTER-END"] if sender.ended else []
    held += ["REFUSED-NO-TASK"] if sender.refused else []
    others = [other for other in play.world.senders if other is not sender]
    held += ["SEND-USERS-INDEPENDENT"] if any(other.live for other in others) else []
    return play.check(
        None if right else blame, held, "a send while no task of the user is live", exchange
    )


def _place(
    play: Play, number: int, exchange: Exchange, target: Conversation | None
) -> Conversation | None:
    """Return the conversation that an accepted send has gone to; None when it is a wrong one."""
    told = str(exchange.payload.get("conversation_id"))
    if target is not None:
        blame = Blame("SEND-GIVEN-CONVERSATION", target.id, told)
        right = told == target.id
        what = "the conversation of a send that names one"
        held = "SEND-GIVEN-CONVERSATION"
        return target if play.check(None if right else blame, held, what, exchange) else None
    known = [each.id for each in play.world.conversations]
    blame = Blame("SEND-NEW-CONVERSATION", "a new one", told)
    what = "the conversation of a send that names none"
    if not play.check(blame if told in known else None, "SEND-NEW-CONVERSATION", what, exchange):
        return None
    return play.world.made(number, told)


def _judge_prompt(play: Play, number: int, exchange: Exchange, script_id: str, name: str) -> None:
    """Judge that the model got the prompt as it was saved last."""
    text = play.world.prompts.text(number, name) or ""
    requests = play.stage.model.requests.list(script_id)
    given = [
        text_of(message)
        for request in requests
        for message in request.messages
        if message.get("role") in ("system", "developer")
    ]
    right = any(text in prompt for prompt in given)
    blame = None
    if not right:
        # Whether another text was used, or is stored.
        read = play.stage.users[number].api.get_prompt(name)
        found = read.payload.get("content")
        blame = play.world.prompts.blame_reading(number, name, read.status, found)
        blame = blame or Blame("PROMPT-APPLIED", f"{text!r} in it", excerpt("\n".join(given)))
    what = "the system prompt of a run that names a prompt"
    play.check(blame, "PROMPT-APPLIED", what, exchange)
