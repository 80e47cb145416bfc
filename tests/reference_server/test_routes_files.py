"""Upload, list and download over HTTP (api_v1 2.5)."""

import hashlib
import io
import json
import os
import socket
import threading
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from pollux.reference_server.app import ReferenceServer
from pollux.reference_server.config import MEBIBYTE, ServerConfig
from tests.reference_server.conftest import Api

MAX_UPLOAD = 300_000


@pytest.fixture
def config(tmp_path: Path) -> ServerConfig:
    return ServerConfig(data_dir=tmp_path / "data", max_upload_bytes=MAX_UPLOAD)


def home(api: Api, user: str = "ann") -> Path:
    return api.server.services.config.data_dir / "api" / "users" / user


def upload(api: Api, data: bytes, name: str = "f", **form: str) -> httpx.Response:
    return api.http.post("/files/upload", files={"file": (name, data)}, data=form)


def uploaded(api: Api, data: bytes, name: str = "f", **form: str) -> str:
    response = upload(api, data, name, **form)
    assert response.status_code == 200, response.text
    path: str = response.json()["path"]
    return path


def download(api: Api, path: str) -> httpx.Response:
    return api.http.get("/files/download", params={"path": path})


def names(api: Api, path: str = "") -> list[str]:
    response = api.http.get("/files", params={"path": path})
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


def refused(response: httpx.Response, *statuses: int) -> None:
    assert response.status_code in statuses, response.text
    assert response.json()["success"] is False
    assert response.json()["error"]


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, MAX_UPLOAD])
def test_the_bytes_downloaded_are_the_bytes_uploaded(api: Api, size: int) -> None:
    data = os.urandom(size)
    answer = upload(api, data, "data.bin", dir="a/b").json()
    assert answer == {
        "success": True,
        "path": "a/b/data.bin",
        "filename": "data.bin",
        "size": size,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    response = download(api, "a/b/data.bin")
    assert response.status_code == 200
    assert response.content == data
    assert response.headers["Content-Length"] == str(size)
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r\n--", b"--", b"\n\r"])
def test_line_ends_at_the_edges_of_a_file_are_kept(api: Api, end: bytes) -> None:
    for length in (0, 5, 65_400, 65_500, 65_536, 131_000):
        data = end + b"x" * length + end
        assert download(api, uploaded(api, data)).content == data


def test_one_byte_more_than_allowed_is_refused_and_leaves_nothing(api: Api) -> None:
    uploaded(api, b"kept", "kept")
    for size in (MAX_UPLOAD + 1, MAX_UPLOAD + 2 * MEBIBYTE):
        refused(upload(api, b"x" * size, "over", dir="new"), 413)
    assert names(api) == ["kept"]
    assert list((home(api) / ".tmp").iterdir()) == []


def test_the_file_may_come_before_the_fields_and_among_others(api: Api) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nbytes\r\n'
        b'--b\r\nContent-Disposition: form-data; name="other"; filename="y"\r\n\r\nother\r\n'
        b'--b\r\nContent-Disposition: form-data; name="dir"\r\n\r\nd\r\n'
        b'--b\r\nContent-Disposition: form-data; name="filename"\r\n\r\nname\r\n--b--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = api.http.post("/files/upload", content=body, headers=headers)
    assert response.json()["path"] == "d/name"
    assert download(api, "d/name").content == b"bytes"
    assert names(api) == ["d"]
    assert list((home(api) / ".tmp").iterdir()) == []


PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nbytes\r\n'
FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b""),
        (FORM, b""),
        (FORM, b"--b--\r\n"),
        (FORM, PART),
        (FORM, b"garbage"),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n'),
        (FORM, b"--b\r\nNo-Disposition: x\r\n\r\nx\r\n--b--\r\n"),
        (FORM, PART.replace(b'"file"', b'"files"') + b"--b--\r\n"),
        (FORM, PART.replace(b'"x"', b'"\xff"') + b"--b--\r\n"),
        (FORM, PART.replace(b'"x"', b'""') + b"--b--\r\n"),
        (FORM, PART.replace(b'"x"', b'" .. "') + b"--b--\r\n"),
        ("multipart/form-data", PART + b"--b--\r\n"),
        ("multipart/form-data; boundary=", PART + b"--b--\r\n"),
        ("multipart/form-data; boundary=\xff", PART + b"--b--\r\n"),
        ("multipart/mixed; boundary=b", PART + b"--b--\r\n"),
        ("application/x-www-form-urlencoded", b"file=x&filename=y"),
        ("application/json", b'{"file": "x"}'),
        ("text/plain", b"x"),
    ],
)
def test_a_body_without_a_usable_file_is_refused(
    api: Api, content_type: str | None, body: bytes
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type.encode("latin-1")}
    refused(api.http.post("/files/upload", content=body, headers=headers), 400)  # type: ignore[arg-type]
    assert names(api) == []
    assert list((home(api) / ".tmp").iterdir()) == []


def test_a_form_with_too_much_around_the_file_is_refused(api: Api) -> None:
    refused(upload(api, b"x", dir="a/" * 200_000), 413)
    parts = [("file", (f"f{number}", b"x")) for number in range(100)]
    refused(api.http.post("/files/upload", files=parts), 413)
    assert names(api) == []
    assert list((home(api) / ".tmp").iterdir()) == []


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(api: Api) -> None:
    address = urlsplit(api.server.base_url)
    head = (
        "POST /api/v1/files/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
        f"Authorization: Bearer {api.token}\r\nContent-Type: {FORM}\r\n\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(head.encode() + PART)
    assert names(api) == []
    assert list((home(api) / ".tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("..\\..\\x.txt", "x.txt"),
        ("../../etc/passwd", "passwd"),
        (".bashrc", "bashrc"),
        ("a<b>:c|d?e*.txt", "a_b__c_d_e_.txt"),
        ("données 文件 файл.csv", "données 文件 файл.csv"),
        ("x.ipynb", "x.ipynb"),
        ("你" * 255 + ".txt", "你" * 83 + ".txt"),
        ("a;b=c,d'e%41+f.txt", "a;b=c,d'e%41+f.txt"),
    ],
)
def test_the_cleaned_name_is_the_one_under_which_the_file_is_known(
    api: Api, name: str, kept: str
) -> None:
    for answer in (
        upload(api, b"1", name).json(),
        upload(api, b"2", "ignored", filename=name).json(),
        upload(api, b"3", name, filename="").json(),
    ):
        assert (answer["path"], answer["filename"]) == (kept, kept)
    assert names(api) == [kept]
    response = download(api, kept)
    assert response.content == b"3"
    assert _filename(response) == kept


@pytest.mark.parametrize(
    "name", ['quote".txt', "ü", "back`tick", "日本.tar.gz", "100%.txt", "semi;colon", "a b"]
)
def test_a_download_carries_its_name(api: Api, name: str) -> None:
    api.server.services.spaces.of("ann").files.write_text(name, "x")
    response = download(api, name)
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert _filename(response) == name


def test_an_upload_replaces_while_it_is_downloaded(api: Api) -> None:
    old, new = b"o" * MAX_UPLOAD, b"n" * (MAX_UPLOAD - 1)
    uploaded(api, old)
    with api.http.stream("GET", "/files/download", params={"path": "f"}) as response:
        uploaded(api, new)
        assert response.read() == old
    assert download(api, "f").content == new


def test_two_uploads_to_one_name_at_once_leave_one_of_them_whole(api: Api) -> None:
    versions = [bytes([65 + number]) * 200_000 for number in range(6)]
    start = threading.Barrier(6)
    statuses: list[int] = []

    def send(data: bytes) -> None:
        start.wait()
        statuses.append(upload(api, data).status_code)

    threads = [threading.Thread(target=send, args=(data,)) for data in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 6
    assert download(api, "f").content in versions
    assert names(api) == ["f"]


def test_an_upload_onto_a_folder_or_below_a_file_is_refused(api: Api) -> None:
    uploaded(api, b"x", "f", dir="folder")
    refused(upload(api, b"x", "folder"), 409)
    refused(upload(api, b"x", "f", dir="folder/f"), 400)
    refused(upload(api, b"x", "f", dir="folder/f/new"), 400)
    assert names(api) == ["folder"]
    assert names(api, "folder") == ["f"]


BAD_PATHS = [
    "..",
    "../",
    "/..",
    "../user_upload_x/f",
    "../../../../../../../etc/passwd",
    "user_upload/../..",
    "a/../../x",
    "..\\x",
    "a\x00",
    "link",
    "link/f",
    "filelink",
    "x" * 300,
    "d/" * 600,
    "a\nb",
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_leads_out_is_refused_everywhere(api: Api, path: str) -> None:
    uploaded(api, b"x", "inside")
    root = home(api) / "project" / "user_upload"
    beside = home(api) / "project" / "user_upload_x"
    beside.mkdir()
    (beside / "f").write_bytes(b"secret")
    (root / "link").symlink_to(beside)
    (root / "filelink").symlink_to(beside / "f")
    for response in (
        api.http.get("/files", params={"path": path}),
        download(api, path),
        upload(api, b"x", dir=path),
        upload(api, b"x", dir=f"{path}/new"),
    ):
        refused(response, 400)
        assert "secret" not in response.text
    assert names(api) == ["inside"]
    assert [file.name for file in beside.iterdir()] == ["f"]
    assert (beside / "f").read_bytes() == b"secret"


def test_an_upload_onto_a_link_is_refused(api: Api) -> None:
    uploaded(api, b"x", "inside")
    target = home(api) / "target"
    target.write_bytes(b"kept")
    (home(api) / "project" / "user_upload" / "link").symlink_to(target)
    refused(upload(api, b"new", "link"), 400)
    assert target.read_bytes() == b"kept"
    assert names(api) == ["inside"]


@pytest.mark.parametrize(
    "query",
    [
        "path=%2e%2e%2fx",
        "path=..%2F..",
        "path=%252e%252e%252f",
        "path=%ff%fe",
        "path=%00",
        "path=.",
    ],
)
def test_encoded_paths_are_decoded_once(api: Api, query: str) -> None:
    for url in (f"/files?{query}", f"/files/download?{query}"):
        response = api.http.get(url)
        if query == "path=.":
            assert response.status_code == 200
        else:
            refused(response, 400, 404)


def test_the_list_has_the_documented_items(api: Api) -> None:
    uploaded(api, b"12", "B.txt", dir="sub/deep")
    uploaded(api, b"1", "é", dir="sub")
    uploaded(api, b"", "a", dir="sub")
    answer = api.http.get("/files", params={"path": "/user_upload/sub/"}).json()
    assert answer["base"] == "sub"
    shown = [(item["name"], item["is_dir"], item["size"], item["path"]) for item in answer["items"]]
    assert shown == [
        ("a", False, 0, "sub/a"),
        ("deep", True, 0, "sub/deep"),
        ("é", False, 1, "sub/é"),
    ]
    assert all(isinstance(item["modified_at"], float) for item in answer["items"])
    assert api.http.get("/files").json()["base"] == ""
    assert names(api) == names(api, "/") == names(api, "user_upload/") == ["sub"]


def test_missing_things_and_things_of_the_wrong_kind(api: Api) -> None:
    uploaded(api, b"x", "f")
    refused(api.http.get("/files", params={"path": "nothing"}), 404)
    refused(api.http.get("/files", params={"path": "f"}), 400)
    refused(download(api, "nothing"), 404)
    refused(download(api, "f/below"), 404)
    refused(download(api, ""), 400)
    refused(api.http.get("/files/download"), 400)


def test_a_broken_link_does_not_break_the_listing(api: Api) -> None:
    uploaded(api, b"x", "f")
    (home(api) / "project" / "user_upload" / "dangling").symlink_to("nowhere")
    assert names(api) == ["f"]


def test_a_folder_comes_as_a_zip_archive(api: Api) -> None:
    large = os.urandom(MAX_UPLOAD)
    uploaded(api, large, "large.bin", dir="資料")
    uploaded(api, b"small", "s", dir="資料/sub")
    (home(api) / "project" / "user_upload" / "資料" / "empty").mkdir()
    (home(api) / "project" / "user_upload" / "資料" / "passwd").symlink_to("/etc/passwd")
    response = download(api, "資料")
    assert response.headers["Content-Type"] == "application/zip"
    assert _filename(response) == "資料.zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "資料/empty/": b"",
            "資料/large.bin": large,
            "資料/sub/s": b"small",
        }
    root = download(api, "/")
    assert _filename(root) == "user_upload.zip"
    assert zipfile.ZipFile(io.BytesIO(root.content)).testzip() is None


def test_an_archive_that_breaks_does_not_look_whole(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded(api, os.urandom(MAX_UPLOAD), "a", dir="d")
    uploaded(api, b"x", "b", dir="d")
    files = api.server.services.spaces.of("ann").files
    open_file = files.open

    def open_or_fail(path: str) -> Any:
        if path == "d/b":
            raise OSError(5, "Input/output error")
        return open_file(path)

    monkeypatch.setattr(type(files), "open", lambda _self, path: open_or_fail(path))
    with pytest.raises(httpx.RemoteProtocolError):
        download(api, "d")


def test_ranges_and_conditions_are_answered_with_the_whole_file(api: Api) -> None:
    uploaded(api, b"0123456789", "f")
    for headers in (
        {"Range": "bytes=2-3"},
        {"Range": "bytes=99-"},
        {"Range": "nonsense"},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    ):
        response = api.http.get("/files/download", params={"path": "f"}, headers=headers)
        assert (response.status_code, response.content) == (200, b"0123456789")


def test_a_head_request_leaves_nothing_open(api: Api) -> None:
    uploaded(api, b"0123456789", "f")
    for path in ("f", "/"):
        response = api.http.head("/files/download", params={"path": path})
        assert (response.status_code, response.content) == (200, b"")


def test_users_have_files_of_their_own(api: Api, other: Api) -> None:
    uploaded(api, b"mine", "f")
    assert names(other) == []
    refused(download(other, "f"), 404)
    refused(download(other, "../../../ann/project/user_upload/f"), 400)
    uploaded(other, b"other", "f")
    assert download(api, "f").content == b"mine"


def test_a_full_disk_is_not_the_fault_of_the_client(
    api: Api, server: ReferenceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded(api, b"old", "f")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(upload(api, b"new", "f"), 503)
    monkeypatch.undo()
    assert download(api, "f").content == b"old"
    assert names(api) == ["f"]
    assert server.services.config.max_upload_bytes == MAX_UPLOAD


def _filename(response: httpx.Response) -> str:
    """Return the file name of a download as RFC 6266 tells to read it."""
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith("attachment;")
    disposition.encode("ascii")
    extended = disposition.partition("filename*=UTF-8''")[2]
    if extended:
        return unquote(extended, errors="strict")
    plain: str = disposition.partition("filename=")[2]
    return str(json.loads(plain)) if plain.startswith('"') else plain
