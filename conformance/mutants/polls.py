"""Changes what polls tell, for the mutants of several groups."""

import json
from collections.abc import Callable
from typing import Any

from pollux.conformance.mutants.mutant import Patch
from pollux.reference_server import tasks

#: Changes the ``data`` of an answer in place; gets the task and the offset that was asked for.
Change = Callable[[dict[str, Any], tasks.Task, int], None]


def changed_polls(patch: Patch) -> Callable[[Change], Change]:
    """Decorate a function that changes the data of every answer to a poll."""

    def decorator(change: Change) -> Change:
        @patch.wrap(tasks.Task, "poll")
        def poll(original: Any, self: tasks.Task, offset: int) -> bytes:
            answer = json.loads(original(self, offset))
            change(answer["data"], self, offset)
            return json.dumps(answer).encode()

        return change

    return decorator


def last_text(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return the last ``text_chunk`` of an answer, if it has one."""
    chunks = [event for event in data["events"] if event["type"] == "text_chunk"]
    return chunks[-1] if chunks else None
