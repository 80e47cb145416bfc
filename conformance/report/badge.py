"""The badge: the verdict in a few words, as an SVG image that needs nothing from elsewhere."""

import xml.etree.ElementTree as ET

from pollux.conformance.outcome import Outcome, Verdict
from pollux.conformance.report.report import Report

_SUBJECT = "API v1"
_COLORS = {
    Verdict.CONFORMANT: "#2e7d32",
    Verdict.VIOLATED: "#b71c1c",
    Verdict.INCOMPLETE: "#5f6368",
}
#: All that is violated is in the baseline.
_KNOWN_COLOR = "#9a5b00"
_SUBJECT_COLOR = "#3c3c3c"
_HEIGHT = 20
_PADDING = 6
# Widths of the letters of a sans-serif font at this size; textLength makes them true.
_FONT_SIZE = 11
_WIDTHS = {**dict.fromkeys(" .,:;/()|il1fjrt", 4.0), **dict.fromkeys("mwMW", 9.5)}
_USUAL_WIDTH = 6.6


def render_badge(report: Report) -> str:
    """Return the badge of REPORT as SVG text.

    It names the share of the MUSTs that was verified, and says when only some of the
    requirements were judged or the run was cut off.
    """
    message = badge_message(report)
    left, right = _width(_SUBJECT) + 2 * _PADDING, _width(message) + 2 * _PADDING
    title = f"{_SUBJECT}: {message}"
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": str(left + right),
            "height": str(_HEIGHT),
            "viewBox": f"0 0 {left + right} {_HEIGHT}",
            "role": "img",
            "aria-label": title,
        },
    )
    ET.SubElement(svg, "title").text = title
    shape = {"height": str(_HEIGHT), "rx": "3"}
    ET.SubElement(svg, "rect", {"width": str(left + right), "fill": _color(report), **shape})
    ET.SubElement(svg, "rect", {"width": str(left), "fill": _SUBJECT_COLOR, **shape})
    # The corners between the two halves are square.
    square = {"x": str(left - 4), "width": "4", "height": str(_HEIGHT)}
    ET.SubElement(svg, "rect", {"fill": _SUBJECT_COLOR, **square})
    words = ET.SubElement(
        svg,
        "g",
        {
            "fill": "#fff",
            "font-family": "Verdana, DejaVu Sans, Geneva, sans-serif",
            "font-size": str(_FONT_SIZE),
        },
    )
    for start, text in ((0, _SUBJECT), (left, message)):
        place = {"x": str(start + _PADDING), "y": "14", "textLength": str(_width(text))}
        ET.SubElement(words, "text", place).text = text
    return ET.tostring(svg, encoding="unicode") + "\n"


def badge_message(report: Report) -> str:
    """Return what the badge says of REPORT."""
    verified, of = report.verified("MUST")
    message = f"{report.verdict.value} {verified}/{of}"
    if report.verdict is Verdict.VIOLATED:
        failed = len(report.having(Outcome.FAIL))
        message = f"{report.verdict.value} ({_known(report, failed)})"
    if not report.complete:
        message += ", cut off"
    elif report.partial:
        message += f", {len(report.requirements)} of {report.out_of} judged"
    return message


def _known(report: Report, failed: int) -> str:
    if report.standing is None:
        return str(failed)
    new = len(report.standing.new)
    return f"{failed}, {new} new" if new else f"{failed} known"


def _color(report: Report) -> str:
    if report.verdict is Verdict.VIOLATED and report.exit_code == 0:
        return _KNOWN_COLOR
    return _COLORS[report.verdict]


def _width(text: str) -> int:
    return round(sum(_WIDTHS.get(char, _USUAL_WIDTH) for char in text))
