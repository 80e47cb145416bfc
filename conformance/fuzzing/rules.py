"""The rules for generated requests: what must be refused, and what must work.

What is not said here is free: an odd name, a strange path, an unknown field or parameter, a large
number may be refused or taken.
"""

from dataclasses import replace

from pollux.conformance.fuzzing.expected import Expected
from pollux.conformance.fuzzing.request import Request
from pollux.conformance.fuzzing.rules_talk import TALK_RULES
from pollux.conformance.fuzzing.rules_things import THING_RULES
from pollux.conformance.fuzzing.world import World
from pollux.polling.http import LEFT_OUT

#: The parameters of the query that an operation knows.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "listConversations": ("limit", "offset"),
    "getConversation": ("full",),
    "pollTask": ("from",),
    "listFiles": ("path",),
    "downloadFile": ("path",),
}
_RULES = {**TALK_RULES, **THING_RULES}


def expected_of(request: Request, world: World) -> Expected:
    """Return what the answer to REQUEST must be, sent by the user who has what WORLD tells."""
    expected = Expected()
    if request.method is not None:
        expected.fault("ENVELOPE-WRONG-METHOD", f"the method {request.method}", 405)
        return expected
    if request.authorization is not LEFT_OUT:
        _stranger(request, world, expected)
        return expected
    names = [name for name, _ in request.query]
    known = PARAMETERS.get(request.operation, ())
    # Nothing is said of a parameter that is not known, or is there twice.
    expected.free = bool(set(names) - set(known)) or len(set(names)) < len(names)
    _RULES[request.operation](request, world, expected)
    return expected


def _stranger(request: Request, world: World, expected: Expected) -> None:
    """A request without a valid token is refused before anything else is looked at."""
    header = request.authorization
    if header is None:
        known = replace(request, authorization=LEFT_OUT)
        faulty = bool(expected_of(known, world).faults)
        rule = "AUTH-BEFORE-OTHER-FAULTS" if faulty else "AUTH-REQUIRED"
        expected.fault(rule, "no Authorization header", 401)
        return
    scheme, _, credentials = header.strip().partition(" ")
    if scheme.lower() not in ("", "bearer"):
        expected.fault("AUTH-OTHER-SCHEME", "another scheme than Bearer", 401)
    elif credentials.strip():
        expected.fault("AUTH-UNKNOWN-TOKEN", "a token of nobody", 401)
    else:
        expected.fault("AUTH-EMPTY-TOKEN", "an empty token", 401)
