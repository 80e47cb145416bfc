"""A failing sequence as lines for a shell: they work when they are pasted, and again."""

import os
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from pollux.conformance.machine.play import Line
from pollux.conformance.machine.shell import script
from pollux.conformance.target import Profile, Target
from pollux.polling.client import ApiClient
from pollux.polling.redaction import Redactor
from tests.conformance.machine_workshop import MACHINE, judged_target, scripts
from tests.conformance.test_suite_red_machine import (
    forgetful_of_longer_names,
    one_blob_for_all_users,
    open_to_strangers,
)
from tests.conformance.workshop import BUFFER_SIZE, OTHER_TOKEN, TOKEN, Twist, Workshop, straight

_TOOLS = [tool for tool in ("curl", "jq") if shutil.which(tool) is None]
_needs_tools = pytest.mark.skipif(bool(_TOOLS), reason=f"not installed: {', '.join(_TOOLS)}")


def _pasted(text: str) -> str:
    done = subprocess.run(
        ["sh", "-eu", "-c", text],
        env={**os.environ, "TOKEN": TOKEN, "OTHER_TOKEN": OTHER_TOKEN},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (text, done.stderr)
    return done.stdout


@_needs_tools
@pytest.mark.parametrize(
    ("twist", "shows"),
    [
        (forgetful_of_longer_names(), r'"items": ?\[[^]]*\]'),
        (one_blob_for_all_users(), r"file \d+ "),
        (open_to_strangers(), ""),
    ],
)
def test_the_lines_of_a_sequence_show_the_fault_whenever_they_are_pasted(
    workshop: Workshop, twist: Twist, shows: str
) -> None:
    with workshop.serve(twist) as url:
        target = Target(
            base_url=url,
            token=TOKEN,
            other_token=OTHER_TOKEN,
            profile=Profile.SCRIPTED,
            model_control=workshop.model.url,
            buffer_size=BUFFER_SIZE,
        )
        found = scripts(judged_target(target, MACHINE))
        assert found
        for text in found:
            assert TOKEN not in text and OTHER_TOKEN not in text
            for _ in range(2):
                assert re.search(shows, _pasted(text)), text


@_needs_tools
def test_what_a_server_makes_is_taken_from_its_answers(workshop: Workshop) -> None:
    with workshop.serve(straight) as url:
        redactor = Redactor({TOKEN: "$TOKEN"})
        with ApiClient(url, TOKEN, redactor=redactor) as client:
            base = "pollux-0123456789ab"
            saved = client.save_prompt(f"{base}a", 'It\'s $HOME, "quoted" & 100%\n`x`')
            made = client.create_conversation({"prompt_name": f"{base}a"})
            name = str(made.payload["conversation_id"])
            uploaded = client.upload_file(b"file 1 ", "a.txt", dir=f"{base}/d")
            read = client.get_conversation(name, full=True)
            prompt = client.get_prompt(f"{base}a")
        lines = [
            Line(saved),
            Line(made, {"C01": "conversation_id"}),
            Line(uploaded),
            Line(read),
            Line(prompt),
        ]
        text = script(lines, {base: "$N", name: "$C01"}, url, None)
        assert base not in text and name not in text and url not in text.partition("\n")[2]
        said = _pasted(text)
    assert "HTTP/1.1 404" not in said and said.count("HTTP/1.1 200") == 4
    assert json_text('It\'s $HOME, "quoted" & 100%\n`x`') in said


def json_text(text: str) -> str:
    """Return TEXT as it stands in JSON."""
    return text.replace('"', '\\"').replace("\n", "\\n")


def test_waiting_and_going_on_are_lines_of_their_own() -> None:
    with ApiClient("http://127.0.0.1:9", None) as client:
        poll = replace(client.poll_task("some-task", 0), status=200)
    lines = [
        Line(None, release="pollux-0123456789ab-h1"),
        Line(poll, until="succeeded|failed"),
    ]
    text = script(lines, {"pollux-0123456789ab": "$N", "some-task": "$T01"}, "http://x", "http://m")
    assert 'curl -sS -X POST "$MODEL/control/holds/$N-h1/release"' in text
    assert "MODEL=http://m" in text
    assert re.search(r"; do curl .*\$T01.* \| grep -Eq 'succeeded\|failed' && break", text)
    assert "-i " not in text.split("; do")[1].split("|")[0]
