"""How paths, names and headers of files are read."""

import pytest

from pollux.conformance.file_area import Disposition, disposition, form_body, is_text, normal
from pollux.polling.exchange import Exchange, FormPart
from tests.polling.exchanges import exchange


def answered(header: str) -> Exchange:
    headers = (("Content-Disposition", header),) if header else ()
    return exchange(b"", operation="downloadFile", headers=headers)


@pytest.mark.parametrize(
    ("header", "kind", "name"),
    [
        ("", "", None),
        ("attachment", "attachment", None),
        ("Attachment; filename=a.txt", "attachment", "a.txt"),
        ('attachment; filename="two words; or three.txt"', "attachment", "two words; or three.txt"),
        (r'attachment; FileName="a \"quoted\" \\ name"', "attachment", 'a "quoted" \\ name'),
        ("attachment;filename = a.txt ; size=3", "attachment", "a.txt"),
        ("inline; filename*=UTF-8''%E6%96%87.txt", "inline", "文.txt"),
        ("attachment; filename=_.txt; filename*=utf-8'zh'%E6%96%87.txt", "attachment", "文.txt"),
        ("attachment; filename*=UTF-8''%E6%96%87.txt; filename=_.txt", "attachment", "文.txt"),
        ("attachment; filename*=iso-8859-1''%E9.txt", "attachment", "é.txt"),
        # What cannot be decoded does not count.
        ("attachment; filename=a; filename*=UTF-8''%E6%96", "attachment", "a"),
        ("attachment; filename=a; filename*=koi8-r''%E6", "attachment", "a"),
        ("attachment; filename=a; filename*=%E6%96%87", "attachment", "a"),
    ],
)
def test_the_name_of_a_download_is_read_as_rfc_6266_says(
    header: str, kind: str, name: str | None
) -> None:
    found = disposition(answered(header))
    assert (found.kind, found.name) == (kind, name)


def test_both_names_of_a_download_are_kept_apart() -> None:
    header = "attachment; filename=_; filename*=UTF-8''%C3%A9"
    assert disposition(answered(header)) == Disposition("attachment", "_", "é")


@pytest.mark.parametrize(
    ("path", "means"),
    [
        ("a/b", "a/b"),
        ("/a/b/", "a/b"),
        ("user_upload/a", "a"),
        ("/user_upload/a", "a"),
        ("user_upload/user_upload/a", "user_upload/a"),
        ("user_upload_x/a", "user_upload_x/a"),
        ("e\u0301", "\u00e9"),
        ("/", ""),
        ("", ""),
    ],
)
def test_spellings_of_one_path_are_one(path: str, means: str) -> None:
    assert normal(path) == means


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", True), ("🙂", True), ("", False), ("a\ud83d", False), (None, False), (5, False)],
)
def test_a_text_is_what_can_be_sent_back(value: object, text: bool) -> None:
    assert is_text(value) is text


def test_a_form_is_written_as_browsers_do() -> None:
    body, content_type = form_body(
        FormPart("file", b"\r\n--\xff", "a.txt"), FormPart("dir", "资料".encode())
    )
    boundary = content_type.removeprefix("multipart/form-data; boundary=").encode()
    assert body == (
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="file"; filename="a.txt"'
        b"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--\xff\r\n"
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="dir"'
        b"\r\n\r\n" + "资料".encode() + b"\r\n--" + boundary + b"--\r\n"
    )
