"""The personalizations of one user: settings of a run, cleaned rather than refused (api_v1 2.6)."""

import contextlib
import json
import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pollux.reference_server.modes import RunMode
from pollux.reference_server.named_files import NamedFiles, NamedItem
from pollux.reference_server.storage import StorageError, encode_json

_log = logging.getLogger(__name__)

#: The ids that ``disabled_tool_categories`` may hold.
TOOL_CATEGORIES = ("file_edit", "read_focus", "todo", "waiting")

MAX_SHORT_TEXT = 20
MAX_CONSIDERATIONS = 10
MAX_CONSIDERATION = 50
MAX_THINKING_INTERVAL = 50

_SURROGATE = re.compile(r"[\ud800-\udfff]")


class PersonalizationNotFound(StorageError):
    """There is no personalization of this name."""


class PersonalizationStore:
    """The personalizations of one user.

    Every method may raise :class:`~pollux.reference_server.names.NameRefused`. What goes in
    and out is cleaned by :func:`clean_personalization`.

    Args:
        folder: Where ``<name>.json`` lies; made when it is needed.
        scratch: An existing folder on the same file system, for temporary files.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._files = NamedFiles(folder, ".json", scratch)

    def list(self) -> tuple[NamedItem, ...]:
        """Return all personalizations by name."""
        return self._files.items()

    def exists(self, name: str) -> bool:
        """Whether there is a personalization of this name."""
        return self._files.read(name) is not None

    def load(self, name: str, *, model_keys: Collection[str]) -> dict[str, Any]:
        """Return a personalization with all its fields.

        Args:
            name: Its name.
            model_keys: The models that there are now; another one is no longer the default.

        Raises:
            PersonalizationNotFound: there is none.
        """
        data = self._files.read(name)
        if data is None:
            raise PersonalizationNotFound(f"there is no personalization {name!r}")
        content = None
        with contextlib.suppress(ValueError, RecursionError):
            content = json.loads(data)
        if not isinstance(content, dict):
            # Only possible after a change by hand.
            _log.warning("the personalization %r is no JSON object, taken as empty", name)
            content = {}
        return clean_personalization(content, model_keys=model_keys)

    def save(
        self, name: str, content: Mapping[str, Any], *, model_keys: Collection[str]
    ) -> dict[str, Any]:
        """Make or replace a personalization and return what was saved.

        Args:
            name: Its name.
            content: Any JSON object.
            model_keys: The models that ``default_model`` may name.
        """
        cleaned = clean_personalization(content, model_keys=model_keys)
        self._files.write(name, encode_json(cleaned))
        return cleaned


def clean_personalization(
    content: Mapping[str, Any], *, model_keys: Collection[str]
) -> dict[str, Any]:
    """Return CONTENT with the known fields only, all of them, each with an allowed value.

    A value of the wrong type becomes the default, a text that is too long is cut, a number
    out of range is moved to its end. Cleaning twice is the same as cleaning once.

    Args:
        content: Any JSON object.
        model_keys: The models that ``default_model`` may name.
    """
    model = content.get("default_model")
    return {
        "enabled": _flag(content.get("enabled"), default=False),
        "self_identify": _text(content.get("self_identify"), MAX_SHORT_TEXT),
        "user_name": _text(content.get("user_name"), MAX_SHORT_TEXT),
        "profession": _text(content.get("profession"), MAX_SHORT_TEXT),
        "tone": _text(content.get("tone"), MAX_SHORT_TEXT),
        "considerations": _considerations(content.get("considerations")),
        "thinking_interval": _interval(content.get("thinking_interval")),
        "disabled_tool_categories": _categories(content.get("disabled_tool_categories")),
        "default_run_mode": _run_mode(content.get("default_run_mode")),
        "auto_generate_title": _flag(content.get("auto_generate_title"), default=True),
        "tool_intent_enabled": _flag(content.get("tool_intent_enabled"), default=True),
        "default_model": model if isinstance(model, str) and model in model_keys else None,
    }


def _flag(value: object, *, default: bool) -> bool:
    return value if isinstance(value, bool) else default


def _text(value: object, length: int) -> str:
    if not isinstance(value, str):
        return ""
    return _SURROGATE.sub("\ufffd", value[:length])


def _considerations(value: object) -> list[str]:
    if not isinstance(value, list):
        return []
    # Cut first: what is blank after the cut would be dropped by the next cleaning.
    texts = [_text(text, MAX_CONSIDERATION) for text in value]
    return [text for text in texts if text.strip()][:MAX_CONSIDERATIONS]


def _interval(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return min(max(value, 1), MAX_THINKING_INTERVAL)


def _categories(value: object) -> list[str]:
    if not isinstance(value, list):
        return []
    known = [item for item in value if isinstance(item, str) and item in TOOL_CATEGORIES]
    return list(dict.fromkeys(known))


def _run_mode(value: object) -> str | None:
    mode = value.lower() if isinstance(value, str) else None
    return mode if mode in list(RunMode) else None
