"""Reads ``pollux.toml``: what is judged and how, so that it need not be said each time."""

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pollux.conformance.errors import TargetError
from pollux.conformance.target import Profile, address

#: Looked for in the current folder when no other file is named.
DEFAULT_NAME = "pollux.toml"


@dataclass(frozen=True)
class TargetFile:
    """What a target file says; None and empty where it says nothing.

    Attributes:
        path: Where it was read from.
        url: Base URL.
        tokens: Tokens of first users, one for each worker.
        other_tokens: Tokens of second users.
        profile: What may be assumed of the model.
        model_listen: Where the scripted model listens.
        start: Shell command that starts the implementation.
        ready: URL that answers when it is ready.
        buffer_size: Events kept per task.
        time_scale: Factor of every deadline.
        ready_seconds: How long the implementation may take to be ready.
        baseline: File of known failures.
    """

    path: Path
    url: str | None = None
    tokens: tuple[str, ...] = field(default=(), repr=False)
    other_tokens: tuple[str, ...] = field(default=(), repr=False)
    profile: Profile | None = None
    model_listen: tuple[str, int] | None = None
    start: str | None = None
    ready: str | None = None
    buffer_size: int | None = None
    time_scale: float | None = None
    ready_seconds: float | None = None
    baseline: Path | None = None


def find_target_file(named: Path | None) -> TargetFile | None:
    """Return what NAMED says, or ``pollux.toml`` of the current folder, or None without either.

    Raises:
        TargetError: when it cannot be read, or says something that is not understood.
    """
    if named is not None:
        return read_target_file(named)
    here = Path(DEFAULT_NAME)
    return read_target_file(here) if here.is_file() else None


def read_target_file(path: Path, environment: Mapping[str, str] = os.environ) -> TargetFile:
    """Return what the file in PATH says.

    Args:
        path: A TOML file with the tables ``target``, ``users`` and ``allowances``.
        environment: Where the tokens are that the file names by ``token_env``.

    Raises:
        TargetError: when it cannot be read, or says something that is not understood.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise TargetError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"{path} is not TOML: {error}") from error
    _only(path, "", data, (*_TABLES, "users"))
    found: dict[str, Any] = {}
    for table, keys in _TABLES.items():
        values = data.get(table, {})
        if not isinstance(values, dict):
            raise TargetError(f"{path}: {table} must be a table: [{table}]")
        _only(path, f"{table}.", values, tuple(keys))
        for key, value in values.items():
            found[key] = _value(path, f"{table}.{key}", keys[key], value)
    users = data.get("users", [])
    if not isinstance(users, list) or not all(isinstance(user, dict) for user in users):
        raise TargetError(f"{path}: users must be an array of tables: [[users]]")
    firsts, others = _tokens(path, users, environment)
    if "baseline" in found:
        found["baseline"] = path.parent / found["baseline"]
    return TargetFile(path, tokens=firsts, other_tokens=others, **found)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError("must be a number above 0")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number above 0")
    return value


_TABLES: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "target": {
        "url": _text,
        "profile": lambda value: Profile(_text(value)),
        "model_listen": lambda value: address(_text(value)),
        "start": _text,
        "ready": _text,
        "buffer_size": _count,
    },
    "allowances": {
        "time_scale": _number,
        "ready_seconds": _number,
        "baseline": _text,
    },
}
_USER_KEYS = ("token", "token_env", "other_token", "other_token_env")


def _tokens(
    path: Path, users: Sequence[Mapping[str, Any]], environment: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tokens of first and second users; each entry has one or both."""
    firsts, others = [], []
    for number, user in enumerate(users, 1):
        place = f"users[{number}]."
        _only(path, place, user, _USER_KEYS)
        first = _token(path, place, "token", user, environment)
        if first is None:
            raise TargetError(f"{path}: {place}token or {place}token_env is missing")
        firsts.append(first)
        other = _token(path, place, "other_token", user, environment)
        if other is not None:
            others.append(other)
    return tuple(firsts), tuple(others)


def _token(
    path: Path, place: str, key: str, user: Mapping[str, Any], environment: Mapping[str, str]
) -> str | None:
    name = f"{key}_env"
    if key in user and name in user:
        raise TargetError(f"{path}: {place}{key} and {place}{name} say the same: leave one out")
    if key in user:
        return str(_value(path, place + key, _text, user[key]))
    if name not in user:
        return None
    variable = _value(path, place + name, _text, user[name])
    if not environment.get(variable):
        raise TargetError(f"{path}: {place}{name}: there is no {variable} in the environment")
    return environment[variable]


def _value(path: Path, place: str, read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except ValueError as error:
        # A token is never shown, whatever is wrong with it.
        raise TargetError(f"{path}: {place}: {error}") from error


def _only(path: Path, place: str, found: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise TargetError(f"{path}: {place}{key} is not known; {hint}")
