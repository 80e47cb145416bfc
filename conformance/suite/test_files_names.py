"""Names of uploads (api_v1 2.5): cleaned as the server likes, but told truly, and never a path."""

import unicodedata
from collections.abc import Iterator

import pytest

from pollux.conformance.check import verifies
from pollux.conformance.file_area import FileArea, is_text, names_of, normal
from pollux.conformance.haste import some
from pollux.conformance.judge import Judge
from pollux.conformance.stage import User
from pollux.polling.exchange import Exchange

_TEXT = b"the text of a file\n"
_REFUSED = (400, 415)

# Letters in words without capitals, which a server may write small.
_SCRIPTS = {
    "Latin with accents": "żółć-àéîõü-ø-ß",
    "decomposed Latin": "e\u0301te\u0301-o\u0308l",
    "Vietnamese": "tiếng-việt",
    "Greek": "αρχείο",
    "Cyrillic": "файл-їжак",
    "Armenian": "ֆայլ",
    "Georgian": "ფაილი",
    "Hebrew": "קובץ",
    "Arabic": "ملف",
    "Devanagari": "हिन्दी-फ़ाइल",
    "Tamil": "கோப்பு",
    "Thai": "แฟ้มข้อมูล",
    "Khmer": "ឯកសារ",
    "Ethiopic": "ፋይል",
    "Chinese": "年度报告",
    "Japanese": "ファイルとほん",
    "Korean": "파일",
    "Chinese beyond the first plane": "𠀀𠮷",
    "Gothic": "𐌰𐌱𐌲",
}

_ODD_NAMES = (
    "two words.txt",
    "plus+and&equals=.txt",
    "percent%20%41%.txt",
    "hash#and?question.txt",
    "semi;colon, comma.txt",
    "quote'and\"quote.txt",
    "a<b>c:d|e*f.txt",
    "brackets[1](2){3}.txt",
    "tilde~$HOME`x`!.txt",
    ".hidden.txt",
    "two..dots.txt",
    "ends-with-a-dot.txt.",
    " blanks around.txt ",
    "-dash.txt",
    "emoji-🙂-👩‍👩‍👧.txt",
    "right-\u202eto-left.txt",
    "no-break\u00a0blank.txt",
    "CON.txt",
)

# Names that hold separators, dots or control characters; what is left of each is free.
_PATHS = (
    "../{up}.txt",
    "../../../{up}.txt",
    "a/b.txt",
    "/from-the-root.txt",
    "./here.txt",
    "a/../b.txt",
    "a//b.txt",
    "....//{up}.txt",
    "user_upload/in.txt",
    "..\\{up}.txt",
    "..\\..\\{up}.txt",
    "C:\\folder\\file.txt",
    "a\\b.txt",
    "..%2f{up}.txt",
    "%2e%2e%2f{up}.txt",
    "．．／{up}.txt",
    "..∕{up}.txt",
    "nul\0byte.txt",
    "../{up}.txt\0.txt",
    "line\r\nend.txt",
    "tab\tand\x1b\x7f.txt",
)


# Of each, one or another way of cleaning leaves nothing.
_EMPTY_NAMES = (" ", ".", "..", "...", " . . ", "/", "\\", "folder/", "\t\n", "../.", "../..")


@pytest.fixture
def area(user: User) -> FileArea:
    """The check's own folder."""
    return FileArea(user)


@verifies("FILE-UPLOAD-KNOWN-NAME")
def test_the_answer_tells_the_name_under_which_the_file_is_known(
    area: FileArea, judge: Judge
) -> None:
    """Listing and download know the file by the path and the name that the upload answered."""
    area.put("plain.txt")  # positive control
    for number, name in enumerate(("plain.txt", *some(area.stage, _ODD_NAMES))):
        folder = area.within(str(number))
        # Not every client can write every name into the part, so the field carries some.
        by_field = number % 2 == 1
        exchange = (
            area.upload(_TEXT, "x.txt", filename=name, dir=folder)
            if by_field
            else area.upload(_TEXT, name, dir=folder)
        )
        if exchange.status in _REFUSED and number > 0:
            continue
        _judge_known(area, judge, exchange, folder, name)


def _judge_known(area: FileArea, judge: Judge, exchange: Exchange, folder: str, sent: str) -> None:
    path, name = exchange.payload.get("path"), exchange.payload.get("filename")
    if not is_text(path) or not is_text(name):
        judge.that(
            "FILE-UPLOAD-KNOWN-NAME",
            False,
            f"the upload of a file called {sent!r}",
            expected="200 with a path and a filename, or 400",
            got=f"{exchange.summary}, path {path!r}, filename {name!r}",
            by=exchange,
        )
        return
    listing = area.user.api.list_files(folder)
    rows = area.rows(listing)
    back = area.user.api.download_file(str(path))
    judge.that(
        "FILE-UPLOAD-KNOWN-NAME",
        names_of(rows) == [name]
        and normal(str(rows[0].get("path"))) == normal(str(path)) == normal(f"{folder}/{name}"),
        f"the listing of the folder of a file uploaded as {sent!r}",
        expected=f"one item {name!r} with the path {path!r}, as the upload answered",
        got=", ".join(f"{row.get('name')!r} with the path {row.get('path')!r}" for row in rows),
        by=(exchange, listing),
    )
    judge.that(
        "FILE-UPLOAD-KNOWN-NAME",
        back.status == 200 and back.body == _TEXT,
        f"the download of the path that the upload of {sent!r} answered",
        expected="200 with the bytes",
        got=back.summary,
        by=(exchange, back),
    )


@verifies("FILE-UPLOAD-SINGLE-PART")
def test_a_name_is_never_a_path(area: FileArea, judge: Judge) -> None:
    """Whatever is sent as a name, the file lies right in its folder, or nowhere."""
    area.put("plain.txt")
    names = ("plain.txt", *some(area.stage, _PATHS))
    for number, name in enumerate(names):
        # A mark of its own tells where it came out, if it came out anywhere else.
        name = name.replace("{up}", f"{area.folder}-up-{number}")
        folder = area.within(f"f{number}")
        exchange = area.upload(_TEXT, "x.txt", filename=name, dir=folder)
        if exchange.status in _REFUSED and number > 0:
            continue
        listing = area.user.api.list_files(folder)
        rows = area.rows(listing) if listing.status != 404 else []
        judge.that(
            "FILE-UPLOAD-SINGLE-PART",
            exchange.status == 200 and len(rows) == 1 and rows[0].get("is_dir") is False,
            f"the upload of a file called {name!r} into a folder of its own",
            expected="one file in that folder, or 400",
            got=f"{exchange.summary}; in the folder {names_of(rows)}",
            by=(exchange, listing),
        )
    above = area.user.api.list_files(area.folder)
    expected = {"plain.txt", *(f"f{number}" for number in range(len(names)))}
    misled = (set(names_of(area.rows(above))) - expected) | (area.traces() - {area.folder})
    judge.that(
        "FILE-UPLOAD-SINGLE-PART",
        not misled,
        "what lies above the folders after all these uploads",
        expected="the folders alone",
        got=", ".join(sorted(misled)),
        by=above,
    )


@verifies("FILE-UPLOAD-LETTERS-KEPT")
def test_letters_of_every_script_are_kept(area: FileArea, judge: Judge) -> None:
    """In the name that comes with the part, and in the field that takes its place."""
    for number, (script, word) in enumerate(some(area.stage, list(_SCRIPTS.items()))):
        sent = f"{word}.txt"
        if number % 2:
            how = "the field filename"
            exchange = area.upload(_TEXT, "x.txt", filename=sent, dir=area.folder)
        else:
            how = "the part"
            exchange = area.upload(_TEXT, sent, dir=area.folder)
        told = str(exchange.payload.get("filename"))
        judge.that(
            "FILE-UPLOAD-LETTERS-KEPT",
            exchange.status == 200 and _letters(told) == _letters(sent),
            f"a file name of {script} in {how}",
            expected=f"200 with all letters of {sent!r}",
            got=f"{exchange.summary}, filename {told!r}",
            by=exchange,
        )


def _letters(name: str) -> str:
    """Return the letters and the marks on them, in one normal form."""
    return "".join(
        char
        for char in unicodedata.normalize("NFKC", name)
        if unicodedata.category(char)[0] in "LM"
    )


@verifies("FILE-UPLOAD-NAME-LONG", "COMMON-NO-SERVER-ERROR", slow=True)
def test_a_long_name_is_cut_at_a_character_or_refused(area: FileArea, judge: Judge) -> None:
    """Long in characters, or only in bytes: no character is torn, and no server falls over."""
    area.put("plain.txt")
    for number, (what, name) in enumerate(_long_names()):
        folder = area.within(str(number))
        exchange = area.upload(_TEXT, "x.txt", filename=name, dir=folder)
        names = names_of(area.items(folder)) if exchange.ok else []
        judge.that(
            "FILE-UPLOAD-NAME-LONG",
            exchange.status == 400
            or (len(names) == 1 and is_text(names[0]) and "\ufffd" not in names[0]),
            f"the upload of a file whose name is {what}",
            expected="400, or 200 and a file whose name has whole characters only",
            got=f"{exchange.summary}, {names}",
            by=exchange,
        )


def _long_names() -> Iterator[tuple[str, str]]:
    yield "255 Chinese characters", "你" * 251 + ".txt"
    # Wherever the bytes are cut, it is within a character in some of them.
    for start in ("", "a", "ab"):
        yield f"{len(start)} letters and 100 Chinese characters", start + "你" * 100 + ".txt"
        yield f"{len(start)} letters and 80 emoji", start + "🙂" * 80 + ".txt"
    yield "300 letters", "n" * 300 + ".txt"
    yield "4,000 letters", "n" * 4000 + ".txt"


def _is_known(area: FileArea, exchange: Exchange, folder: str) -> bool:
    path = exchange.payload.get("path")
    if not is_text(path):
        return False
    names = [normal(name) for name in names_of(area.items(folder))]
    return (
        names == [normal(str(exchange.payload.get("filename")))]
        and area.user.api.download_file(str(path)).body == _TEXT
    )


@verifies("FILE-UPLOAD-NAME-EMPTY", "COMMON-NO-SERVER-ERROR")
def test_a_name_of_which_nothing_is_left_is_400(area: FileArea, judge: Judge) -> None:
    """Unless the server has made another name of it, which the answer then tells."""
    area.put("plain.txt")
    for number, name in enumerate(_EMPTY_NAMES):
        folder = area.within(str(number))
        exchange = area.upload(_TEXT, "x.txt", filename=name, dir=folder)
        told = exchange.payload.get("filename")
        judge.that(
            "FILE-UPLOAD-NAME-EMPTY",
            # Where nothing is left of the name, there is no accepted type in it either.
            exchange.status in _REFUSED
            or (exchange.status == 200 and is_text(told) and _is_known(area, exchange, folder)),
            f"the upload of a file called {name!r}",
            expected="400, or 200 with another name by which it is found",
            got=f"{exchange.summary}, filename {told!r}",
            by=exchange,
        )
