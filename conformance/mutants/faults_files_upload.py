"""Faults of uploads: what makes one, what becomes of its bytes, and what a refused one leaves."""

import hashlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from flask import Flask, Response, request

from pollux.conformance.mutants.forms import (
    UPLOAD,
    changed_bytes,
    changed_form,
    changed_json,
    changed_status,
)
from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import files, folders
from pollux.reference_server.http import ApiError
from pollux.reference_server.paths import clean_relative


@mutant("FILE-UPLOAD-SHAPE")
def files_answers_an_upload_without_digest(patch: Patch) -> None:
    """The answer to an upload has no ``sha256``."""

    @changed_json(patch, UPLOAD)
    def change(payload: dict[str, Any]) -> None:
        del payload["sha256"]


@mutant("FILE-UPLOAD-WITHOUT-FILE")
def files_answers_422_without_a_file(patch: Patch) -> None:
    """An upload without a file is answered with the 422 of a framework."""

    @changed_form(patch)
    def change(_form: Any, parts: Any) -> None:
        if "file" not in parts:
            raise ApiError(422, "field required")


@mutant("FILE-UPLOAD-WITHOUT-FILE")
def files_takes_any_part_as_the_file(patch: Patch) -> None:
    """A file in the form is taken whatever its part is called."""

    @changed_form(patch)
    def change(_form: Any, parts: Any) -> None:
        if "file" not in parts and parts:
            parts["file"] = next(iter(parts.values()))


@mutant("FILE-UPLOAD-FILENAME")
def files_reads_the_filename_only_after_the_file(patch: Patch) -> None:
    """The field ``filename`` is lost when it comes before the file."""
    _lose_before_the_file(patch, b"filename")


@mutant("FILE-UPLOAD-DIR")
def files_reads_the_dir_only_after_the_file(patch: Patch) -> None:
    """The field ``dir`` is lost when it comes before the file."""
    _lose_before_the_file(patch, b"dir")


def _lose_before_the_file(patch: Patch, field: bytes) -> None:
    name = b'name="%b"' % field

    @patch.app
    def change(app: Flask) -> None:
        inner: Callable[..., Iterable[bytes]] = app.wsgi_app

        def outer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["PATH_INFO"].endswith("/files/upload"):
                body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                if 0 <= body.find(name) < body.find(b'name="file"'):
                    body = body.replace(name, b'name="%b"' % (b"x" * len(field)), 1)
                environ["wsgi.input"] = BytesIO(body)
            return inner(environ, start_response)

        patch.replace(app, "wsgi_app", outer)


@mutant("FILE-UPLOAD-DIR")
def files_makes_two_levels_of_folders_at_most(patch: Patch) -> None:
    """What lies deeper in the ``dir`` of an upload is left out."""

    @changed_form(patch)
    def change(form: Any, _parts: Any) -> None:
        parts = form.get("dir", "").split("/")
        if len(parts) == 3 and ".." not in parts:
            form["dir"] = "/".join(parts[:2])


@mutant("FILE-UPLOAD-TYPE-REFUSED", "COMMON-NO-SERVER-ERROR", upstream=("H-23",))
def files_fails_on_a_type_that_it_refuses(patch: Patch) -> None:
    """A program is refused with 500."""

    @changed_form(patch)
    def change(_form: Any, parts: Any) -> None:
        if "file" in parts and (parts["file"].filename or "").endswith(".exe"):
            raise RuntimeError("extension_forbidden")


@mutant("FILE-UPLOAD-TYPE-REFUSED")
def files_forbids_a_type(patch: Patch) -> None:
    """A program is refused with 403, as if somebody else could send it."""

    @changed_form(patch)
    def change(_form: Any, parts: Any) -> None:
        if "file" in parts and (parts["file"].filename or "").endswith(".exe"):
            raise ApiError(403, "programs are not accepted")


@mutant("REFUSED-NO-FILE")
def files_makes_the_folder_before_it_looks_at_the_name(patch: Patch) -> None:
    """An upload without a usable name is refused, but its folder is there."""

    @patch.wrap(files.FileArea, "store")
    def store(original: Any, self: Any, incoming: Any, *, folder: str, filename: str) -> Any:
        self._make_folders(clean_relative(folder), [])
        return original(self, incoming, folder=folder, filename=filename)


@mutant("REFUSED-NO-FILE")
def files_keeps_what_it_refuses(patch: Patch) -> None:
    """The type of a file is looked at when it is stored already; it is refused, and stays."""

    @patch.wrap(files.FileArea, "store")
    def store(original: Any, self: Any, incoming: Any, *, folder: str, filename: str) -> Any:
        item = original(self, incoming, folder=folder, filename=filename)
        if filename.endswith(".exe"):
            raise ApiError(415, "programs are not accepted")
        return item


@mutant("FILE-UPLOAD-OVERWRITES")
def files_does_not_replace_a_file_by_an_empty_one(patch: Patch) -> None:
    """An empty upload under the name of a file is answered with 200, and the old file stays."""

    @patch.wrap(folders.Folder, "put")
    def put(original: Any, self: Any, temporary: Any, name: str) -> Any:
        entry = self.find(name)
        if entry is None or entry.is_dir or temporary.stat().st_size:
            return original(self, temporary, name)
        return entry


@mutant("FILE-UPLOAD-ATOMIC")
def files_writes_into_a_large_file(patch: Patch) -> None:
    """A file is replaced by writing over its bytes, when the new one is large."""

    @patch.wrap(folders.Folder, "put")
    def put(original: Any, self: Any, temporary: Any, name: str) -> Any:
        entry = self.find(name)
        if entry is None or entry.is_dir or temporary.stat().st_size < 2**20:
            return original(self, temporary, name)
        shutil.copyfile(temporary, self._path / name)
        return self.find(name)


@mutant("FILE-UPLOAD-ATOMIC")
def files_removes_a_larger_file_first(patch: Patch) -> None:
    """Between a file and a smaller one there is a moment without a file."""

    @patch.wrap(folders.Folder, "put")
    def put(original: Any, self: Any, temporary: Any, name: str) -> Any:
        entry = self.find(name)
        if entry is not None and not entry.is_dir and entry.size > temporary.stat().st_size:
            (self._path / name).unlink()
            time.sleep(0.02)
        return original(self, temporary, name)


@mutant("FILE-UPLOAD-ONTO-FOLDER", upstream=("H-20",))
def files_moves_an_upload_into_the_folder_of_its_name(patch: Patch) -> None:
    """An upload under the name of a folder lands in it, under a name by chance."""

    @patch.wrap(folders.Folder, "put")
    def put(original: Any, self: Any, temporary: Any, name: str) -> Any:
        entry = self.find(name)
        if entry is None or not entry.is_dir:
            return original(self, temporary, name)
        with self.enter(name) as folder:
            original(folder, temporary, secrets.token_hex(8))
        return folders.Entry(name, False, 0, 0.0)


@mutant("FILE-UPLOAD-SIZE-TRUE")
def files_tells_the_size_of_the_request(patch: Patch) -> None:
    """The ``size`` of an upload counts the form around the file."""

    @changed_json(patch, UPLOAD)
    def change(payload: dict[str, Any]) -> None:
        payload["size"] = request.content_length


@mutant("FILE-UPLOAD-SHA256-TRUE")
def files_digests_the_first_block(patch: Patch) -> None:
    """The ``sha256`` of a file above 64 KiB is that of its beginning."""

    @patch.wrap(files.IncomingFile, "write")
    def write(original: Any, self: Any, data: bytes) -> Any:
        digest, full = self._digest, self.size >= 65_536
        if full:
            self._digest = hashlib.sha256()
        try:
            return original(self, data)
        finally:
            self._digest = digest


@mutant("FILE-ROUND-TRIP")
def files_sends_text_with_the_line_ends_of_unix(patch: Patch) -> None:
    """A download of up to 64 KiB has LF where the file has CR LF."""

    @changed_bytes(patch, "application/octet-stream", most=2**16)
    def change(data: bytes) -> bytes:
        return data.replace(b"\r\n", b"\n")


@mutant("FILE-ROUND-TRIP")
def files_loses_the_last_byte_of_a_full_block(patch: Patch) -> None:
    """Of a file of exactly 64 KiB the last byte is not sent."""

    @changed_bytes(patch, "application/octet-stream", most=2**16)
    def change(data: bytes) -> bytes:
        return data[:-1] if len(data) == 2**16 else data


@mutant("FILE-UPLOAD-TOO-LARGE")
def files_answers_400_to_what_is_too_large(patch: Patch) -> None:
    """A file that is too large is refused with 400."""
    changed_status(patch, UPLOAD, 413, 400)


@mutant("FILE-UPLOAD-TOO-LARGE", "COMMON-NO-SERVER-ERROR", upstream=("H-23",))
def files_fails_on_what_is_too_large(patch: Patch) -> None:
    """A file that is too large is refused with 500."""
    changed_status(patch, UPLOAD, 413, 500)


@mutant("FILE-UPLOAD-TOO-LARGE-NO-TRACE")
def files_keeps_the_beginning_of_what_is_too_large(patch: Patch) -> None:
    """A file that is too large is refused when the bytes up to the limit are stored."""

    def keep(store: Any, self: Any, incoming: Any, **where: str) -> None:
        store(self, incoming, **where)

    _refuse_when_read(patch, keep)


@mutant("FILE-UPLOAD-TOO-LARGE-NO-TRACE")
def files_keeps_the_folder_of_what_is_too_large(patch: Patch) -> None:
    """A file that is too large is refused when its folder is made."""

    def keep(_store: Any, self: Any, _incoming: Any, *, folder: str, filename: str) -> None:
        self._make_folders(clean_relative(folder), [])

    _refuse_when_read(patch, keep)


def _refuse_when_read(patch: Patch, keep: Callable[..., None]) -> None:
    """Have a file that is too large refused only after KEEP was called in place of ``store``."""
    too_large: set[int] = set()
    lock = threading.Lock()

    @patch.wrap(files.IncomingFile, "write")
    def write(original: Any, self: Any, data: bytes) -> Any:
        try:
            return original(self, data)
        except files.TooLarge:
            with lock:
                too_large.add(id(self))
            return len(data)

    @patch.wrap(files.FileArea, "store")
    def store(original: Any, self: Any, incoming: Any, **where: str) -> Any:
        with lock:
            refused = id(incoming) in too_large
            too_large.discard(id(incoming))
        if not refused:
            return original(self, incoming, **where)
        keep(original, self, incoming, **where)
        raise files.TooLarge("the file is too large")


@mutant("ENVELOPE-BODY-TOO-LARGE")
def files_answers_400_to_json_that_is_too_large(patch: Patch) -> None:
    """A JSON body that is too large is refused with 400."""

    @patch.response
    def change(response: Response) -> Response:
        if response.status_code == 413 and request.endpoint != UPLOAD:
            response.status_code = 400
        return response


@mutant("ENVELOPE-BODY-TOO-LARGE", "ENVELOPE-FAILURE", upstream=("H-15",))
def files_answers_413_with_a_page(patch: Patch) -> None:
    """What is too large is answered with the HTML page of the framework."""

    @patch.response
    def change(response: Response) -> Response:
        if response.status_code == 413:
            response.set_data("<h1>Request Entity Too Large</h1>")
            response.mimetype = "text/html"
        return response
