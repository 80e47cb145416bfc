"""Ties generated requests to what the user has, and keeps them away from everything else.

Out of the document alone nearly every request is about something that does not exist. And where
it is about something that does, it may be somebody's own: nothing is ever saved, uploaded or
deleted but under a name that nothing else has.
"""

import string
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from pollux.conformance.fuzzing import source
from pollux.conformance.fuzzing.request import Request, json_bytes
from pollux.conformance.fuzzing.rules import PARAMETERS, expected_of
from pollux.conformance.fuzzing.rules_talk import CONVERSATION_ID, SEND_FIELDS
from pollux.conformance.fuzzing.rules_things import KNOWN_PREFERENCES, file_part, form_field
from pollux.conformance.fuzzing.texts import is_name
from pollux.conformance.fuzzing.world import World
from pollux.polling.exchange import FormPart
from pollux.polling.redaction import INVENTED

_LONGEST_NAME = 64
_LETTERS = string.ascii_letters
# Headers that a client may send, and that change nothing.
_HEADERS = ("Accept-Language", "User-Agent", "X-Request-Id", "X-Requested-With", "Cookie")
_HEADER_TEXT = st.text(alphabet=_LETTERS + string.digits + " .,:;=/()*-_+", max_size=20)
_NOBODYS = {
    "getConversation": "conv_19990101_000000_000",
    "deleteConversation": "conv_19990101_000000_000",
    "pollTask": "00000000-0000-4000-8000-000000000000",
    "cancelTask": "00000000-0000-4000-8000-000000000000",
}
_OTHER_TYPES = ("text/plain", "application/xml", "text/csv", "application/octet-stream")

# Where machines that count otherwise begin to count wrong.
_EDGES = (2**31, -(2**31) - 1, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 1e308, 5e-324, -0.0)

_numbers: SearchStrategy[int | float] = (
    st.integers() | st.sampled_from(_EDGES) | st.floats(allow_nan=False, allow_infinity=False)
)
_scalars = st.none() | st.booleans() | _numbers | st.text(max_size=30)
_json_values: SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)

#: Puts something into a request in the place of what was generated.
_Tie = Callable[[DrawFn, Request, World], Request]


@st.composite
def good(draw: DrawFn, operation: str, world: World) -> Request:
    """Draw a request of an OPERATION that fits the document, most of them about what is there."""
    request = _tied(draw, draw(source.good(operation)), world)
    if draw(st.integers(0, 3)) < 3:
        return request
    headers = draw(st.dictionaries(st.sampled_from(_HEADERS), _HEADER_TEXT, max_size=3))
    return replace(request, headers=tuple((key, text.strip()) for key, text in headers.items()))


@st.composite
def bad(draw: DrawFn, operation: str, world: World) -> Request:
    """Draw a request of an OPERATION with something wrong in it."""
    way = draw(st.integers(0, 7)) if source.can_be_bad(operation) else 7
    if way == 7:
        return replace(_known(draw, draw(source.good(operation)), world), method="PATCH")
    if way == 6 and operation in _TAKE_A_BODY:
        return _unreadable(draw, _tied(draw, draw(source.good(operation)), world))
    if way >= 3 and operation in _FIELDS:
        return _tied(draw, _with_one_odd_field(draw, draw(source.good(operation))), world)
    return _tied(draw, draw(source.bad(operation)), world)


@st.composite
def strange(draw: DrawFn, operation: str, world: World) -> Request:
    """Draw a request of an OPERATION with which all is well, but for its token."""
    request = _known(draw, draw(source.good(operation)), world)
    assume(not expected_of(request, world).faults)
    token = st.text(alphabet=_LETTERS + string.digits + "-._~+/", min_size=1, max_size=40)
    header = draw(
        st.none()
        | st.sampled_from(("", "Bearer", "bearer"))
        | token.map(lambda text: f"Bearer {INVENTED}{text}")
        | token.map(lambda text: f"Basic {INVENTED}{text}")
    )
    return replace(request, authorization=header)


@st.composite
def strange_and_bad(draw: DrawFn, operation: str, world: World) -> Request:
    """Draw a request of an OPERATION without a token, and with another fault."""
    request = _tied(draw, draw(source.bad(operation)), world)
    # An odd path may lead to no operation at all; a plain one of nothing is fault enough.
    if request.places:
        request = request.with_place(_NOBODYS.get(operation, _nobody(world)))
    elif "path" in (name for name, _ in request.query):
        request = request.with_parameter("path", f"{world.mark}/known/{_nobody(world)}")
    assume(expected_of(request, world).faults)
    return replace(request, authorization=None)


# -- what is wrong -----------------------------------------------------------------------

# The parameters of the query, and the fields of the body, in which something can be odd.
_FIELDS: dict[str, tuple[str, ...]] = {
    **PARAMETERS,
    "createConversation": ("prompt_name", "personalization_name"),
    "sendMessage": SEND_FIELDS,
    "savePrompt": ("name", "content"),
    "savePersonalization": ("name", "content"),
}


def _with_one_odd_field(draw: DrawFn, request: Request) -> Request:
    """Put any value at all into one field of a good REQUEST: the one thing that may be wrong."""
    name = draw(st.sampled_from(_FIELDS[request.operation]))
    if request.operation not in _TAKE_A_BODY:
        return request.with_parameter(name, draw(st.text(max_size=20) | _numbers.map(str)))
    return request.with_value({**request.fields, name: draw(_json_values)})


_TAKE_A_BODY = frozenset(
    {"createConversation", "sendMessage", "savePrompt", "savePersonalization", "uploadFile"}
)


def _unreadable(draw: DrawFn, request: Request) -> Request:
    """Give REQUEST a body of another type, or JSON that is cut off or goes on after its end."""
    words = draw(st.text(alphabet=_LETTERS, min_size=1, max_size=20).map("x".__add__))
    if request.content is None or draw(st.booleans()):
        kind = draw(st.sampled_from(_OTHER_TYPES))
        return replace(request, form=(), content=words.encode(), content_type=kind)
    text = request.content.decode()
    if draw(st.booleans()) or not request.fields:
        text += words
    else:
        text = text[: draw(st.integers(1, len(text) - 1))]
    return replace(request, content=text.encode())


# -- what requests are about --------------------------------------------------------------


def _tied(draw: DrawFn, request: Request, world: World) -> Request:
    tie = _TIES.get(request.operation)
    return request if tie is None else tie(draw, request, world)


def _known(draw: DrawFn, request: Request, world: World) -> Request:
    """Return REQUEST about something that is there."""
    request = _tied(draw, request, world)
    known = _things(request.operation, world)
    if request.parameter("path") is not None and world.files:
        request = request.with_parameter("path", sorted(world.files)[0])
    return request.with_place(known[0]) if known else request


def _things(operation: str, world: World) -> list[str]:
    match operation:
        case "getConversation" | "deleteConversation":
            return sorted(world.conversations)
        case "pollTask" | "cancelTask":
            return sorted(world.tasks)
        case "getPrompt":
            return sorted(world.prompts)
        case "getPersonalization":
            return sorted(world.personalizations)
    return []


def _mostly(draw: DrawFn, known: list[str], other: str) -> str:
    """Draw one of those KNOWN, or now and then OTHER."""
    return draw(st.sampled_from([*known, *known, *known, other])) if known else other


def _tie_conversation(draw: DrawFn, request: Request, world: World) -> Request:
    name = request.place
    if CONVERSATION_ID.fullmatch(name):
        # There is no such month: whatever else the user has is not meant.
        none = f"{name[:9]}99{name[11:]}"
        name = _mostly(draw, _things(request.operation, world), none)
    return request.with_place(name)


def _tie_task(draw: DrawFn, request: Request, world: World) -> Request:
    simple = request.place.replace("-", "").isalnum()
    known = _things(request.operation, world) if simple else []
    return request.with_place(_mostly(draw, known, request.place))


def _tie_name(draw: DrawFn, request: Request, world: World) -> Request:
    name = _marked(request.place, _nobody(world))
    known = _things(request.operation, world) if is_name(name) else []
    return request.with_place(_mostly(draw, known, name))


def _marked(name: str, mark: str) -> str:
    """Return NAME with MARK at its end; valid when it was, and bad when it was bad."""
    if not name:
        return name
    return (name[: _LONGEST_NAME - len(mark)] if is_name(name) else name) + mark


def _nobody(world: World) -> str:
    """Return the mark of names under which nothing is ever saved."""
    return f"{world.mark}-none"


def _tie_body(draw: DrawFn, request: Request, world: World) -> Request:
    fields = dict(request.fields)
    if not fields:
        return request
    for field, known in (
        ("prompt_name", world.prompts),
        ("personalization_name", world.personalizations),
        ("conversation_id", world.conversations),
        ("model_key", world.models),
    ):
        name = fields.get(field)
        if isinstance(name, str):
            valid = is_name(name)
            if field.endswith("_name"):
                name = _marked(name, _nobody(world))
            fields[field] = _mostly(draw, sorted(known) if valid else [], name)
    images = fields.get("images")
    if isinstance(images, list) and images and draw(st.booleans()):
        # Where there are no such images, nothing else of the request is looked at.
        fields["images"] = None
        fields.setdefault("message", "Hello")
    return request.with_value(fields)


def _tie_saved(draw: DrawFn, request: Request, world: World) -> Request:
    fields = dict(request.fields)
    if isinstance(fields.get("name"), str):
        fields["name"] = _marked(fields["name"], world.mark)
    content = fields.get("content")
    if isinstance(content, dict) and draw(st.booleans()):
        more = st.dictionaries(st.sampled_from(KNOWN_PREFERENCES), _json_values, max_size=3)
        fields["content"] = content | draw(more)
    return replace(request, content=json_bytes(fields)) if fields else request


def _tie_upload(draw: DrawFn, request: Request, world: World) -> Request:
    """Put the file into a folder of the suite's own, under one of the names that were generated."""
    if request.content is not None:
        return request
    name, folder = form_field(request, "filename"), form_field(request, "dir")
    parts = [part for part in request.form if part.name not in ("dir", "filename")]
    part = file_part(request)
    if part is not None and draw(st.booleans()):
        # Plain text under a plain name is what no server refuses.
        text = draw(st.text(alphabet=_LETTERS + " \n", max_size=20))
        plain = draw(st.text(alphabet=_LETTERS, min_size=1, max_size=8))
        parts[parts.index(part)] = FormPart("file", text.encode(), f"{plain}.txt")
        name = None
    if name is not None:
        parts.append(FormPart("filename", name.encode()))
    inner = _inside(folder or "")
    where = f"{world.mark}/new/{inner}" if inner else f"{world.mark}/new"
    return replace(request, form=(*parts, FormPart("dir", where.encode())))


def _tie_path(draw: DrawFn, request: Request, world: World) -> Request:
    path = request.parameter("path")
    if not path:
        return request
    # Nothing is uploaded to there.
    other = f"{world.mark}/known/{_inside(path)}"
    known = sorted(world.files) + sorted(world.folders)
    names = [name for name, _ in request.query]
    if len(set(names)) < len(names):
        return request.with_parameter("path", other)
    return request.with_parameter("path", _mostly(draw, known[:2], other))


def _inside(path: str) -> str:
    """Return PATH without what would lead up from where it begins."""
    parts = [part for part in path.replace("\\", "/").split("/") if part.strip(". \0")]
    return "/".join(parts)


_TIES: dict[str, _Tie] = {
    "createConversation": _tie_body,
    "getConversation": _tie_conversation,
    "deleteConversation": _tie_conversation,
    "sendMessage": _tie_body,
    "pollTask": _tie_task,
    "cancelTask": _tie_task,
    "uploadFile": _tie_upload,
    "listFiles": _tie_path,
    "downloadFile": _tie_path,
    "savePrompt": _tie_saved,
    "getPrompt": _tie_name,
    "savePersonalization": _tie_saved,
    "getPersonalization": _tie_name,
}
