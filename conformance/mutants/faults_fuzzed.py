"""Faults that only generated requests come upon: nobody would think of writing these down."""

import json
from typing import Any

from flask import Flask, request

from pollux.conformance.mutants.forms import changed_form
from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import app
from pollux.reference_server.http import unauthorized
from pollux.reference_server.routes import personalizations

_LAST_OF_THE_BASIC_PLANE = "\uffff"


@mutant("COMMON-NO-SERVER-ERROR")
def fuzzed_logs_the_names_of_parameters_in_ascii(patch: Patch) -> None:
    """A query parameter whose name is not ASCII ends in 500: it cannot be logged."""

    @patch.app
    def change(flask: Flask) -> None:
        @flask.before_request
        def log() -> None:
            for name in request.args:
                name.encode("ascii")


@mutant("COMMON-NO-SERVER-ERROR")
def fuzzed_looks_up_ids_in_the_basic_plane_only(patch: Patch) -> None:
    """A task id with a character beyond the basic plane ends in 500, as in some databases."""

    @patch.app
    def change(flask: Flask) -> None:
        @flask.before_request
        def look_up() -> None:
            task_id = (request.view_args or {}).get("task_id", "")
            if any(char > _LAST_OF_THE_BASIC_PLANE for char in task_id):
                raise RuntimeError("incorrect string value")


@mutant("AUTH-TOKEN-ACCEPTED")
def fuzzed_takes_a_script_with_a_cookie_for_the_web_page(patch: Patch) -> None:
    """A request with a cookie and ``X-Requested-With`` needs a session, whatever its token is."""

    @patch.wrap(app, "bearer_token")
    def bearer_token(original: Any) -> str:
        if request.headers.get("Cookie") and "X-Requested-With" in request.headers:
            unauthorized("the session is not known")
        return str(original())


@mutant("COMMON-NO-SERVER-ERROR")
def fuzzed_stores_whole_numbers_in_32_bits(patch: Patch) -> None:
    """A whole number of more than 32 bits, anywhere in a personalization, ends in 500."""

    @patch.wrap(personalizations, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        raw = request.get_data()
        body = original(**limits)
        json.loads(raw, parse_int=_stored)
        return body


def _stored(digits: str) -> int:
    number = int(digits)
    if not -(2**31) <= number < 2**31:
        raise OverflowError("integer out of range")
    return number


@mutant("COMMON-NO-SERVER-ERROR")
def fuzzed_hands_every_field_of_a_form_to_a_function(patch: Patch) -> None:
    """An upload with a field that nobody knows ends in 500: an unexpected keyword argument."""

    @changed_form(patch)
    def change(form: Any, parts: Any) -> None:
        if "file" in parts and not {*form, *parts} <= {"file", "filename", "dir"}:
            raise TypeError("unexpected keyword argument")
