"""Generated requests (openapi.yaml): every operation, good and bad ones, and without a token.

How many there are for each operation and kind is the budget of the run (``--fuzz-cases``). The
generators are imported when they are needed, for it takes a while.
"""

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage

_EVERY_ANSWER = (
    "COMMON-NO-SERVER-ERROR",
    "ENVELOPE-FAILURE",
    "ENVELOPE-STATUS-AGREES",
    "ENVELOPE-SUCCESS",
)


@verifies(*_EVERY_ANSWER, slow=True)
def test_generated_requests_about_conversations(stage: Stage, judge: Judge) -> None:
    """Creating, listing, reading and deleting."""
    if _wanted(stage, judge):
        from pollux.conformance.fuzzing.fuzz import fuzz_operations

        fuzz_operations(
            stage,
            "createConversation",
            "listConversations",
            "getConversation",
            "deleteConversation",
        )


@verifies(*_EVERY_ANSWER, slow=True)
def test_generated_requests_about_tasks(stage: Stage, judge: Judge) -> None:
    """Polling and cancelling first: a finished task need not outlive the next send."""
    if _wanted(stage, judge):
        from pollux.conformance.fuzzing.fuzz import fuzz_operations

        fuzz_operations(stage, "pollTask", "cancelTask", "sendMessage", task=True)


@verifies(*_EVERY_ANSWER, slow=True)
def test_generated_requests_about_files(stage: Stage, judge: Judge) -> None:
    """Uploading, listing, downloading."""
    if _wanted(stage, judge):
        from pollux.conformance.fuzzing.fuzz import fuzz_operations

        fuzz_operations(stage, "uploadFile", "listFiles", "downloadFile", files=True)


@verifies(*_EVERY_ANSWER, slow=True)
def test_generated_requests_about_names(stage: Stage, judge: Judge) -> None:
    """Prompts and personalizations: saving, reading, listing."""
    if _wanted(stage, judge):
        from pollux.conformance.fuzzing.fuzz import fuzz_operations

        fuzz_operations(
            stage,
            "savePrompt",
            "getPrompt",
            "listPrompts",
            "savePersonalization",
            "getPersonalization",
            "listPersonalizations",
        )


@verifies(*_EVERY_ANSWER, slow=True)
def test_generated_requests_about_the_server(stage: Stage, judge: Judge) -> None:
    """Its models and its health, and paths that no operation has."""
    if _wanted(stage, judge):
        from pollux.conformance.fuzzing.fuzz import fuzz_operations, fuzz_unknown_routes

        fuzz_operations(stage, "listModels", "health")
        fuzz_unknown_routes(stage)


@verifies("COMMON-NO-SERVER-ERROR", "ENVELOPE-FAILURE", "HEADER-WWW-AUTHENTICATE", slow=True)
def test_generated_requests_of_strangers(stage: Stage, judge: Judge) -> None:
    """Without a token, with an empty one, with one of nobody: 401, whatever is asked for."""
    if _wanted(stage, judge):
        from pollux.conformance.fuzzing.fuzz import fuzz_strangers

        fuzz_strangers(stage)


@verifies("COMMON-NO-SERVER-ERROR", "ENVELOPE-SUCCESS", slow=True)
def test_generated_walks_along_the_links(stage: Stage, judge: Judge) -> None:
    """Every link of the document leads from one answer to a request that must work."""
    if _wanted(stage, judge):
        from pollux.conformance.fuzzing.fuzz import fuzz_links

        fuzz_links(stage)


def _wanted(stage: Stage, judge: Judge) -> bool:
    """Tell whether any requests are to be generated; without them there is nothing to judge."""
    if stage.budget.fuzz_cases > 0:
        return True
    judge.nothing_applies("no generated requests were asked for")
    return False
