"""The viewer in a browser: it shows what happens, moves the task, and runs nothing it is told."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from pollux.fixtures import recording_path
from pollux.polling.client import ApiClient
from pollux.replay import viewer
from pollux.replay.format import Record
from pollux.replay.server import ReplayServer
from tests.replay.support import e, header, s, short_answer, write

LONG = 20_000


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    marker = Record(0, "m", "half")
    records = [*short_answer()[:6], marker, *short_answer()[6:]]
    head = header(title="A short answer", request={"message": "Hello"})
    return write(tmp_path / "short.taskcast.jsonl", records, head=head)


class Visit:
    """The viewer, opened, and what it complained of."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.page: Page = browser.new_page()
        self.page.set_default_timeout(LONG)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.see("#link", "connected")
        self.see("#position", "/")

    def see(self, selector: str, text: str | re.Pattern[str]) -> None:
        expect(self.page.locator(selector)).to_contain_text(text, timeout=LONG)

    def shown(self) -> list[int]:
        found = self.page.locator("#transcript [data-idx]").evaluate_all(
            "all => all.map((one) => Number(one.dataset.idx))"
        )
        return [int(idx) for idx in found]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def visit(browser: Browser, server: ReplayServer) -> Iterator[Visit]:
    opened = Visit(browser, server.view_url)
    yield opened
    opened.page.close()
    assert opened.complaints == []
    assert all(url.startswith(server.base_url) for url in opened.requests)


def send(client: ApiClient) -> str:
    task_id: str = client.send_message("Hello").json["task_id"]
    return task_id


def head(client: ApiClient, task_id: str) -> int:
    next_offset: int = client.poll_task(task_id, 0).json["data"]["next_offset"]
    return next_offset


def test_every_file_of_the_page_is_served_under_a_strict_policy(server: ReplayServer) -> None:
    for name, media_type in viewer.FILES.items():
        answer = httpx.get(f"{server.view_url}/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == media_type
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    for name in ("../server.py", "__init__.py", "nothing.js"):
        assert httpx.get(f"{server.view_url}/{name}").status_code == 404
    folder = Path(viewer.__file__).parent
    pages = {path.name for path in folder.iterdir() if path.suffix not in (".py", "")}
    assert pages == set(viewer.FILES)


def test_the_page_refers_to_nothing_outside() -> None:
    texts = [viewer.content(name).decode() for name in viewer.FILES]
    addresses = {found for text in texts for found in re.findall(r"https?://[^\s\"']+", text)}
    assert addresses == {"http://www.w3.org/2000/svg"}


class TestInABrowser:
    pytestmark = pytest.mark.browser

    def test_the_transcript_grows_with_the_task(
        self, visit: Visit, server: ReplayServer, client: ApiClient
    ) -> None:
        visit.see("#status", "no task")
        visit.see("#title", "A short answer")
        send(client)
        visit.see("#status", "pending")
        server.step(4)
        visit.see("#transcript", "Hello there")
        visit.see("#status", "running")
        assert visit.shown() == [0, 1, 2, 3]
        server.step(2)
        visit.see("#status", "succeeded")
        visit.see("#transcript", "Done")
        assert visit.shown() == list(range(6))
        visit.see("#invitation", "The task has ended")

    def test_buttons_and_keys_move_the_task(self, visit: Visit, client: ApiClient) -> None:
        task_id = send(client)
        visit.see("#head", "0 of 6")
        visit.page.click("#step")
        visit.see("#head", "1 of 6")
        visit.press("ArrowRight", "ArrowRight")
        visit.see("#head", "3 of 6")
        visit.press("ArrowLeft")
        visit.see("#head", "2 of 6")
        assert visit.shown() == [0, 1]
        visit.press("End")
        visit.see("#head", "6 of 6")
        visit.press("Home")
        visit.see("#head", "0 of 6")
        visit.press("m")
        visit.see("#head", "3 of 6")
        visit.press("Shift+ArrowRight")
        visit.see("#head", "6 of 6")
        assert head(client, task_id) == 6

    def test_play_pause_and_speed(self, visit: Visit, server: ReplayServer) -> None:
        visit.see("#play", "Play")
        visit.press("Space")
        visit.see("#play", "Pause")
        assert server.session.playing
        visit.page.click("#play")
        visit.see("#play", "Play")
        visit.press("+")
        expect(visit.page.locator("#speed")).to_have_value("2")
        visit.page.select_option("#speed", "50")
        visit.press("l")
        expect(visit.page.locator("#loop")).to_be_checked()
        assert (server.session.speed, server.session.loop) == (50, True)

    def test_a_message_can_be_sent_from_the_page(self, visit: Visit, client: ApiClient) -> None:
        visit.page.fill("#message", "<b>Hi</b>")
        visit.page.click("#send button")
        visit.see("#status", "pending")
        visit.see("#transcript .user", "<b>Hi</b>")
        # A task is live: another is refused, and the page says why.
        expect(visit.page.locator("#start")).to_be_hidden()

    def test_choosing_an_event_shows_its_moment_and_leaves_the_task(
        self, visit: Visit, server: ReplayServer, client: ApiClient
    ) -> None:
        task_id = send(client)
        server.step(6)
        visit.see("#head", "6 of 6")
        visit.page.click("#transcript [data-idx='2']")
        visit.see("#event", '"content": "Hello "')
        assert visit.page.url.endswith("#idx=2")
        assert visit.shown() == [0, 1, 2]
        visit.press("k")
        visit.see("#event-name", "1 · text_start")
        visit.press("j", "j")
        visit.see("#event-name", "3 · text_chunk")
        assert head(client, task_id) == 6
        visit.press("b")
        visit.see("#breakpoints", "idx=3")
        visit.press("Enter")
        visit.see("#head", "4 of 6")
        assert head(client, task_id) == 4
        expect(visit.page.locator("#follow")).to_be_hidden()

    def test_a_breakpoint_stops_the_task_and_is_removed(
        self, visit: Visit, server: ReplayServer, client: ApiClient
    ) -> None:
        visit.page.fill("#condition", "type=text_end")
        visit.page.click("#add-breakpoint button")
        visit.see("#breakpoints", "type=text_end")
        send(client)
        server.advance(60_000)
        visit.see("#breakpoints", "stopped behind 4")
        visit.page.click("#breakpoints button")
        expect(visit.page.locator("#breakpoints li")).to_have_count(0)
        visit.page.fill("#condition", "=")
        visit.page.click("#add-breakpoint button")
        visit.see("#notice", "PATH=VALUE")
        assert server.session.breakpoints == ()
        # The refusal is what the browser's console tells, too.
        visit.complaints.clear()

    def test_loss_is_visible(self, browser: Browser) -> None:
        with (
            ReplayServer(recording_path("burst-gap"), clock="manual") as server,
            ApiClient(server.base_url, "any") as client,
        ):
            task_id = send(client)
            server.step(200)
            first = client.poll_task(task_id, 0).json["data"]["next_offset"]
            server.session.tune(playing=False)
            server.advance(10_000)
            client.poll_task(task_id, first)
            visit = Visit(browser, server.view_url)
            visit.see("#legend", re.compile(r"client 1: 2 polls, at 3006, \d+ lost"))
            lost = visit.page.locator("#timeline line.lost")
            expect(lost).to_have_count(1)
            height = lost.evaluate("line => line.y1.baseVal.value - line.y2.baseVal.value")
            assert height > 40
            visit.see("#transcript", "events are missing here")
            visit.page.close()

    def test_requests_and_faults_are_told(self, visit: Visit, client: ApiClient) -> None:
        visit.page.fill("#faults", "storm: poll 2 -> status 503")
        visit.page.click("#set-faults button")
        visit.see("#fired", "storm fired 0 times")
        task_id = send(client)
        for _ in range(2):
            client.poll_task(task_id)
        visit.see("#requests", "503")
        visit.see("#requests", "storm")
        expect(visit.page.locator("#timeline .poll")).to_have_count(2)
        expect(visit.page.locator("#timeline .poll.failed")).to_have_count(1)

    def test_links_lead_to_an_event_or_a_time(self, browser: Browser, server: ReplayServer) -> None:
        for link, name in (("#idx=3", "3 · text_chunk"), ("#t=0.45", "2 · text_chunk")):
            visit = Visit(browser, server.view_url + link)
            visit.see("#event-name", name)
            assert visit.page.url.endswith(link)
            visit.page.evaluate("location.hash = '#idx=0'")
            visit.see("#event-name", "0 · ai_message_start")
            visit.page.close()

    def test_the_timeline_seeks(self, visit: Visit, client: ApiClient) -> None:
        task_id = send(client)
        visit.see("#head", "0 of 6")
        box = visit.page.locator("#timeline svg").bounding_box()
        assert box is not None
        middle = {"x": 84 + (box["width"] - 98) * 0.65, "y": box["height"] / 2}
        visit.page.locator("#timeline svg").click(position=middle)  # type: ignore[arg-type]
        visit.see("#head", "4 of 6")
        left = {"x": 84 + (box["width"] - 98) * 0.35, "y": box["height"] / 2}
        visit.page.locator("#timeline svg").click(
            position=left,  # type: ignore[arg-type]
            modifiers=["Shift"],
        )
        visit.see("#event-name", "1 · text_start")
        assert head(client, task_id) == 4

    def test_a_cancelled_task_shows_its_own_end(
        self, visit: Visit, server: ReplayServer, client: ApiClient
    ) -> None:
        task_id = send(client)
        server.step(3)
        client.cancel_task(task_id)
        visit.see("#status", "canceled")
        visit.see("#transcript", "Stopped: the task was cancelled")
        assert visit.shown() == [0, 1, 2, 3]
        visit.page.locator("#transcript [data-idx='3']").click()
        visit.see("#event-name", "3 · task_stopped")

    def test_reset_begins_anew(self, visit: Visit, client: ApiClient) -> None:
        send(client)
        visit.see("#status", "pending")
        visit.press("Shift+R")
        visit.see("#status", "no task")
        visit.see("#request-count", "none yet")

    def test_what_a_stream_says_is_text_never_markup(
        self, browser: Browser, tmp_path: Path
    ) -> None:
        bad = "<img src=x onerror=document.title='taken'><script>document.title='taken'</script>"
        fields: dict[str, Any] = {"name": bad, "id": bad, "preparing_id": bad, "content": bad}
        kinds = ["text_chunk", "thinking_chunk", "tool_preparing", "system_message", "error", bad]
        records = [e(idx, idx, kind, **fields) for idx, kind in enumerate(kinds)]
        records += [Record(0, "m", bad), s("failed", 10, error=bad)]
        path = write(tmp_path / "a.taskcast.jsonl", records, head=header(title=bad))
        with (
            ReplayServer(path, clock="manual") as server,
            ApiClient(server.base_url, "any") as client,
        ):
            visit = Visit(browser, server.view_url)
            task_id = client.send_message(bad).json["task_id"]
            server.advance(60_000)
            client.poll_task(task_id, 0)
            visit.see("#status", "failed")
            visit.see("#markers", "<img")
            visit.see("#transcript", "<img")
            visit.page.click("#transcript [data-idx='5']")
            visit.see("#event", "<img")
            assert visit.page.locator("img, main script").count() == 0
            assert "taken" not in visit.page.title().replace(bad, "")
            assert visit.complaints == []
            visit.page.close()

    def test_help_tells_every_key_and_themes_turn(self, visit: Visit) -> None:
        visit.press("?")
        expect(visit.page.locator("#help")).to_be_visible()
        visit.press("Escape")
        expect(visit.page.locator("#help")).to_be_hidden()
        ground = "getComputedStyle(document.body).backgroundColor"
        seen = set()
        for _ in range(2):
            visit.press("t")
            seen.add(visit.page.evaluate(ground))
        assert len(seen) == 2

    def test_the_page_belongs_to_its_session(
        self, browser: Browser, server: ReplayServer, client: ApiClient
    ) -> None:
        send(client)  # in the session without a name
        visit = Visit(browser, f"{server.base_url}/s/mine/__replay/view")
        visit.see("#session", "session mine")
        visit.see("#status", "no task")
        with ApiClient(f"{server.base_url}/s/mine", "any") as mine:
            send(mine)
        visit.see("#status", "pending")
        assert visit.complaints == []
        visit.page.close()

    @pytest.mark.parametrize("width", [1280, 400])
    def test_nothing_is_wider_than_the_window(
        self, visit: Visit, client: ApiClient, width: int
    ) -> None:
        visit.page.set_viewport_size({"width": width, "height": 800})
        task_id = send(client)
        client.poll_task(task_id)
        visit.see("#requests", "pollTask")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
