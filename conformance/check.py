"""How a check says what it verifies and what it needs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

#: Name of the marker; the plugin registers it.
MARKER = "pollux_check"

_Check = TypeVar("_Check", bound=Callable[..., Any])


@dataclass(frozen=True)
class Declaration:
    """What one check says of itself.

    Attributes:
        requirements: Ids of the requirements that it verifies.
        needs: What it cannot do without, by the names of ``requirements.yaml``.
    """

    requirements: tuple[str, ...]
    needs: frozenset[str]


def verifies(*requirements: str, needs: Iterable[str] = ()) -> Callable[[_Check], _Check]:
    """Mark a test function as a check of these REQUIREMENTS.

    Every one of them must be judged by the check: one that is declared and never judged is an
    error of the suite.

    Args:
        requirements: Ids of ``requirements.yaml``; an unknown one fails the collection.
        needs: ``scripted-model``, ``two-users``, ``restart``. On a target without one of them
            the check is left out, and its requirements are NOT_VERIFIED.
    """
    mark = getattr(pytest.mark, MARKER)
    return mark(*requirements, needs=frozenset(needs))  # type: ignore[no-any-return]


def declaration(item: pytest.Item) -> Declaration | None:
    """Return what the test ITEM declares, or None when it is no check."""
    requirements: list[str] = []
    needs: set[str] = set()
    for mark in item.iter_markers(MARKER):
        requirements += mark.args
        needs |= mark.kwargs.get("needs", frozenset())
    if not requirements:
        return None
    return Declaration(tuple(dict.fromkeys(requirements)), frozenset(needs))
