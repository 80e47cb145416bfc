"""What a check plays on: its users, their tasks, the model behind them, and the way back.

Everything that is made here has a name of its own, and is taken away at the end as far as the
API allows; no check depends on that.
"""

import random
import time
import uuid
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

from pollux.conformance.effort import Budget
from pollux.conformance.errors import CannotVerifyError, TargetGoneError
from pollux.conformance.judge import Judge
from pollux.conformance.pulse import Pulse
from pollux.conformance.target import Target
from pollux.polling.answers import judge_answer
from pollux.polling.breach import Sink
from pollux.polling.client import ApiClient
from pollux.polling.errors import NoAnswerError, TaskStalledError
from pollux.polling.exchange import Exchange
from pollux.polling.http import Limits
from pollux.polling.poll import LIVE, Poll
from pollux.polling.watcher import TaskWatcher
from pollux.scripted_model.builder import hold, say, script, turn
from pollux.scripted_model.control import ModelControl
from pollux.scripted_model.script import Statement

_PATIENCE_SECONDS = 10.0
_BUSY_SECONDS = 20.0
_STALL_SECONDS = 30.0
_BLACKBOX_STALL_SECONDS = 180.0
_HELD_SECONDS = 15.0
_END_SECONDS = 15.0

_SHORT_MESSAGE = "Please answer with the single word: ok"


class Stage:
    """One check's view of the target.

    Args:
        target: The implementation.
        judge: The judge of the check.
        pulse: Whether the target still answers.
        model: The scripted model, in the scripted profile.
        seed: Makes the random choices of the check.
        budget: How many cases it may generate.
    """

    def __init__(
        self,
        target: Target,
        judge: Judge,
        pulse: Pulse,
        model: ModelControl | None,
        seed: str,
        budget: Budget | None = None,
    ) -> None:
        if not pulse.alive():
            raise TargetGoneError("the target does not answer any more")
        self.target = target
        self.judge = judge
        self.random = random.Random(seed)
        self.budget = budget or Budget()
        self.pulse = pulse
        self._model = model
        self._holds: list[str] = []
        judge.at_end(self._settle)
        self.anonymous = self.client(None)
        self.user = User(self, "$TOKEN", target.token)
        self._other = User(self, "$OTHER_TOKEN", target.other_token) if target.other_token else None

    def __enter__(self) -> Self:
        """Return the stage itself; leaving the block clears it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Clear the stage."""
        self.close()

    def close(self) -> None:
        """Let every held model go on, end every task, and delete what was made."""
        if self._model is not None:
            for name in self._holds:
                self._model.holds.release(name)
        try:
            for user in self.users:
                user.clear()
        except TargetGoneError:
            pass  # who does not answer can keep what it has; the next check will say so
        finally:
            for user in self.users:
                user.api.close()
            self.anonymous.close()

    @property
    def users(self) -> "list[User]":
        """The users there are."""
        return [self.user] if self._other is None else [self.user, self._other]

    @property
    def other(self) -> "User":
        """The second user; for checks that need ``two-users``."""
        if self._other is None:
            raise CannotVerifyError("there is no second user")
        return self._other

    @property
    def scripted(self) -> bool:
        """Whether the suite is the model."""
        return self._model is not None

    @property
    def model(self) -> ModelControl:
        """The scripted model; for checks that need ``scripted-model``."""
        if self._model is None:
            raise CannotVerifyError("the model is not the suite's own")
        return self._model

    def seconds(self, seconds: float) -> float:
        """Return SECONDS for a machine and an implementation of this speed."""
        return seconds * self.target.time_scale

    def name(self, what: str = "pollux") -> str:
        """Return a name that nothing else has."""
        return f"{what}-{uuid.uuid4().hex[:12]}"

    def hold_name(self) -> str:
        """Return the name of a new hold, which is released at the end of the check."""
        name = self.name("hold")
        self._holds.append(name)
        return name

    def client(self, token: str | None, sink: Sink | None = None) -> ApiClient:
        """Return a client whose every answer is judged.

        Args:
            token: The bearer token; None sends none.
            sink: Takes what the answers break, in place of the judge of the check.
        """
        return ApiClient(
            self.target.base_url,
            token,
            redactor=self.target.redactor(),
            observer=partial(self._observe, sink or self.judge),
            limits=Limits(timeout=self.pulse.timeout, patience=self.seconds(_PATIENCE_SECONDS)),
        )

    def short_message(self) -> str:
        """Return a message whose task is short: a script where there is one to read it."""
        return script(turn(say("o", "k"))) if self.scripted else _SHORT_MESSAGE

    def eventually(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Tell whether HOLDS becomes true within so many SECONDS (of this stage)."""
        deadline = time.monotonic() + self.seconds(seconds)
        pause = 0.005
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        return True

    def _settle(self) -> None:
        for user in self.users:
            for task in user.tasks:
                task.watcher.settle()

    def _observe(self, sink: Sink, exchange: Exchange) -> None:
        if not exchange.answered and not self.pulse.missed():
            raise TargetGoneError(f"the target does not answer any more: {exchange.error}")
        judge_answer(exchange, sink)


class User:
    """One user of the target.

    Args:
        stage: Where the user appears.
        label: Name of the user in reports.
        token: The user's token.
    """

    def __init__(self, stage: Stage, label: str, token: str) -> None:
        self.stage = stage
        self.label = label
        self.token = token
        self.api = stage.client(token)
        self.tasks: list[Task] = []
        self._conversations: list[str] = []

    def start(self, message: str | None = None, **fields: Any) -> "Task":
        """Send a message that must be accepted, and return its task.

        A user that is still busy with a task of before is waited for.

        Args:
            message: The text; None takes a short one.
            fields: Further fields of the body.

        Raises:
            CannotVerifyError: when the send is not accepted.
        """
        text = self.stage.short_message() if message is None else message
        exchange = self.api.send_message(text, **fields)
        if exchange.status == 409:
            exchange = self._send_when_free(text, fields)
        self.stage.judge.require(
            "SEND-SHAPE",
            exchange.status == 202 and isinstance(exchange.payload.get("task_id"), str),
            "a valid send",
            expected="202 with a task_id",
            got=exchange.summary,
            by=exchange,
        )
        return self.task_of(exchange)

    def task_of(self, exchange: Exchange) -> "Task":
        """Return the task that an accepted send has started."""
        for task in self.tasks:
            task.watcher.invariants.may_be_gone()
        task = Task(self, exchange)
        self.tasks.append(task)
        self.made(task.conversation_id)
        return task

    def free(self) -> None:
        """See to it that no task of this user is live, by a short one that must be accepted.

        Raises:
            CannotVerifyError: when the user is busy for good.
        """
        self.start().end()

    def conversation(self) -> str:
        """Create a conversation, which must work, and return its id."""
        exchange = self.api.create_conversation()
        found = exchange.payload.get("conversation_id")
        self.stage.judge.require(
            "CONV-CREATE-SHAPE",
            exchange.status == 200 and isinstance(found, str),
            "creating a conversation",
            expected="200 with a conversation_id",
            got=exchange.summary,
            by=exchange,
        )
        self.made(str(found))
        return str(found)

    def held(self, *before: Statement, after: tuple[Statement, ...] = (), **fields: Any) -> "Task":
        """Start a task whose model says what is BEFORE, then waits until it is released.

        Raises:
            CannotVerifyError: when the send is not accepted, or the model is not called.
        """
        name = self.stage.hold_name()
        rest = after or (say("the", " end"),)
        task = self.start(script(turn(*before, hold(name), *rest)), **fields)
        task.hold = name
        if not self.stage.model.holds.wait_until_held(name, self.stage.seconds(_HELD_SECONDS)):
            poll = task.watcher.poll(0)
            raise CannotVerifyError(
                "the scripted model was not asked for an answer: does the implementation use it "
                f"(OPENAI_BASE_URL)? Its task is {poll.status}"
            )
        return task

    def made(self, conversation_id: str) -> None:
        """Note a conversation that is to be deleted at the end."""
        if conversation_id not in self._conversations:
            self._conversations.append(conversation_id)

    def clear(self) -> None:
        """End every task of this check, and delete its conversations."""
        for task in self.tasks:
            task.clear()
        for conversation_id in self._conversations:
            self.api.delete_conversation(conversation_id)

    def _send_when_free(self, text: str, fields: dict[str, Any]) -> Exchange:
        """Send as soon as the user is free; who was stuck before is not waited for again."""
        pulse = self.stage.pulse
        known = pulse.is_stuck(self.token)
        deadline = time.monotonic() + (0.0 if known else self.stage.seconds(_BUSY_SECONDS))
        while True:
            exchange = self.api.send_message(text, **fields)
            if exchange.status != 409:
                return exchange
            if time.monotonic() > deadline:
                pulse.stuck(self.token)
                raise CannotVerifyError(
                    f"the user {self.label} is busy with a task that this check has not started"
                )
            time.sleep(0.05)


class Task:
    """One accepted task, watched with all invariants on."""

    def __init__(self, user: User, sent: Exchange) -> None:
        self.user = user
        self.sent = sent
        self.id = str(sent.payload.get("task_id"))
        self.conversation_id = str(sent.payload.get("conversation_id"))
        self.hold: str | None = None
        stage = user.stage
        self.watcher = TaskWatcher(user.api, self.id, stage.judge, ring=stage.target.buffer_size)

    @property
    def ended(self) -> bool:
        """Whether a terminal status was seen."""
        return self.watcher.invariants.status is not None

    def poll(self, from_: int | str | None = None) -> Poll:
        """Poll once.

        Raises:
            CannotVerifyError: when the task does not come.
        """
        try:
            return self.watcher.poll(from_)
        except NoAnswerError as error:
            raise CannotVerifyError(str(error), "POLL-TASK-FOUND") from error

    def end(self) -> Poll:
        """Poll until the task has ended by itself, and return the last answer.

        Raises:
            CannotVerifyError: when it does not end, or cannot be polled.
        """
        stage = self.user.stage
        stall = stage.seconds(_STALL_SECONDS if stage.scripted else _BLACKBOX_STALL_SECONDS)
        try:
            return self.watcher.to_end(stall=stall)
        except NoAnswerError as error:
            raise CannotVerifyError(str(error), "POLL-TASK-FOUND") from error
        except TaskStalledError as error:
            # Nothing is known of another model: it may think for an hour.
            culprit = "TASK-SUCCEEDS" if stage.scripted else None
            raise CannotVerifyError(str(error), culprit) from error

    def release(self) -> None:
        """Let the model go on."""
        if self.hold is not None:
            self.user.stage.model.holds.release(self.hold)

    def cancel(self) -> Exchange:
        """Ask for the end of the task."""
        return self.user.api.cancel_task(self.id)

    def ends_within(self, seconds: float) -> Poll | None:
        """Return the last answer if the task ends within so many SECONDS, else None."""
        last: list[Poll] = []

        def ended() -> bool:
            last.append(self.poll(self.watcher.invariants.head))
            return last[-1].terminal

        if not self.user.stage.eventually(ended, seconds):
            return None
        self.watcher.read_again(last[-1])
        return last[-1]

    def clear(self) -> None:
        """End the task, if it is not known to have ended."""
        if not self.ended and self.cancel().ok:
            deadline = time.monotonic() + self.user.stage.seconds(_END_SECONDS)
            while time.monotonic() < deadline:
                # Nothing is judged any more: after a restart the task is not there at all.
                answer = self.user.api.poll_task(self.id, self.watcher.invariants.head)
                data = answer.payload.get("data")
                if not isinstance(data, dict) or data.get("status") not in LIVE:
                    break
                time.sleep(0.01)
