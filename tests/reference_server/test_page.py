"""The server's page in a real browser: a message is sent, and the events come in."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.reference_server.conftest import Api

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


def test_a_message_is_followed_to_its_end(api: Api, page: Page) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{api.server.base_url}/#token={api.token}")
    assert api.token not in page.url
    page.click("#send")
    page.locator("#status", has_text="succeeded").wait_for(timeout=20_000)
    assert "w12" in page.inner_text("#answer")
    assert "task_complete" in page.inner_text("#events")
    assert complaints == []


def test_what_the_model_says_is_text_never_markup(api: Api, page: Page) -> None:
    page.goto(f"{api.server.base_url}/#token={api.token}")
    page.fill("#message", 'pollux-script\nsay "<img src=x onerror=document.title=1>"')
    page.click("#send")
    page.locator("#status", has_text="succeeded").wait_for(timeout=20_000)
    assert "<img" in page.inner_text("#answer")
    assert page.locator("#answer img, #events img").count() == 0


def test_a_wrong_token_is_told_and_a_running_task_can_be_cancelled(api: Api, page: Page) -> None:
    page.goto(f"{api.server.base_url}/#token=wrong")
    page.click("#send")
    page.locator("#status", has_text="refused 401").wait_for(timeout=20_000)
    page.fill("#token", api.token)
    page.fill("#message", 'pollux-script\nsay "shown"\nhold never\nsay 1')
    page.click("#send")
    page.locator("#answer", has_text="shown").wait_for(timeout=20_000)
    page.click("#cancel")
    page.locator("#status", has_text="canceled").wait_for(timeout=20_000)
