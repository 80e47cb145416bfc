"""Knows every effect by its name: there is one in each module of ``effects/``."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TypeVar

from pollux.replay.faults import effects
from pollux.replay.faults.effect import Effect

_E = TypeVar("_E", bound=type[Effect])
_known: dict[str, type[Effect]] = {}


def register(effect: _E) -> _E:
    """Make EFFECT known under the name of its module, hyphens for underscores.

    Raises:
        ValueError: when the module has one already.
    """
    name = effect.__module__.rpartition(".")[2].replace("_", "-")
    if name in _known:
        raise ValueError(f"the module of {name} has two effects")
    effect.name = name
    _known[name] = effect
    return effect


@cache
def all_effects() -> Mapping[str, type[Effect]]:
    """Return every effect by its name, in the order of the alphabet."""
    for module in pkgutil.iter_modules(effects.__path__):
        importlib.import_module(f"{effects.__name__}.{module.name}")
    return MappingProxyType(dict(sorted(_known.items())))


def find_effect(name: str) -> type[Effect] | None:
    """Return the effect of a name or an alias, None when there is none."""
    known = all_effects()
    aliased = (effect for effect in known.values() if name in effect.aliases)
    return known.get(name) or next(aliased, None)
