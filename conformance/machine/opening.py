"""The sequences that a search begins with: every step at least once, right and wrong ones."""

from pollux.conformance.machine.play import NOBODYS, Step


def _s(action: str, **arguments: int) -> Step:
    return Step(action, arguments)


def _named(kind: int) -> list[Step]:
    """Save, replace, be refused; names of which one is the beginning of the other."""
    return [
        _s("read_named", kind=kind, user=0, name=0),
        _s("save_named", kind=kind, user=0, name=1),
        _s("save_named", kind=kind, user=0, name=0),
        _s("save_named", kind=kind, user=0, name=2, more=1),
        _s("read_named", kind=kind, user=0, name=1),
        _s("save_named", kind=kind, user=0, name=1),
        _s("save_badly", kind=kind, user=0, name=1),
        _s("save_badly", kind=kind, user=0, name=3),
        _s("save_named", kind=kind, user=0, name=4),
        _s("read_named", kind=kind, user=1, name=1),
        _s("save_named", kind=kind, user=1, name=1),
    ]


#: Everything but messages and tasks.
STORED = (
    *_named(0),
    *_named(1),
    _s("list_files", user=0, folder=0),
    _s("download", user=0, folder=0, name=0),
    _s("upload", user=0, folder=0, name=0, size=1),
    _s("list_files", user=0, folder=0),
    _s("upload", user=0, folder=2, name=0, size=12),
    _s("list_files", user=0, folder=0),
    _s("upload", user=0, folder=0, name=2, size=1),
    _s("upload", user=0, folder=2, name=0, size=1),
    _s("upload", user=0, folder=0, name=0, size=0),
    _s("list_files", user=1, folder=1),
    _s("upload", user=1, folder=2, name=0, size=1),
    _s("download", user=0, folder=0, name=3),
    _s("read", user=0, owner=0, which=NOBODYS),
    _s("delete", user=0, owner=0, which=NOBODYS),
    _s("list_conversations", user=0),
    _s("create", user=0),
    _s("create", user=0, prompt=1, personalization=1),
    _s("create", user=0),
    _s("create", user=1),
    _s("read", user=0, owner=0, which=0, full=0),
    _s("read", user=1, owner=0, which=0),
    _s("delete", user=1, owner=0, which=2),
    _s("compare", user=0, which=1),
    _s("delete", user=0, owner=0, which=0),
    _s("delete", user=0, owner=0, which=0),
    _s("list_conversations", user=0),
)

#: Messages and tasks, with what they use.
EVERYTHING = (
    _s("save_named", kind=0, user=0, name=0),
    _s("save_named", kind=1, user=0, name=0),
    _s("save_named", kind=0, user=1, name=1),
    _s("save_named", kind=1, user=1, name=1),
    _s("save_named", kind=0, user=1, name=0),
    _s("save_named", kind=1, user=1, name=0),
    _s("upload", user=0, folder=0, name=0, size=1),
    _s("upload", user=1, folder=0, name=0, size=1),
    _s("upload", user=0, folder=0, name=1, size=1),
    _s("download", user=1, folder=0, name=1),
    _s("poll", user=0, owner=0, back=0, place=0),
    _s("cancel", user=0, owner=0, back=0),
    _s("list_conversations", user=0),
    _s("create", user=0),
    _s("send", user=0, owner=0, to=0, held=0),
    _s("read", user=1, owner=0, which=0),
    _s("send", user=0, owner=0, to=NOBODYS, held=0),
    _s("send", user=0, owner=0, to=-1, held=0, prompt=2),
    _s("send", user=0, owner=0, to=-1, held=0, personalization=2),
    _s("send", user=0, owner=0, to=-1, held=0, prompt=1),
    _s("send", user=0, owner=0, to=-1, held=0, personalization=1),
    _s("send", user=0, owner=0, to=0, held=0, prompt=0),
    _s("send", user=0, owner=0, to=0, held=1, prompt=0, personalization=0),
    _s("send", user=0, owner=0, to=0, held=0),
    _s("send", user=0, owner=0, to=-1, held=0),
    _s("send", user=1, owner=0, to=0, held=0),
    _s("send", user=1, owner=1, to=-1, held=0),
    _s("poll", user=1, owner=0, back=0, place=0),
    _s("cancel", user=1, owner=0, back=0),
    _s("delete", user=1, owner=0, which=0),
    _s("poll", user=0, owner=0, back=0, place=2),
    _s("release", user=0),
    _s("save_named", kind=0, user=0, name=0),
    _s("send", user=0, owner=0, to=0, held=0, prompt=0),
    _s("read", user=0, owner=0, which=0),
    _s("list_conversations", user=0),
    _s("cancel", user=0, owner=0, back=0),
    _s("poll", user=0, owner=0, back=0, place=1),
    _s("compare", user=0, which=0),
    _s("send", user=0, owner=0, to=-1, held=1),
    _s("delete", user=0, owner=0, which=0),
    _s("cancel", user=0, owner=0, back=0),
    _s("send", user=0, owner=0, to=0, held=1),
    _s("send", user=0, owner=0, to=-1, held=1),
    _s("cancel", user=0, owner=0, back=0),
    _s("cancel", user=0, owner=0, back=0),
    _s("send", user=0, owner=0, to=1, held=0, prompt=0),
    _s("delete", user=0, owner=0, which=0),
    _s("delete", user=0, owner=0, which=1),
    _s("cancel", user=0, owner=0, back=0),
    _s("send", user=0, owner=0, to=0, held=0),
    _s("send", user=0, owner=0, to=-1, held=0),
    _s("list_conversations", user=0),
)
