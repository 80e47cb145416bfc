"""Faults of the names of uploads: told wrongly, taken for a path, or torn."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pollux.conformance.mutants.forms import changed_form
from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import files
from pollux.reference_server.http import ApiError
from pollux.reference_server.paths import PathRefused, clean_filename


def _cleaned_by(patch: Patch, clean: Callable[[str], str]) -> None:
    """Have the names of uploads cleaned by CLEAN."""
    patch.replace(files, "clean_filename", clean)


@mutant("FILE-UPLOAD-KNOWN-NAME")
def files_tells_the_name_before_cleaning(patch: Patch) -> None:
    """The answer to an upload tells the name as it was sent, the file has the cleaned one."""

    @patch.wrap(files.FileArea, "store")
    def store(original: Any, self: Any, incoming: Any, *, folder: str, filename: str) -> Any:
        item = original(self, incoming, folder=folder, filename=filename)
        sent = filename.replace("\\", "/").rpartition("/")[2].strip("\0") or item.name
        return replace(item, name=sent, path=item.path.removesuffix(item.name) + sent)


@mutant("FILE-UPLOAD-KNOWN-NAME")
def files_escapes_blanks_in_the_answer(patch: Patch) -> None:
    """The ``path`` that an upload answers has ``%20`` for a blank."""

    @patch.wrap(files.FileArea, "store")
    def store(original: Any, self: Any, incoming: Any, *, folder: str, filename: str) -> Any:
        item = original(self, incoming, folder=folder, filename=filename)
        return replace(item, path=item.path.replace(" ", "%20"))


@mutant("FILE-UPLOAD-SINGLE-PART")
def files_makes_folders_of_a_name(patch: Patch) -> None:
    """A name ``a/b.txt`` makes the folder ``a``."""

    @patch.wrap(files.FileArea, "store")
    def store(original: Any, self: Any, incoming: Any, *, folder: str, filename: str) -> Any:
        above, _, last = filename.rpartition("/")
        if above.isalnum() and last:
            folder, filename = f"{folder}/{above}", last
        return original(self, incoming, folder=folder, filename=filename)


@mutant("FILE-UPLOAD-SINGLE-PART")
def files_goes_up_by_a_name_of_windows(patch: Patch) -> None:
    r"""A name ``..\x`` lands in the folder above: only ``/`` is looked for."""

    @patch.wrap(files.FileArea, "store")
    def store(original: Any, self: Any, incoming: Any, *, folder: str, filename: str) -> Any:
        if filename.startswith("..\\"):
            folder, filename = folder.rpartition("/")[0], filename[3:]
        return original(self, incoming, folder=folder, filename=filename)


@mutant("FILE-UPLOAD-LETTERS-KEPT")
def files_drops_letters_beyond_the_first_plane(patch: Patch) -> None:
    """Letters above U+FFFF are dropped from the name of an upload."""

    def clean(text: str) -> str:
        return clean_filename("".join(c for c in text if c < "\U00010000" or not c.isalpha()))

    _cleaned_by(patch, clean)


@mutant("FILE-UPLOAD-LETTERS-KEPT")
def files_takes_accents_off(patch: Patch) -> None:
    """Accents and other marks are taken off the letters of a name."""

    def clean(text: str) -> str:
        apart = unicodedata.normalize("NFD", text)
        return clean_filename("".join(c for c in apart if not unicodedata.combining(c)))

    _cleaned_by(patch, clean)


@mutant("FILE-UPLOAD-LETTERS-KEPT")
def files_reads_names_of_parts_as_latin_1(patch: Patch) -> None:
    """The name that comes with the file is read byte by byte, the field as UTF-8."""

    @changed_form(patch)
    def change(_form: Any, parts: Any) -> None:
        if "file" in parts:
            name = parts["file"].filename or ""
            parts["file"].filename = name.encode().decode("latin-1")


@mutant("FILE-UPLOAD-NAME-LONG", "COMMON-NO-SERVER-ERROR", upstream=("H-24",))
def files_counts_characters_of_a_name(patch: Patch) -> None:
    """A name is cut at 255 characters, and the disk takes 255 bytes."""

    def clean(text: str) -> str:
        if len(text.encode("utf-8", "replace")) > 255 >= len(text):
            raise RuntimeError("[Errno 36] File name too long")
        return clean_filename(text)

    _cleaned_by(patch, clean)


@mutant("FILE-UPLOAD-NAME-LONG")
def files_tears_a_character(patch: Patch) -> None:
    """A long name is cut at a byte, and what is left of a character becomes U+FFFD."""

    def clean(text: str) -> str:
        raw = clean_filename(text).encode()
        return raw[:240].decode("utf-8", "replace") if len(raw) > 240 else raw.decode()

    _cleaned_by(patch, clean)


@mutant("FILE-UPLOAD-NAME-EMPTY")
def files_answers_422_to_an_empty_name(patch: Patch) -> None:
    """A name of which nothing is left is refused with the 422 of a framework."""

    def clean(text: str) -> str:
        try:
            return clean_filename(text)
        except PathRefused as error:
            raise ApiError(422, str(error)) from None

    _cleaned_by(patch, clean)


@mutant("FILE-UPLOAD-NAME-EMPTY", "COMMON-NO-SERVER-ERROR")
def files_fails_on_an_empty_name(patch: Patch) -> None:
    """A name of which nothing is left ends in 500."""

    def clean(text: str) -> str:
        try:
            return clean_filename(text)
        except PathRefused as error:
            raise RuntimeError("index out of range") from error

    _cleaned_by(patch, clean)
