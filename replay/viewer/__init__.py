"""The viewer: a page that shows a replay and moves it, by the control API alone."""

from functools import cache
from importlib import resources

#: The page and what it loads, each with its media type. Nothing else is served, and the page may
#: load nothing else.
FILES = {
    "view.html": "text/html; charset=utf-8",
    "view.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "main.js": "text/javascript; charset=utf-8",
    "server.js": "text/javascript; charset=utf-8",
    "events.js": "text/javascript; charset=utf-8",
    "clients.js": "text/javascript; charset=utf-8",
    "timeline.js": "text/javascript; charset=utf-8",
    "transcript.js": "text/javascript; charset=utf-8",
    "dom.js": "text/javascript; charset=utf-8",
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def content(name: str) -> bytes:
    """Return a file of the viewer.

    Raises:
        KeyError: The viewer has no such file.
    """
    if name not in FILES:
        raise KeyError(name)
    return resources.files("pollux.replay.viewer").joinpath(name).read_bytes()
