"""The conversations of one user, each a JSON file that is replaced as a whole (api_v1 2.1, 3)."""

import json
import logging
import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pollux.reference_server.storage import (
    AtomicFile,
    ObjectLocks,
    StorageError,
    atomic_write,
    encode_json,
    make_folders,
    sync_folder,
)

_log = logging.getLogger(__name__)

DEFAULT_TITLE = "新对话"
ID_PATTERN = re.compile(r"conv_[0-9]{8}_[0-9]{6}_[0-9]{3}")

_METADATA_IN_SUMMARY = ("run_mode", "model_key", "custom_prompt_name", "personalization_name")
_TYPES = {"title": str, "created_at": str, "updated_at": str, "messages": list, "metadata": dict}


class ConversationNotFound(StorageError):
    """There is no conversation of this id (any more)."""


class ConversationStore:
    """The conversations of one user.

    A conversation is ``{id, title, created_at, updated_at, messages, metadata}``; times are
    ISO 8601 text in UTC with microseconds, in messages too. The files are the truth. A
    summary of each is kept in memory, read once, so that listing costs no file access.

    Args:
        folder: Where ``<id>.json`` lies; made when it is needed.
        scratch: An existing folder on the same file system, for temporary files.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._folder = folder
        self._scratch = scratch
        self._objects = ObjectLocks()
        # Guards all that follows; held for moments only, but for the first reading.
        self._lock = threading.Lock()
        self._index: dict[str, dict[str, Any]] | None = None
        self._sorted: Sequence[dict[str, Any]] | None = None
        self._last_id_ms = 0
        self._last_stamp_us = 0

    def create(
        self,
        *,
        prompt_name: str | None = None,
        personalization_name: str | None = None,
        run_mode: str | None = None,
        model_key: str | None = None,
    ) -> str:
        """Make an empty conversation, durably, and return its id, which nobody else ever gets."""
        stamp = self._stamp()
        document: dict[str, Any] = {
            "id": "",
            "title": DEFAULT_TITLE,
            "created_at": stamp,
            "updated_at": stamp,
            "messages": [],
            "metadata": {
                "run_mode": run_mode,
                "model_key": model_key,
                "custom_prompt_name": prompt_name,
                "personalization_name": personalization_name,
            },
        }
        make_folders(self._folder)
        while True:
            document["id"] = self._next_id()
            with self._objects.hold(document["id"]), AtomicFile(self._scratch) as file:
                file.write(encode_json(document))
                try:
                    file.commit_new(self._path(document["id"]))
                except FileExistsError:
                    continue
                self._note(document)
                return str(document["id"])

    def exists(self, conversation_id: str) -> bool:
        """Whether there is such a conversation; any text may be asked for."""
        try:
            self.load(conversation_id)
        except ConversationNotFound:
            return False
        return True

    def load(self, conversation_id: str) -> dict[str, Any]:
        """Return a conversation, a copy of its own for each caller.

        Raises:
            ConversationNotFound: there is none, or its file is damaged (which is logged).
        """
        if not ID_PATTERN.fullmatch(conversation_id):
            raise ConversationNotFound("there is no such conversation")
        document = self._read(conversation_id)
        if document is None:
            raise ConversationNotFound("there is no such conversation")
        return document

    def list(self, limit: int, offset: int) -> tuple[tuple[dict[str, Any], ...], int]:
        """Return a page of summaries, newest change first, and the number of all.

        Args:
            limit: The most summaries returned.
            offset: How many are left out before the page.
        """
        with self._lock:
            index = self._summaries()
            if self._sorted is None:
                self._sorted = sorted(
                    index.values(), key=lambda item: (item["updated_at"], item["id"]), reverse=True
                )
            page = self._sorted[offset : offset + limit]
            return tuple(dict(summary) for summary in page), len(index)

    def append(
        self,
        conversation_id: str,
        messages: Iterable[Mapping[str, Any]],
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Add messages at the end, and change title and metadata, all in one atomic write.

        Args:
            conversation_id: Which conversation.
            messages: JSON objects; one without ``timestamp`` gets the time of this call.
            title: The new title; None leaves it.
            metadata: Fields to set; the others stay.

        Raises:
            ConversationNotFound: it was deleted; it is not made again.
        """
        with self._objects.hold(conversation_id):
            document = self.load(conversation_id)
            stamp = self._stamp()
            document["messages"] += [{"timestamp": stamp, **message} for message in messages]
            document["metadata"].update(metadata or {})
            document["updated_at"] = stamp
            if title is not None:
                document["title"] = title
            path = self._path(conversation_id)
            atomic_write(path, encode_json(document), scratch=self._scratch)
            self._note(document)

    def delete(self, conversation_id: str) -> None:
        """Delete a conversation, durably.

        Raises:
            ConversationNotFound: there is none.
        """
        with self._objects.hold(conversation_id):
            self.load(conversation_id)
            self._path(conversation_id).unlink()
            sync_folder(self._folder)
            with self._lock:
                self._summaries().pop(conversation_id, None)
                self._sorted = None

    def _path(self, conversation_id: str) -> Path:
        return self._folder / f"{conversation_id}.json"

    def _read(self, conversation_id: str) -> dict[str, Any] | None:
        path = self._path(conversation_id)
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError, IsADirectoryError) as error:
            _log.warning("%s is damaged: %s", path.name, error)
            return None
        if (
            not isinstance(document, dict)
            or document.get("id") != conversation_id
            or not all(isinstance(document.get(name), kind) for name, kind in _TYPES.items())
        ):
            _log.warning("%s is damaged: it is no conversation", path.name)
            return None
        return document

    def _summaries(self) -> dict[str, dict[str, Any]]:
        """Return the index, read from the files at the first call. Only under the lock."""
        if self._index is None:
            self._index = {}
            for path in self._folder.glob("conv_*.json"):
                if ID_PATTERN.fullmatch(path.stem):
                    document = self._read(path.stem)
                    if document is not None:
                        self._index[path.stem] = _summary(document)
        return self._index

    def _note(self, document: Mapping[str, Any]) -> None:
        with self._lock:
            self._summaries()[document["id"]] = _summary(document)
            self._sorted = None

    def _next_id(self) -> str:
        """Return the id for this millisecond, or for the next one that was not given away."""
        with self._lock:
            self._last_id_ms = max(time.time_ns() // 1_000_000, self._last_id_ms + 1)
            seconds, milliseconds = divmod(self._last_id_ms, 1000)
        moment = datetime.fromtimestamp(seconds, UTC)
        return f"conv_{moment:%Y%m%d_%H%M%S}_{milliseconds:03d}"

    def _stamp(self) -> str:
        """Return the time, later than any returned before: changes sort by it."""
        with self._lock:
            self._last_stamp_us = max(time.time_ns() // 1000, self._last_stamp_us + 1)
            seconds, microseconds = divmod(self._last_stamp_us, 1_000_000)
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
        return moment.isoformat(timespec="microseconds")


def _summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item of the list (api_v1 2.1) for a stored conversation."""
    metadata = document["metadata"]
    return {
        "id": document["id"],
        "title": document["title"],
        "created_at": document["created_at"],
        "updated_at": document["updated_at"],
        **{name: metadata.get(name) for name in _METADATA_IN_SUMMARY},
        "messages_count": len(document["messages"]),
    }
