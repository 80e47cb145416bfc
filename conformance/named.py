"""What prompts and personalizations have in common, and how it is judged (api_v1 2.6)."""

import string
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage
from pollux.polling.client import ApiClient
from pollux.polling.exchange import Exchange
from pollux.polling.http import LEFT_OUT

_ALLOWED = string.ascii_letters + string.digits + "_-"
_LONGEST = 64


@dataclass(frozen=True)
class Kind:
    """Prompts, or personalizations.

    Attributes:
        what: One of them, in words.
        rules: What the ids of their requirements begin with.
        path: Where they are saved and listed, below ``/api/v1``.
        save: Saves one by name and content.
        get: Reads one.
        list_all: Lists all of a user.
        content: Makes the content that stands for a text of at most 20 characters.
        told: Tells whether an answer has the content that stands for a text.
    """

    what: str
    rules: str
    path: str
    save: Callable[..., Exchange]
    get: Callable[[ApiClient, str], Exchange]
    list_all: Callable[[ApiClient], Exchange]
    content: Callable[[str], Any]
    told: Callable[[Exchange, str], bool]

    def rule(self, name: str) -> str:
        """Return the id of the requirement NAME of this kind."""
        return f"{self.rules}-{name}"

    def saved(self, stage: Stage, name: str, content: Any = LEFT_OUT) -> Exchange:
        """Save CONTENT under NAME, which must work.

        Raises:
            CannotVerifyError: when it does not.
        """
        exchange = self.save(stage.user.api, name, content)
        stage.judge.require(
            self.rule("SAVE-SHAPE"),
            exchange.status == 200,
            f"saving a {self.what}",
            expected="200",
            got=exchange.summary,
            by=exchange,
        )
        return exchange

    def read(self, stage: Stage, name: str) -> Exchange:
        """Read what was saved under NAME, which must work.

        Raises:
            CannotVerifyError: when it does not.
        """
        exchange = self.get(stage.user.api, name)
        stage.judge.require(
            self.rule("GET-SHAPE"),
            exchange.status == 200,
            f"reading a {self.what} that was saved",
            expected="200",
            got=exchange.summary,
            by=exchange,
        )
        return exchange

    def listed(self, stage: Stage) -> tuple[Exchange, list[str]]:
        """List all of the user's, which must work; return the answer and the names.

        Raises:
            CannotVerifyError: when it does not.
        """
        exchange = self.list_all(stage.user.api)
        stage.judge.require(
            self.rule("LIST-SHAPE"),
            exchange.status == 200,
            f"listing the {self.what}s",
            expected="200",
            got=exchange.summary,
            by=exchange,
        )
        return exchange, [str(item.get("name")) for item in items_of(exchange)]


def _has_prompt(exchange: Exchange, text: str) -> bool:
    return exchange.payload.get("content") == text


def _has_tone(exchange: Exchange, text: str) -> bool:
    content = exchange.payload.get("content")
    return isinstance(content, dict) and content.get("tone") == text


PROMPTS = Kind(
    "prompt",
    "PROMPT",
    "/prompts",
    ApiClient.save_prompt,
    ApiClient.get_prompt,
    ApiClient.list_prompts,
    content=lambda text: text,
    told=_has_prompt,
)
PERSONALIZATIONS = Kind(
    "personalization",
    "PERSONALIZATION",
    "/personalizations",
    ApiClient.save_personalization,
    ApiClient.get_personalization,
    ApiClient.list_personalizations,
    content=lambda text: {"tone": text},
    told=_has_tone,
)


def items_of(exchange: Exchange) -> list[dict[str, Any]]:
    """Return the items of a list that are objects."""
    items = exchange.payload.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def every_valid_name_is_taken(stage: Stage, judge: Judge, kind: Kind) -> None:
    """Save under names of every length and every character allowed, and read them back."""
    unique = uuid.uuid4()
    every_character = list(_ALLOWED)
    stage.random.shuffle(every_character)
    names = [
        "".join(every_character),
        f"_-{unique.hex}",
        f"{unique.int}"[:_LONGEST],
        f"{unique.hex.upper()}-",
        f"-{unique.hex}".ljust(_LONGEST, "_"),
        *_one_character(stage, kind),
    ]
    for name in names:
        saved = kind.save(stage.user.api, name, kind.content(_MARK))
        read = kind.get(stage.user.api, name)
        judge.that(
            kind.rule("NAME-VALID"),
            saved.status == 200 and read.status == 200 and kind.told(read, _MARK),
            f"a {kind.what} of the name {name!r}, saved and read",
            expected="200 for both, and what was saved",
            got=f"{saved.summary} and {read.summary}",
            by=(saved, read),
        )
        for exchange, rule in ((saved, "SAVE-SHAPE"), (read, "GET-SHAPE")):
            if exchange.status == 200:
                judge.that(
                    kind.rule(rule),
                    exchange.payload.get("name") == name,
                    f"the name in the answer of {exchange.operation}",
                    expected=name,
                    got=f"{exchange.payload.get('name')!r}"[:200],
                    by=exchange,
                )


#: What stands in those whose names other people may want, too.
_MARK = "pollux was here"


def _one_character(stage: Stage, kind: Kind) -> Sequence[str]:
    """Return a name of one character that is free, or was taken by an earlier run."""
    for name in stage.random.sample(_ALLOWED, 8):
        known = kind.get(stage.user.api, name)
        if known.status == 404 or kind.told(known, _MARK):
            return [name]
    return []


def _similar(name: str) -> list[str]:
    """Return invalid names that a careless server takes for the valid NAME, or cuts to it."""
    half = len(name) // 2
    return [
        f"{name[:half]} {name[half:]}",
        f"{name[:half]}.{name[half:]}",
        f"{name}.txt",
        f"{name}.json",
        f"{name}\n",
        f" {name}",
        f"{name}\0",
        f"{name[:half]}ä{name[half:]}",
        f"{name[:half]}、{name[half:]}",
        name.ljust(_LONGEST, "_") + "x",
    ]


def every_other_name_is_refused(stage: Stage, judge: Judge, kind: Kind) -> None:
    """The name is wrong, all the rest is right: the same content is taken under a valid name."""
    name = stage.name()
    kind.saved(stage, name, kind.content("valid"))
    wrong = [
        *_similar(name),
        f"./{name}",
        f"x/../{name}",
        f"../{name}",
        f"../../../{name}",
        f"..\\{name}",
        f"/tmp/{name}",
        f"C:\\{name}",
        f"%2e%2e%2f{name}",
        "..",
        ".",
        "名字",
        f"{name}\u0663",  # a digit, but none of ASCII
        f"{name}\uff41",  # a letter, but none of ASCII
        f"~{name}",
        f"{name}$",
        f"{name}😀",
        f"{name}-".ljust(300, "x"),
    ]
    for bad in wrong:
        exchange = kind.save(stage.user.api, bad, kind.content("invalid"))
        judge.that(
            kind.rule("NAME-INVALID"),
            exchange.status == 400,
            f"saving a {kind.what} under the name {_shown(bad)}",
            expected="400",
            got=exchange.summary,
            by=exchange,
        )


def a_missing_name_is_refused(stage: Stage, judge: Judge, kind: Kind) -> None:
    """Without a name, with null and with an empty one; the rest of the body is good."""
    content = kind.content("nameless")
    kind.saved(stage, stage.name(), content)
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("without a name", {"content": content}),
        ("with the name null", {"name": None, "content": content}),
        ("with an empty name", {"name": "", "content": content}),
        ("of an empty object", {}),
    ]
    for what, body in bodies:
        exchange = stage.user.api.request(
            "POST", kind.path, operation=f"save{kind.what.title()}", body=body
        )
        judge.that(
            kind.rule("NAME-MISSING"),
            exchange.status == 400,
            f"saving a {kind.what} {what}",
            expected="400",
            got=exchange.summary,
            by=exchange,
        )


def a_bad_name_in_a_path_is_refused(stage: Stage, judge: Judge, kind: Kind) -> None:
    """Names that are nearly the one of something that is there are not that one."""
    name = stage.name()
    kind.saved(stage, name, kind.content("here"))
    kind.saved(stage, name.ljust(_LONGEST, "_"), kind.content("here"))
    control = kind.read(stage, name)
    # No "x/../name": a proxy may make a path of it that is right.
    for bad in [*_similar(name), f"../{name}", f"..\\{name}", f"{name}-".ljust(300, "x")]:
        exchange = kind.get(stage.user.api, bad)
        # A router may point to the path without its dot segments before anybody looks at a name.
        tidied = bad.startswith("../") and 300 <= exchange.status < 400
        judge.that(
            kind.rule("NAME-INVALID-PATH"),
            exchange.status in (400, 404) or tidied,
            f"reading a {kind.what} by the name {_shown(bad)}",
            expected="400 or 404",
            got=exchange.summary,
            by=(control, exchange),
        )


def an_unknown_name_is_404(stage: Stage, judge: Judge, kind: Kind) -> None:
    """A valid name under which nothing was saved, while another one is found."""
    name = stage.name()
    kind.saved(stage, name, kind.content("here"))
    control = kind.read(stage, name)
    unknown = [stage.name(), f"{name}0", name[:-1], "-", uuid.uuid4().hex * 2]
    _, known = kind.listed(stage)
    for other in unknown:
        if other in known:
            continue
        exchange = kind.get(stage.user.api, other)
        judge.that(
            kind.rule("UNKNOWN"),
            exchange.status == 404,
            f"reading the {kind.what} {other!r}, which nobody has saved",
            expected="404",
            got=exchange.summary,
            by=(control, exchange),
        )


def the_list_has_all_once_in_order(stage: Stage, judge: Judge, kind: Kind) -> None:
    """Save several, not in the order of their names, and one of them twice; then list them.

    They differ in one small letter only, so that every idea of an order agrees.
    """
    base = stage.name()
    letters = ["m", "c", "x", "a", "q", "c"]
    for number, letter in enumerate(letters):
        kind.saved(stage, f"{base}-{letter}", kind.content(f"number {number}"))
    exchange, names = kind.listed(stage)
    ours = [name for name in names if name.startswith(base)]
    wanted = sorted({f"{base}-{letter}" for letter in letters})
    judge.that(
        kind.rule("LIST-COMPLETE"),
        sorted(ours) == wanted,
        f"the {kind.what}s in the list of those saved just now",
        expected=f"each once: {', '.join(wanted)}",
        got=", ".join(ours) or "none",
        by=exchange,
    )
    judge.that(
        kind.rule("LIST-COMPLETE"),
        len(set(names)) == len(names),
        f"the names in the list of {kind.what}s",
        expected="each once",
        got=f"{len(names)} items, {len(set(names))} names",
        by=exchange,
    )
    judge.that(
        kind.rule("LIST-SORTED"),
        ours == sorted(ours),
        f"the order of the {kind.what}s in the list",
        expected=", ".join(sorted(ours)),
        got=", ".join(ours),
        by=exchange,
    )


def _shown(name: str) -> str:
    return ascii(name) if len(name) <= 80 else f"{name[:70]!a}... ({len(name)} characters)"
