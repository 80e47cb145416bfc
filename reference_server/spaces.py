"""The space of each user: one folder apart from all others, and the stores in it (api_v1 3)."""

import threading
from dataclasses import dataclass
from pathlib import Path

from pollux.reference_server.conversations import ConversationStore
from pollux.reference_server.files import FileArea
from pollux.reference_server.names import check_name
from pollux.reference_server.personalizations import PersonalizationStore
from pollux.reference_server.prompts import PromptStore
from pollux.reference_server.storage import make_folders, sweep


@dataclass(frozen=True)
class UserSpace:
    """All that one user has.

    Attributes:
        name: The user's name.
        conversations: The conversations.
        files: The files below ``user_upload``.
        prompts: The prompts.
        personalizations: The personalizations.
    """

    name: str
    conversations: ConversationStore
    files: FileArea
    prompts: PromptStore
    personalizations: PersonalizationStore


class UserSpaces:
    """The spaces of all users below one data folder, which belongs to one process at a time.

    Args:
        data_dir: The folder of all that is kept; made when it is needed.
        max_upload_bytes: Largest file.
    """

    def __init__(self, data_dir: Path, *, max_upload_bytes: int) -> None:
        self._users_dir = data_dir / "api" / "users"
        self._max_upload_bytes = max_upload_bytes
        self._lock = threading.Lock()
        self._spaces: dict[str, UserSpace] = {}

    def of(self, user: str) -> UserSpace:
        """Return the space of USER, the same object each time.

        What writes that were killed have left is removed when it is opened first.

        Raises:
            NameRefused: USER is no valid name.
        """
        space = self._spaces.get(user)
        if space is None:
            with self._lock:
                space = self._spaces.get(user) or self._open(check_name(user))
                self._spaces[user] = space
        return space

    def _open(self, user: str) -> UserSpace:
        home = self._users_dir / user
        # Beside the listed folders, never inside one: no listing can show a temporary file.
        scratch = home / ".tmp"
        make_folders(scratch)
        sweep(scratch)
        data = home / "data"
        return UserSpace(
            name=user,
            conversations=ConversationStore(data / "conversations", scratch),
            files=FileArea(
                home / "project" / "user_upload", scratch, max_bytes=self._max_upload_bytes
            ),
            prompts=PromptStore(data / "prompts", scratch),
            personalizations=PersonalizationStore(data / "personalization", scratch),
        )
