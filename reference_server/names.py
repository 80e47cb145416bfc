"""Names of users, prompts and personalizations (api_v1 2.6, 3)."""

import re

from pollux.reference_server.storage import StorageError

#: ASCII letters, digits, ``_`` and ``-``, 1 to 64 of them.
NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NameRefused(StorageError):
    """A name that breaks the rule for names."""


def check_name(name: str) -> str:
    """Return NAME.

    Raises:
        NameRefused: it is not made of 1 to 64 ASCII letters, digits, ``_`` and ``-``.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise NameRefused("a name is made of 1 to 64 letters a-z, A-Z, digits, '_' and '-'")
    return name
