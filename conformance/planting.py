"""Puts things into the folder of a user behind the target's back, as no client could.

Symbolic links cannot be made through the API. Where the suite can reach the folder in which the
target keeps its data, it looks there for a file that it has uploaded, and so knows the root of
the user's files.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pollux.conformance.file_area import FileArea

#: Stands in every file that is planted outside of the root.
SECRET = b"this lies outside of the root\n"


class Ground:
    """The root of one user's files on the disk.

    Args:
        root: The folder.
        area: The check's own folder, which exists.

    Attributes:
        outside: A folder beside the root, named like nothing else.
        sibling: Another one, whose name begins like that of the root.
    """

    def __init__(self, root: Path, area: FileArea) -> None:
        self.root = root
        self.area = area
        self.inside = root / area.folder
        self.outside = root.parent / f"outside-{area.folder}"
        self.sibling = root.parent / f"{root.name}_{area.folder}"
        self._links: list[Path] = []

    def plant(self) -> None:
        """Put a file with the secret, and a folder with another one, into both folders outside."""
        for folder in (self.outside, self.sibling):
            (folder / "deeper").mkdir(parents=True)
            (folder / "secret.txt").write_bytes(SECRET)
            (folder / "deeper" / "secret.txt").write_bytes(SECRET)

    def link(self, name: str, target: Path) -> str:
        """Make a link called NAME in the check's folder and return its path for the API.

        The link is relative, so that it leads to the same place for a target that sees the
        folder under another name.
        """
        link = self.inside / name
        link.symlink_to(os.path.relpath(target, link.parent))
        self._links.append(link)
        return self.area.within(name)

    def state(self) -> dict[str, bytes | None]:
        """Return all that lies in the folders outside: the bytes of files, None for folders."""
        return {
            str(path.relative_to(self.root.parent)): path.read_bytes() if path.is_file() else None
            for folder in (self.outside, self.sibling)
            for path in sorted(folder.rglob("*"))
        }

    def clear(self) -> None:
        """Take away what was planted."""
        for link in self._links:
            link.unlink(missing_ok=True)
        for folder in (self.outside, self.sibling):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def planted(area: FileArea) -> Iterator[Ground | None]:
    """Find the root of the area's user, plant the files outside, and take all away at the end.

    Where the target keeps its data, but no file under its name, there is nothing to link from:
    all that the check declares is not applicable then, and None is yielded.

    Raises:
        CannotVerifyError: when the folder of the data is not known, or cannot be written to.
    """
    try:
        root = _root(area)
    except OSError as error:
        area.judge.cannot_verify(f"the folder of the target's data cannot be read: {error}")
    if root is None:
        area.judge.nothing_applies("no file is kept on the disk under its name")
        yield None
        return
    ground = Ground(root, area)
    try:
        ground.plant()
        yield ground
    except OSError as error:
        area.judge.cannot_verify(f"nothing can be put beside the user's files: {error}")
    finally:
        ground.clear()


def _root(area: FileArea) -> Path | None:
    """Return the root of the user's files; None where files are kept in another way."""
    folder = area.stage.target.data_dir
    if folder is None:
        area.judge.cannot_verify("the folder in which the target keeps its data is not known")
    stored = area.put("found.txt")
    for path in folder.rglob(stored.name):
        if path.parent.name == area.folder and path.read_bytes() == stored.content:
            return path.parent.parent
    if not any(path.is_file() for path in folder.rglob("*")):
        area.judge.cannot_verify(f"the target keeps nothing in {folder}: was it told to?")
    return None
