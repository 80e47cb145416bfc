"""Writes a file as a whole or not at all."""

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Put CONTENT in the place of what PATH holds; who reads meanwhile sees either.

    Raises:
        OSError: when it cannot be written; PATH is then as it was.
    """
    if path.exists() and not path.is_file():
        # A pipe or a device cannot be replaced, only written to.
        path.write_bytes(content)
        return
    # A link keeps leading to the file.
    place = path.resolve()
    draft = place.with_name(f".{place.name[:100]}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            if place.exists():
                draft.chmod(place.stat().st_mode & 0o777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
