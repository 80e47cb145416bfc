"""An OpenAI-compatible model that does exactly what the script in the prompt says."""

from pollux.scripted_model.cursor import ScriptError
from pollux.scripted_model.model import IN_PROCESS_BASE_URL, ScriptedModel
from pollux.scripted_model.parser import parse_script
from pollux.scripted_model.request_log import RecordedRequest
from pollux.scripted_model.script import Script, StatementError, Turn
from pollux.scripted_model.texts import (
    CLOSING_CHUNKS,
    FRIENDLY_CHUNKS,
    FRIENDLY_THINKING,
    auto_chunks,
)

__all__ = [
    "CLOSING_CHUNKS",
    "FRIENDLY_CHUNKS",
    "FRIENDLY_THINKING",
    "IN_PROCESS_BASE_URL",
    "RecordedRequest",
    "Script",
    "ScriptError",
    "ScriptedModel",
    "StatementError",
    "Turn",
    "auto_chunks",
    "parse_script",
]
