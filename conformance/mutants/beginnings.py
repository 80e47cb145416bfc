"""Tasks that do not run at once, so that what comes before their beginning is sure to."""

import asyncio
from typing import Any

from pollux.conformance.mutants.mutant import Patch
from pollux.reference_server.agent import Agent


def tasks_that_begin_late(patch: Patch) -> set[str]:
    """Let each task wait a moment before it runs; return the ids of those that do run."""
    begun: set[str] = set()

    @patch.wrap(Agent, "run")
    async def run(original: Any, self: Agent) -> None:
        await asyncio.sleep(0.03)
        begun.add(self._task.task_id)
        await original(self)

    return begun
