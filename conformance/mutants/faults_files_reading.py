"""Faults of listings, downloads and archives."""

import io
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Response, request

from pollux.conformance.mutants.forms import (
    DOWNLOAD,
    LIST,
    changed_bytes,
    changed_json,
    changed_status,
)
from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import archive, files, folders
from pollux.reference_server.paths import PathRefused, clean_relative
from pollux.reference_server.routes import files as routes


@mutant("FILE-ROOT")
def files_shows_only_folders_in_the_root(patch: Patch) -> None:
    """The listing of the root leaves out the files that lie right in it."""

    @changed_json(patch, LIST)
    def change(payload: dict[str, Any]) -> None:
        if payload["base"] == "":
            payload["items"] = [item for item in payload["items"] if item["is_dir"]]


@mutant("FILE-LIST-ROOT")
def files_finds_nothing_at_an_empty_path(patch: Patch) -> None:
    """A listing with an empty path is empty."""

    @changed_json(patch, LIST)
    def change(payload: dict[str, Any]) -> None:
        if request.args.get("path") == "":
            payload["items"] = []


@mutant("FILE-LIST-SHAPE")
def files_lists_without_times(patch: Patch) -> None:
    """The items of a listing have no ``modified_at``."""

    @changed_json(patch, LIST)
    def change(payload: dict[str, Any]) -> None:
        for item in payload["items"]:
            del item["modified_at"]


@mutant("FILE-LIST-BASE")
def files_tells_the_name_of_the_folder_as_base(patch: Patch) -> None:
    """The ``base`` of a listing is the last part of its path."""

    @changed_json(patch, LIST)
    def change(payload: dict[str, Any]) -> None:
        payload["base"] = payload["base"].rpartition("/")[2]


@mutant("FILE-LIST-ITEMS-TRUE")
def files_lists_sizes_up_to_64_kib(patch: Patch) -> None:
    """The ``size`` of an item has 16 bits."""

    @changed_json(patch, LIST)
    def change(payload: dict[str, Any]) -> None:
        for item in payload["items"]:
            item["size"] &= 0xFFFF


@mutant("FILE-LIST-ITEMS-TRUE", "FILE-UPLOAD-KNOWN-NAME")
def files_lists_names_as_paths(patch: Patch) -> None:
    """The ``path`` of an item is its name."""

    @changed_json(patch, LIST)
    def change(payload: dict[str, Any]) -> None:
        for item in payload["items"]:
            item["path"] = item["name"]


def _sorted_by(patch: Patch, key: Any) -> None:
    @changed_json(patch, LIST)
    def change(payload: dict[str, Any]) -> None:
        payload["items"].sort(key=key)


@mutant("FILE-LIST-SORTED")
def files_sorts_without_regard_to_capitals(patch: Patch) -> None:
    """The items of a listing are sorted as if all letters were small."""
    _sorted_by(patch, lambda item: item["name"].lower())


@mutant("FILE-LIST-SORTED")
def files_sorts_folders_first(patch: Patch) -> None:
    """The folders of a listing come before its files."""
    _sorted_by(patch, lambda item: (not item["is_dir"], item["name"]))


@mutant("FILE-LIST-SORTED")
def files_sorts_by_utf_16(patch: Patch) -> None:
    """The items of a listing are sorted by the units of UTF-16, as JavaScript does."""
    _sorted_by(patch, lambda item: item["name"].encode("utf-16-be"))


@mutant("FILE-LIST-ABSENT")
def files_answers_400_to_an_absent_folder(patch: Patch) -> None:
    """The listing of a path at which there is nothing is answered with 400."""
    changed_status(patch, LIST, 404, 400)


@mutant("FILE-LIST-FILE")
def files_lists_nothing_in_a_file(patch: Patch) -> None:
    """The listing of the path of a file is an empty list."""

    @patch.wrap(files.FileArea, "list")
    def list_(original: Any, self: Any, path: str = "") -> Any:
        try:
            return original(self, path)
        except folders.NotAFolder:
            return ()


@mutant("FILE-LIST-BROKEN-LINK", upstream=("H-19",))
def files_stumbles_over_a_broken_link(patch: Patch) -> None:
    """One broken link makes the listing of its folder fail."""

    @patch.wrap(folders.Folder, "entries")
    def entries(original: Any, self: Any) -> Any:
        if not all(path.exists() for path in self._path.iterdir()):
            raise PathRefused("stat failed")
        return original(self)


@mutant("FILE-DOWNLOAD-PATH-MISSING")
def files_answers_404_without_a_path(patch: Patch) -> None:
    """A download without a path is answered with 404."""

    @patch.response
    def change(response: Response) -> Response:
        missing = request.endpoint == DOWNLOAD and not request.args.get("path")
        if missing and response.status_code == 400:
            response.status_code = 404
        return response


@mutant("FILE-DOWNLOAD-ABSENT")
def files_answers_400_below_an_absent_folder(patch: Patch) -> None:
    """The download of a path whose folder is not there is answered with 400."""

    @patch.wrap(files.FileArea, "find")
    def find(original: Any, self: Any, path: str) -> Any:
        above = clean_relative(path)[:-1]
        if above:
            try:
                original(self, "/".join(above))
            except folders.FileAbsent:
                raise PathRefused("there is no such folder") from None
        return original(self, path)


def _disposition(patch: Patch, mimetype: str, old: str, new: str) -> None:
    """Have OLD replaced by NEW in the Content-Disposition of downloads of this type."""

    @patch.response
    def change(response: Response) -> Response:
        if request.endpoint == DOWNLOAD and response.mimetype == mimetype:
            header = response.headers["Content-Disposition"]
            response.headers["Content-Disposition"] = header.replace(old, new)
        return response


@mutant("FILE-DOWNLOAD-ATTACHMENT")
def files_shows_a_file_in_the_browser(patch: Patch) -> None:
    """A download is ``inline``: a browser would show it, and run what is in it."""
    _disposition(patch, "application/octet-stream", "attachment", "inline")


@mutant("FILE-DOWNLOAD-ATTACHMENT")
def files_cuts_a_name_at_a_blank(patch: Patch) -> None:
    """The name of a download is written without quotes, and ends at its first blank."""

    @patch.response
    def change(response: Response) -> Response:
        if request.endpoint == DOWNLOAD and "Content-Disposition" in response.headers:
            header = response.headers["Content-Disposition"]
            cut = re.sub(r'filename="(\S+) [^"]*"$', r"filename=\1", header)
            response.headers["Content-Disposition"] = cut
        return response


@mutant("FILE-DOWNLOAD-UNICODE-NAME")
def files_sends_a_name_in_ascii_alone(patch: Patch) -> None:
    """A download has no ``filename*``."""
    _disposition(patch, "application/octet-stream", "filename*", "x-name")


@mutant("FILE-DOWNLOAD-UNICODE-NAME")
def files_names_another_encoding(patch: Patch) -> None:
    """The ``filename*`` of a download is UTF-8, and says that it is Latin-1."""
    _disposition(patch, "application/octet-stream", "UTF-8''", "ISO-8859-1''")


@mutant("FILE-ZIP")
def files_calls_every_archive_the_same(patch: Patch) -> None:
    """The archive of every folder is called ``download.zip``."""

    @patch.response
    def change(response: Response) -> Response:
        if response.mimetype == "application/zip":
            response.headers["Content-Disposition"] = "attachment; filename=download.zip"
        return response


@mutant("FILE-ZIP")
def files_cuts_the_end_off_an_archive(patch: Patch) -> None:
    """An archive lacks its last bytes."""

    @changed_bytes(patch, "application/zip")
    def change(data: bytes) -> bytes:
        return data[:-10]


@mutant("FILE-ZIP-CONTENT")
def files_packs_one_level(patch: Patch) -> None:
    """The archive of a folder has the files right in it, and nothing of the folders below."""

    @patch.wrap(archive, "_blocks")
    def blocks(original: Any, area: Any, items: Any) -> Iterator[bytes]:
        yield from original(area, [item for item in items if not item.is_dir])


@mutant("FILE-ZIP-NAMES")
def files_packs_without_folders(patch: Patch) -> None:
    """The entries of an archive are called by the last part of their path."""

    @patch.wrap(archive, "_entry")
    def entry(original: Any, item: Any) -> Any:
        made = original(item)
        made.filename = item.name + ("/" if item.is_dir else "")
        return made


@mutant("FILE-ZIP-NAMES")
def files_packs_relative_to_the_folder_above(patch: Patch) -> None:
    """The entries of an archive begin with the name of its folder, wherever that lies."""

    def pack(area: Any, path: str) -> list[bytes]:
        folder = area._root.joinpath(*clean_relative(path))
        return [_packed(folder, folder.parent, follow=False)]

    patch.replace(routes, "zip_folder", pack)


@mutant("FILE-ZIP-LINKS", upstream=("H-18",))
def files_packs_what_links_lead_to(patch: Patch) -> None:
    """The archive of a folder has the bytes of the files behind links in it."""

    def pack(area: Any, path: str) -> list[bytes]:
        folder = area._root.joinpath(*clean_relative(path))
        return [_packed(folder, area._root, follow=True)]

    patch.replace(routes, "zip_folder", pack)


def _packed(folder: Path, base: Path, *, follow: bool) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        for above, _, names in os.walk(folder, followlinks=follow):
            for path in (Path(above, name) for name in names):
                if path.exists() and (follow or not path.is_symlink()):
                    packed.write(path, path.relative_to(base))
    return sink.getvalue()
