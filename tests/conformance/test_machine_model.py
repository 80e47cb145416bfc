"""The model that servers are held against: what it expects, and whom it blames."""

import pytest

from pollux.conformance.machine.model import End, Turn, World
from pollux.conformance.machine.shelf import Shelf
from pollux.conformance.machine.tree import Tree


def _rule(blame: object) -> str | None:
    return getattr(blame, "rule", None)


# -- prompts and personalizations -------------------------------------------------------


@pytest.fixture
def shelf() -> Shelf:
    """The first user has saved `a` twice and `ab` once, the second user `a` and `b`."""
    shelf = Shelf("PROMPT")
    for user, name, text in ((0, "a", "1"), (0, "ab", "2"), (1, "a", "3"), (1, "b", "4")):
        shelf.save(user, name, text)
    shelf.save(0, "a", "5")
    return shelf


@pytest.mark.parametrize(
    ("name", "status", "found", "rule"),
    [
        ("a", 200, "5", None),
        ("a", 404, None, "PROMPT-GET-SHAPE"),
        ("a", 200, "1", "PROMPT-SAVE-REPLACES"),
        ("a", 200, "3", "ISOLATION-PROMPT-WRITE"),
        ("a", 200, "2", "PROMPT-ROUND-TRIP"),
        ("b", 404, None, None),
        ("b", 200, "4", "ISOLATION-PROMPT-READ"),
        ("b", 400, None, "PROMPT-UNKNOWN"),
        ("c", 404, None, None),
        ("c", 200, "", "PROMPT-UNKNOWN"),
    ],
)
def test_a_wrong_text_is_blamed_on_where_it_comes_from(
    shelf: Shelf, name: str, status: int, found: str | None, rule: str | None
) -> None:
    assert _rule(shelf.blame_reading(0, name, status, found)) == rule


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        (["a", "ab"], None),
        (["ab", "a"], "PROMPT-LIST-SORTED"),
        (["a"], "PROMPT-LIST-COMPLETE"),
        (["a", "ab", "ab"], "PROMPT-LIST-COMPLETE"),
        (["a", "ab", "b"], "ISOLATION-PROMPT-READ"),
        (["a", "ab", "c"], "PROMPT-LIST-COMPLETE"),
    ],
)
def test_a_list_has_every_name_once_in_order(
    shelf: Shelf, found: list[str], rule: str | None
) -> None:
    assert _rule(shelf.blame_list(0, found)) == rule


def test_what_a_refused_save_has_changed_is_blamed_on_it(shelf: Shelf) -> None:
    shelf.refuse(0, "a")
    shelf.refuse(0, "c")
    assert _rule(shelf.blame_reading(0, "a", 200, "")) == "REFUSED-NO-NAMED-TEXT"
    assert _rule(shelf.blame_reading(0, "c", 200, "")) == "REFUSED-NO-NAMED-TEXT"
    assert _rule(shelf.blame_list(0, ["a", "ab", "c"])) == "REFUSED-NO-NAMED-TEXT"
    shelf.save(0, "a", "6")
    assert _rule(shelf.blame_reading(0, "a", 200, "5")) == "PROMPT-SAVE-REPLACES"


# -- files ------------------------------------------------------------------------------


@pytest.fixture
def tree() -> Tree:
    """The first user has `a`, uploaded twice, and `d/a`; the second has `a` and `x/y`."""
    tree = Tree()
    tree.upload(0, "a", b"1")
    tree.upload(0, "d/a", b"22")
    tree.upload(1, "a", b"333")
    tree.upload(1, "x/y", b"4")
    tree.upload(0, "a", b"55555")
    return tree


def test_a_tree_knows_its_folders(tree: Tree) -> None:
    assert tree.is_folder(0, "") and tree.is_folder(0, "d")
    assert not tree.is_folder(0, "x") and not tree.is_folder(0, "a")
    assert tree.leads_through_file(0, "a/b") and not tree.leads_through_file(0, "d/b")
    assert tree.entries(0, "") == {"a": 5, "d": None}
    assert tree.below(0, "d") == {"a": b"22"}
    assert tree.is_others(0, "x") and tree.is_others(0, "x/y") and not tree.is_others(0, "a")
    assert tree.is_shared("a") and not tree.is_shared("d/a")


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        ({"a": 5, "d": None}, None),
        ({"a": 1, "d": None}, "FILE-LIST-ITEMS-TRUE"),
        ({"a": 5}, "FILE-LIST-ITEMS-TRUE"),
        ({"a": 5, "d": 2}, "FILE-LIST-ITEMS-TRUE"),
        ({"a": 5, "d": None, "x": None}, "ISOLATION-FILE-READ"),
        ({"a": 5, "d": None, "z": 1}, "FILE-LIST-ITEMS-TRUE"),
    ],
)
def test_a_listing_shows_what_there_is(
    tree: Tree, found: dict[str, int | None], rule: str | None
) -> None:
    assert _rule(tree.blame_listing(0, "", found)) == rule


def test_a_refused_upload_changes_nothing(tree: Tree) -> None:
    tree.refuse(0, "d")
    found = {"a": 5, "d": None, "d (1)": 1}
    assert _rule(tree.blame_listing(0, "", found)) == "FILE-UPLOAD-ONTO-FOLDER"


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        (b"55555", None),
        (b"1", "FILE-UPLOAD-OVERWRITES"),
        (b"333", "ISOLATION-FILE-WRITE"),
        (b"22", "FILE-ROUND-TRIP"),
    ],
)
def test_wrong_bytes_are_blamed_on_where_they_come_from(
    tree: Tree, found: bytes, rule: str | None
) -> None:
    assert _rule(tree.blame_bytes(0, "a", found)) == rule


# -- conversations and tasks ------------------------------------------------------------


class _Talk:
    """Two users; the first has an empty conversation, a used one, and a deleted one."""

    def __init__(self) -> None:
        self.world = World(2)
        self.used = self.world.made(0, "used")
        self.empty = self.world.made(0, "empty")
        self.gone = self.world.made(0, "gone")
        self.gone.gone = "CONV-DELETE-GONE"
        self.strange = self.world.made(1, "strange")
        self.say("first", "one")

    def say(self, text: str, answer: str, end: End = End.SUCCEEDED) -> Turn:
        turn = Turn(f"task of {text}", text, answer)
        self.world.sent(0, text)
        self.world.accepted(0, self.used, turn)
        if end is not End.LIVE:
            self.world.ended(0, end)
        return turn


@pytest.fixture
def talk() -> _Talk:
    return _Talk()


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        (["empty", "used", "older"], None),
        (["used"], "CONV-LIST-COMPLETE"),
        (["empty", "used", "gone"], "CONV-DELETE-GONE"),
        (["empty", "used", "strange"], "ISOLATION-CONVERSATION-LIST"),
    ],
)
def test_a_list_of_conversations_has_those_that_are_there(
    talk: _Talk, found: list[str], rule: str | None
) -> None:
    assert _rule(talk.world.blame_listed(0, found)) == rule


def test_a_conversation_that_a_stranger_has_struck_off_the_list(talk: _Talk) -> None:
    talk.empty.tried.append("ISOLATION-CONVERSATION-DELETE")
    assert _rule(talk.world.blame_listed(0, ["used"])) == "ISOLATION-CONVERSATION-DELETE"


def test_the_last_change_comes_first_where_times_differ(talk: _Talk) -> None:
    world = talk.world
    assert world.blame_order(0, {"used": 2, "empty": 1}) is None
    assert _rule(world.blame_order(0, {"empty": 1, "used": 2})) == "CONV-LIST-ORDER"
    assert world.blame_order(0, {"empty": 1, "used": 1}) is None
    # A used one may have been given a title in the background.
    world.made(0, "new")
    assert world.blame_order(0, {"used": 4, "new": 3, "empty": 1}) is None


@pytest.mark.parametrize(
    ("total", "rule"),
    [
        (11, None),
        (10, "CONV-LIST-TOTAL"),
        (13, "ISOLATION-CONVERSATION-LIST"),
        (12, "CONV-LIST-TOTAL"),
    ],
)
def test_the_total_goes_with_what_is_made(talk: _Talk, total: int, rule: str | None) -> None:
    assert talk.world.blame_total(0, 10) is None
    talk.world.made(0, "one more")
    for name in ("other", "others"):
        talk.world.made(1, name)
    assert _rule(talk.world.blame_total(0, total)) == rule


def test_a_conversation_too_many_after_a_refused_send(talk: _Talk) -> None:
    talk.world.blame_total(0, 10)
    talk.world.refused(0, None)
    assert _rule(talk.world.blame_total(0, 11)) == "REFUSED-NO-CONVERSATION"


_FIRST = [("user", "first"), ("assistant", "one")]


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        (_FIRST, None),
        ([("user", "first"), ("assistant", "o"), ("assistant", "ne")], None),
        ([("user", "first"), ("assistant", "on")], "CONV-HISTORY-COMPLETE"),
        ([], "CONV-HISTORY-COMPLETE"),
        ([*_FIRST, ("user", "who?")], "CONV-HISTORY-COMPLETE"),
        ([*_FIRST, ("user", "refused")], "REFUSED-NO-METADATA"),
        ([*_FIRST, ("user", "strange")], "ISOLATION-CONVERSATION-SEND"),
    ],
)
def test_a_history_has_what_was_said(
    talk: _Talk, rows: list[tuple[str, str]], rule: str | None
) -> None:
    talk.world.sent(0, "refused")
    talk.world.sent(1, "strange")
    assert _rule(talk.world.blame_messages(talk.used, rows)) == rule


def test_a_later_message_adds_to_the_history(talk: _Talk) -> None:
    talk.say("second", "two")
    second = [("user", "second"), ("assistant", "two")]
    blame = talk.world.blame_messages
    assert blame(talk.used, [*_FIRST, *second]) is None
    assert _rule(blame(talk.used, second)) == "SEND-GIVEN-CONVERSATION"
    assert _rule(blame(talk.used, [*second, *_FIRST])) == "SEND-GIVEN-CONVERSATION"
    assert _rule(blame(talk.empty, _FIRST)) == "SEND-GIVEN-CONVERSATION"


def test_of_a_cancelled_answer_what_was_shown_is_kept(talk: _Talk) -> None:
    talk.say("second", "half ", End.CANCELLED)
    blame = talk.world.blame_messages
    cancelled = [*_FIRST, ("user", "second"), ("assistant", "half [cancelled]")]
    assert blame(talk.used, cancelled) is None
    assert _rule(blame(talk.used, cancelled[:-1])) == "CONV-HISTORY-CANCEL-TEXT"


def test_of_a_live_task_nothing_is_said(talk: _Talk) -> None:
    talk.say("second", "", End.LIVE)
    for rows in (_FIRST, [*_FIRST, ("user", "second")]):
        assert talk.world.blame_messages(talk.used, rows) is None


def test_a_409_without_a_live_task_is_blamed_on_what_went_before(talk: _Talk) -> None:
    world = World(2)
    assert world.rule_of_busy(0) is None
    world = talk.world
    assert world.rule_of_busy(0) == "SEND-AFTER-END"
    turn = Turn("task", "theirs", "")
    world.sent(1, "theirs")
    world.accepted(1, talk.strange, turn)
    assert world.rule_of_busy(0) == "SEND-USERS-INDEPENDENT"
    world.refused(0, None)
    assert world.rule_of_busy(0) == "REFUSED-NO-TASK"


def test_a_task_that_does_not_succeed_is_blamed_on_what_was_tried_with_it(talk: _Talk) -> None:
    assert talk.world.rule_of_end(talk.say("second", "")) == "TASK-SUCCEEDS"
    talk.world.cancelled_in_vain(0)
    third = talk.say("third", "", End.LIVE)
    assert talk.world.rule_of_end(third) == "CANCEL-TERMINAL-NO-EFFECT"
    third.tried.append("ISOLATION-TASK-CANCEL")
    assert talk.world.rule_of_end(third) == "ISOLATION-TASK-CANCEL"
    fourth = talk.say("fourth", "")
    assert talk.world.rule_of_end(fourth) == "TASK-SUCCEEDS"


def test_only_the_last_task_must_still_be_known(talk: _Talk) -> None:
    second = talk.say("second", "two")
    first = talk.used.turns[0]
    assert talk.world.is_latest(0, second) and not talk.world.is_latest(0, first)
