"""Sequences of calls by chance, held against a model of the whole API (api_v1 1.9, 1.12, 2).

What is imported for them takes a while, and so waits until they are asked for.
"""

from pollux.conformance.check import verifies
from pollux.conformance.stage import Stage


@verifies(
    "COMMON-NO-SERVER-ERROR",
    "CONV-DELETE-GONE",
    "CONV-LIST-COMPLETE",
    "CONV-LIST-TOTAL",
    "FILE-LIST-ITEMS-TRUE",
    "FILE-ROUND-TRIP",
    "FILE-UPLOAD-OVERWRITES",
    "PERSONALIZATION-LIST-COMPLETE",
    "PERSONALIZATION-ROUND-TRIP",
    "PERSONALIZATION-SAVE-REPLACES",
    "PROMPT-LIST-COMPLETE",
    "PROMPT-ROUND-TRIP",
    "PROMPT-SAVE-REPLACES",
    "REFUSED-NO-NAMED-TEXT",
    slow=True,
)
def test_what_is_stored_is_found_after_any_sequence(stage: Stage) -> None:
    """Conversations, files, prompts and personalizations, of all users there are."""
    from pollux.conformance.machine.opening import STORED
    from pollux.conformance.machine.rules import StoredThings
    from pollux.conformance.machine.search import Search

    Search(stage).run(STORED, StoredThings, stage.budget.sequences)


@verifies(
    "CANCEL-ENDS",
    "CANCEL-TERMINAL-NO-EFFECT",
    "COMMON-NO-SERVER-ERROR",
    "CONV-DELETE-GONE",
    "CONV-HISTORY-COMPLETE",
    "ISOLATION-CONVERSATION-LIST",
    "ISOLATION-CONVERSATION-READ",
    "ISOLATION-CONVERSATION-SEND",
    "ISOLATION-FILE-READ",
    "ISOLATION-FILE-WRITE",
    "ISOLATION-PERSONALIZATION-READ",
    "ISOLATION-PERSONALIZATION-WRITE",
    "ISOLATION-PROMPT-READ",
    "ISOLATION-PROMPT-WRITE",
    "ISOLATION-TASK-CANCEL",
    "ISOLATION-TASK-POLL",
    "POLL-AFTER-END",
    "PROMPT-APPLIED",
    "REFUSED-NO-CONVERSATION",
    "REFUSED-NO-METADATA",
    "REFUSED-NO-TASK",
    "SEND-AFTER-END",
    "SEND-BUSY-OTHER-CONVERSATION",
    "SEND-BUSY-SAME-CONVERSATION",
    "SEND-GIVEN-CONVERSATION",
    "SEND-NEW-CONVERSATION",
    "SEND-USERS-INDEPENDENT",
    "TASK-SUCCEEDS",
    needs=["scripted-model", "two-users"],
    slow=True,
)
def test_no_sequence_of_calls_leads_astray(stage: Stage) -> None:
    """Messages, tasks and cancels of two users as well."""
    from pollux.conformance.machine.opening import EVERYTHING
    from pollux.conformance.machine.rules import Everything
    from pollux.conformance.machine.search import Search

    Search(stage).run(EVERYTHING, Everything, stage.budget.sequences)
