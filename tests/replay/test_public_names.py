"""The public names of the package are there, and cost nothing before they are used."""

import subprocess
import sys

import pytest

from pollux import replay


def test_every_public_name_is_there() -> None:
    assert [name for name in replay.__all__ if getattr(replay, name, None) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = replay.nothing


def test_the_command_line_imports_neither_flask_nor_httpx() -> None:
    code = "import sys, pollux.replay.cli; print({'flask', 'httpx', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
