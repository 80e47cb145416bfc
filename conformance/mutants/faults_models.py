"""Faults of the lists of models and of health (api_v1 2.7)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import sending
from pollux.reference_server.http import ApiError, ok
from pollux.reference_server.models import ModelCatalogue
from pollux.reference_server.routes import models

_SECOND = "the-second-model"


def _second_model(patch: Patch, **fields: Any) -> None:
    """Give the server a second model, like the first but for FIELDS, and list it."""

    @patch.wrap(ModelCatalogue, "__init__")
    def init(original: Any, self: ModelCatalogue, specs: list[Any], scripted: Any) -> None:
        original(self, [*specs, replace(specs[0], model_key=_SECOND, **fields)], scripted)

    @patch.wrap(ModelCatalogue, "visible_items")
    def items(_original: Any, self: ModelCatalogue) -> list[dict[str, Any]]:
        return [spec.public() for spec in self.values()]


def _changed_items(patch: Patch) -> Callable[[Callable[[dict[str, Any]], object]], object]:
    """Decorate a function that changes each item of the list in place."""

    def decorator(change: Callable[[dict[str, Any]], object]) -> object:
        @patch.wrap(ModelCatalogue, "visible_items")
        def items(original: Any, self: ModelCatalogue) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = original(self)
            for item in found:
                change(item)
            return found

        return change

    return decorator


@mutant("MODEL-LIST-SHAPE")
def models_have_no_description(patch: Patch) -> None:
    """The items of the list leave out what is empty, such as the description."""

    @_changed_items(patch)
    def change(item: dict[str, Any]) -> None:
        item.pop("description")


@mutant("MODEL-LIST-SHAPE")
def models_tell_limits_as_text(patch: Patch) -> None:
    """The context window is a text such as ``128k``."""

    @_changed_items(patch)
    def change(item: dict[str, Any]) -> None:
        item["context_window"] = "128k"


@mutant("MODEL-HIDDEN", "MODEL-LIST-SHAPE")
def models_list_the_hidden_ones(patch: Patch) -> None:
    """A hidden model is listed, with ``visible`` false, which no item of the list can have."""
    _second_model(patch, visible=False)


@mutant("MODEL-KEY-ACCEPTED")
def models_list_one_that_cannot_be_used(patch: Patch) -> None:
    """A model without a key of its own is listed, and refused when it is asked for."""
    _second_model(patch)

    @patch.wrap(sending, "_model")
    def model(original: Any, services: Any, asked: str | None, personal: str | None) -> Any:
        if asked == _SECOND:
            raise ApiError(400, "this model is not configured")
        return original(services, asked, personal)


@mutant("HEALTH-SHAPE")
def models_health_is_told_in_other_words(patch: Patch) -> None:
    """The status of a healthy server is ``healthy``."""

    @patch.wrap(models, "ok")
    def answer(_original: Any, payload: dict[str, Any]) -> Any:
        return ok({**payload, "status": "healthy"} if "status" in payload else payload)
