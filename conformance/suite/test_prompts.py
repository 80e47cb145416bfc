"""Prompts (api_v1 2.6): names, what is kept of a text, and that the model gets to hear it."""

from collections.abc import Mapping
from typing import Any

from pollux.conformance import named
from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.named import PROMPTS
from pollux.conformance.stage import Stage
from pollux.polling.http import LEFT_OUT
from pollux.scripted_model.builder import say, script, turn
from pollux.scripted_model.request_log import RecordedRequest


@verifies("PROMPT-NAME-VALID", "PROMPT-SAVE-SHAPE", "PROMPT-GET-SHAPE")
def test_every_valid_name_of_a_prompt_is_taken(stage: Stage, judge: Judge) -> None:
    """Every character allowed, from one to 64 of them."""
    named.every_valid_name_is_taken(stage, judge, PROMPTS)


@verifies("PROMPT-NAME-INVALID")
def test_every_other_name_of_a_prompt_is_refused(stage: Stage, judge: Judge) -> None:
    """Blanks, dots, slashes, other scripts, and one character too many."""
    named.every_other_name_is_refused(stage, judge, PROMPTS)


@verifies("PROMPT-NAME-MISSING")
def test_a_prompt_without_a_name_is_refused(stage: Stage, judge: Judge) -> None:
    """A name is needed."""
    named.a_missing_name_is_refused(stage, judge, PROMPTS)


@verifies("PROMPT-NAME-INVALID-PATH")
def test_a_prompt_is_not_found_by_a_bad_name(stage: Stage, judge: Judge) -> None:
    """What is not a name leads to no prompt."""
    named.a_bad_name_in_a_path_is_refused(stage, judge, PROMPTS)


@verifies("PROMPT-UNKNOWN")
def test_an_unknown_prompt_is_404(stage: Stage, judge: Judge) -> None:
    """What was not saved is not there."""
    named.an_unknown_name_is_404(stage, judge, PROMPTS)


@verifies("PROMPT-LIST-SHAPE", "PROMPT-LIST-COMPLETE", "PROMPT-LIST-SORTED")
def test_the_list_of_prompts_has_all_of_them_by_name(stage: Stage, judge: Judge) -> None:
    """Every prompt is listed once, by name."""
    named.the_list_has_all_once_in_order(stage, judge, PROMPTS)


@verifies("PROMPT-ROUND-TRIP")
def test_the_text_of_a_prompt_is_kept_as_it_is(stage: Stage, judge: Judge) -> None:
    """Blanks, line ends, scripts and marks of all kinds; a long text, and none."""
    texts = {
        "with blanks and lines around it": "  \n\t You are kind. \n\n",
        "with line ends of three kinds": "one\r\ntwo\rthree\n\n\nfour\r\n",
        "in many scripts": "你是一位助手。Ты помощник. أنت مساعد 👩‍🔬 x\u0301 \u00e9 \u2028\u0085",
        "with a byte order mark": "\ufeffYou begin with a mark.",
        "of braces, quotes and placeholders": '{"a": [1]} {name} {{x}} $HOME %s <b>&amp;</b> \\n "',
        "of many lines": "".join(f"{n}. Mind rule {n}, 第{n}条。\n" for n in range(1500)),
        "without a character": "",
    }
    for what, text in texts.items():
        name = stage.name()
        saved = PROMPTS.saved(stage, name, text)
        read = PROMPTS.read(stage, name)
        judge.that(
            "PROMPT-ROUND-TRIP",
            read.payload.get("content") == text,
            f"the text of a prompt {what}",
            expected=_shown(text),
            got=_shown(read.payload.get("content")),
            by=(saved, read),
        )


@verifies("PROMPT-CONTENT-DEFAULT")
def test_a_prompt_without_content_is_empty(stage: Stage, judge: Judge) -> None:
    """Saved under a new name, and under one that had a text."""
    new, known = stage.name(), stage.name()
    PROMPTS.saved(stage, known, "There was a text.")
    for name in (new, known):
        saved = PROMPTS.save(stage.user.api, name, LEFT_OUT)
        read = PROMPTS.get(stage.user.api, name)
        judge.that(
            "PROMPT-CONTENT-DEFAULT",
            saved.status == 200 and read.payload.get("content") == "",
            "a prompt that was saved without content",
            expected="200, and an empty text",
            got=f"{saved.summary}, and {_shown(read.payload.get('content'))}",
            by=(saved, read),
        )


@verifies("PROMPT-SAVE-REPLACES")
def test_saving_a_prompt_again_replaces_its_text(stage: Stage, judge: Judge) -> None:
    """By a shorter text, by a longer one, by the first one again."""
    name = stage.name()
    PROMPTS.saved(stage, name, "The first text, which is the longest of all.")
    for text in ("The second.", "The third text, of another length.", "The second."):
        saved = PROMPTS.saved(stage, name, text)
        read = PROMPTS.read(stage, name)
        judge.that(
            "PROMPT-SAVE-REPLACES",
            read.payload.get("content") == text,
            "a prompt that was saved anew",
            expected=_shown(text),
            got=_shown(read.payload.get("content")),
            by=(saved, read),
        )


@verifies("PROMPT-APPLIED", needs=["scripted-model"])
def test_the_model_gets_the_prompt_that_the_send_names(stage: Stage, judge: Judge) -> None:
    """Whatever else the server adds to it."""
    name = stage.name()
    text = f"You are {stage.name('agent')}.\nBe brief: 请简短。{{not a field}} 100%."
    PROMPTS.saved(stage, name, text)
    given = _system_prompts(stage, prompt_name=name)
    judge.that(
        "PROMPT-APPLIED",
        any(text in prompt for prompt in given),
        "the system prompt of a run that names a prompt",
        expected=f"one that holds {_shown(text)}",
        got=_shown(given[0]) if given else "no request to the model",
    )


def _system_prompts(stage: Stage, **fields: Any) -> list[str]:
    """Run a task, and return the system prompts that the model got for it."""
    script_id = stage.name("script")
    stage.user.start(script(turn(say("ok")), id=script_id), **fields).end()
    return [_system_prompt(request) for request in stage.model.requests.list(script_id)]


def _system_prompt(request: RecordedRequest) -> str:
    roles = ("system", "developer")
    return "\n".join(_text(m) for m in request.messages if m.get("role") in roles)


def _text(message: Mapping[str, Any]) -> str:
    """Return the text of a message, which may be given in parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _shown(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 200 else f"{shown[:200]}... ({len(shown)} characters)"
