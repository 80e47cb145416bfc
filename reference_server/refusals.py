"""How what the storage refuses is told over HTTP."""

import logging

from flask import Blueprint, Flask, Response

from pollux.reference_server.conversations import ConversationNotFound
from pollux.reference_server.files import TooLarge
from pollux.reference_server.folders import FileAbsent, IsAFolder
from pollux.reference_server.http import error_response
from pollux.reference_server.personalizations import PersonalizationNotFound
from pollux.reference_server.prompts import PromptNotFound
from pollux.reference_server.storage import StorageError

_log = logging.getLogger(__name__)

#: The statuses other than 400, which is for a name, a path or a text that is not allowed.
_STATUS: dict[type[StorageError], int] = {
    ConversationNotFound: 404,
    PromptNotFound: 404,
    PersonalizationNotFound: 404,
    FileAbsent: 404,
    IsAFolder: 409,
    TooLarge: 413,
}


def storage_refusal(error: StorageError) -> Response:
    """Return the answer to what the storage has refused (api_v1 1.2)."""
    return error_response(_STATUS.get(type(error), 400), str(error))


def storage_trouble(error: OSError) -> Response:
    """Return the answer to a full disk and the like: no fault of the client (api_v1 1.10)."""
    _log.error("the storage failed", exc_info=error)
    return error_response(503, "the storage cannot be used now, try again later")


def register_refusals(target: Flask | Blueprint) -> None:
    """Have TARGET, an application or a blueprint, answer for the storage in this way."""
    target.register_error_handler(StorageError, storage_refusal)
    target.register_error_handler(OSError, storage_trouble)
