"""The exemplary clients beside the Python one, and the JavaScript module, by pollux verify."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from pollux import fixtures
from pollux.replay.testing import ReplayUnderTest
from pollux.replay.verify import Outcome
from pollux.replay.verify.browser import address_of, line_of
from pollux.replay.verify.runner import Given, visit
from pollux.replay.verify.scenarios import BY_NAME
from tests.conftest import CHROMIUM

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "examples" / "clients"
PAGE = CLIENTS / "browser" / "index.html"
COMMANDS = {
    "node": f"node {CLIENTS / 'node.mjs'} {{base_url}}",
    "shell": f"sh {CLIENTS / 'shell.sh'} {{base_url}}",
    "browser": (
        f"{sys.executable} -m pollux.replay.verify.browser '{PAGE}?base={{base_url}}' "
        f"--chromium {CHROMIUM}"
    ),
}
NEEDS = {"node": ("node",), "shell": ("curl", "jq"), "browser": ()}


@pytest.mark.slow
@pytest.mark.parametrize("scenario", list(BY_NAME))
@pytest.mark.parametrize(
    "client",
    [
        "node",
        "shell",
        pytest.param("browser", marks=pytest.mark.browser),
    ],
)
def test_a_client_keeps_every_rule(client: str, scenario: str) -> None:
    for program in NEEDS[client]:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    given = Given.read(fixtures.recording_path("tools"))
    told = visit(BY_NAME[scenario], given, COMMANDS[client], timeout=90)
    assert told.trouble is None, told.last_words
    assert not told.unfired
    assert [result for result in told.results if result.red] == []
    # Rendering is proved as well, by stdout or by what stands in the page.
    untestable = [result for result in told.results if result.outcome is Outcome.UNTESTABLE]
    assert untestable == []
    assert told.shown > 0 or scenario == "empty"


@pytest.mark.browser
def test_a_page_is_stepped_through_a_recording(browser: Browser) -> None:
    with (
        ReplayUnderTest("tools", clock="manual") as replay,
        address_of(f"{PAGE}?base={replay.base_url}") as url,
    ):
        page = browser.new_page()
        page.goto(url)
        replay.wait_for(polls=1)
        shown = page.locator("[data-idx]")
        replay.step(3)
        expect(shown).to_have_count(3)
        replay.step(2)
        expect(shown).to_have_count(5)
        assert page.locator("#status").inner_text() == "running"
        replay.step(1000)
        expect(page.locator("#status")).to_have_text("succeeded")
        idxs = shown.evaluate_all("all => all.map((one) => Number(one.dataset.idx))")
        assert idxs == list(range(48))
        replay.ack(*idxs)
        replay.assert_client_ok()


BROKEN_PAGES = {
    "SHOWN-ALL": ("onEvent(event) {", "onEvent(event) {\n      if (event.idx % 5 === 3) return;"),
    "SHOWN-ONCE": ("answer.append(element)", "answer.append(element, element.cloneNode(true))"),
    "GAP-NOTICED": ("{ gap: `${first},${behind}` }", "{}"),
}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("rule", list(BROKEN_PAGES))
def test_a_page_that_shows_what_is_wrong_is_seen_through_its_dom(rule: str, tmp_path: Path) -> None:
    right, wrong = BROKEN_PAGES[rule]
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(right) == 1
    (tmp_path / "index.html").write_text(text.replace(right, wrong), encoding="utf-8")
    shutil.copy(CLIENTS / "browser" / "client.mjs", tmp_path)
    command = COMMANDS["browser"].replace(str(PAGE), str(tmp_path / "index.html"))
    given = Given.read(fixtures.recording_path("tools"))
    told = visit(BY_NAME["gap" if rule == "GAP-NOTICED" else "calm"], given, command, timeout=90)
    red = [result.rule for result in told.results if result.red]
    # The last answer is shown just as the others are.
    assert [name for name in red if name != "SHOWN-LAST-BATCH"] == [rule], told.last_words


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_javascript_module() -> None:
    done = subprocess.run(
        ["node", "--test", "examples/js/pollux-replay/test/"],
        cwd=ROOT,
        env={**os.environ, "POLLUX": f"{sys.executable} -m pollux"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("idx", "7", {"idx": 7}),
        ("gap", "12,40", {"gap": [12, 40]}),
        ("gap", "12, 40", {"gap": [12, 40]}),
        ("idx", "seven", None),
        ("idx", "", None),
        ("gap", "12", None),
        ("idx", "-1", None),
    ],
)
def test_what_an_attribute_says(name: str, value: str, line: object) -> None:
    assert line_of(name, value) == line
