"""What a generated text is: plain enough that no server has a reason to refuse it, or odd."""

import re
import unicodedata
from enum import Enum
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WHOLE = re.compile(r"[0-9]{1,18}")
# What int(), parseInt(), atoi() and the like may well take for a number.
_NUMBER_LIKE = re.compile(r"[\s+-]*[\d.,_eExXa-fA-F'’٫٬·½¼¾-]*\s*|[+-]?(nan|inf|infinity)", re.I)
_LARGEST_FLOAT = 1e300
_LONGEST_PLAIN = 5000


class Number(Enum):
    """What a parameter is that ought to be a number from 0 on."""

    GOOD = "a whole number from 0 on"
    NEGATIVE = "a whole number below 0"
    LARGE = "a whole number that not every machine can hold"
    NONE = "no number"
    UNCLEAR = "a number to some"


def number(text: str) -> Number:
    """Return what TEXT is, said so that every server agrees."""
    digits = text.removeprefix("-")
    if _WHOLE.fullmatch(digits) and (digits == "0" or digits[0] != "0"):
        if int(digits) >= 2**31:
            return Number.LARGE
        return Number.NEGATIVE if text.startswith("-") and digits != "0" else Number.GOOD
    if not text.strip() or _NUMBER_LIKE.fullmatch(text) or any(map(str.isnumeric, text)):
        return Number.UNCLEAR
    return Number.NONE


def is_name(text: str) -> bool:
    """Tell whether TEXT keeps the rule for names (api_v1 2.6)."""
    return _NAME.fullmatch(text) is not None


def is_plain(text: str) -> bool:
    """Tell whether TEXT has nothing in it but what can be printed, blanks and line ends."""
    return len(text) <= _LONGEST_PLAIN and all(
        char.isprintable() or char in "\n\t" for char in text
    )


def is_plain_value(value: Any) -> bool:
    """Tell whether a JSON VALUE has nothing odd in it, however deep."""
    if isinstance(value, str):
        return is_plain(value)
    if isinstance(value, dict):
        return all(map(is_plain, value)) and all(map(is_plain_value, value.values()))
    if isinstance(value, list):
        return all(map(is_plain_value, value))
    return not isinstance(value, int | float) or abs(value) < _LARGEST_FLOAT


def says_something(text: str) -> bool:
    """Tell whether a message has a letter or a digit in it: whatever is trimmed, that stays."""
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def is_known_letter(char: str) -> bool:
    """Tell whether CHAR is a letter, and has been for so long that every server knows it."""
    return unicodedata.ucd_3_2_0.category(char)[0] == "L"
