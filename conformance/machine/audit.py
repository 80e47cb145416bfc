"""What a sequence of calls ends with: everything that the model knows of is looked at once more."""

from collections.abc import Iterator

from pollux.conformance.machine.acts_files import FOLDERS, NAMES, path_of
from pollux.conformance.machine.play import MOST_NAMES, Play, Step


def audit(play: Play) -> Iterator[Step]:
    """Yield the readings that must fit the model after any sequence."""
    for user in range(len(play.stage.users)):
        yield from _named(play, user)
        yield from _files(play, user)
        if play.world.conversations:
            yield Step("list_conversations", {"user": user})
        for which in range(len(play.world.of(user))):
            yield Step("read", {"user": user, "owner": user, "which": which})
        if play.world.turns(user):
            yield Step("poll", {"user": user, "owner": user, "back": 0, "place": 1})


def _named(play: Play, user: int) -> Iterator[Step]:
    shelves = (play.world.prompts, play.world.personalizations)
    for kind, shelf in enumerate(shelves):
        names = {name for other in range(len(play.stage.users)) for name in shelf.names(other)}
        if names:
            yield Step("list_named", {"kind": kind, "user": user})
        for number in range(MOST_NAMES):
            if play.name(number) in names:
                yield Step("read_named", {"kind": kind, "user": user, "name": number})


def _files(play: Play, user: int) -> Iterator[Step]:
    tree = play.world.files
    for folder, path in enumerate(FOLDERS):
        if tree.is_folder(user, path):
            yield Step("list_files", {"user": user, "folder": folder})
        for name in range(len(NAMES)):
            if tree.content(user, path_of(folder, name)) is not None:
                yield Step("download", {"user": user, "folder": folder, "name": name})
