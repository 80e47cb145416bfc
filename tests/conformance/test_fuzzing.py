"""What is generated: every operation, from document and seed alone, and nobody's own things."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import strategies as st

from pollux.conformance.fuzzing import source, ties
from pollux.conformance.fuzzing.hunt import Bounds, hunt
from pollux.conformance.fuzzing.links import links
from pollux.conformance.fuzzing.request import Request
from pollux.conformance.fuzzing.rules import expected_of
from pollux.conformance.fuzzing.walk import Plan, plans
from pollux.conformance.fuzzing.world import World
from pollux.schemas.openapi import load_openapi, operations

OPERATIONS = [operation.operation_id for operation in operations()]
MARK = "pollux-0123456789ab"


def world() -> World:
    return World(
        MARK,
        conversations={"conv_20260123_234245_036"},
        tasks={"60322db3-f884-4a1e-a9b3-6eeb07fbab47"},
        prompts={f"known-{MARK}": "text"},
        personalizations={f"known-{MARK}": {}},
        files={f"{MARK}/known/known.txt": b"bytes"},
        folders={f"{MARK}/known"},
        models={"default"},
    )


def made(things: st.SearchStrategy[Any], seed: int = 1, cases: int = 40) -> list[Any]:
    """Return different THINGS, as a hunt tries them."""
    tried: list[Any] = []

    def note(thing: Any) -> list[Any]:
        tried.append(thing)
        return []

    list(hunt(things, note, Random(seed), Bounds(cases)))
    return tried


@pytest.mark.parametrize("operation", OPERATIONS)
def test_good_requests_are_made_of_every_operation(operation: str) -> None:
    requests = made(ties.good(operation, world()))
    assert {request.operation for request in requests} == {operation}
    expected = [expected_of(request, world()) for request in requests]
    # Most of them leave a server no choice but to do what is asked.
    assert any(not row.faults and not row.free for row in expected)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_bad_requests_are_made_of_every_operation(operation: str) -> None:
    requests = made(ties.bad(operation, world()))
    assert any(expected_of(request, world()).faults for request in requests)
    assert any(request.method == "PATCH" for request in requests)


@pytest.mark.parametrize("operation", [row.operation_id for row in operations() if row.secured])
def test_strangers_have_no_valid_token(operation: str) -> None:
    requests = made(ties.strange(operation, world()))
    assert None in {request.authorization for request in requests}
    assert len({request.authorization for request in requests}) > 3
    for request in requests:
        (fault,) = expected_of(request, world()).faults
        assert fault.allowed == (401,)
        assert fault.requirement != "AUTH-BEFORE-OTHER-FAULTS"


def test_another_fault_of_a_stranger_is_charged_to_the_order() -> None:
    for operation in OPERATIONS:
        if not source.can_be_bad(operation):
            continue
        for request in made(ties.strange_and_bad(operation, world()), cases=5):
            (fault,) = expected_of(request, world()).faults
            assert fault.requirement == "AUTH-BEFORE-OTHER-FAULTS"


MAKERS: dict[str, Callable[[str, World], st.SearchStrategy[Request]]] = {
    "good": ties.good,
    "bad": ties.bad,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_is_saved_but_under_names_that_nobody_has(kind: str) -> None:
    for operation in ("savePrompt", "savePersonalization"):
        for request in made(MAKERS[kind](operation, world()), cases=150):
            name = request.fields.get("name")
            assert not name or not isinstance(name, str) or MARK in name


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_is_uploaded_but_into_a_folder_of_its_own(kind: str) -> None:
    for request in made(MAKERS[kind]("uploadFile", world()), cases=150):
        if request.method is None and request.content is None:
            folders = [part.content.decode() for part in request.form if part.name == "dir"]
            assert len(folders) == 1
            assert folders[0].startswith(f"{MARK}/new")
            assert ".." not in folders[0].split("/")


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_is_deleted_that_could_be_somebodys(kind: str) -> None:
    for request in made(MAKERS[kind]("deleteConversation", world()), cases=150):
        if request.place not in world().conversations:
            day = re.fullmatch(r"conv_[0-9]{4}([0-9]{2}).*", request.place)
            assert day is None or int(day[1]) == 99


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_large_is_downloaded(kind: str) -> None:
    for request in made(MAKERS[kind]("downloadFile", world()), cases=150):
        path = request.parameter("path")
        assert not path or path.startswith(MARK)


def test_the_same_seed_makes_the_same_requests() -> None:
    for operation in ("sendMessage", "getConversation", "uploadFile", "savePersonalization"):
        for maker in (ties.good, ties.bad):
            first, again = (made(maker(operation, world()), seed=5, cases=10) for _ in range(2))
            assert first == again
    assert made(plans(world()), seed=5, cases=5) == made(plans(world()), seed=5, cases=5)
    bodies = [made(ties.good("savePrompt", world()), seed=seed, cases=10) for seed in (5, 6)]
    assert bodies[0] != bodies[1]


_SETTINGS = """
[generation]
mode = "negative"
max-examples = 1
[[operations]]
include-operation-id = "savePrompt"
enabled = false
"""


def test_settings_of_the_folder_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made(ties.good("savePrompt", world()))
    for cached in (source._schema, source._strategy):
        cached.cache_clear()
    (tmp_path / "schemathesis.toml").write_text(_SETTINGS)
    monkeypatch.chdir(tmp_path)
    try:
        assert made(ties.good("savePrompt", world())) == before
    finally:
        for cached in (source._schema, source._strategy):
            cached.cache_clear()


def test_every_link_of_the_document_is_known() -> None:
    ids = json.dumps(load_openapi()["paths"]).count('"operationId"')
    assert len(links()) == ids - len(OPERATIONS) > 20
    assert {link.target for link in links()} <= set(OPERATIONS)


def test_walks_follow_the_links() -> None:
    walks: list[Plan] = made(plans(world()), cases=60)
    followed = {step.link for plan in walks for step in plan if step.link}
    assert len(followed) > len(links()) * 0.7
    assert max(map(len, walks)) == 8


def test_a_link_begins_where_an_earlier_step_has_led() -> None:
    walks: list[Plan] = made(plans(world()), cases=50)
    for plan in walks:
        for number, step in enumerate(plan):
            if step.link is None:
                assert number == 0
            else:
                assert step.before < number
                assert plan[step.before].request.operation == step.link.source
                assert step.request.operation == step.link.target
