"""A folder as a zip archive, made while it is being sent (api_v1 2.5)."""

import time
import zipfile
from collections.abc import Iterator, Sequence

from pollux.reference_server.files import FileArea, FileItem
from pollux.reference_server.paths import FileAreaError, clean_relative

_BLOCK = 64 * 1024
#: Zip dates go from 1980 to 2107; a day is left for the time zone. Epoch seconds.
_FIRST_DATE, _LAST_DATE = 315_619_200.0, 4_354_732_800.0


class _Sink:
    """What the archive writes into: it cannot seek, and keeps only what was not sent yet."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._blocks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def drain(self) -> bytes:
        data = b"".join(self._blocks)
        self._blocks.clear()
        return data


def zip_folder(area: FileArea, path: str) -> Iterator[bytes]:
    """Return the zip archive of the folder at PATH, to be had block by block.

    Entries are called by their path relative to the root; folders with nothing in them are
    kept, links are not. Every file is whole: it has the bytes of one moment. What is removed
    before its turn comes is left out. A file that cannot be read to its end makes the
    iterator raise ``OSError``, so that the answer breaks off instead of looking complete.

    Raises:
        FileAbsent, NotAFolder, PathRefused: at once, when there is no such folder.
    """
    items = area.list(path)
    return _blocks(area, items or ([area.find(path)] if clean_relative(path) else []))


def _blocks(area: FileArea, items: Sequence[FileItem]) -> Iterator[bytes]:
    sink = _Sink()
    # The archive notices by itself that it cannot seek, and writes sizes behind the data.
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        waiting = list(reversed(items))
        while waiting:
            item = waiting.pop()
            try:
                children = area.list(item.path) if item.is_dir else ()
                file = None if item.is_dir else area.open(item.path)[0]
            except FileAreaError:
                # Removed, or made into something else, since its folder was listed.
                continue
            waiting.extend(reversed(children))
            if file is not None:
                with file, archive.open(_entry(item), "w") as member:
                    while data := file.read(_BLOCK):
                        member.write(data)
                        yield sink.drain()
            elif not children:
                archive.mkdir(_entry(item))
            yield sink.drain()
    yield sink.drain()


def _entry(item: FileItem) -> zipfile.ZipInfo:
    name = "/".join(clean_relative(item.path)) + ("/" if item.is_dir else "")
    date = time.localtime(min(max(item.modified_at, _FIRST_DATE), _LAST_DATE))
    entry = zipfile.ZipInfo(name, date[:6])
    if item.is_dir:
        entry.CRC = 0
        entry.external_attr = 0o40700 << 16 | 0x10
    else:
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o100600 << 16
        # Known beforehand, so that the archive can take the large format where it has to.
        entry.file_size = item.size
    return entry
