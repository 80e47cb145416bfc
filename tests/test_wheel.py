"""The wheel: one top-level name, complete, and it runs far from the checkout."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT,
        cwd=folder,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def test_it_brings_no_top_level_name_but_pollux(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"pollux"}
    assert not any("__pycache__" in name for name in names)


def test_it_holds_every_file_of_every_part(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tracked = run("git", "ls-files", cwd=ROOT).splitlines()
    links = [link.name for link in (ROOT / "src" / "pollux").iterdir() if link.is_symlink()]
    parts = [f"pollux/{path}" for path in tracked if path.split("/")[0] in links]
    assert len(links) == 7
    assert len(parts) > 50
    assert set(parts) <= names
    own = [path for path in (ROOT / "src" / "pollux").iterdir() if path.is_file()]
    assert {f"pollux/{path.name}" for path in own} <= names


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_installed_elsewhere_it_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    constraints = ROOT / "constraints.txt"
    run(python, "-m", "pip", "install", "--quiet", "-c", constraints, wheel, cwd=tmp_path)
    run(python, "-m", "pip", "check", cwd=tmp_path)
    elsewhere = tmp_path / "an unrelated folder"
    elsewhere.mkdir()
    output = run(scripts / "pollux", "demo", "--keep", elsewhere / "kept", cwd=elsewhere)
    assert "conformant" in output
    kept = {path.name for path in (elsewhere / "kept").iterdir()}
    assert {"report.json", "demo.taskcast.jsonl"} <= kept
    assert {path.name for path in elsewhere.iterdir()} == {"kept"}
