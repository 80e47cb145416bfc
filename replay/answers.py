"""Reads what a recorder is answered: the task, or the kind of anomaly that it is."""

from typing import Any

from pollux.polling.exchange import Exchange
from pollux.replay.format import VANISHED, LineError, loads
from pollux.replay.intake import BadAnswer


def data_of(answer: Exchange) -> Any:
    """Return the ``data`` of an answer 200.

    Raises:
        BadAnswer: when the body is no JSON object with ``success: true``.
    """
    try:
        payload = loads(answer.body)
    except LineError:
        raise BadAnswer("the body is not JSON") from None
    if not isinstance(payload, dict) or payload.get("success") is not True:
        raise BadAnswer("the answer is no object with 'success': true")
    return payload.get("data")


def kind_of(answer: Exchange) -> str:
    """Return the kind of anomaly that an answer other than 200 is; see the format."""
    if timed_out(answer):
        return "timeout"
    if not answer.answered:
        return "connection"
    if answer.status == 404 and answer.payload.get("success") is False:
        return VANISHED
    return "refused" if answer.status in (401, 403) else "status"


def timed_out(answer: Exchange) -> bool:
    """Tell whether there is no answer because the time for it was over."""
    return (answer.error or "").startswith("timed out")
