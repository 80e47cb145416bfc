"""Reads a report back: from its JSON, or from the event log of the run."""

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pollux.conformance.errors import LogError
from pollux.conformance.report.log import read_log
from pollux.conformance.report.report import REPORT_VERSION, Report, build_report

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator


def read_report(path: Path) -> Report:
    """Return the report in PATH: a JSON report (``--report``) or an event log (``--log``).

    Raises:
        LogError: when it is neither, is damaged, or is of a newer version.
        OSError: when it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LogError(f"{path} is neither a report nor the log of a run: {error}") from error
    try:
        data = json.loads(text)
    except ValueError:
        data = None  # an event log has more than one line
    if isinstance(data, dict) and "pollux_report" in data:
        return _from_json(path, data)
    try:
        return build_report(read_log(path))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LogError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _from_json(path: Path, data: dict[str, Any]) -> Report:
    if data["pollux_report"] != REPORT_VERSION:
        raise LogError(
            f"{path} is a report of version {data['pollux_report']}; "
            f"this Pollux reads {REPORT_VERSION}"
        )
    problem = next(_validator().iter_errors(data), None)
    if problem is not None:
        raise LogError(f"{path} is damaged: {problem.json_path}: {problem.message[:200]}")
    return Report.from_dict(data)


@cache
def _validator() -> "Draft202012Validator":
    # jsonschema takes a tenth of a second to import, and few read a JSON report.
    from jsonschema import Draft202012Validator

    text = resources.files("pollux.schemas").joinpath("report.schema.json").read_text("utf-8")
    return Draft202012Validator(json.loads(text))
