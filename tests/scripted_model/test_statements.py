"""Every statement of a script, as the openai package sees it, on every way to the model."""

import json

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from pollux.scripted_model import (
    CLOSING_CHUNKS,
    FRIENDLY_CHUNKS,
    FRIENDLY_THINKING,
    ScriptedModel,
    auto_chunks,
)
from pollux.scripted_model.builder import (
    call,
    call_any,
    call_auto,
    call_raw,
    cut,
    empty,
    end_early,
    error,
    fail,
    finish,
    malformed,
    pause,
    say,
    script,
    shred,
    think,
    turn,
    usage,
)
from tests.scripted_model.clients import DELETE_FILE, LIST_FILES, Asking, Message, raw, user

TORTURE = (
    "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}",  # one emoji of two, joined
    "e",
    "\u0301",  # a combining accent, in a chunk of its own
    "\u05e9\u05dc\u05d5\u05dd ",  # right to left
    "\u202eoverride\u202c",
    "\N{REGIONAL INDICATOR SYMBOL LETTER D}",
    "\N{REGIONAL INDICATOR SYMBOL LETTER E}",
    "\u2028\u2029\x85\x0b\x0c\x1c\r\n\t\x00\x7f",
    "\ufeff\ufffe\U0010ffff",
    "data: [DONE]\n\n",
    '"\\',
)


def said(chunks: list[ChatCompletionChunk]) -> list[str]:
    """Return the texts of the content, without the chunk that only gives the role."""
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    return [delta.content for delta in deltas if delta.content is not None and delta.role is None]


def thought(chunks: list[ChatCompletionChunk]) -> list[str]:
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    extras = [(delta.model_extra or {}).get("reasoning_content") for delta in deltas]
    return [extra for extra in extras if extra is not None]


def finish_reason(chunks: list[ChatCompletionChunk]) -> str | None:
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert not any(reasons[:-1])
    return reasons[-1]


def called(chunks: list[ChatCompletionChunk]) -> list[tuple[str, list[str]]]:
    """Return the tool calls: names, and the chunks of their arguments."""
    calls: list[tuple[str, list[str]]] = []
    ids: set[str] = set()
    for chunk in chunks:
        for delta in (chunk.choices[0].delta.tool_calls if chunk.choices else None) or ():
            assert delta.function is not None
            if delta.id is not None:
                assert delta.id.startswith("call_")
                assert delta.id not in ids
                ids.add(delta.id)
                assert delta.function.name is not None
                calls.append((delta.function.name, []))
                assert delta.function.arguments == ""
            else:
                calls[delta.index][1].append(delta.function.arguments or "")
    return calls


def test_say_sends_exactly_these_chunks(asking: Asking) -> None:
    text = script(turn(say("Hello ", "", "wörld ", "你好"), say("!")))
    chunks = asking.stream(text)
    assert said(chunks) == ["Hello ", "", "wörld ", "你好", "!"]
    assert finish_reason(chunks) == "stop"
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk.model for chunk in chunks} == {"pollux-scripted"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    answer = asking.whole(text).choices[0]
    assert answer.message.content == "Hello wörld 你好!"
    assert answer.finish_reason == "stop"


def test_every_unicode_survives(asking: Asking) -> None:
    text = script(turn(think(*TORTURE), say(*TORTURE)))
    chunks = asking.stream(text)
    assert said(chunks) == list(TORTURE)
    assert thought(chunks) == list(TORTURE)
    assert asking.whole(text).choices[0].message.content == "".join(TORTURE)


def test_automatic_chunks_are_numbered_through_a_turn(asking: Asking) -> None:
    chunks = asking.stream(script(turn(think(2), say(3), say("x"), think(1), say(2))))
    assert said(chunks) == [*auto_chunks(3), "x", *auto_chunks(2, start=4)]
    assert thought(chunks) == auto_chunks(3, prefix="t")
    assert len(set(said(chunks))) == 6


def test_thinking_is_reasoning_content(asking: Asking) -> None:
    text = script(turn(think("Hm, ", "so."), say("Yes")))
    assert thought(asking.stream(text)) == ["Hm, ", "so."]
    message = asking.whole(text).choices[0].message
    assert (message.model_extra or {})["reasoning_content"] == "Hm, so."
    assert message.content == "Yes"


def test_several_tool_calls_in_one_answer(asking: Asking) -> None:
    text = script(
        turn(say("I look. "), call("read_file", path="a.txt"), call("list_files"), call("any")),
    )
    chunks = asking.stream(text)
    assert called(chunks) == [
        ("read_file", ['{"path": "a.txt"}']),
        ("list_files", ["{}"]),
        ("any", ["{}"]),
    ]
    assert finish_reason(chunks) == "tool_calls"
    message = asking.whole(text).choices[0].message
    assert message.content == "I look. "
    assert [each.to_dict()["type"] for each in message.tool_calls or ()] == ["function"] * 3


def test_arguments_are_split_at_bytes_but_never_inside_a_character(asking: Asking) -> None:
    arguments = '{"a": "é€😀"}'
    # é is bytes 7-8, € 9-11, 😀 12-15
    chunks = asking.stream(script(turn(call_raw("f", arguments, split=(3, 8, 10, 13, 14, 15)))))
    pieces = ['{"a', '": "', "é", "€", '😀"}']
    assert called(chunks) == [("f", pieces)]
    assert "".join(pieces) == arguments


def test_raw_arguments_need_not_be_json(asking: Asking) -> None:
    text = script(turn(call_raw("read_file", "{not json\n")))
    assert called(asking.stream(text)) == [("read_file", ["{not json\n"])]
    assert called(asking.stream(script(turn(call_raw("f", ""))))) == [("f", [])]


def test_any_safe_tool_is_called(asking: Asking) -> None:
    tools = [DELETE_FILE, LIST_FILES]
    chunks = asking.stream(script(turn(call_any())), tools=tools)
    assert called(chunks) == [("list_files", ["{}"])]
    chunks = asking.stream(script(turn(call_auto("delete_file", split=(1,)))), tools=tools)
    assert called(chunks) == [("delete_file", ["{", "}"])]


def test_any_tool_is_refused_without_tools(asking: Asking) -> None:
    with pytest.raises(openai.BadRequestError, match="offers no tools"):
        asking.stream(script(turn(call_any())))
    with pytest.raises(openai.BadRequestError, match="no such tool"):
        asking.whole(script(turn(call_auto("nothing"))), tools=[LIST_FILES])


def test_turns_follow_the_conversation(asking: Asking) -> None:
    text = script(turn(call("list_files")), turn(say("one")), turn(say("two")))
    messages: list[Message] = user(text)
    assert called(asking.stream(messages))
    calls = asking.whole(messages).choices[0].message.tool_calls or []
    messages.append({"role": "assistant", "tool_calls": [each.to_dict() for each in calls]})
    messages.append({"role": "tool", "tool_call_id": calls[0].id, "content": "a.txt"})
    assert said(asking.stream(messages)) == ["one"]
    messages.append({"role": "assistant", "content": "one"})
    assert said(asking.stream(messages)) == ["two"]
    messages.append({"role": "assistant", "content": "two"})
    assert said(asking.stream(messages)) == list(CLOSING_CHUNKS)
    messages.append({"role": "user", "content": "Thank you"})
    assert said(asking.stream(messages)) == list(FRIENDLY_CHUNKS)
    messages.append({"role": "user", "content": script(turn(say("first")), turn(say("second")))})
    assert said(asking.stream(messages)) == ["first"]
    messages.append({"role": "user", "content": script(turn(say("anew"), repeat=True))})
    for _ in range(3):
        assert said(asking.stream(messages)) == ["anew"]
        messages.append({"role": "assistant", "content": "anew"})


def test_usage_is_sent_when_asked_for(asking: Asking) -> None:
    text = script(turn(say("a", "b"), usage(10, 20)))
    assert all(chunk.usage is None for chunk in asking.stream(text))
    chunks = asking.stream(text, stream_options={"include_usage": True})
    figures = [chunk.usage for chunk in chunks if chunk.usage]
    assert [(u.prompt_tokens, u.completion_tokens, u.total_tokens) for u in figures] == [
        (10, 20, 30)
    ]
    assert chunks[-1].choices == []
    answered = asking.whole(text).usage
    assert answered is not None
    assert answered.total_tokens == 30
    counted = asking.whole(script(turn(think(4), say(3)))).usage
    assert counted is not None
    assert counted.completion_tokens == 7
    assert counted.completion_tokens_details is not None
    assert counted.completion_tokens_details.reasoning_tokens == 4
    assert counted.prompt_tokens > 10


def test_finish_reason(asking: Asking) -> None:
    text = script(turn(say("cut sh"), finish("length")))
    assert finish_reason(asking.stream(text)) == "length"
    assert asking.whole(text).choices[0].finish_reason == "length"


def test_empty_answer(asking: Asking) -> None:
    chunks = asking.stream(script(turn(empty())))
    assert said(chunks) == []
    assert finish_reason(chunks) == "stop"
    assert asking.whole(script(turn(empty()))).choices[0].message.content == ""


def test_error_on_the_first_tries(asking: Asking) -> None:
    text = script(turn(error(429, "Slow down", times=2, retry_after=1.5), say("well")))
    for _ in range(2):  # the whole story can be told twice
        for _ in range(2):
            with pytest.raises(openai.RateLimitError, match="Slow down") as caught:
                asking.stream(text)
            assert caught.value.response.headers["retry-after"] == "1.5"
        assert said(asking.stream(text)) == ["well"]
    with pytest.raises(openai.RateLimitError):
        asking.whole(text)


@pytest.mark.parametrize("seconds", ["0", "0.5", "1234.567", "86400"])
def test_retry_after_is_sent_as_it_was_written(model: ScriptedModel, seconds: str) -> None:
    answer = raw(model, f"pollux-script\nerror 503 retry-after {seconds}")
    assert answer.headers["retry-after"] == seconds


def test_error_for_ever(asking: Asking) -> None:
    text = script(turn(pause(0.001), error(503, code="overloaded")))
    for _ in range(3):
        with pytest.raises(openai.InternalServerError) as caught:
            asking.whole(text)
        assert caught.value.status_code == 503
        assert caught.value.code == "overloaded"
        assert "retry-after" not in caught.value.response.headers


def test_break_cuts_the_connection(asking: Asking) -> None:
    text = script(turn(say("Hel"), cut(times=1), say("lo")))
    with pytest.raises(openai.APIConnectionError):
        asking.stream(text)
    assert said(asking.stream(text)) == ["Hel", "lo"]
    with pytest.raises(openai.APIConnectionError):
        asking.whole(text)
    with pytest.raises(openai.APIConnectionError):
        asking.stream(script(turn(cut())))


def test_malformed_chunk(asking: Asking) -> None:
    text = script(turn(say("a"), malformed(times=1), say("b")))
    with pytest.raises(json.JSONDecodeError):
        asking.stream(text)
    assert said(asking.stream(text)) == ["a", "b"]
    with pytest.raises(json.JSONDecodeError):
        asking.whole(text)


def test_end_without_a_finish_reason(asking: Asking) -> None:
    text = script(turn(say("and th"), end_early()))
    chunks = asking.stream(text)
    assert said(chunks) == ["and th"]
    assert finish_reason(chunks) is None
    assert asking.whole(text).choices[0].finish_reason is None


def test_error_event_in_the_stream(asking: Asking) -> None:
    text = script(turn(say("a"), fail("Overloaded")))
    with pytest.raises(openai.APIError, match="Overloaded") as caught:
        asking.stream(text)
    assert not isinstance(caught.value, openai.APIStatusError)
    with pytest.raises(openai.InternalServerError, match="Overloaded"):
        asking.whole(text)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_shredded_bytes_are_the_same_bytes(asking: Asking, size: int) -> None:
    text = script(turn(shred(size), say("é😀", "b"), call("f", x="€")))
    chunks = asking.stream(text)
    assert said(chunks) == ["é😀", "b"]
    assert called(chunks) == [("f", ['{"x": "€"}'])]
    assert asking.whole(text).choices[0].message.content == "é😀b"


def test_a_burst_of_3000_chunks(asking: Asking) -> None:
    chunks = asking.stream(script(turn(say(3000))))
    assert said(chunks) == auto_chunks(3000)


def test_without_a_script_it_is_friendly(asking: Asking) -> None:
    chunks = asking.stream("Hello?")
    assert said(chunks) == list(FRIENDLY_CHUNKS)
    assert thought(chunks) == []
    assert finish_reason(chunks) == "stop"
    assert asking.whole("Hello?").choices[0].message.content == "".join(FRIENDLY_CHUNKS)


@pytest.mark.parametrize(
    ("options", "thinks"),
    [
        ({"reasoning_effort": "low"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "minimal"}, False),
        ({"extra_body": {"thinking": {"type": "enabled"}}}, True),
        ({"extra_body": {"thinking": {"type": "disabled"}}}, False),
        ({"extra_body": {"enable_thinking": True}}, True),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}, True),
        ({"extra_body": {"reasoning": {"effort": "high"}}}, True),
        ({"reasoning_effort": "high", "extra_body": {"enable_thinking": False}}, False),
    ],
)
def test_it_thinks_first_when_asked_to(
    asking: Asking, options: dict[str, object], thinks: bool
) -> None:
    chunks = asking.stream("Hello?", **options)
    assert thought(chunks) == (list(FRIENDLY_THINKING) if thinks else [])
    assert said(chunks) == list(FRIENDLY_CHUNKS)


def test_a_mistake_in_the_script_is_seen_at_once(asking: Asking) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        asking.stream('pollux-script\nsay "a"\nsya "b"')
    assert "line 3, column 1 ('sya')" in str(caught.value)
    assert "did you mean 'say'?" in str(caught.value)
    assert caught.value.code == "script_error"
