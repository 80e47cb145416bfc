"""The client side that suite, recorder and demo share."""

from pollux.polling.breach import Breach, Ignore, Sink
from pollux.polling.client import ApiClient
from pollux.polling.errors import NoAnswerError, PollingError, TaskStalledError
from pollux.polling.exchange import Exchange
from pollux.polling.http import Limits
from pollux.polling.poll import CANCELLED, LIVE, TERMINAL, Poll
from pollux.polling.redaction import Redactor
from pollux.polling.watcher import Pace, TaskWatcher

__all__ = [
    "CANCELLED",
    "LIVE",
    "TERMINAL",
    "ApiClient",
    "Breach",
    "Exchange",
    "Ignore",
    "Limits",
    "NoAnswerError",
    "Pace",
    "Poll",
    "PollingError",
    "Redactor",
    "Sink",
    "TaskStalledError",
    "TaskWatcher",
]
