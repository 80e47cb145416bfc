"""The report as JSON, in the form of ``schemas/report.schema.json``."""

import json

from pollux.conformance.report.report import Report


def render_json(report: Report) -> str:
    """Return REPORT as indented JSON text."""
    return json.dumps(report.as_dict(), ensure_ascii=False, indent=2) + "\n"
