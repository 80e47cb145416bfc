"""What a mutant is, how one is declared, and how its fault is put into the server."""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response


class MutantError(Exception):
    """A mutant is declared wrongly, or asked for by a name that none has."""


class Patch:
    """Puts a fault into the reference server of this process.

    Attributes:
        responses: Changes of answers, called with every answer after the server has made it.
    """

    def __init__(self) -> None:
        self.responses: list[Callable[[Response], Response]] = []
        self.apps: list[Callable[[Flask], None]] = []

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Put VALUE in the place of an attribute of a module or a class.

        Raises:
            AttributeError: when OWNER has no such attribute: the mutant is out of date.
        """
        getattr(owner, name)
        setattr(owner, name, value)

    def wrap(self, owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a function that is called as ``fault(original, *args, **kwargs)`` instead.

        Raises:
            AttributeError: when OWNER has no such attribute: the mutant is out of date.
        """
        original = getattr(owner, name)

        def decorator(fault: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(original)
            def mutated(*args: Any, **kwargs: Any) -> Any:
                return fault(original, *args, **kwargs)

            setattr(owner, name, mutated)
            return fault

        return decorator

    def response(self, change: Callable[[Response], Response]) -> Callable[[Response], Response]:
        """Decorate a function that changes answers; ``flask.request`` is the current request."""
        self.responses.append(change)
        return change

    def app(self, change: Callable[[Flask], None]) -> Callable[[Flask], None]:
        """Decorate a function that changes the Flask application once it is made."""
        self.apps.append(change)
        return change


Fault = Callable[[Patch], None]


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        name: Unique, with dashes; begins with the name of its group.
        summary: What is wrong with this server, in a sentence.
        breaks: Ids of the requirements that it must turn red, and no other.
        upstream: The known defects of real servers that it repeats, such as ``H-02``.
        apply: Puts the fault into the reference server of this process.
    """

    name: str
    summary: str
    breaks: frozenset[str]
    upstream: tuple[str, ...]
    apply: Fault


_MUTANTS: dict[str, Mutant] = {}


def mutant(*breaks: str, upstream: tuple[str, ...] = ()) -> Callable[[Fault], Fault]:
    """Declare a mutant: its name is that of the function, its summary the docstring.

    Args:
        breaks: Ids of the requirements that it must turn red.
        upstream: The known defects that it repeats.

    Raises:
        MutantError: when the name is taken, or the docstring or BREAKS is missing.
    """

    def register(fault: Fault) -> Fault:
        name = fault.__name__.replace("_", "-")
        if name in _MUTANTS:
            raise MutantError(f"there are two mutants {name!r}")
        if not fault.__doc__ or not breaks:
            raise MutantError(f"{name}: a docstring and at least one requirement are needed")
        _MUTANTS[name] = Mutant(
            name=name,
            summary=" ".join(fault.__doc__.split()),
            breaks=frozenset(breaks),
            upstream=upstream,
            apply=fault,
        )
        return fault

    return register


def load_mutants() -> Mapping[str, Mutant]:
    """Return all mutants by name; every module ``faults_<group>`` of this package is read."""
    package = importlib.import_module("pollux.conformance.mutants")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("faults_"):
            importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_MUTANTS.items()))
