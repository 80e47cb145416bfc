"""What a target file says, and what is said of one that is wrong."""

from pathlib import Path

import pytest

from pollux.conformance.errors import TargetError
from pollux.conformance.target import Profile
from pollux.conformance.target_file import find_target_file, read_target_file

_FULL = """
[target]
url = "http://127.0.0.1:9000"
profile = "scripted"
model_listen = "127.0.0.1:9001"
start = "serve --port 9000"
ready = "http://127.0.0.1:9000/ready"
buffer_size = 1000

[allowances]
time_scale = 2
ready_seconds = 90
baseline = "known.yaml"

[[users]]
token = "first"
other_token_env = "SECOND"

[[users]]
token_env = "THIRD"
"""


def _written(folder: Path, text: str) -> Path:
    path = folder / "pollux.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_that_can_be_said(tmp_path: Path) -> None:
    path = _written(tmp_path, _FULL)
    file = read_target_file(path, {"SECOND": "second", "THIRD": "third"})
    assert (file.url, file.start) == ("http://127.0.0.1:9000", "serve --port 9000")
    assert file.profile is Profile.SCRIPTED
    assert file.model_listen == ("127.0.0.1", 9001)
    assert file.ready == "http://127.0.0.1:9000/ready"
    assert (file.buffer_size, file.time_scale, file.ready_seconds) == (1000, 2.0, 90.0)
    assert file.tokens == ("first", "third")
    assert file.other_tokens == ("second",)
    assert file.baseline == tmp_path / "known.yaml"
    assert "first" not in repr(file)


def test_an_empty_one_says_nothing(tmp_path: Path) -> None:
    file = read_target_file(_written(tmp_path, ""))
    assert (file.url, file.tokens, file.profile, file.baseline) == (None, (), None, None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "is not TOML"),
        ("[targets]", "targets is not known; did you mean target?"),
        ("[target]\nurll = 'x'", "target.urll is not known; did you mean url?"),
        ("[target]\nzzz = 'x'", "target.zzz is not known; known are url"),
        ("target = 1", "target must be a table"),
        ("[target]\nurl = 3", "target.url: must be a text"),
        ("[target]\nprofile = 'grey'", "target.profile: 'grey'"),
        ("[target]\nmodel_listen = 'x'", "HOST:PORT"),
        ("[target]\nbuffer_size = true", "target.buffer_size: must be a whole number above 0"),
        ("[allowances]\ntime_scale = 0", "allowances.time_scale: must be a number above 0"),
        ("[users]\ntoken = 'x'", "users must be an array of tables: [[users]]"),
        ("[[users]]\nother_token = 'x'", "users[1].token or users[1].token_env is missing"),
        ("[[users]]\ntoken_env = 'GONE'", "users[1].token_env: there is no GONE"),
        ("[[users]]\ntoken = 'a'\ntoken_env = 'B'", "say the same: leave one out"),
        ("[[users]]\ntoken = 7", "users[1].token: must be a text"),
        ("[[users]]\ntokn = 'a'", "users[1].tokn is not known; did you mean token?"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    path = _written(tmp_path, text)
    with pytest.raises(TargetError) as caught:
        read_target_file(path, {})
    assert str(path) in str(caught.value)
    assert why in str(caught.value)


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="cannot be read"):
        read_target_file(tmp_path / "pollux.toml")


def test_the_one_of_the_current_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_target_file(None) is None
    _written(tmp_path, "[target]\nurl = 'http://a'")
    (tmp_path / "other.toml").write_text("[target]\nurl = 'http://b'")
    found, named = find_target_file(None), find_target_file(Path("other.toml"))
    assert found is not None and found.url == "http://a"
    assert named is not None and named.url == "http://b"
