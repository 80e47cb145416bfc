"""Every example in docs/scripted-model.md does what the page says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pollux.scripted_model import ScriptedModel
from pollux.scripted_model.parser import _READERS
from tests.scripted_model.clients import DELETE_FILE, LIST_FILES, Message, told, user

PAGE = Path(__file__).parents[2] / "docs" / "scripted-model.md"
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOOLS = {"list_files": LIST_FILES, "delete_file": DELETE_FILE}


def blocks() -> list[tuple[str, str, str]]:
    found = FENCE.findall(PAGE.read_text(encoding="utf-8"))
    return [(kind, options.strip(), text) for kind, options, text in found]


def examples() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Return each script with the answers that follow it: options, and the expected lines."""
    answers: list[tuple[str, str]] = []
    for kind, options, text in blocks():
        if kind == "script":
            answers = []
            yield text, answers
        elif kind == "answer":
            answers.append((options, text))


EXAMPLES = list(examples())
PYTHON = [text for kind, _, text in blocks() if kind == "python"]


@pytest.mark.parametrize(("script", "answers"), EXAMPLES)
def test_scripts_are_answered_as_the_page_says(
    model: ScriptedModel, script: str, answers: list[tuple[str, str]]
) -> None:
    assert answers
    for name in re.findall(r"^hold (\S+)", script, re.MULTILINE):
        model.holds.release(name)
    for options, expected in answers:
        messages: list[Message] = user(script)
        asked = {
            name: value for name, _, value in (each.partition("=") for each in options.split())
        }
        messages += [{"role": "assistant", "content": "x"}] * (int(asked.get("turn", 1)) - 1)
        more: dict[str, Any] = {}
        if "include_usage" in asked:
            more["stream_options"] = {"include_usage": True}
        if "offered" in asked:
            more["tools"] = [TOOLS[name] for name in asked["offered"].split(",")]
        assert told(model, messages, **more) == expected.splitlines()


@pytest.mark.parametrize("source", PYTHON)
def test_python_examples_run(source: str) -> None:
    exec(compile(source, str(PAGE), "exec"), {"__name__": "example"})  # noqa: S102


def test_every_statement_has_an_example() -> None:
    words = {line.split()[0] for script, _ in EXAMPLES for line in script.splitlines() if line}
    assert set(_READERS) <= words
    assert len(PYTHON) >= 4


def test_links_within_the_page_lead_somewhere() -> None:
    page = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
    links = set(re.findall(r"\]\(#([^)]*)\)", page))
    assert links
    assert links <= anchors
