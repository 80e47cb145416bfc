"""What the user of a check has, as far as the check has seen it made."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class World:
    """The things of one user that a generated request may be about.

    Attributes:
        mark: Stands in the name of everything that a generated request may make.
        conversations: Ids of conversations that are there.
        deleted: Ids of conversations that were deleted.
        tasks: Ids of tasks that must be found.
        live: Ids of tasks that may not have ended yet.
        forgotten: Ids of tasks that need not be found any more: another send was accepted since.
        prompts: Names of prompts that are there, with their text.
        personalizations: Names of personalizations that are there, with their content.
        files: Paths of files that are there, with their bytes.
        folders: Paths of folders that are there.
        models: Keys of the listed models.
    """

    mark: str
    conversations: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)
    live: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    prompts: dict[str, str] = field(default_factory=dict)
    personalizations: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
