"""How sequences are made by chance: the rules of a state machine of hypothesis."""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies
from hypothesis.stateful import RuleBasedStateMachine, rule
from hypothesis.strategies import SearchStrategy

from pollux.conformance.machine.play import NOBODYS, Step

#: Does one step of a sequence.
Do = Callable[[Step], None]

# What is chosen most often is the same again: what goes wrong between two calls goes wrong
# where both are about one thing.
_KINDS = strategies.sampled_from((0, 1))
_USERS = strategies.sampled_from((0, 0, 0, 1))
# Who asks, and whose it is.
_WHO = strategies.sampled_from(((0, 0),) * 6 + ((1, 1), (0, 1), (1, 0)))
_NAMES = strategies.sampled_from((0, 0, 0, 1, 1, 2, 3, 4))
_NAME_OR_NONE = strategies.sampled_from((-1, -1, -1, 0, 0, 1))
_WHICH = strategies.sampled_from((0, 0, 0, 0, 1, 1, 2, NOBODYS))
_WHICH_OR_NEW = strategies.sampled_from((-1, -1, 0, 0, 0, 1, NOBODYS))
_YES_OR_NO = strategies.sampled_from((0, 1))
_RARELY = strategies.sampled_from((0, 0, 0, 1))
_FOLDERS = strategies.sampled_from((0, 0, 0, 1, 2))
_FILES = strategies.sampled_from((0, 0, 1, 2))
_FILES_AND_FOLDERS = strategies.sampled_from((0, 0, 1, 2, 3))
_SIZES = strategies.sampled_from((0, 1, 1, 12))
_PLACES = strategies.sampled_from((0, 1, 2, 3, 4))


def _step(action: str, **arguments: SearchStrategy[Any]) -> SearchStrategy[Step]:
    def step(values: Mapping[str, Any]) -> Step:
        numbers = dict(values)
        if "who" in numbers:
            numbers["user"], numbers["owner"] = numbers.pop("who")
        return Step(action, numbers)

    return strategies.fixed_dictionaries(arguments).map(step)


_SAVE = _step("save_named", kind=_KINDS, user=_USERS, name=_NAMES, more=_YES_OR_NO)
_NAMED = strategies.one_of(
    _SAVE,
    _SAVE,
    _step("save_badly", kind=_KINDS, user=_USERS, name=_NAMES),
    _step("read_named", kind=_KINDS, user=_USERS, name=_NAMES),
    _step("list_named", kind=_KINDS, user=_USERS),
)
_UPLOAD = _step("upload", user=_USERS, folder=_FOLDERS, name=_FILES, size=_SIZES)
_FILED = strategies.one_of(
    _UPLOAD,
    _UPLOAD,
    _step("list_files", user=_USERS, folder=_FOLDERS),
    _step("download", user=_USERS, folder=_FOLDERS, name=_FILES_AND_FOLDERS),
)
_CREATE = _step("create", user=_USERS, prompt=_NAME_OR_NONE, personalization=_NAME_OR_NONE)
_DELETE = _step("delete", who=_WHO, which=_WHICH)
_TALKED = strategies.one_of(
    _CREATE,
    _CREATE,
    _DELETE,
    _step("read", who=_WHO, which=_WHICH, full=_YES_OR_NO),
    _step("list_conversations", user=_USERS),
    _step("compare", user=_USERS, which=_WHICH),
)
_SEND = _step(
    "send",
    who=_WHO,
    to=_WHICH_OR_NEW,
    held=_RARELY,
    prompt=_NAME_OR_NONE,
    personalization=strategies.sampled_from((-1, -1, -1, -1, 0)),
)
_RELEASE = _step("release", user=_USERS)
_RUN = strategies.one_of(
    _SEND,
    _SEND,
    _RELEASE,
    _step("cancel", who=_WHO, back=_RARELY),
    _step("poll", who=_WHO, back=_YES_OR_NO, place=_PLACES),
    _DELETE,
)
# Prompts, and messages that name them.
_PROMPTED = strategies.one_of(
    _step("save_named", kind=strategies.just(0), user=_USERS, name=strategies.just(0)),
    _step(
        "send",
        who=_WHO,
        to=_WHICH_OR_NEW,
        held=strategies.just(0),
        prompt=strategies.just(0),
    ),
    _RELEASE,
)


class Sequences(RuleBasedStateMachine):
    """What all sequences have: conversations.

    A rule is for one kind of things. hypothesis leaves some of them out of each sequence, so
    that most are about few things, whose calls have to do with each other.

    Args:
        do: Does a step.
        end: Called when the sequence has come to its end.
    """

    def __init__(self, do: Do, end: Callable[[], None]) -> None:
        super().__init__()
        self._do = do
        self._end = end

    def teardown(self) -> None:
        """End the sequence."""
        self._end()

    @rule(step=_TALKED)
    def conversations(self, step: Step) -> None:
        """Create, read, list or delete conversations."""
        self._do(step)


class StoredThings(Sequences):
    """Everything but messages and tasks."""

    @rule(step=_NAMED)
    def names(self, step: Step) -> None:
        """Save, read or list prompts or personalizations."""
        self._do(step)

    @rule(step=_FILED)
    def files(self, step: Step) -> None:
        """Upload, list or download files."""
        self._do(step)


class Everything(Sequences):
    """Messages and tasks, with all that they may have to do with."""

    @rule(step=_RUN)
    def tasks(self, step: Step) -> None:
        """Send messages, poll and cancel their tasks, delete their conversations."""
        self._do(step)

    @rule(step=_PROMPTED)
    def prompts(self, step: Step) -> None:
        """Save prompts, and send messages that name them."""
        self._do(step)

    @rule(step=strategies.one_of(_RUN, _NAMED, _FILED))
    def others(self, step: Step) -> None:
        """Do something else meanwhile."""
        self._do(step)
