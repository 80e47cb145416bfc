"""A server that takes its time to start, and goes on with what it had not finished.

Run as a program, with the arguments of ``pollux serve``.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import g

from pollux.conformance.mutants import Patch
from pollux.reference_server import app, spaces
from pollux.reference_server.agent import Agent
from pollux.reference_server.answer import Answer
from pollux.reference_server.cli import serve
from pollux.reference_server.http import error_response

_STARTING_SECONDS = 0.7


def _not_ready_at_first(look: Callable[[], Any]) -> Callable[[], Any]:
    began = time.monotonic()

    def look_later() -> Any:
        if time.monotonic() - began > _STARTING_SECONDS:
            return look()
        g.started = time.monotonic()
        return error_response(503, "not ready yet", {"Retry-After": "0"})

    return look_later


def _titled_at_the_start(open_space: Callable[..., Any]) -> Callable[..., Any]:
    """Give every used conversation a title that its task has not come to."""

    def open_and_title(self: spaces.UserSpaces, user: str) -> Any:
        folder: Path = self._users_dir / user / "data" / "conversations"
        for path in folder.glob("conv_*.json"):
            document = json.loads(path.read_bytes())
            if document["messages"]:
                document["title"] = f"📎 {document['id'][-3:]}"
                path.write_text(json.dumps(document), encoding="utf-8")
        return open_space(self, user)

    return open_and_title


def _kept_as_it_comes(receive: Callable[..., Any]) -> Callable[..., Any]:
    """Save the first words of every answer when they come."""

    async def receive_and_keep(self: Agent, answer: Answer, iteration: int) -> None:
        add, run = answer.add, self._run

        def kept(delta: Any) -> None:
            before = answer.blocks.text
            add(delta)
            if not before and answer.blocks.text:
                words = {"role": "assistant", "content": answer.blocks.text, "partial": True}
                run.space.conversations.append(run.conversation_id, [words])

        answer.add = kept  # type: ignore[method-assign]
        await receive(self, answer, iteration)

    return receive_and_keep


if __name__ == "__main__":
    patch = Patch()
    patch.replace(app, "_preflight_or_user", _not_ready_at_first(app._preflight_or_user))
    patch.replace(spaces.UserSpaces, "_open", _titled_at_the_start(spaces.UserSpaces._open))
    patch.replace(Agent, "_receive", _kept_as_it_comes(Agent._receive))
    serve()
