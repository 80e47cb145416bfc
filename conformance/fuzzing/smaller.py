"""Requests with one thing less in them, where the generator itself cannot leave it out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

from pollux.conformance.fuzzing.request import Request
from pollux.conformance.fuzzing.walk import Plan

_Entry = TypeVar("_Entry")


def smaller_requests(request: Request) -> Iterator[Request]:
    """Yield REQUEST without each of its headers, parameters and fields."""
    for headers in _without_one(request.headers):
        yield replace(request, headers=headers)
    for query in _without_one(request.query):
        yield replace(request, query=query)
    for form in _without_one(request.form):
        # A file without a folder could come to lie upon somebody's own.
        if any(part.name == "dir" for part in form):
            yield replace(request, form=form)
    if isinstance(request.value, dict):
        for value in _without_a_field(request.value):
            yield request.with_value(value)


def smaller_plans(plan: Plan) -> Iterator[Plan]:
    """Yield PLAN without its last step, and with each step made smaller."""
    if len(plan) > 1:
        yield plan[:-1]
    for number, step in enumerate(plan):
        for request in smaller_requests(step.request):
            yield (*plan[:number], replace(step, request=request), *plan[number + 1 :])


def _without_one(entries: tuple[_Entry, ...]) -> Iterator[tuple[_Entry, ...]]:
    for number in range(len(entries)):
        yield entries[:number] + entries[number + 1 :]


def _without_a_field(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, inner in value.items():
        yield {key: entry for key, entry in value.items() if key != name}
        if isinstance(inner, dict):
            for less in _without_a_field(inner):
                yield {**value, name: less}
