"""What all answers about one task must agree on, in whatever order and from however many pollers.

Answers are compared by what happened before what: an answer is only held against another one
when its request was sent after the other answer had been received.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pollux.polling.breach import Breach, Sink
from pollux.polling.exchange import Exchange
from pollux.polling.story import Story
from pollux.schemas.events import envelope_problems, load_events, payload_problems
from pollux.schemas.grammar import Grammar, StreamReader

LIVE = frozenset({"pending", "running", "cancel_requested"})
TERMINAL = frozenset({"succeeded", "failed", "canceled", "stopped"})
CANCELLED = frozenset({"canceled", "stopped"})

