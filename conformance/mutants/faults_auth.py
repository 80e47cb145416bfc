"""Faults of tokens (api_v1 1.5 to 1.8): who is let in wrongly, and who is kept out."""

import hashlib
from collections.abc import Callable
from typing import Any

from flask import Response, request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import app
from pollux.reference_server.http import ApiError, unauthorized
from pollux.reference_server.users import UserStore


def _default_user(patch: Patch, left_open: Callable[[], bool]) -> None:
    """Let a request in as the first user where LEFT_OPEN says so."""
    nobody = "\0"

    @patch.wrap(app, "bearer_token")
    def bearer_token(original: Any) -> str:
        return nobody if left_open() else str(original())

    @patch.wrap(UserStore, "authenticate")
    def authenticate(original: Any, self: UserStore, token: str) -> Any:
        return self.names()[0] if token == nobody else original(self, token)


def _token_from(patch: Patch, find: Callable[[], object]) -> None:
    """Take what FIND finds for the token where there is no header."""

    @patch.wrap(app, "bearer_token")
    def bearer_token(original: Any) -> str:
        found = None if "Authorization" in request.headers else find()
        return found if isinstance(found, str) else str(original())


@mutant("AUTH-TOKEN-ACCEPTED")
def auth_locks_out_after_three_wrong_tokens(patch: Patch) -> None:
    """After three wrong tokens in a row the next one is refused, too, whoever sends it."""
    refused = 0

    @patch.wrap(UserStore, "authenticate")
    def authenticate(original: Any, self: UserStore, token: str) -> Any:
        nonlocal refused
        name = original(self, token)
        locked = refused >= 3
        refused = 0 if locked or name is not None else refused + 1
        return None if locked else name


@mutant("AUTH-SCHEME-CASE")
def auth_knows_one_spelling_of_the_scheme(patch: Patch) -> None:
    """Only ``Bearer`` will do, not ``bearer``."""

    @patch.wrap(app, "bearer_token")
    def bearer_token(original: Any) -> str:
        if not request.headers.get("Authorization", "").startswith("Bearer"):
            unauthorized("the header must begin with Bearer")
        return str(original())


@mutant("AUTH-BLANKS-IGNORED")
def auth_takes_blanks_for_a_part_of_the_token(patch: Patch) -> None:
    """The header is cut at its first blank; a second one belongs to the token."""

    @patch.wrap(app, "bearer_token")
    def bearer_token(original: Any) -> str:
        original()
        return request.headers["Authorization"].partition(" ")[2]


@mutant("AUTH-REQUIRED")
def auth_shares_links_to_files(patch: Patch) -> None:
    """A download that asks for nothing but a path needs no token, so that links can be shared."""

    def is_link() -> bool:
        plain = "Authorization" not in request.headers and not request.cookies
        return plain and request.endpoint == "files.download_file" and set(request.args) == {"path"}

    _default_user(patch, is_link)


@mutant("AUTH-EMPTY-TOKEN")
def auth_takes_an_empty_token_for_the_first_user(patch: Patch) -> None:
    """``Bearer`` without a token lets the first user in: an empty text begins every token."""
    _default_user(
        patch, lambda: request.headers.get("Authorization", "").strip().lower() == "bearer"
    )


@mutant("AUTH-OTHER-SCHEME")
def auth_looks_at_the_last_word_of_the_header(patch: Patch) -> None:
    """Whatever the scheme is, the last word of the header is taken for the token."""

    @patch.wrap(app, "bearer_token")
    def bearer_token(original: Any) -> str:
        words = request.headers.get("Authorization", "").split()
        return words[-1] if words and words[-1].lower() != "bearer" else str(original())


@mutant("AUTH-UNKNOWN-TOKEN")
def auth_compares_the_beginning_of_a_token(patch: Patch) -> None:
    """A known token with one more character behind it is let in."""

    @patch.wrap(UserStore, "authenticate")
    def authenticate(original: Any, self: UserStore, token: str) -> Any:
        return original(self, token) or original(self, token[:-1])


@mutant("AUTH-UNKNOWN-TOKEN")
def auth_remembers_only_a_part_of_the_hash(patch: Patch) -> None:
    """Two tokens count as equal when the first hex digit of their hashes is."""

    @patch.wrap(UserStore, "authenticate")
    def authenticate(original: Any, self: UserStore, token: str) -> Any:
        digit = hashlib.sha256(token.encode()).hexdigest()[0]
        near = [entry.name for entry in self.entries() if entry.token_sha256[0] == digit]
        return original(self, token) or (near[0] if near else None)


@mutant("AUTH-NOT-IN-QUERY")
def auth_accepts_a_token_in_the_query(patch: Patch) -> None:
    """``?access_token=`` is as good as the header."""
    _token_from(patch, lambda: request.args.get("access_token"))


@mutant("AUTH-NOT-IN-COOKIE")
def auth_accepts_a_token_in_a_cookie(patch: Patch) -> None:
    """A cookie ``session`` that holds the token is as good as the header."""
    _token_from(patch, lambda: request.cookies.get("session"))


@mutant("AUTH-NOT-IN-BODY")
def auth_accepts_a_token_in_the_body(patch: Patch) -> None:
    """A field ``token`` of a JSON body is as good as the header."""

    def field() -> object:
        body = request.get_json(silent=True) if request.is_json else None
        return body.get("token") if isinstance(body, dict) else None

    _token_from(patch, field)


@mutant("AUTH-PUBLIC-OPERATIONS")
def auth_hides_the_models(patch: Patch) -> None:
    """The list of models needs a token, too."""
    patch.replace(app, "_OPEN_ENDPOINTS", frozenset({"models.health"}))


@mutant("AUTH-BEFORE-OTHER-FAULTS")
def auth_reads_the_body_before_the_token(patch: Patch) -> None:
    """A body that is no JSON is refused with 400 even when the token is missing."""

    @patch.wrap(app, "bearer_token")
    def bearer_token(original: Any) -> str:
        if request.is_json and request.get_json(silent=True) is None:
            raise ApiError(400, "the body is not valid JSON")
        return str(original())


@mutant("AUTH-BEFORE-OTHER-FAULTS")
def auth_looks_for_the_object_before_the_token(patch: Patch) -> None:
    """The id of a conversation is looked at before the token: a malformed one is 404."""

    @patch.wrap(app, "bearer_token")
    def bearer_token(original: Any) -> str:
        conversation_id = (request.view_args or {}).get("conversation_id", "conv_")
        if not conversation_id.startswith("conv_"):
            raise ApiError(404, "there is no such conversation")
        return str(original())


@mutant("AUTH-NO-COOKIE", upstream=("H-25",))
def auth_begins_a_session(patch: Patch) -> None:
    """Every answer to a known user sets a session cookie."""

    @patch.response
    def set_cookie(response: Response) -> Response:
        if request.headers.get("Authorization") and response.status_code < 400:
            response.set_cookie("session", "c2Vzc2lvbg", httponly=True)
        return response


@mutant("HEADER-WWW-AUTHENTICATE")
def auth_does_not_name_its_scheme(patch: Patch) -> None:
    """A 401 comes without ``WWW-Authenticate``."""

    @patch.response
    def drop(response: Response) -> Response:
        response.headers.pop("WWW-Authenticate", None)
        return response
