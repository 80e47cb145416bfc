"""What can be done with files (api_v1 2.5)."""

import hashlib
import io
import zipfile
import zlib
from collections import Counter

from pollux.conformance.file_area import is_text, normal, rows_of
from pollux.conformance.machine.blame import Blame
from pollux.conformance.machine.play import Play
from pollux.polling.exchange import Exchange

#: The folders below that of the sequence.
FOLDERS = ("", "d.txt", "d.txt/e")
#: The names of files; one of them is that of a folder, too.
NAMES = ("a.txt", "b.txt", "d.txt")
_NO_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)


def path_of(folder: int, name: int) -> str:
    """Return a path below the folder of the sequence; the name after the last: the folder."""
    if name == len(NAMES):
        return FOLDERS[folder]
    return f"{FOLDERS[folder]}/{NAMES[name]}".lstrip("/")


def _whole(play: Play, path: str) -> str:
    return f"{play.base}/{path}".rstrip("/")


def upload(play: Play, user: int, folder: int, name: int, size: int) -> None:
    """Upload a file, over another one or not; under the name of a folder it is refused."""
    number, path = play.number(user), path_of(folder, name)
    tree = play.world.files
    if tree.leads_through_file(number, path):
        return  # the contract does not say what comes of it
    content = f"file {play.new_number()} ".encode() * size
    where = _whole(play, FOLDERS[folder])
    exchange = play.sent(play.user(user).api.upload_file(content, NAMES[name], dir=where))
    if exchange.status == 429:
        return  # for the time being it takes no more
    if tree.is_folder(number, path):
        rule = "FILE-UPLOAD-ONTO-FOLDER"
        if play.status(exchange, rule, "an upload under the name of a folder", 409, 400):
            tree.refuse(number, path)
        return
    if not play.status(exchange, "FILE-UPLOAD-SHAPE", "the upload of a small text file", 200):
        return
    tree.upload(number, path, content)
    _judge_answer(play, exchange, _whole(play, path), content)


def _judge_answer(play: Play, exchange: Exchange, path: str, content: bytes) -> None:
    payload = exchange.payload
    told, digest = payload.get("path"), hashlib.sha256(content).hexdigest()
    rows = (
        ("FILE-UPLOAD-DIR", path, normal(str(told)) if is_text(told) else told),
        ("FILE-UPLOAD-SIZE-TRUE", len(content), payload.get("size")),
        ("FILE-UPLOAD-SHA256-TRUE", digest, str(payload.get("sha256")).lower()),
    )
    for rule, expected, got in rows:
        blame = None if got == expected else Blame(rule, f"{expected}", f"{got}")
        if not play.check(blame, rule, "what an upload says of its file", exchange):
            break


def list_files(play: Play, user: int, folder: int) -> None:
    """List a folder, which need not be there."""
    number, path = play.number(user), FOLDERS[folder]
    tree = play.world.files
    exchange = play.sent(play.user(user).api.list_files(_whole(play, path)))
    if tree.content(number, path) is not None:
        _judge_list_of_file(play, exchange, path)
        return
    if not tree.is_folder(number, path):
        _judge_absent(play, user, exchange, path, "FILE-LIST-ABSENT")
        return
    if not play.status(exchange, "FILE-LIST-SHAPE", "the listing of a folder", 200):
        return
    rows = rows_of(exchange)
    found = {
        str(row.get("name")): None if row.get("is_dir") is True else row.get("size") for row in rows
    }
    blame = tree.blame_listing(number, path, found)
    if (
        blame is not None
        and blame.rule == "FILE-LIST-ITEMS-TRUE"
        and not _files_are_right(play, user, path)
    ):
        return
    if not play.check(blame, "FILE-LIST-ITEMS-TRUE", "the items of a folder", exchange):
        return
    places = {name: normal(str(row.get("path"))) for name, row in zip(found, rows, strict=False)}
    wanted = {name: _whole(play, f"{path}/{name}".lstrip("/")) for name in found}
    wrong = Blame("FILE-LIST-ITEMS-TRUE", f"{wanted}", f"{places}")
    blame = None if places == wanted else wrong
    play.check(blame, "FILE-LIST-ITEMS-TRUE", "the paths of the items of a folder", exchange)
    names = list(found)
    unsorted = Blame("FILE-LIST-SORTED", ", ".join(sorted(names)), ", ".join(names))
    blame = None if names == sorted(names) else unsorted
    play.check(blame, "FILE-LIST-SORTED", "the order of the items of a folder", exchange)


def _judge_list_of_file(play: Play, exchange: Exchange, path: str) -> None:
    names = [str(row.get("name")) for row in rows_of(exchange)]
    right = exchange.status == 400 or names == [path.rpartition("/")[2]]
    got = f"{exchange.summary} {', '.join(names)}"
    blame = Blame("FILE-LIST-FILE", "400, or the file as the one item", got)
    play.check(None if right else blame, "FILE-LIST-FILE", "the listing of a file", exchange)


def _judge_absent(play: Play, user: int, exchange: Exchange, path: str, rule: str) -> None:
    """Judge what comes of asking for a path at which the user has nothing."""
    api, nothing = play.user(user).api, play.stage.name("nothing")
    ask = api.list_files if rule == "FILE-LIST-ABSENT" else api.download_file
    others = play.world.files.is_others(play.number(user), path)
    isolation = "ISOLATION-FILE-READ" if others else None
    what = f"asking for {path or 'a folder'!r}, which the user has not"
    play.absent(exchange, what, rule, isolation, lambda: ask(nothing))


def _files_are_right(play: Play, user: int, folder: str) -> bool:
    """Download all files of a folder that looks wrong: it may be them who are."""
    before = len(play.lines)
    files = play.world.files.below(play.number(user), folder)
    if not all(_judge_file(play, user, f"{folder}/{path}".lstrip("/")) for path in files):
        return False
    del play.lines[before:]
    return True


def download(play: Play, user: int, folder: int, name: int) -> None:
    """Download a file, or a folder as an archive, which need not be there."""
    path = path_of(folder, name)
    tree, number = play.world.files, play.number(user)
    if tree.content(number, path) is not None:
        _judge_file(play, user, path)
    elif tree.is_folder(number, path):
        _judge_archive(play, user, path)
    else:
        exchange = play.sent(play.user(user).api.download_file(_whole(play, path)))
        _judge_absent(play, user, exchange, path, "FILE-DOWNLOAD-ABSENT")


def _judge_file(play: Play, user: int, path: str) -> bool:
    exchange = play.sent(play.user(user).api.download_file(_whole(play, path)))
    if not play.status(exchange, "FILE-ROUND-TRIP", "the download of a file that is there", 200):
        return False
    blame = play.world.files.blame_bytes(play.number(user), path, exchange.body)
    held = ["FILE-ROUND-TRIP", "FILE-UPLOAD-OVERWRITES"]
    held += ["ISOLATION-FILE-WRITE"] if play.world.files.is_shared(path) else []
    return play.check(blame, held, f"the bytes of {path!r}", exchange)


def _judge_archive(play: Play, user: int, folder: str) -> None:
    exchange = play.sent(play.user(user).api.download_file(_whole(play, folder)))
    members = _members(exchange)
    blame = None if members is not None else Blame("FILE-ZIP", "an archive", exchange.summary)
    if not play.check(blame, "FILE-ZIP", "the download of a folder", exchange):
        return
    files = play.world.files.below(play.number(user), folder)
    found = members or []
    # Two files may have the same bytes, and a name may stand in it twice.
    if Counter(content for _, content in found) != Counter(files.values()):
        if _files_are_right(play, user, folder):
            wrong = Blame("FILE-ZIP-CONTENT", ", ".join(files), ", ".join(n for n, _ in found))
            play.check(wrong, "FILE-ZIP-CONTENT", "the files in the archive of a folder", exchange)
        return
    play.ledger.held("FILE-ZIP-CONTENT")
    names = sorted(name for name, _ in found)
    allowed = [sorted(files), sorted(f"{_whole(play, folder)}/{path}" for path in files)]
    wrong = Blame("FILE-ZIP-NAMES", f"{allowed[0]} or {allowed[1]}", f"{names}")
    blame = None if names in allowed else wrong
    play.check(blame, "FILE-ZIP-NAMES", "the names in the archive of a folder", exchange)


def _members(exchange: Exchange) -> list[tuple[str, bytes]] | None:
    """Return names and bytes of the files in an archive; None when it is none."""
    if exchange.status != 200:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(exchange.body)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            return [(entry.filename, archive.read(entry)) for entry in entries]
    except _NO_ARCHIVE:
        return None
