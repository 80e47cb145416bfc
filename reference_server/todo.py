"""The todo list that the agent keeps in a conversation (api_v1 2.4, ``todo_updated``)."""

from collections.abc import Mapping, Sequence
from typing import Any

_INSTRUCTION = "Work through the open tasks in order and mark each one when it is done."


class TodoList:
    """A list of titled tasks, each ``pending`` or ``done``; empty until it is created."""

    def __init__(self) -> None:
        self._overview = ""
        self._tasks: list[dict[str, Any]] = []

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any] | None) -> "TodoList":
        """Return the list that :meth:`snapshot` was taken of."""
        todo = cls()
        if snapshot is not None:
            todo._overview = snapshot["overview"]
            todo._tasks = [dict(task) for task in snapshot["tasks"]]
        return todo

    def create(self, overview: str, titles: Sequence[str]) -> None:
        """Replace the list by one of pending tasks with these titles."""
        self._overview = overview
        self._tasks = [
            {"index": number, "title": title, "status": "pending"}
            for number, title in enumerate(titles, 1)
        ]

    def mark(self, index: int, status: str) -> bool:
        """Set the status of task INDEX (from 1); False when there is no such task."""
        if not 1 <= index <= len(self._tasks):
            return False
        self._tasks[index - 1]["status"] = status
        return True

    def snapshot(self) -> dict[str, Any] | None:
        """Return the payload of ``todo_updated``; None while there is no list."""
        if not self._tasks:
            return None
        done = all(task["status"] == "done" for task in self._tasks)
        return {
            "overview": self._overview,
            "tasks": [dict(task) for task in self._tasks],
            "status": "completed" if done else "active",
            "all_done": done,
            "instruction": "" if done else _INSTRUCTION,
        }
