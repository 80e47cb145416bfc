"""Changes of what goes in and comes out of the file routes, for mutants of several groups."""

import json
from collections.abc import Callable
from typing import Any

from flask import Response, request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.formparser import FormDataParser

from pollux.conformance.mutants.mutant import Patch
from pollux.reference_server.routes import files as routes

UPLOAD = "files.upload_file"
LIST = "files.list_files"
DOWNLOAD = "files.download_file"

_Payload = dict[str, Any]
_Form = MultiDict[str, str]
_Files = MultiDict[str, FileStorage]


def changed_json(
    patch: Patch, endpoint: str, status: int = 200
) -> Callable[[Callable[[_Payload], object]], Callable[[_Payload], object]]:
    """Decorate a function that changes the JSON of an endpoint's answers with this STATUS."""

    def decorator(change: Callable[[_Payload], object]) -> Callable[[_Payload], object]:
        @patch.response
        def changed(response: Response) -> Response:
            if request.endpoint == endpoint and response.status_code == status:
                payload = response.get_json()
                change(payload)
                response.set_data(json.dumps(payload))
            return response

        return change

    return decorator


def changed_status(patch: Patch, endpoint: str, status: int, instead: int) -> None:
    """Have an endpoint answer INSTEAD of a STATUS."""

    @patch.response
    def changed(response: Response) -> Response:
        if request.endpoint == endpoint and response.status_code == status:
            response.status_code = instead
        return response


def changed_bytes(
    patch: Patch, mimetype: str, most: int = 2**20 + 1
) -> Callable[[Callable[[bytes], bytes]], Callable[[bytes], bytes]]:
    """Decorate a function that changes the bytes of downloads of this type, up to MOST bytes."""

    def decorator(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        @patch.response
        def changed(response: Response) -> Response:
            if response.mimetype == mimetype and (response.content_length or 0) <= most:
                response.direct_passthrough = False
                response.set_data(change(response.get_data()))
            return response

        return change

    return decorator


def changed_form(
    patch: Patch,
) -> Callable[[Callable[[_Form, _Files], object]], Callable[[_Form, _Files], object]]:
    """Decorate a function that changes the fields and the files of every upload's form."""

    def decorator(change: Callable[[_Form, _Files], object]) -> Callable[[_Form, _Files], object]:
        class Parser(FormDataParser):
            def parse(self, *args: Any, **kwargs: Any) -> Any:
                stream, form, parts = super().parse(*args, **kwargs)
                form, parts = MultiDict(form), MultiDict(parts)
                change(form, parts)
                return stream, form, parts

        patch.replace(routes, "FormDataParser", Parser)
        return change

    return decorator
