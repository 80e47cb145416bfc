"""What all operations ask of a JSON body (api_v1 1.3, 1.11)."""

from collections.abc import Mapping
from typing import Any

from pollux.conformance.fuzzing.expected import Expected
from pollux.conformance.fuzzing.request import JSON_TYPE, MALFORMED, Request
from pollux.polling.http import LEFT_OUT


def json_object(
    request: Request, expected: Expected, *, optional: bool = False
) -> Mapping[str, Any] | None:
    """Return the fields of a JSON body; None when it is not one, with what must come of that.

    Args:
        request: Whose body.
        expected: Takes what it must be refused for.
        optional: Whether the body may be left out.
    """
    value = request.value
    if value is LEFT_OUT or not (request.content or b"").strip():
        expected.free |= not optional or value is not LEFT_OUT
        return {} if optional else None
    if request.content_type != JSON_TYPE:
        if optional or value is not MALFORMED:
            # It may be taken for no body, or read as JSON whatever it is called.
            expected.free = True
        else:
            expected.fault("ENVELOPE-CONTENT-TYPE", f"a body of {request.content_type}", 400, 415)
        return None
    if value is MALFORMED:
        expected.fault("ENVELOPE-MALFORMED-JSON", "a body that is not JSON", 400)
    elif value is None:
        expected.free = True
    elif not isinstance(value, dict):
        expected.fault("COMMON-BODY-NOT-OBJECT", "a JSON body that is no object", 400)
    else:
        return value
    return None
