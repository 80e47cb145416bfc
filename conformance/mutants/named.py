"""Faults that prompts and personalizations can have alike; the ends of file names tell which."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

from flask import Flask

from pollux.conformance.mutants.mutant import Patch
from pollux.reference_server.http import ok
from pollux.reference_server.named_files import NamedFiles, NamedItem
from pollux.reference_server.names import NAME_PATTERN, NameRefused


def without_dashes_at_the_beginning(patch: Patch, suffix: str) -> None:
    """Refuse names that begin with ``-`` or ``_``."""

    @patch.wrap(NamedFiles, "write")
    def write(original: Any, self: NamedFiles, name: str, data: bytes) -> None:
        if self._suffix == suffix and name.startswith(("-", "_")):
            raise NameRefused("a name begins with a letter or a digit")
        original(self, name, data)


def saved_anywhere(patch: Patch, suffix: str) -> None:
    """Join names to the folder as they are, so long as they stay in the folder of all users."""

    @patch.wrap(NamedFiles, "write")
    def write(original: Any, self: NamedFiles, name: str, data: bytes) -> None:
        users = self._folder.parents[2].resolve()
        where = Path(f"{self._folder / name}{suffix}")
        if (
            self._suffix != suffix
            or NAME_PATTERN.fullmatch(name)
            or not name
            or "\0" in name
            or len(name) > 200
            or not where.resolve().is_relative_to(users)
        ):
            original(self, name, data)
            return
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(data)


def read_by_what_is_left(patch: Patch, endpoint: str) -> None:
    """Read by what is left of a name without the characters that are not allowed in it."""

    @patch.app
    def change(app: Flask) -> None:
        view = app.view_functions[endpoint]

        def read(name: str) -> Any:
            return view(name=re.sub(r"[^A-Za-z0-9_-]", "", name)[:64] or "x")

        app.view_functions[endpoint] = read


def without_times(patch: Patch, routes: ModuleType) -> None:
    """Leave ``updated_at`` out of the items of a list."""

    @patch.wrap(routes, "ok")
    def answer(_original: Any, payload: dict[str, Any]) -> Any:
        for item in payload.get("items", ()):
            item.pop("updated_at")
        return ok(payload)


def listed_once_more(patch: Patch, suffix: str) -> None:
    """List an object once for each time that it was saved."""
    saved: list[tuple[Path, str]] = []

    @patch.wrap(NamedFiles, "write")
    def write(original: Any, self: NamedFiles, name: str, data: bytes) -> None:
        original(self, name, data)
        saved.append((self._folder, name))

    @patch.wrap(NamedFiles, "items")
    def items(original: Any, self: NamedFiles) -> tuple[NamedItem, ...]:
        found: list[NamedItem] = []
        for item in original(self):
            times = saved.count((self._folder, item.name)) if self._suffix == suffix else 1
            found += [item] * max(1, times)
        return tuple(found)


def listed_by_age(patch: Patch, suffix: str) -> None:
    """List the newest first."""

    @patch.wrap(NamedFiles, "items")
    def items(original: Any, self: NamedFiles) -> tuple[NamedItem, ...]:
        found: tuple[NamedItem, ...] = original(self)
        if self._suffix != suffix:
            return found
        return tuple(sorted(found, key=lambda item: -item.updated_at))


def forgetful_reads(patch: Patch, suffix: str) -> None:
    """Read from a cache that no save empties."""
    cache: dict[tuple[Path, str], bytes] = {}

    @patch.wrap(NamedFiles, "read")
    def read(original: Any, self: NamedFiles, name: str) -> bytes | None:
        if self._suffix != suffix:
            return original(self, name)  # type: ignore[no-any-return]
        key = (self._folder, name)
        if key not in cache:
            found: bytes | None = original(self, name)
            if found is None:
                return None
            cache[key] = found
        return cache[key]
