"""What can be done with tasks (api_v1 2.3)."""

import time
import uuid

from pollux.conformance.errors import CannotVerifyError
from pollux.conformance.machine.blame import Blame
from pollux.conformance.machine.following import ENDED, judge_live, last_poll, see_end
from pollux.conformance.machine.model import Conversation, End, Turn
from pollux.conformance.machine.play import Line, Play
from pollux.conformance.stage import Task
from pollux.polling.poll import CANCELLED
from pollux.scripted_model.builder import say

# As in the checks of cancels: generous, and much less than a patient model takes.
_SOON_SECONDS = 5.0
_LATER_SECONDS = 0.3


def release(play: Play, user: int) -> None:
    """Let the model of the live task say the rest."""
    number = play.number(user)
    live = play.world.senders[number].live
    if live is None:
        return
    task = play.tasks[live[1].task]
    task.release()
    play.lines.append(Line(None, release=task.hold))
    live[1].answer += "and ends"
    see_end(play, number, task)


def _task_of(play: Play, owner: int, back: int) -> tuple[Conversation, Turn] | None:
    """Return the last task of a user, or one before it, or None."""
    turns = play.world.turns(play.number(owner))
    return turns[-1 - back] if back < len(turns) else None


def cancel(play: Play, user: int, owner: int, back: int) -> None:
    """Cancel a task, of one's own or another user's, live or ended, or one that is not there."""
    found = _task_of(play, owner, back)
    number, api = play.number(user), play.user(user).api
    if found is None:
        exchange = play.sent(api.cancel_task(str(uuid.uuid4())))
        play.absent(exchange, "the cancel of a task that nobody has", "CANCEL-UNKNOWN")
    elif found[0].owner != number:
        exchange = play.sent(api.cancel_task(found[1].task))
        found[1].tried.append("ISOLATION-TASK-CANCEL")
        what, rule = "the cancel of another user's task", "CANCEL-UNKNOWN"
        isolation = "ISOLATION-TASK-CANCEL"
        play.absent(exchange, what, rule, isolation, lambda: api.cancel_task(str(uuid.uuid4())))
    elif found[1].end is End.LIVE:
        found[1].cancelled = True
        _cancel_live(play, number, play.tasks[found[1].task])
    else:
        _cancel_ended(play, number, *found)


def _cancel_live(play: Play, number: int, task: Task) -> None:
    exchange = play.sent(task.cancel())
    if not play.status(exchange, "CANCEL-LIVE", "the cancel of a live task", 200):
        return
    last = last_poll(play, task, _SOON_SECONDS)
    if last is not None:
        play.lines.append(Line(last.exchange, until=ENDED))
    rule = "CANCEL-ENDS" if last is not None else _rule_of_lost_cancel(play, task)
    status = last.status if last else "still live"
    blame = Blame(rule, "canceled or stopped, soon", status)
    right = status in CANCELLED
    by = (exchange, last.exchange) if last else exchange
    if play.check(None if right else blame, "CANCEL-ENDS", "a task that was cancelled", by):
        play.world.ended(number, End.CANCELLED)
        task.release()


def _rule_of_lost_cancel(play: Play, task: Task) -> str:
    """Tell whether every cancel is lost, or only one that comes right after the send."""
    try:
        task.release()
        if last_poll(play, task, _SOON_SECONDS) is not None:
            later = task.user.held(say("later"))
            time.sleep(play.stage.seconds(_LATER_SECONDS))
            later.cancel()
            if last_poll(play, later, _SOON_SECONDS) is not None:
                return "CANCEL-ENDS-RIGHT-AFTER-SEND"
            later.release()
    except CannotVerifyError:
        pass  # the server does not get that far
    return "CANCEL-ENDS"


def _cancel_ended(play: Play, number: int, conversation: Conversation, said: Turn) -> None:
    """Cancel a task that has ended; nothing changes, as far as it is still known."""
    task = play.tasks[said.task]
    may_be_gone = not play.world.is_latest(number, said) or bool(conversation.gone)
    head = task.watcher.invariants.head
    _, before = task.watcher.ask(head)
    exchange = play.sent(task.cancel())
    conversation.tried.append("CANCEL-TERMINAL-NO-EFFECT")
    play.world.cancelled_in_vain(number)
    if may_be_gone and exchange.status == 404:
        return
    rule = "CANCEL-REPEATED" if said.cancelled else "CANCEL-TERMINAL"
    said.cancelled = True
    if not play.status(exchange, rule, "the cancel of an ended task", 200):
        return
    _, after = task.watcher.ask(head)
    if before is None or after is None:
        return
    play.sent(after.exchange)
    names = ("status", "created_at", "updated_at", "error", "next_offset")
    changed = [name for name in names if before.data.get(name) != after.data.get(name)]
    old, new = ({name: row.data.get(name) for name in changed} for row in (before, after))
    blame = Blame("CANCEL-TERMINAL-NO-EFFECT", f"{old}", f"{new}")
    by = (before.exchange, exchange, after.exchange)
    what, rule = "an ended task after a cancel", "CANCEL-TERMINAL-NO-EFFECT"
    play.check(blame if changed else None, rule, what, by)


def poll(play: Play, user: int, owner: int, back: int, place: int) -> None:
    """Poll a task from some offset: one's own or another user's, or one that is not there."""
    found = _task_of(play, owner, back)
    number, api = play.number(user), play.user(user).api
    if found is None:
        exchange = play.sent(api.poll_task(str(uuid.uuid4()), 0))
        play.absent(exchange, "a poll of a task that nobody has", "POLL-UNKNOWN-TASK")
        return
    if found[0].owner != number:
        exchange = play.sent(api.poll_task(found[1].task, 0))
        what, rule, isolation = (
            "a poll of another user's task",
            "POLL-UNKNOWN-TASK",
            "ISOLATION-TASK-POLL",
        )
        play.absent(exchange, what, rule, isolation, lambda: api.poll_task(str(uuid.uuid4()), 0))
        return
    task = play.tasks[found[1].task]
    head = task.watcher.invariants.head
    offset = (None, 0, max(0, head - 1), head, head + 1000)[place]
    exchange, answer = task.watcher.ask(offset)
    play.sent(exchange)
    if answer is not None and found[1].end is End.LIVE:
        judge_live(play, task, exchange)
