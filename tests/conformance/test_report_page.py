"""The HTML page: whole without a network and without scripts, deaf to what servers send."""

from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from pollux.conformance.baseline import Entry, apply_baseline
from pollux.conformance.outcome import Evidence, Outcome
from pollux.conformance.report.compare import Comparison, render_comparison
from pollux.conformance.report.page import moments, render_page, shares
from pollux.conformance.report.report import Report
from tests.conformance.made_reports import EVERY, HOSTILE, hostile_report, made_report
from tests.polling.exchanges import exchange

LONG = exchange(
    b"b" * 3000,
    url="http://h:1/" + "p" * 500,
    request_body=b"q" * 500,
    headers=(("h" * 300, "v" * 300),),
)
_VOID = {"meta", "link", "input", "br", "rect"}


class _Elements(HTMLParser):
    """Collects the elements of a page, and sees that each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag


def _known(report: Report, *names: str) -> Report:
    return apply_baseline(
        report, {name: Entry(name, "left as it is", date(2999, 1, 1)) for name in names}
    )


@pytest.mark.parametrize(
    "text",
    [
        render_page(hostile_report()),
        render_comparison(Comparison((HOSTILE, "b"), (hostile_report(), made_report(*EVERY)))),
    ],
    ids=["report", "comparison"],
)
def test_what_a_server_sends_is_only_text(text: str) -> None:
    elements = _Elements(text).found
    assert [tag for tag, _ in elements].count("script") == 1
    assert [tag for tag, _ in elements].count("style") == 1
    for _, attributes in elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "style"
            if name in ("src", "href"):
                assert value is not None
                assert value.startswith("#") or value == "data:,"
    assert "49007000" not in text  # no template in it was filled in
    assert all(char in "\n\t" or char.isprintable() for char in text)
    assert "default-src 'none'" in text
    assert text.encode()


def test_verdict_and_denominators_stand_on_top() -> None:
    text = render_page(made_report(*EVERY, ("S", "SHOULD", Outcome.PASS)))
    top = text[: text.index("By group")]
    for part in ("<h1>violated</h1>", "3<small> of 5</small>", "MUST verified", "1<small> of 1"):
        assert part in top
    assert "cut off" not in text
    assert "Only a part" not in text


def test_failures_come_first_and_are_linked() -> None:
    text = render_page(made_report(*EVERY))
    places = [text.index(f'<article id="{name}"') for name in ("FAIL", "HARNESS-ERROR", "WARN")]
    assert places == sorted(places)
    assert places[-1] < text.index("Not verified <span") < text.index("All requirements <span")
    assert 'href="#FAIL"' in text
    assert 'id="row-FAIL"' in text
    assert 'href="#group-g"' in text
    assert '<article id="PASS"' not in text


@pytest.mark.parametrize(
    "rows",
    [
        [("A", "MUST", Outcome.PASS)],
        [("A", "MUST", Outcome.FAIL)],
        [("A", "MUST", Outcome.NOT_APPLICABLE)],
    ],
)
def test_a_cut_off_run_never_looks_complete(rows: list[tuple[str, str, Outcome]]) -> None:
    text = render_page(made_report(*rows, finish=None))
    assert "This run was cut off before its end" in text
    assert "(cut off) ·" in text[: text.index("</title>")]
    assert '<span class="stamp">cut off</span>' in text
    assert "conformant</h1>" not in text


def test_a_part_is_not_shown_as_the_whole() -> None:
    rows = (("A", "MUST", Outcome.PASS), ("B", "MUST", Outcome.PASS))
    assert "1 of 2 requirements (--only A)" in render_page(made_report(*rows, selected=["A"]))
    quick = made_report(*rows, selected=["A"], only=[], effort="quick")
    assert "--quick leaves out" in render_page(quick)


def test_what_is_known_stands_apart_with_its_reason() -> None:
    report = _known(made_report(*EVERY, ("F", "MUST", Outcome.FAIL)), "FAIL", "PASS", "AWAY")
    text = render_page(report)
    known = text[text.index('<section id="known">') : text.index('<section id="not-verified">')]
    assert "left as it is" in known
    assert "(until 2999-01-01)" in known
    assert '<article id="FAIL" class="KNOWN">' in known
    violated = text[text.index('<section id="fail">') : text.index('<section id="harness-error">')]
    assert '<article id="F" class="FAIL">' in violated
    assert "FAIL.</" not in violated
    banner = text[text.index("<b>Baseline:</b>") : text.index('class="figures"')]
    assert "1 new, 1 known, 1 to be removed" in banner
    assert "not judged by this run: AWAY" in banner


def test_shares_fill_the_bar() -> None:
    parts = shares(made_report(*EVERY, ("B", "MUST", Outcome.PASS)).requirements)
    assert sum(part.count for part in parts) == 7
    assert parts[0].x == 0
    assert parts[-1].x + parts[-1].width == pytest.approx(100, abs=0.1)


def test_of_many_exchanges_those_that_ended_otherwise_are_kept() -> None:
    many = [
        exchange({}, url=f"http://h/{number}", status=503 if number == 20 else 200).as_dict()
        for number in range(40)
    ]
    shown = [
        str(moment.exchange["request"]["url"]).rpartition("/")[2]
        for moment in moments(Evidence("t", "m", exchanges=tuple(many)))
    ]
    assert shown == ["0", "1", "2", "3", "4", "20", "35", "36", "37", "38", "39"]


def test_a_page_never_gets_too_large_for_a_browser() -> None:
    """A server that breaks everything at length; the first of it is shown whole."""
    proof = Evidence("t", "m", "e", "g", (LONG.as_dict(),) * 20)
    names = [f"R{number}" for number in range(270)]
    report = made_report(
        *((name, "MUST", Outcome.FAIL) for name in names),
        evidence=dict.fromkeys(names, (proof,) * 9),
    )
    text = render_page(report)
    assert len(text) < 25_000_000
    assert text.count('<ol class="timeline">') > 20
    assert "There was no more room here" in text
    assert all(f'<article id="{name}"' in text for name in names)


def test_a_timeline_says_when_each_exchange_began_and_how_long_it_took() -> None:
    first, second = exchange({}).as_dict(), exchange({}).as_dict()
    first.update(at="2026-01-01T00:00:00.000+00:00", elapsed_ms=100.0)
    second.update(at="2026-01-01T00:00:00.150+00:00", elapsed_ms=50.0)
    one, two = moments(Evidence("t", "m", exchanges=(first, second)))
    assert (one.after_ms, one.x, one.width) == (0, 0, 50)
    assert (two.after_ms, two.width) == (150, 25)
    assert 70 < two.x <= 75


class _Visit:
    """A page opened from a file, and what it did."""

    def __init__(self, context: BrowserContext, path: Path) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())


@pytest.mark.browser
@pytest.mark.browser
def test_a_hostile_report_does_nothing_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(render_page(hostile_report()).encode())
    with browser.new_context() as context:
        visit = _Visit(context, path)
        assert "violated" in visit.page.title()
        assert "taken over" not in visit.page.title()
        assert visit.complaints == []
        assert visit.requests == [path.as_uri()]


@pytest.mark.browser
@pytest.mark.browser
def test_the_page_is_whole_without_scripts(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(render_page(made_report(*EVERY)).encode())
    with browser.new_context(java_script_enabled=False) as context:
        visit = _Visit(context, path)
        assert visit.page.locator("article#FAIL .curl").is_visible()
        assert not visit.page.locator(".filter").is_visible()
        row = visit.page.locator("#row-PASS")
        assert not row.is_visible()
        visit.page.locator("details.group summary").first.click()
        assert row.is_visible()


@pytest.mark.browser
@pytest.mark.browser
def test_the_filter_shows_what_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(render_page(made_report(*EVERY)).encode())
    with browser.new_context() as context:
        page = _Visit(context, path).page
        page.fill(".filter [type=search]", "harness")
        assert page.locator("#row-HARNESS-ERROR").is_visible()
        assert not page.locator("#row-PASS").is_visible()
        assert page.inner_text(".filter output") == "1 shown"
        page.fill(".filter [type=search]", "")
        page.uncheck(".filter [value=PASS]")
        assert page.inner_text(".filter output") == "5 shown"
        assert not page.locator("#row-PASS").is_visible()


@pytest.mark.browser
@pytest.mark.browser
def test_a_curl_line_is_copied(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(render_page(made_report(("A", "MUST", Outcome.FAIL))).encode())
    with browser.new_context() as context:
        page = _Visit(context, path).page
        button = page.locator("article#A .curl button")
        button.click()
        page.locator("article#A .curl button", has_text="copied").wait_for()
        assert page.evaluate("getSelection().toString()").startswith("curl -sS -i")


@pytest.mark.browser
@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_screen(browser: Browser, tmp_path: Path, width: int) -> None:
    path = tmp_path / "report.html"
    proof = Evidence("t.py::" + "x" * 400, "y" * 400, "z" * 400, "v" * 400, (LONG.as_dict(),) * 2)
    rows = (*EVERY, ("W" * 60, "MUST", Outcome.FAIL))
    report = made_report(*rows, evidence={"FAIL": [proof], "W" * 60: [proof]}, only=["u" * 400])
    path.write_bytes(render_page(_known(report, "FAIL")).encode())
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = _Visit(context, path).page
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
