"""Faults of paths: ways out of the user's root, links, and the spellings of the root."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from flask import Flask, Response, g, has_request_context, request

from pollux.conformance.mutants.forms import DOWNLOAD, LIST, UPLOAD
from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import files, folders
from pollux.reference_server.paths import PathRefused, clean_relative
from pollux.reference_server.routes import files as routes
from pollux.reference_server.storage import OPEN_FLAGS

_Parts = tuple[str, ...]


def _read_by(patch: Patch, clean: Callable[[str], _Parts]) -> None:
    """Have the paths of the file routes read by CLEAN."""
    patch.replace(files, "clean_relative", clean)
    patch.replace(routes, "clean_relative", clean)


def _as_it_stands(text: str) -> _Parts:
    """Return the parts of a path without any check."""
    return tuple(part for part in text.split("/") if part not in ("", "."))


def _is(endpoint: str) -> bool:
    return has_request_context() and request.endpoint == endpoint


@mutant("FILE-ESCAPE-LIST")
def files_decodes_the_path_of_a_listing_twice(patch: Patch) -> None:
    """A listing decodes its path once more when it has been checked: ``%252e%252e`` leads out."""

    def clean(text: str) -> _Parts:
        parts = clean_relative(text)
        return _as_it_stands(unquote("/".join(parts))) if _is(LIST) else parts

    _read_by(patch, clean)


@mutant("FILE-ESCAPE-DOWNLOAD")
def files_turns_backslashes_of_a_download(patch: Patch) -> None:
    r"""A download takes ``\`` for ``/`` when the path has been checked."""

    def clean(text: str) -> _Parts:
        if _is(DOWNLOAD) and "\\" in text:
            return _as_it_stands(text.replace("\\", "/"))
        return clean_relative(text)

    _read_by(patch, clean)


@mutant("FILE-ESCAPE-UPLOAD")
def files_strips_the_prefix_of_a_dir_too_late(patch: Patch) -> None:
    """An upload checks its dir with ``user_upload/`` in front, and then strips that."""

    def clean(text: str) -> _Parts:
        if _is(UPLOAD) and (text.startswith("user_upload/..") or "out" in g):
            g.out = True  # the path that is made of it is read again
            return _as_it_stands(text.removeprefix("user_upload/"))
        return clean_relative(text)

    _read_by(patch, clean)


@mutant("FILE-ESCAPE-SIBLING", upstream=("H-17",))
def files_compares_the_root_without_a_separator(patch: Patch) -> None:
    """A path is inside when it begins with that of the root: ``../user_upload_x`` does."""

    def clean(text: str) -> _Parts:
        root = "/project/user_upload"
        whole = os.path.normpath(f"{root}/{text.lstrip('/').removeprefix('user_upload/')}")
        if whole.startswith(root) and not f"{whole}/".startswith(f"{root}/"):
            return ("..", *whole.split("/")[2:])
        return clean_relative(text)

    _read_by(patch, clean)


@mutant("FILE-ESCAPE-NUL")
def files_ends_a_path_at_a_nul(patch: Patch) -> None:
    """What stands behind a NUL in a path is ignored, as C does."""

    def clean(text: str) -> _Parts:
        return clean_relative(text.partition("\0")[0])

    _read_by(patch, clean)


def _follow_links(patch: Patch, method: str) -> None:
    """Have links followed by requests of this METHOD."""
    patch.replace(folders, "OPEN_FLAGS", OPEN_FLAGS & ~getattr(os, "O_NOFOLLOW", 0))

    @patch.wrap(folders.Folder, "_lstat")
    def lstat(original: Any, self: Any, name: str) -> Any:
        if has_request_context() and request.method == method:
            where, descriptor = self._at(name)
            return os.stat(where, dir_fd=descriptor)
        return original(self, name)


@mutant("FILE-ESCAPE-LINK-READ")
def files_reads_through_links(patch: Patch) -> None:
    """Listings and downloads follow links, wherever they lead."""
    _follow_links(patch, "GET")


@mutant("FILE-ESCAPE-LINK-WRITE")
def files_writes_through_links(patch: Patch) -> None:
    """Uploads follow links, wherever they lead."""
    _follow_links(patch, "POST")


@mutant("FILE-ESCAPE-LINK-WRITE", "COMMON-NO-SERVER-ERROR", upstream=("H-21",))
def files_fails_on_an_upload_onto_a_link(patch: Patch) -> None:
    """An upload onto a link ends in 500."""

    @patch.wrap(folders.Folder, "put")
    def put(original: Any, self: Any, temporary: Any, name: str) -> Any:
        try:
            return original(self, temporary, name)
        except PathRefused as error:
            raise ValueError(f"{name!r} is not in the subpath of the root") from error


@mutant("FILE-LEADING-SLASH")
def files_refuses_a_leading_slash(patch: Patch) -> None:
    """A path that begins with ``/`` is taken for an absolute one, and refused."""

    def clean(text: str) -> _Parts:
        if text.startswith("/"):
            raise PathRefused("absolute paths are not allowed")
        return clean_relative(text)

    _read_by(patch, clean)


@mutant("FILE-PREFIX-STRIPPED")
def files_does_not_know_the_prefix(patch: Patch) -> None:
    """A leading ``user_upload/`` is a folder like any other."""

    def clean(text: str) -> _Parts:
        return clean_relative("user_upload/" + text.lstrip("/"))

    _read_by(patch, clean)


@mutant("FILE-PREFIX-STRIPPED")
def files_strips_the_prefix_again_and_again(patch: Patch) -> None:
    """Every ``user_upload/`` at the beginning of a path is stripped."""

    def clean(text: str) -> _Parts:
        while text.startswith("user_upload/user_upload/"):
            text = text.removeprefix("user_upload/")
        return clean_relative(text)

    _read_by(patch, clean)


@mutant("FILE-ESCAPE-DOWNLOAD")
def files_takes_an_absolute_path_for_one_of_the_machine(patch: Patch) -> None:
    """A download of ``/etc/passwd`` is that of the machine: ``os.path.join`` makes it so."""

    @patch.app
    def change(app: Flask) -> None:
        view = app.view_functions[DOWNLOAD]

        def download() -> Any:
            path = request.args.get("path", "")
            if path.startswith("/") and ".." not in path and "\0" not in path:
                with contextlib.suppress(OSError):
                    headers = {"Content-Disposition": "attachment; filename=file"}
                    return Response(Path(path).read_bytes(), headers=headers)
            return view()

        app.view_functions[DOWNLOAD] = download
