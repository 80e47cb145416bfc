"""All that can be done in a sequence, by name."""

from collections.abc import Callable, Mapping
from typing import Concatenate

from pollux.conformance.errors import CannotVerifyError
from pollux.conformance.machine.acts_conversations import (
    compare,
    create,
    delete,
    list_conversations,
    read,
)
from pollux.conformance.machine.acts_files import download, list_files, upload
from pollux.conformance.machine.acts_named import list_named, read_named, save_badly, save_named
from pollux.conformance.machine.acts_sends import send
from pollux.conformance.machine.acts_tasks import cancel, poll, release
from pollux.conformance.machine.play import Play, Step
from pollux.polling.breach import Breach

ACTIONS: Mapping[str, Callable[Concatenate[Play, ...], None]] = {
    function.__name__: function
    for function in (
        create,
        read,
        list_conversations,
        compare,
        delete,
        send,
        release,
        cancel,
        poll,
        upload,
        list_files,
        download,
        save_named,
        save_badly,
        read_named,
        list_named,
    )
}


def do(play: Play, step: Step) -> Breach | None:
    """Do one step of a sequence; return what it has shown to be wrong, if anything.

    Raises:
        CannotVerifyError: when nothing is wrong, and yet the sequence cannot go on.
    """
    try:
        ACTIONS[step.action](play, **step.arguments)
    except CannotVerifyError:
        if not play.ledger.breaches:
            raise
    return play.breach
