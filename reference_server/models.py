"""The models a server offers: the built-in scripted one, an endpoint by URL, or a models file."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from pollux.scripted_model import ScriptedModel

_PUBLIC = (
    "model_key",
    "name",
    "description",
    "visible",
    "supports_thinking",
    "fast_only",
    "thinking_only",
    "supports_reasoning_effort",
    "multimodal",
    "context_window",
    "max_output_tokens",
)


class ModelsFileError(Exception):
    """A models file that cannot be used; the message says where and why."""


class ThinkingSwitch(StrEnum):
    """How an endpoint is told to think or not to: the vendors differ."""

    NONE = "none"
    REASONING_EFFORT = "reasoning_effort"
    THINKING = "thinking"
    ENABLE_THINKING = "enable_thinking"


@dataclass(frozen=True)
class ModelSpec:
    """One model: what clients are told of it (api_v1 2.7), and how it is reached.

    Attributes:
        model_key: The name clients use.
        name: The name people read.
        description: One sentence.
        visible: Whether ``GET /models`` lists it.
        supports_thinking: Whether it can think before it answers.
        fast_only: It never thinks.
        thinking_only: It always thinks.
        supports_reasoning_effort: It takes a level of effort.
        multimodal: ``none``, ``image``, ``video`` or ``image,video``.
        context_window: Tokens, or None when it is not known.
        max_output_tokens: Tokens, or None when it is not known.
        model: The name that the endpoint knows it by.
        base_url: The endpoint, ending in ``/v1``; None is the built-in scripted model.
        api_key_env: The environment variable that holds the key of the endpoint.
        thinking_switch: How it is told to think.
    """

    model_key: str
    name: str
    description: str = ""
    visible: bool = True
    supports_thinking: bool = True
    fast_only: bool = False
    thinking_only: bool = False
    supports_reasoning_effort: bool = True
    multimodal: str = "none"
    context_window: int | None = None
    max_output_tokens: int | None = None
    model: str = ""
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    thinking_switch: ThinkingSwitch = ThinkingSwitch.REASONING_EFFORT

    def public(self) -> dict[str, Any]:
        """Return what ``GET /models`` tells of it; never how it is reached."""
        return {name: getattr(self, name) for name in _PUBLIC}

    def api_key(self) -> str:
        """Return the key of the endpoint, from the environment; some endpoints need none."""
        return os.environ.get(self.api_key_env) or "none"


class ModelCatalogue(Mapping[str, ModelSpec]):
    """The models of one server by key; the first one is the default.

    Args:
        specs: At least one model.
        scripted: The built-in model that specs without ``base_url`` are answered by.
    """

    def __init__(self, specs: list[ModelSpec], scripted: ScriptedModel) -> None:
        if not specs:
            raise ModelsFileError("at least one model is needed")
        self._specs = {spec.model_key: spec for spec in specs}
        if len(self._specs) != len(specs):
            raise ModelsFileError("two models have the same model_key")
        self.default = specs[0]
        self.scripted = scripted

    def __getitem__(self, key: str) -> ModelSpec:
        """Return the model of this key."""
        return self._specs[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys, the default first."""
        return iter(self._specs)

    def __len__(self) -> int:
        """Return how many models there are, hidden ones included."""
        return len(self._specs)

    def visible_items(self) -> list[dict[str, Any]]:
        """Return the items of ``GET /models``: hidden models are left out."""
        return [spec.public() for spec in self._specs.values() if spec.visible]


def scripted_spec() -> ModelSpec:
    """Return the built-in model, which needs no key and no network."""
    return ModelSpec(
        model_key="pollux-scripted",
        name="Pollux scripted model",
        description="Answers what the script in the message says, or a short friendly text.",
        context_window=128_000,
        max_output_tokens=16_000,
        model="pollux-scripted",
    )


def url_spec(base_url: str, model: str) -> ModelSpec:
    """Return the one model of an OpenAI-compatible endpoint given by its URL."""
    return ModelSpec(
        model_key=model,
        name=model,
        description="An OpenAI-compatible model.",
        model=model,
        base_url=base_url,
    )


def read_models_file(path: Path, default_url: str | None) -> list[ModelSpec]:
    """Read a models file: YAML (or JSON) with a list ``models`` of :class:`ModelSpec` fields.

    Args:
        path: The file.
        default_url: Endpoint of the models that name none.

    Raises:
        ModelsFileError: the file cannot be read, or an entry is wrong.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ModelsFileError(f"{path}: {error}") from error
    entries = document.get("models") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ModelsFileError(f"{path}: a list 'models' is needed at the top")
    return [
        _spec(entry, f"{path}: models[{number}]", default_url)
        for number, entry in enumerate(entries)
    ]


def _spec(entry: Any, place: str, default_url: str | None) -> ModelSpec:
    if not isinstance(entry, dict) or not isinstance(entry.get("model_key"), str):
        raise ModelsFileError(f"{place}: an object with a text 'model_key' is needed")
    kinds = {field.name: field.type for field in fields(ModelSpec)}
    values = {"name": entry["model_key"], "model": entry["model_key"], "base_url": default_url}
    for name, value in entry.items():
        if name not in kinds:
            raise ModelsFileError(f"{place}: unknown field {name!r}, known are {', '.join(kinds)}")
        if name == "thinking_switch":
            if value not in list(ThinkingSwitch):
                raise ModelsFileError(f"{place}: {name} is one of {', '.join(ThinkingSwitch)}")
            value = ThinkingSwitch(value)
        elif not _fits(value, kinds[name]):
            raise ModelsFileError(f"{place}: {name} has the wrong type")
        values[name] = value
    return ModelSpec(**values)


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind)
