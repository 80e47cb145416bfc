"""Judges a whole stream at once, by regular expressions: what the reader is compared with."""

import re
from collections.abc import Iterable
from itertools import pairwise

from tests.schemas.streams import TYPES, Event

_LETTERS = {kind: letter for letter, kind in TYPES.items()}

# The grammar of api_v1 2.4, letter by letter; _ANY is what may stand between any two.
_ANY = "[wjr]*"
_RETRY = "[wj]*r[wjr]*"
_THINKING = f"t{_ANY}(?:u{_ANY})+v{_ANY}"
_TEXT = f"x{_ANY}(?:y{_ANY})+z{_ANY}"
_OPEN = f"(?:t(?:{_ANY}u)*|x(?:{_ANY}y)*)"
# All parts of an iteration may be absent, so many iterations are any of their parts in a row;
# told like this they can be matched in one way only, and so in little time.
_ITERATIONS = f"(?:{_THINKING}|{_TEXT}|p{_ANY}(?:i{_ANY})*|s{_ANY}[kC]{_ANY}|{_OPEN}{_RETRY})*"
_CUT = f"(?:{_OPEN}{_ANY}|s{_ANY})?"
_ENDS = {
    "succeeded": "dj*",
    "failed": f"{_CUT}e(?:j*|{_ANY}dj*)",
    "canceled": f"{_CUT}(?:[cC]{_ANY})*qj*",
}
_ENDS["stopped"] = _ENDS["canceled"]
_TASKS = {status: re.compile(f"A{_ANY}{_ITERATIONS}{end}") for status, end in _ENDS.items()}


def in_reference_language(events: list[Event], status: str) -> bool:
    """Tell whether a stream keeps the grammar, and its texts, names and numbers agree."""
    return bool(_TASKS[status].fullmatch(_word(events))) and keeps_common_rules(events, status)


def keeps_common_rules(events: list[Event], status: str) -> bool:
    """Tell whether a stream keeps the rules for every server."""
    return (
        _begins_well(events, status)
        and _tells_a_failure(events, status)
        and all(event["data"].get("content") != "" for event in events)
        and _thinking_fits(events, status)
        and _text_fits(events, status)
        and _index_counts(events)
        and _tools_fit(events, status)
    )


def _word(events: Iterable[Event]) -> str:
    """Return the letters; C answers the last tool that was started, k too, anything else is m."""
    word, tool = "", None
    for event in events:
        letter, data = _letter(event), event["data"]
        if letter == "s":
            tool = data["preparing_id"]
        if event["type"] == "update_action":
            mine = data["preparing_id"] == tool
            letter = {"k": "mk", "c": "cC"}[letter][mine]
        word += letter
    return word


def _letter(event: Event) -> str:
    data = event["data"]
    if event["type"] == "error":
        return "r" if data.get("retry") else "e"
    if event["type"] == "update_action":
        return "c" if data["status"] == "cancelled" else "k"
    return _LETTERS[event["type"]]


def _begins_well(events: list[Event], status: str) -> bool:
    begun = "(?:A[^A]*)" if status == "succeeded" else "(?:A[^A]*)?"
    return bool(re.fullmatch(f"[wjredq]*{begun}", _word(events)))


def _tells_a_failure(events: list[Event], status: str) -> bool:
    return status != "failed" or re.search("[re]", _word(events)) is not None


def _thinking_fits(events: list[Event], status: str) -> bool:
    told = [event for event in events if _letter(event) in "tuvxzskcre"]
    # Chunks of thinking that goes on while a text is open need no block of their own.
    told = [
        event
        for at, event in enumerate(told)
        if not (
            event["type"] == "thinking_chunk"
            and re.search("v[uvx]*x[uv]*$", "".join(map(_letter, told[:at])))
        )
    ]
    return _blocks_fit([event for event in told if _letter(event) in "tuvre"], status)


def _text_fits(events: list[Event], status: str) -> bool:
    return _blocks_fit([event for event in events if _letter(event) in "xyzre"], status)


def _blocks_fit(events: list[Event], status: str) -> bool:
    """Tell whether a sequence of starts, chunks, ends and errors is one of right blocks."""
    word, joined = "", ""
    for event in events:
        kind, data = event["type"], event["data"]
        if kind == "error":
            word += "e"
        elif kind.endswith("_start"):
            word, joined = word + "a", ""
        elif kind.endswith("_chunk"):
            word, joined = word + "b", joined + data["content"]
        elif data["full_content"] == joined:
            word, joined = word + ("z" if joined else "0"), ""
        else:
            word += "!"
    blocks = "[e0]*(?:a(?:[be]*b[be]*z|e*0|(?:[be]*e)?)[e0]*)*"
    left_open = "" if status == "succeeded" else "(?:a[be]*)?"
    return bool(re.fullmatch(blocks + left_open, word))


def _index_counts(events: list[Event]) -> bool:
    """Tell whether index is 1, 2, 3 ... in every block, or goes on where no tool is between."""
    blocks: list[tuple[bool, list[Event]]] = []
    after_tool = True
    for event in events:
        match _letter(event):
            case "s" | "k" | "c":
                after_tool = True
            case "x":
                blocks.append((after_tool, []))
            case "y":
                if not blocks:
                    return False
                blocks[-1][1].append(event)
                after_tool = False
    last = 0
    for anew, chunks in blocks:
        numbers = [chunk["data"]["index"] for chunk in chunks]
        if not numbers:
            continue
        if numbers[0] != 1 and (anew or numbers[0] != last + 1):
            return False
        if any(after != before + 1 for before, after in pairwise(numbers)):
            return False
        if any(not _elapsed_fits(**chunk["data"]) for chunk in chunks):
            return False
        last = numbers[-1]
    return True


def _elapsed_fits(index: int, elapsed: float, **_: object) -> bool:
    return elapsed == 0 if index == 1 else elapsed >= 0


def _tools_fit(events: list[Event], status: str) -> bool:
    names = {e["data"]["preparing_id"] for e in events if e["type"] == "tool_start"}
    return all(_tool_fits(events, name, status) for name in names)


def _tool_fits(events: list[Event], name: str, status: str) -> bool:
    word = "".join(
        _letter(event)
        for event in events
        if name in (event["data"].get("preparing_id"), event["data"].get("id"))
        and event["type"] in ("tool_preparing", "tool_start", "update_action")
    )
    before, *runs = word.split("s")
    # One answer; a cancelled one may come on top where the task was cut short; what comes
    # after the id was prepared again belongs to a tool that never ran.
    one = "p*[kc]" if status == "succeeded" else "p*(?:[kc]c*)?"
    return "p" in before and all(re.fullmatch(f"{one}(?:p.*)?", run) for run in runs)
