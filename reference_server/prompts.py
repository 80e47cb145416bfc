"""The prompts of one user: named texts that become the system prompt of runs (api_v1 2.6)."""

import logging
from pathlib import Path

from pollux.reference_server.named_files import NamedFiles, NamedItem
from pollux.reference_server.storage import StorageError

_log = logging.getLogger(__name__)


class PromptNotFound(StorageError):
    """There is no prompt of this name."""


class PromptRefused(StorageError):
    """A text that cannot be kept."""


class PromptStore:
    """The prompts of one user.

    Every method may raise :class:`~pollux.reference_server.names.NameRefused`.

    Args:
        folder: Where ``<name>.txt`` lies; made when it is needed.
        scratch: An existing folder on the same file system, for temporary files.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._files = NamedFiles(folder, ".txt", scratch)

    def list(self) -> tuple[NamedItem, ...]:
        """Return all prompts by name."""
        return self._files.items()

    def exists(self, name: str) -> bool:
        """Whether there is a prompt of this name."""
        return self._files.read(name) is not None

    def load(self, name: str) -> str:
        """Return the text of a prompt, exactly as it was saved.

        Raises:
            PromptNotFound: there is none.
        """
        data = self._files.read(name)
        if data is None:
            raise PromptNotFound(f"there is no prompt {name!r}")
        try:
            return data.decode()
        except UnicodeDecodeError:
            # Only possible after a change by hand; a text with marks serves better than none.
            _log.warning("the prompt %r is not UTF-8", name)
            return data.decode("utf-8", "replace")

    def save(self, name: str, content: str) -> None:
        """Make or replace a prompt.

        Raises:
            PromptRefused: CONTENT holds lone surrogates, which no text file can.
        """
        try:
            data = content.encode()
        except UnicodeEncodeError:
            raise PromptRefused("the content holds characters that UTF-8 does not have") from None
        self._files.write(name, data)
