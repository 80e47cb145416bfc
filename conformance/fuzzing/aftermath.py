"""What can be told only after a request was taken: whether what it made is there, and is right."""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from pollux.conformance.file_area import is_text
from pollux.conformance.fuzzing.expected import charge, named
from pollux.conformance.fuzzing.request import Request
from pollux.conformance.fuzzing.rules_things import file_part, form_field
from pollux.conformance.fuzzing.texts import Number, is_known_letter, number
from pollux.conformance.fuzzing.witness import Witness
from pollux.conformance.fuzzing.world import World
from pollux.conformance.stage import Stage
from pollux.polling.exchange import Exchange
from pollux.polling.invariants import TaskInvariants
from pollux.polling.poll import read_poll

_FRACTION = re.compile(r"-?[0-9]+\.[0-9]*[1-9][0-9]*")
_TOLD_BY_POLLS = ("task_id", "status", "error", "events", "next_offset")
# Longer names may be cut.
_LONGEST_KEPT = 60


class Aftermath:
    """Judges what came of requests that were taken, and sees to it that it goes away.

    Args:
        stage: Whose user has sent them.
        witness: Asks, and takes what is found.
    """

    def __init__(self, stage: Stage, witness: Witness) -> None:
        self._stage = stage
        self._witness = witness
        self._whole: dict[str, Exchange] = {}
        self._after: dict[str, Callable[[Request, Exchange, World], None]] = {
            "getConversation": self._conversation_read,
            "pollTask": self._task_polled,
            "uploadFile": self._file_uploaded,
            "downloadFile": self._file_downloaded,
            "savePrompt": self._prompt_saved,
            "savePersonalization": self._personalization_saved,
            "getPrompt": self._prompt_read,
        }

    def knows(self, task_id: str, whole: Exchange) -> None:
        """Take note of a poll from 0 of a task that has ended."""
        self._whole[task_id] = whole

    def clear(self, exchange: Exchange) -> None:
        """See to it that what a request has made goes away again, whether it had to or not."""
        made = exchange.payload.get("conversation_id")
        if exchange.operation == "sendMessage" and exchange.status == 202:
            self._stage.user.task_of(exchange).clear()
        elif exchange.ok and isinstance(made, str):
            self._stage.user.made(made)

    def look(self, request: Request, exchange: Exchange, world: World) -> None:
        """Look at what came of REQUEST, which had no fault, of a user who has what WORLD tells."""
        after = self._after.get(request.operation)
        if after is not None and exchange.answered:
            after(request, exchange, world)

    def _charge(
        self, rule: str, what: str, expected: str, got: str, *by: Exchange, kind: str = "untrue"
    ) -> None:
        self._witness.add(charge(rule, kind, what, expected, *by, got=got))

    # -- conversations and tasks --------------------------------------------------------

    def _conversation_read(self, request: Request, exchange: Exchange, _: World) -> None:
        data = exchange.payload.get("data")
        if not exchange.ok or not isinstance(data, dict) or "id" not in data:
            return
        if data["id"] != request.place:
            told = f"the conversation {data['id']!r}"
            self._charge("CONV-GET-SHAPE", named(request), request.place, told, exchange)
        if request.parameter("full") is None and data.get("messages") is not None:
            self._charge(
                "CONV-GET-WITHOUT-MESSAGES",
                f"{named(request)} without full=1",
                "messages null",
                "messages",
                exchange,
            )

    def _task_polled(self, request: Request, exchange: Exchange, _: World) -> None:
        whole = self._whole.get(request.place)
        text = request.parameter("from")
        kind = Number.GOOD if text is None else number(text)
        if whole is None or len(request.query) > 1 or exchange.status in (429, 503):
            return
        if kind in (Number.GOOD, Number.LARGE):
            if kind is Number.LARGE and exchange.status == 400:
                return  # more than this server can count to
            ring = self._stage.target.buffer_size
            invariants = TaskInvariants(request.place, self._witness, ring=ring)
            invariants.observe(whole, 0)
            invariants.observe(exchange, int(text or 0))
        elif (
            kind in (Number.NEGATIVE, Number.NONE) or text == "" or _FRACTION.fullmatch(text or "")
        ):
            self._judge_bad_offset(request, exchange, whole)

    def _judge_bad_offset(self, request: Request, exchange: Exchange, whole: Exchange) -> None:
        poll, story = read_poll(exchange, 0), read_poll(whole, 0)
        same = (
            poll is not None
            and story is not None
            and all(poll.data.get(name) == story.data.get(name) for name in _TOLD_BY_POLLS)
        )
        if exchange.status != 400 and not same and exchange.status < 500:
            self._charge(
                "POLL-FROM-INVALID",
                f"{named(request)} with a bad `from`",
                "400, or exactly the answer to from=0",
                exchange.summary if poll is None else f"{exchange.status} with other data",
                whole,
                exchange,
            )

    # -- files --------------------------------------------------------------------------

    def _file_uploaded(self, request: Request, exchange: Exchange, _: World) -> None:
        part = file_part(request)
        if exchange.status != 200 or part is None:
            return
        told = exchange.payload
        path, name = told.get("path"), told.get("filename")
        digest = hashlib.sha256(part.content).hexdigest()
        if told.get("size") != len(part.content):
            got = f"size {told.get('size')!r}"
            self._charge(
                "FILE-UPLOAD-SIZE-TRUE", named(request), f"{len(part.content)}", got, exchange
            )
        if str(told.get("sha256")).lower() != digest:
            got = f"sha256 {told.get('sha256')!r}"
            self._charge("FILE-UPLOAD-SHA256-TRUE", named(request), digest, got, exchange)
        if not is_text(path) or not is_text(name):
            return
        back = self._witness.api.download_file(str(path))
        if back.status != 200:
            self._charge(
                "FILE-UPLOAD-KNOWN-NAME",
                f"downloading the path that {named(request)} was answered with",
                "200",
                back.summary,
                exchange,
                back,
            )
        elif back.body != part.content:
            self._charge(
                "FILE-ROUND-TRIP",
                "the bytes of a generated file",
                f"{len(part.content)} bytes as uploaded",
                f"{len(back.body)} bytes, {back.body[:60]!r}",
                exchange,
                back,
            )
        self._judge_name(request, str(path), str(name), exchange)

    def _judge_name(self, request: Request, path: str, name: str, exchange: Exchange) -> None:
        part, field = file_part(request), form_field(request, "filename")
        sent = field or (part and part.filename) or ""
        if "/" in name or path.rpartition("/")[2] != name:
            self._charge(
                "FILE-UPLOAD-SINGLE-PART",
                f"the name that {named(request)} was answered with",
                "a single part, the last one of the path",
                f"filename {name!r}, path {path!r}",
                exchange,
            )
        simple = all(is_known_letter(char) or char in "._-0123456789" for char in sent)
        if simple and len(sent) <= _LONGEST_KEPT and _letters(name) != _letters(sent):
            self._charge(
                "FILE-UPLOAD-LETTERS-KEPT",
                "the letters in the name of a generated file",
                f"those of {sent!r}",
                f"{name!r}",
                exchange,
            )

    def _file_downloaded(self, request: Request, exchange: Exchange, world: World) -> None:
        known = world.files.get(request.parameter("path") or "")
        if exchange.status == 200 and known is not None and exchange.body != known:
            self._charge(
                "FILE-ROUND-TRIP",
                "the bytes of a file",
                f"{len(known)} bytes as uploaded",
                f"{len(exchange.body)} bytes",
                exchange,
            )

    # -- prompts and personalizations ---------------------------------------------------

    def _prompt_saved(self, request: Request, exchange: Exchange, _: World) -> None:
        if exchange.status != 200:
            return
        name, text = str(request.fields.get("name")), request.fields.get("content")
        read = self._witness.api.get_prompt(name)
        if self._is_lost("PROMPT-GET-SHAPE", exchange, read):
            return
        rule = "PROMPT-ROUND-TRIP" if "content" in request.fields else "PROMPT-CONTENT-DEFAULT"
        if read.payload.get("content") != (text or ""):
            got = repr(read.payload.get("content"))[:300]
            self._charge(
                rule, "the text of a generated prompt", repr(text or "")[:300], got, exchange, read
            )

    def _prompt_read(self, request: Request, exchange: Exchange, world: World) -> None:
        known = world.prompts.get(request.place)
        told = exchange.payload.get("content")
        if exchange.status == 200 and known is not None and told != known:
            self._charge(
                "PROMPT-ROUND-TRIP", "the text of a prompt", repr(known), repr(told), exchange
            )

    def _personalization_saved(self, request: Request, exchange: Exchange, _: World) -> None:
        if exchange.status != 200:
            return
        name, kept = str(request.fields.get("name")), exchange.payload.get("content")
        read = self._witness.api.get_personalization(name)
        if self._is_lost("PERSONALIZATION-GET-SHAPE", exchange, read):
            return
        self._compare("PERSONALIZATION-ROUND-TRIP", "read again", kept, exchange, read)
        if not isinstance(kept, dict):
            return
        again = self._witness.api.save_personalization(name, kept)
        self._compare("PERSONALIZATION-IDEMPOTENT", "saved again", kept, exchange, again)

    def _is_lost(self, rule: str, saved: Exchange, read: Exchange) -> bool:
        if read.status < 400 or read.status >= 500:
            return not read.ok
        what = "reading by its name what was saved just now"
        self._charge(rule, what, "200", read.summary, saved, read, kind="lost")
        return True

    def _compare(self, rule: str, how: str, kept: Any, saved: Exchange, later: Exchange) -> None:
        told = later.payload.get("content")
        if later.status < 500 and (later.status != 200 or told != kept):
            self._charge(
                rule,
                f"the content of a generated personalization, {how}",
                f"200, {kept!r}"[:300],
                f"{later.summary}, {told!r}"[:300],
                saved,
                later,
            )


def _letters(name: str) -> str:
    """Return the letters of NAME and the marks on them, in one normal form and case."""
    return "".join(
        char
        for char in unicodedata.normalize("NFKC", name).casefold()
        if unicodedata.category(char)[0] in "LM"
    )
