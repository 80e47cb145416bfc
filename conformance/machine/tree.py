"""The model of files: what each user has uploaded below the folder of the sequence."""

from collections.abc import Mapping

from pollux.conformance.machine.blame import Blame, excerpt

#: Of a listing: the size of a file, None for a folder.
Entries = Mapping[str, int | None]


class Tree:
    """The files of all users by their path below one folder, which is "" (api_v1 2.5).

    No content but the empty one is uploaded twice, so that wrong bytes tell where they come
    from.
    """

    def __init__(self) -> None:
        self._uploaded: dict[tuple[int, str], list[bytes]] = {}
        self._refused: set[tuple[int, str]] = set()

    def upload(self, user: int, path: str, content: bytes) -> None:
        """Note that an upload was accepted."""
        self._uploaded.setdefault((user, path), []).append(content)

    def refuse(self, user: int, path: str) -> None:
        """Note that an upload was refused: it has no effect (api_v1 1.12)."""
        self._refused.add((user, path))

    def content(self, user: int, path: str) -> bytes | None:
        """Return the bytes of a file of USER, or None."""
        versions = self._uploaded.get((user, path))
        return versions[-1] if versions else None

    def paths(self, user: int) -> list[str]:
        """Return the paths of all files of USER."""
        return sorted(path for owner, path in self._uploaded if owner == user)

    def is_folder(self, user: int, path: str) -> bool:
        """Tell whether USER has something below PATH."""
        return any(_is_below(each, path) for each in self.paths(user))

    def leads_through_file(self, user: int, path: str) -> bool:
        """Tell whether a folder on the way to PATH is a file of USER."""
        return any(_is_below(path, each) for each in self.paths(user))

    def below(self, user: int, folder: str) -> dict[str, bytes]:
        """Return the files of USER below a FOLDER, by their path relative to it."""
        begin = f"{folder}/" if folder else ""
        return {
            path.removeprefix(begin): self._uploaded[user, path][-1]
            for path in self.paths(user)
            if _is_below(path, folder)
        }

    def entries(self, user: int, folder: str) -> dict[str, int | None]:
        """Return what lies right in a FOLDER of USER."""
        found: dict[str, int | None] = {}
        for path, content in self.below(user, folder).items():
            name, slash, _ = path.partition("/")
            found[name] = None if slash else len(content)
        return found

    def is_others(self, user: int, path: str) -> bool:
        """Tell whether there is a file or folder of another user at PATH, and none of USER."""
        owners = {owner for owner, each in self._uploaded if each == path or _is_below(each, path)}
        return bool(owners) and user not in owners

    def is_shared(self, path: str) -> bool:
        """Tell whether several users have a file at PATH."""
        return sum(each == path for _, each in self._uploaded) > 1

    def blame_listing(self, user: int, folder: str, found: Entries) -> Blame | None:
        """Return what is wrong with what a listing of a FOLDER shows, if anything is."""
        wanted = self.entries(user, folder)
        if found == wanted:
            return None
        expected, got = _shown(wanted), _shown(found)
        for name in found.keys() - wanted.keys():
            path = f"{folder}/{name}" if folder else name
            if self.is_others(user, path):
                return Blame("ISOLATION-FILE-READ", expected, got)
        if found.keys() != wanted.keys() and any(owner == user for owner, _ in self._refused):
            return Blame("FILE-UPLOAD-ONTO-FOLDER", expected, got)
        return Blame("FILE-LIST-ITEMS-TRUE", expected, got)

    def blame_bytes(self, user: int, path: str, found: bytes) -> Blame | None:
        """Return what is wrong with the bytes of a file of USER, if anything is."""
        content = self._uploaded[user, path][-1]
        if found == content:
            return None
        rule = "FILE-ROUND-TRIP"
        if found in self._uploaded[user, path]:
            rule = "FILE-UPLOAD-OVERWRITES"
        elif found in self._of_others(user):
            rule = "ISOLATION-FILE-WRITE"
        return Blame(rule, excerpt(content), excerpt(found))

    def _of_others(self, user: int) -> list[bytes]:
        rows = [versions for (owner, _), versions in self._uploaded.items() if owner != user]
        return [content for versions in rows for content in versions]


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _shown(entries: Entries) -> str:
    rows = [f"{name} ({'folder' if n is None else f'{n} bytes'})" for name, n in entries.items()]
    return ", ".join(sorted(rows)) or "no items"
