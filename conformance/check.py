"""How a check says what it verifies and what it needs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

#: Name of the marker; the plugin registers it.
MARKER = "pollux_check"

#: For single cases of a check that a quick run leaves out: ``pytest.param(..., marks=SLOW)``.
SLOW: pytest.MarkDecorator = getattr(pytest.mark, MARKER)(slow=True)

_Check = TypeVar("_Check", bound=Callable[..., Any])


@dataclass(frozen=True)
class Declaration:
    """What one check says of itself.

    Attributes:
        requirements: Ids of the requirements that it verifies.
        needs: What it cannot do without, by the names of ``requirements.yaml``.
        slow: Whether a quick run leaves it out.
    """

    requirements: tuple[str, ...]
    needs: frozenset[str]
    slow: bool = False


def verifies(
    *requirements: str, needs: Iterable[str] = (), slow: bool = False
) -> Callable[[_Check], _Check]:
    """Mark a test function as a check of these REQUIREMENTS.

    Every one of them must be judged by the check: one that is declared and never judged is an
    error of the suite.

    Args:
        requirements: Ids of ``requirements.yaml``; an unknown one fails the collection.
        needs: ``scripted-model``, ``two-users``, ``restart``. On a target without one of them
            the check is left out, and its requirements are NOT_VERIFIED.
        slow: A quick run leaves the check out: it takes more than about 0.15 s where an answer
            takes a millisecond.
    """
    mark = getattr(pytest.mark, MARKER)
    return mark(*requirements, needs=frozenset(needs), slow=slow)  # type: ignore[no-any-return]


def declaration(item: pytest.Item) -> Declaration | None:
    """Return what the test ITEM declares, or None when it is no check."""
    requirements: list[str] = []
    needs: set[str] = set()
    slow = False
    for mark in item.iter_markers(MARKER):
        requirements += mark.args
        needs |= mark.kwargs.get("needs", frozenset())
        slow |= mark.kwargs.get("slow", False)
    if not requirements:
        return None
    return Declaration(tuple(dict.fromkeys(requirements)), frozenset(needs), slow)
