"""A check's own folder among the files of its user: uploads that must work, and what then is there.

The API has no way to delete a file, so what a check puts there stays, small and under a name
that nothing else has.
"""

import re
import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pollux.conformance.stage import User
from pollux.polling.exchange import Exchange, FormPart

#: What may stand in front of a path, and means the root itself.
ROOT_PREFIX = "user_upload/"

_PARAMETER = re.compile(r';\s*([\w!#$%&+.^`|~*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_CHARSETS = ("utf-8", "iso-8859-1")


@dataclass(frozen=True)
class Stored:
    """A file that the target says it has stored.

    Attributes:
        path: Its path, as the upload answered it.
        name: Its name, likewise.
        content: Its bytes.
        exchange: The upload.
    """

    path: str
    name: str
    content: bytes
    exchange: Exchange


class FileArea:
    """One check's folder among the files of a user; it exists once something is put into it.

    Args:
        user: Whose files.
    """

    def __init__(self, user: User) -> None:
        self.user = user
        self.stage = user.stage
        self.judge = user.stage.judge
        self.folder = user.stage.name("pollux-files")

    def within(self, *parts: str) -> str:
        """Return the path of something below the area's folder."""
        return "/".join((self.folder, *parts))

    def upload(
        self,
        content: bytes,
        name: str,
        *,
        filename: str | None = None,
        dir: str | None = None,
    ) -> Exchange:
        """Upload CONTENT as :meth:`ApiClient.upload_file` does, whatever comes of it."""
        return self.sent(self.user.api.upload_file(content, name, filename=filename, dir=dir))

    def upload_form(self, *parts: FormPart) -> Exchange:
        """Upload a form of these PARTS, in this order."""
        return self.sent(
            self.user.api.request("POST", "/files/upload", operation="uploadFile", form=parts)
        )

    def sent(self, exchange: Exchange) -> Exchange:
        """Return the EXCHANGE of an upload.

        Raises:
            CannotVerifyError: when the server takes no more uploads for the time being.
        """
        if exchange.status == 429:
            self.judge.cannot_verify(f"the number of uploads is limited: {exchange.summary}")
        return exchange

    def put(self, name: str, content: bytes | None = None, *, dir: str | None = None) -> Stored:
        """Upload a file that must be accepted.

        Args:
            name: A plain name, ending in ``.txt``, the type least likely to be refused.
            content: Its bytes; by default a short text of its own.
            dir: The folder; None: the one of the area, "": the root, no folder is sent.

        Raises:
            CannotVerifyError: when it is not accepted.
        """
        if content is None:
            content = f"{name} of {uuid.uuid4()}\n".encode()
        folder = self.folder if dir is None else dir
        exchange = self.upload(content, name, dir=folder or None)
        return self.stored(exchange, content, folder)

    def stored(self, exchange: Exchange, content: bytes, folder: str) -> Stored:
        """Return what an upload into FOLDER, which must have been accepted, says of its file.

        Raises:
            CannotVerifyError: when it was not accepted, or put anywhere else.
        """
        path, name = exchange.payload.get("path"), exchange.payload.get("filename")
        self.judge.require(
            "FILE-UPLOAD-SHAPE",
            exchange.status == 200 and is_text(path) and is_text(name),
            "the upload of a small text file",
            expected="200 with a path and a filename",
            got=exchange.summary,
            by=exchange,
        )
        above = normal(str(path)).rpartition("/")[0]
        self.judge.require(
            "FILE-UPLOAD-DIR" if folder else "FILE-ROOT",
            above == normal(folder),
            f"the path of a file uploaded with the dir {folder!r}"
            if folder
            else "the path of a file uploaded without a dir",
            expected=f"a path right below {folder or 'the root'}",
            got=f"{path!r}",
            by=exchange,
        )
        return Stored(str(path), str(name), content, exchange)

    def items(self, path: str | None = None) -> list[Mapping[str, Any]]:
        """Return the items of a folder that must be there; None: the one of the area.

        Raises:
            CannotVerifyError: when it cannot be listed.
        """
        return self.rows(self.user.api.list_files(self.folder if path is None else path))

    def root_items(self) -> list[Mapping[str, Any]]:
        """Return the items of the user's root.

        Raises:
            CannotVerifyError: when it cannot be listed.
        """
        return self.rows(self.user.api.list_files())

    def rows(self, exchange: Exchange) -> list[Mapping[str, Any]]:
        """Return the items of a listing that must have worked.

        Raises:
            CannotVerifyError: when it has not.
        """
        found = exchange.payload.get("items")
        self.judge.require(
            "FILE-LIST-SHAPE",
            exchange.status == 200 and isinstance(found, list),
            "the listing of a folder",
            expected="200 with items",
            got=exchange.summary,
            by=exchange,
        )
        return rows_of(exchange)

    def fetch(self, path: str, requirement: str = "FILE-DOWNLOAD-ATTACHMENT") -> Exchange:
        """Download a file that must be there.

        Args:
            path: Its path.
            requirement: What it is charged to when it does not come.

        Raises:
            CannotVerifyError: when it does not come.
        """
        exchange = self.user.api.download_file(path)
        self.judge.require(
            requirement,
            exchange.status == 200,
            "the download of a file that is there",
            expected="200",
            got=exchange.summary,
            by=exchange,
        )
        return exchange

    def tree(self, path: str | None = None) -> dict[str, bytes | None]:
        """Return all below a folder, by path: the bytes of files, None for folders.

        Raises:
            CannotVerifyError: when a part of it cannot be read.
        """
        top = self.folder if path is None else path
        found: dict[str, bytes | None] = {}
        for row in self.items(top):
            inner = f"{top}/{row.get('name')}"
            if row.get("is_dir") is True:
                found[inner] = None
                found |= self.tree(inner)
            else:
                found[inner] = self.fetch(inner).body
        return found

    def traces(self) -> set[str]:
        """Return the names in the user's root that hold the name of this area."""
        return {name for name in names_of(self.root_items()) if self.folder in name}


def rows_of(exchange: Exchange) -> list[Mapping[str, Any]]:
    """Return the items of a listing as far as they are objects; none of anything else."""
    found = exchange.payload.get("items")
    rows = found if isinstance(found, list) else []
    return [row for row in rows if isinstance(row, dict)]


def names_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the ROWS of a listing, in their order."""
    return [str(row.get("name")) for row in rows]


def normal(path: str) -> str:
    """Return the one spelling of PATH among those that mean the same (api_v1 2.5).

    The Unicode normal form in which a name is kept is free, too.
    """
    path = path.strip("/").removeprefix(ROOT_PREFIX).strip("/")
    return unicodedata.normalize("NFC", path)


def is_text(value: object) -> bool:
    """Whether VALUE is a text that can be sent back: not empty, and without half surrogates."""
    return (
        isinstance(value, str)
        and bool(value)
        and not any("\ud800" <= char <= "\udfff" for char in value)
    )


def form_body(*parts: FormPart) -> tuple[bytes, str]:
    """Return a multipart form as bytes, for requests that do not end as they should.

    Returns:
        The body and its content type.
    """
    boundary = uuid.uuid4().hex
    pieces = []
    for part in parts:
        filename = "" if part.filename is None else f'; filename="{part.filename}"'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"{filename}'
        if part.filename is not None:
            head += "\r\nContent-Type: application/octet-stream"
        pieces += [head.encode(), b"\r\n\r\n", part.content, b"\r\n"]
    return b"".join((*pieces, f"--{boundary}--\r\n".encode())), (
        f"multipart/form-data; boundary={boundary}"
    )


@dataclass(frozen=True)
class Disposition:
    """How an answer says that it is to be saved (RFC 6266).

    Attributes:
        kind: ``attachment`` or another word, in small letters; "" without the header.
        filename: The parameter ``filename``, or None.
        extended: The parameter ``filename*``, decoded; None when absent or not decodable.
    """

    kind: str
    filename: str | None
    extended: str | None

    @property
    def name(self) -> str | None:
        """The name that a client takes."""
        return self.filename if self.extended is None else self.extended


def disposition(exchange: Exchange) -> Disposition:
    """Read the header ``Content-Disposition`` of an answer."""
    header = exchange.header("content-disposition") or ""
    kind, semicolon, rest = header.partition(";")
    given: dict[str, str] = {}
    for name, value in _PARAMETER.findall(semicolon + rest):
        given.setdefault(name.lower(), value.strip())
    return Disposition(
        kind.strip().lower(), _unquoted(given.get("filename")), _extended(given.get("filename*"))
    )


def _unquoted(value: str | None) -> str | None:
    if value is None or not value.startswith('"'):
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1])


def _extended(value: str | None) -> str | None:
    if value is None:
        return None
    charset, first, rest = value.strip('"').partition("'")
    _, second, encoded = rest.partition("'")
    if not first or not second or charset.lower() not in _CHARSETS:
        return None
    try:
        return unquote(encoded, charset, "strict")
    except UnicodeDecodeError:
        return None
