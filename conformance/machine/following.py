"""Follows the tasks of a sequence: to their end, or to where their model is held."""

from pollux.conformance.errors import CannotVerifyError
from pollux.conformance.machine.blame import Blame, excerpt
from pollux.conformance.machine.model import End
from pollux.conformance.machine.play import Line, Play
from pollux.conformance.stage import Task
from pollux.polling.exchange import Exchange
from pollux.polling.poll import LIVE, Poll

#: What an answer to a poll has in it when the task has ended.
ENDED = "succeeded|failed|canceled|stopped"

_SHOWN_SECONDS = 10.0
_END_SECONDS = 30.0


def follow(play: Play, number: int, task: Task, begin: str, end: str) -> None:
    """See a task to its end, or to where its model is held."""
    if task.hold is None:
        play.world.turns(number)[-1][1].answer = begin + end
        see_end(play, number, task)
        return

    def shown() -> bool:
        task.poll(task.watcher.invariants.head)
        return "".join(task.watcher.texts("text_chunk")) == begin or task.ended

    if not play.stage.eventually(shown, _SHOWN_SECONDS):
        raise CannotVerifyError("what the model has said was not shown while it is held")
    last = task.poll(0)
    play.lines.append(Line(last.exchange, until="begins"))
    judge_live(play, task, last.exchange)


def judge_live(play: Play, task: Task, exchange: Exchange) -> bool:
    """Judge a poll of the last task of its user, whose model is held."""
    turn_of = play.world.turns(play.stage.users.index(task.user))[-1][1]
    data = exchange.payload.get("data")
    status = data.get("status") if isinstance(data, dict) else None
    blame = Blame(play.world.rule_of_end(turn_of), "pending or running", f"{status}")
    what = "the status of a task whose model is held, and that its user has not cancelled"
    return play.check(
        None if status in LIVE - {"cancel_requested"} else blame, "TASK-SUCCEEDS", what, exchange
    )


def see_end(play: Play, number: int, task: Task) -> None:
    """Wait for the end of a task that nobody has cancelled."""
    last = last_poll(play, task, _END_SECONDS)
    if last is None:
        raise CannotVerifyError("a task whose model has answered does not end", "TASK-SUCCEEDS")
    play.lines.append(Line(last.exchange, until=ENDED))
    said = play.world.turns(number)[-1][1]
    blame = Blame(play.world.rule_of_end(said), "succeeded", last.status)
    right = last.status == "succeeded"
    held = ["TASK-SUCCEEDS", *said.tried]
    if not play.check(None if right else blame, held, "the end of a task", last.exchange):
        return
    play.world.ended(number, End.SUCCEEDED)
    got = "".join(task.watcher.texts("text_chunk"))
    blame = Blame("EVENT-GRANULARITY-TEXT", excerpt(said.answer), excerpt(got))
    right = got == said.answer
    rule = "EVENT-GRANULARITY-TEXT"
    play.check(None if right else blame, rule, "the text in the events of a task", last.exchange)


def last_poll(play: Play, task: Task, seconds: float) -> Poll | None:
    """Poll until the task has ended, and not once more."""
    polls: list[Poll] = []

    def ended() -> bool:
        polls.append(task.poll(task.watcher.invariants.head))
        return polls[-1].terminal

    return polls[-1] if play.stage.eventually(ended, seconds) else None
