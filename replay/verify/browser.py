"""Opens a page in headless Chromium and prints what it shows: a client for ``pollux verify``.

    pollux verify FILE --client "python -m pollux.replay.verify.browser 'PAGE?base={base_url}'"

PAGE is a URL, or an HTML file, whose folder is then served. An element that appears with
``data-idx="7"`` shows the event 7, one with ``data-gap="12,40"`` says that the events 12 to 39 are
lost. With ``data-ended`` on any element the page says that nothing more will come. Needs
Playwright.
"""

import functools
import http.server
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

_WATCH = """
(() => {
  const told = new WeakMap();
  const news = [];
  const tell = (element) => {
    for (const name of ["idx", "gap"]) {
      const value = element.dataset?.[name];
      if (value === undefined) continue;
      const before = told.get(element) ?? {};
      if (before[name] === value) continue;
      told.set(element, { ...before, [name]: value });
      news.push([name, value]);
    }
  };
  const look = (node) => {
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    tell(node);
    node.querySelectorAll("[data-idx], [data-gap]").forEach(tell);
  };
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "attributes") tell(change.target);
      else change.addedNodes.forEach(look);
    }
    if (news.length > 0) polluxShown(news.splice(0));
  }).observe(document, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-idx", "data-gap"],
  });
})();
"""


def line_of(name: str, value: str) -> dict[str, Any] | None:
    """Return what an attribute says as a line for ``pollux verify``, or None when it is none."""
    parts = value.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        return None
    numbers = [int(part) for part in parts]
    if name == "idx" and len(numbers) == 1:
        return {"idx": numbers[0]}
    if name == "gap" and len(numbers) == 2:
        return {"gap": numbers}
    return None


@contextmanager
def address_of(page: str) -> Iterator[str]:
    """Serve PAGE if it is a file; yield its URL."""
    path, mark, query = page.partition("?")
    if "://" in path:
        yield page
        return
    file = Path(path).resolve()
    if not file.is_file():
        raise click.UsageError(f"{path} is neither a URL nor a file")
    handler = functools.partial(_Quiet, directory=str(file.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{quote(file.name)}{mark}{query}"
        finally:
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@click.command()
@click.argument("page")
@click.option(
    "--chromium",
    default=lambda: shutil.which("chromium") or shutil.which("google-chrome"),
    metavar="FILE",
    help="The browser; by default the one on the PATH, or else Playwright's own.",
)
def main(page: str, chromium: str | None) -> None:
    """Open PAGE and print one line of JSON for each event that it shows, until it has ended."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise click.ClickException("this needs Playwright: pip install playwright") from None

    def shown(_source: Any, news: list[list[str]]) -> None:
        for name, value in news:
            line = line_of(name, value)
            if line is not None:
                click.echo(json.dumps(line))
        sys.stdout.flush()

    with address_of(page) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("pageerror", lambda error: click.echo(f"page error: {error}", err=True))
        tab.on("console", lambda message: click.echo(f"console: {message.text}", err=True))
        tab.expose_binding("polluxShown", shown)
        tab.add_init_script(_WATCH)
        tab.goto(url)
        tab.wait_for_selector("[data-ended]", state="attached", timeout=0)
        # What the page has shown before it said so has been told by then.
        tab.evaluate("() => new Promise((done) => setTimeout(done))")
        browser.close()


if __name__ == "__main__":
    main()
