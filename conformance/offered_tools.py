"""Which tools the implementation offers its model, for checks whose model calls some."""

from collections.abc import Mapping
from typing import Any

from pollux.conformance.stage import Stage
from pollux.scripted_model.builder import say, script, turn
from pollux.scripted_model.chat_request import BadRequest, ChatRequest
from pollux.scripted_model.tool_choice import any_call

#: A function as the model is told of it: ``name``, ``description``, ``parameters``.
Tool = Mapping[str, Any]


def offered_tools(stage: Stage) -> list[Tool]:
    """Return the tools that a task may call; none where the implementation has none at all.

    Without tools nothing that the check declares applies, unless something else was there to
    judge it by.

    Raises:
        CannotVerifyError: when the model was not asked, or none of its tools is one that does
            no harm.
    """
    name = stage.name("script")
    stage.user.start(script(turn(say("Just looking.")), id=name)).end()
    requests = [request for request in stage.model.requests.list(name) if request.status == 200]
    if not requests:
        stage.judge.cannot_verify("the scripted model was not asked for an answer")
    # A server may ask for a title, too, and offers nothing there.
    offers = [ChatRequest.from_body(request.body).tools for request in requests]
    tools = max(offers, key=len)
    if not tools:
        stage.judge.nothing_applies("the implementation offers its model no tools")
        return []
    try:
        any_call(tools)
    except BadRequest as error:
        stage.judge.cannot_verify(f"the scripted model cannot call a tool: {error}")
    return list(tools)
