"""Files: upload, list, download (api_v1 2.5)."""

from contextlib import ExitStack
from dataclasses import asdict
from typing import IO, cast
from urllib.parse import quote

from flask import Blueprint, Response, request
from werkzeug.formparser import FormDataParser
from werkzeug.wsgi import wrap_file

from pollux.reference_server.archive import zip_folder
from pollux.reference_server.files import FileItem, IncomingFile
from pollux.reference_server.http import ApiError, current_space, ok
from pollux.reference_server.paths import clean_relative, display
from pollux.reference_server.refusals import register_refusals

blueprint = Blueprint("files", __name__)
register_refusals(blueprint)

_MAX_PARTS = 16
_MAX_FIELD_BYTES = 256 * 1024


class _FormFile:
    """What the form parser writes one file into."""

    def __init__(self, file: IncomingFile) -> None:
        self.file = file
        self.write = file.write

    def seek(self, position: int) -> None:
        """Take no notice: the parser rewinds for readers, and there are none."""


@blueprint.post("/files/upload")
def upload_file() -> Response:
    """Answer uploadFile: the bytes go straight to the disk, and to their name when all is well."""
    if request.mimetype != "multipart/form-data":
        raise ApiError(400, "the body must be multipart/form-data with a file part 'file'")
    files = current_space().files
    with ExitStack() as received:

        def make_file(*_: object, **_about: object) -> IO[bytes]:
            return cast(IO[bytes], _FormFile(received.enter_context(files.receive())))

        parser = FormDataParser(
            make_file, max_form_memory_size=_MAX_FIELD_BYTES, max_form_parts=_MAX_PARTS
        )
        _, form, parts = parser.parse(
            request.stream, request.mimetype, request.content_length, request.mimetype_params
        )
        part = parts.get("file")
        if part is None:
            raise ApiError(400, "a file part 'file' is needed in the form")
        incoming = cast(_FormFile, part.stream).file
        item = files.store(
            incoming,
            folder=form.get("dir", ""),
            filename=form.get("filename") or part.filename or "",
        )
        return ok(
            {
                "path": item.path,
                "filename": item.name,
                "size": incoming.size,
                "sha256": incoming.sha256,
            }
        )


@blueprint.get("/files")
def list_files() -> Response:
    """Answer listFiles: what lies in one folder."""
    path = request.args.get("path", "")
    items = current_space().files.list(path)
    return ok({"base": display(clean_relative(path)), "items": [asdict(item) for item in items]})


@blueprint.get("/files/download")
def download_file() -> Response:
    """Answer downloadFile: a file as it is, a folder as a zip archive."""
    path = request.args.get("path")
    if not path:
        raise ApiError(400, "the parameter 'path' is needed; '/' is the whole folder")
    item = current_space().files.find(path)
    return _send_folder(item) if item.is_dir else _send_file(path)


def _send_folder(item: FileItem) -> Response:
    archive = zip_folder(current_space().files, item.path)
    return _as_attachment(Response(archive, mimetype="application/zip"), f"{item.name}.zip")


def _send_file(path: str) -> Response:
    file, item = current_space().files.open(path)
    # Always bytes, never a type guessed from the name: nothing of it is to be run by a browser.
    response = Response(
        wrap_file(request.environ, file),
        mimetype="application/octet-stream",
        direct_passthrough=True,
    )
    response.content_length = item.size
    return _as_attachment(response, item.name)


def _as_attachment(response: Response, name: str) -> Response:
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    names = {"filename": plain}
    if plain != name:
        # RFC 6266: the real name, in the encoding of RFC 5987, beside one for old clients.
        names["filename*"] = f"UTF-8''{quote(name, safe='')}"
    response.headers.set("Content-Disposition", "attachment", **names)
    return response
