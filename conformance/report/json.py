"""The report as JSON, in the form of ``schemas/report.schema.json``."""

import json
from typing import Any

from pollux.conformance.report.report import Report


def render_json(report: Report) -> str:
    """Return REPORT as indented JSON text."""
    return json_text(report.as_dict())


def json_text(data: Any) -> str:
    """Return DATA as indented JSON text that UTF-8 can hold."""
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    # Half a surrogate that a broken server sent becomes its JSON escape.
    return text.encode("utf-8", "backslashreplace").decode()
