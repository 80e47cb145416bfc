"""What can be done with prompts and personalizations (api_v1 2.6)."""

from collections.abc import Mapping
from typing import Any

from pollux.conformance.machine.blame import Blame, excerpt
from pollux.conformance.machine.play import Play
from pollux.conformance.machine.shelf import Shelf
from pollux.conformance.named import PERSONALIZATIONS, PROMPTS, Kind, items_of
from pollux.polling.exchange import Exchange

_KINDS = (PROMPTS, PERSONALIZATIONS)
_FIELD = "tone"
_OTHER_FIELD = "profession"


def shelf(play: Play, kind: int) -> tuple[Kind, Shelf]:
    """Return prompts (0) or personalizations (1), and what the model knows of them."""
    return _KINDS[kind], (play.world.prompts, play.world.personalizations)[kind]


def save_named(play: Play, kind: int, user: int, name: int, more: int = 0) -> None:
    """Save under a name, new or not; a personalization with a second field or without."""
    how, model = shelf(play, kind)
    number, label = play.number(user), play.name(name)
    text = f"text {play.new_number()}"
    content = how.content(text)
    if kind == 1 and more:
        content[_OTHER_FIELD] = f"for {text}"
    exchange = play.sent(how.save(play.user(user).api, label, content))
    rule = model.rule("SAVE-SHAPE")
    if not play.status(exchange, rule, f"saving a {how.what} as {label!r}", 200):
        return
    model.save(number, label, text)
    if kind == 1:
        kept = _content(exchange)
        right = all(kept.get(field) == value for field, value in content.items())
        blame = Blame("PERSONALIZATION-TEXTS", excerpt(content), excerpt(kept))
        play.check(
            None if right else blame, "PERSONALIZATION-TEXTS", "what was kept of texts", exchange
        )


def save_badly(play: Play, kind: int, user: int, name: int) -> None:
    """Save what is no content: it is refused, and nothing changes."""
    how, model = shelf(play, kind)
    label = play.name(name)
    exchange = play.sent(how.save(play.user(user).api, label, 5))
    rule = "PERSONALIZATION-CONTENT-REQUIRED" if kind else "COMMON-FIELD-TYPE"
    if play.status(exchange, rule, f"saving the number 5 as a {how.what}", 400):
        model.refuse(play.number(user), label)


def read_named(play: Play, kind: int, user: int, name: int) -> None:
    """Read what there is under a name."""
    how, model = shelf(play, kind)
    number, label = play.number(user), play.name(name)
    api = play.user(user).api
    exchange = play.sent(how.get(api, label))
    found: object = exchange.payload.get("content")
    if kind == 1 and isinstance(found, dict):
        found = found.get(_FIELD)
    held = model.rules_of_reading(number, label)
    blame = model.blame_reading(number, label, exchange.status, found)
    if blame is not None and blame.rule == model.rule("GET-SHAPE") and exchange.status == 404:
        # Whether it is gone, or only not found when it is read.
        before = len(play.lines)
        list_named(play, kind, user)
        if play.ledger.breaches:
            return
        del play.lines[before:]
    play.check(blame, held, f"reading the {how.what} {label!r}", exchange)


def list_named(play: Play, kind: int, user: int) -> None:
    """List all."""
    how, model = shelf(play, kind)
    exchange = play.sent(how.list_all(play.user(user).api))
    if not play.status(exchange, model.rule("LIST-SHAPE"), f"listing the {how.what}s", 200):
        return
    names = [str(item.get("name")) for item in items_of(exchange)]
    blame = model.blame_list(play.number(user), [n for n in names if n.startswith(play.base)])
    held = (model.rule("LIST-COMPLETE"), model.rule("LIST-SORTED"))
    play.check(blame, held, f"the {how.what}s of this sequence in the list", exchange)


def _content(exchange: Exchange) -> Mapping[str, Any]:
    content = exchange.payload.get("content")
    return content if isinstance(content, dict) else {}
