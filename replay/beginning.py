"""How a recording begins: the task is started or joined, and what a replay needs is asked for."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pollux.polling.client import ApiClient
from pollux.polling.exchange import Exchange
from pollux.replay.answers import data_of, timed_out
from pollux.replay.errors import RecorderError
from pollux.replay.format import number
from pollux.replay.intake import BadAnswer, Entry, Intake
from pollux.replay.pace import Pace, Patience, retry_after_seconds

_LATER = frozenset({429, 503})
_PASSING = _LATER | {0, 500, 502, 504}
_SHORT_TIMEOUT = 5.0


@dataclass
class Task:
    """The task that is recorded, as the first answer told it.

    Attributes:
        task_id: Its id.
        conversation_id: Its conversation, where that was told.
        intake: What is known of it.
        entries: The records that the first answer made.
    """

    task_id: str
    conversation_id: str | None
    intake: Intake = field(default_factory=Intake)
    entries: list[Entry] = field(default_factory=list)


class Beginning:
    """The first requests of a recording.

    Args:
        client: Client of the task's user.
        pace: Intervals between tries.
        patience: How long to try.
    """

    def __init__(self, client: ApiClient, pace: Pace, patience: Patience) -> None:
        self._client = client
        self._pace = pace
        self._patience = patience

    def context(self, request: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what a replay of this task can tell besides its events, as far as it is told.

        Args:
            request: The body of the message that is about to be sent, or None.

        Raises:
            RecorderError: when the server cannot be reached.
        """
        found = {}
        models = self._client.request(
            "GET", "/models", operation="listModels", timeout=_SHORT_TIMEOUT
        )
        if not models.answered and not timed_out(models):
            raise RecorderError(f"{self._client.base_url} cannot be reached: {models.error}")
        if models.ok and isinstance(models.payload.get("items"), list):
            found["models"] = models.payload["items"]
        conversation_id = (request or {}).get("conversation_id")
        if isinstance(conversation_id, str):
            stored = self._client.get_conversation(conversation_id, full=True)
            if stored.ok and isinstance(stored.payload.get("data"), dict):
                found["conversation"] = stored.payload["data"]
        return found

    def send(self, request: Mapping[str, Any]) -> Task:
        """Start a task.

        Args:
            request: The body of the message.

        Raises:
            RecorderError: when it is not accepted.
        """

        def send() -> Exchange:
            return self._client.request(
                "POST", "/messages", operation="sendMessage", body=dict(request)
            )

        answer = self._first_answer(send, again=lambda answer: answer.status in _LATER)
        if not answer.answered:
            raise RecorderError(
                f"{self._client.base_url} does not answer: {answer.summary}. If it took the "
                "message, a task is running now: record that one with --task ID"
            )
        if answer.status == 409:
            raise RecorderError(
                f"a task of this user is live ({answer.summary}): "
                "record that one with --task ID, or wait until it has ended"
            )
        payload = answer.payload
        task_id, status = payload.get("task_id"), payload.get("status")
        if answer.status != 202 or not isinstance(task_id, str) or not isinstance(status, str):
            raise RecorderError(f"the message was not accepted: {answer.summary}")
        conversation_id = payload.get("conversation_id")
        task = Task(task_id, conversation_id if isinstance(conversation_id, str) else None)
        created_at = number(payload.get("created_at"))
        task.entries = task.intake.accepted(status, created_at or time.time())
        return task

    def join(self, task_id: str) -> Task:
        """Poll a task for the first time.

        Raises:
            RecorderError: when the server does not tell of it.
        """
        task = Task(task_id, None)

        def poll() -> Exchange:
            return self._client.poll_task(task.task_id, 0)

        # A poll may be repeated at will.
        answer = self._first_answer(poll, again=lambda answer: answer.status in _PASSING)
        if answer.status == 404:
            raise RecorderError(f"the server knows no task {task.task_id} of this user")
        if answer.status != 200:
            raise RecorderError(f"the task cannot be polled: {answer.summary}")
        try:
            task.entries = task.intake.answered(0, data_of(answer), answer.elapsed_ms)
        except BadAnswer as error:
            raise RecorderError(f"the answer to the first poll is no task: {error}") from None
        return task

    def _first_answer(
        self, ask: Callable[[], Exchange], *, again: Callable[[Exchange], bool]
    ) -> Exchange:
        """Ask until there is an answer that is not to be asked for AGAIN."""
        while True:
            answer = ask()
            if answer.status in (401, 403):
                raise RecorderError(f"the token is refused: {answer.summary}")
            if not again(answer):
                self._patience.answered()
                return answer
            told = retry_after_seconds(answer.header("retry-after"))
            wait = self._pace.after_failure(told)
            if self._patience.over(wait, told):
                raise RecorderError(f"{self._client.base_url} does not answer: {answer.summary}")
            time.sleep(wait)
