"""Polls and offsets (api_v1 2.3.1 to 2.3.12): what a task tells, whoever asks and however."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

from pollux.conformance.check import verifies
from pollux.conformance.haste import TIGHT, first_terminal, is_quick
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, Task
from pollux.polling.exchange import Exchange
from pollux.polling.poll import LIVE, Event, Poll, as_time
from pollux.polling.watcher import Pace, Strategy, follow, from_start, overlapping
from pollux.scripted_model.builder import pause, say, script, think, turn

_SEEN_BY_EVERY_POLL = (
    "POLL-SHAPE",
    "POLL-TASK-FOUND",
    "POLL-IDX-START",
    "POLL-IDX-STEP",
    "POLL-EVENTS-ORDERED",
    "POLL-EVENT-IMMUTABLE",
    "POLL-OFFSET-GAPLESS",
    "POLL-OFFSET-RESPECTED",
    "POLL-NEXT-OFFSET",
    "POLL-NEXT-OFFSET-EMPTY",
    "POLL-NEXT-OFFSET-NOT-BACK",
    "POLL-TERMINAL-COMPLETE",
    "POLL-TS-ORDERED",
    "POLL-TS-AFTER-CREATED",
    "POLL-UPDATED-AT",
    "TASK-STATUS-KNOWN",
    "TASK-TERMINAL-FOREVER",
)


def _message(stage: Stage) -> str:
    """Return a message whose task has some fifty events, where the model can be told so."""
    if not stage.scripted:
        return stage.short_message()
    return script(turn(think(8), say(12), pause(0.02), say(20)))


@verifies(*_SEEN_BY_EVERY_POLL, "POLL-OFFSET-COMPLETE", "POLL-AFTER-END")
def test_every_offset_of_a_finished_task_tells_its_part_of_the_story(
    stage: Stage, judge: Judge
) -> None:
    """Follow a task to its end, then ask from every idx: each answer is the rest from there."""
    task = stage.user.start(_message(stage))
    last = task.end()
    whole = task.poll(0)
    count = whole.end
    offsets = list(range(count + 1))
    most = 12 if is_quick(stage) else 60
    if len(offsets) > most:
        offsets = sorted({0, 1, count - 1, count, *stage.random.sample(offsets, most - 10)})
    for offset in offsets:
        poll = task.poll(offset)
        expected = [event for event in whole.events if event["idx"] >= offset]
        judge.that(
            "POLL-OFFSET-COMPLETE",
            len(poll.events) >= len(expected),
            f"the events of a finished task of {count} events from {offset}",
            expected=f"{len(expected)} events",
            got=f"{len(poll.events)} events",
            by=(whole.exchange, poll.exchange),
        )
        judge.that(
            "POLL-EVENT-IMMUTABLE",
            _same(poll.events, expected) or len(poll.events) != len(expected),
            f"the events of a finished task from {offset}",
            expected="those that a poll from 0 shows",
            got="other ones",
            by=(whole.exchange, poll.exchange),
        )
    judge.that(
        "POLL-AFTER-END",
        last.terminal and bool(whole.events),
        "a poll from 0 after the end",
        expected="the events of the task",
        got=f"{len(whole.events)} events with status {whole.status}",
        by=whole.exchange,
    )


@verifies("SEND-CREATED-AT", "SEND-STATUS-LIVE", "SEND-TASK-ID-UUID", "SEND-SHAPE")
def test_an_accepted_send_says_what_polls_say(stage: Stage, judge: Judge) -> None:
    """The answer to a send and the polls of its task are of one task."""
    seen: set[str] = set()
    for _ in range(2):
        task = stage.user.start()
        first = task.poll()
        sent = task.sent.payload
        judge.that(
            "SEND-CREATED-AT",
            as_time(sent.get("created_at")) is not None
            and first.data.get("created_at") in (sent.get("created_at"), None),
            "created_at of the send and of a poll",
            expected=f"{sent.get('created_at')!r}, as the send said",
            got=f"{first.data.get('created_at')!r}",
            by=(task.sent, first.exchange),
        )
        judge.that(
            "SEND-TASK-ID-UUID",
            _is_uuid(task.id) and task.id not in seen,
            "the task_id of an accepted send",
            expected="a UUID, and a new one",
            got=task.id,
            by=task.sent,
        )
        judge.that(
            "SEND-STATUS-LIVE",
            sent.get("status") in ("pending", "running"),
            "the status of an accepted send",
            expected="pending or running",
            got=f"{sent.get('status')!r}",
            by=task.sent,
        )
        seen.add(task.id)
        task.end()


@verifies("POLL-NEXT-OFFSET-NOT-NEGATIVE", "POLL-FROM-INVALID", "COMMON-NO-SERVER-ERROR")
def test_a_bad_from_is_refused_or_taken_as_0(stage: Stage, judge: Judge) -> None:
    """Negative, fractional, empty and non-numeric: 400, or exactly as 0."""
    task = stage.user.start(_message(stage))
    # Before there are events is where a negative one shows through most easily.
    early = [task.watcher.ask(bad) for bad in ("-1", "-5")]
    for exchange, poll in early:
        judge.that(
            "POLL-FROM-INVALID",
            exchange.status == 400 or poll is not None,
            "a poll with a negative `from` of a task that has just begun",
            expected="400, or an answer as from 0",
            got=exchange.summary,
            by=exchange,
        )
    task.end()
    whole = task.poll(0)
    for bad in ("-1", "-1000", "1.5", "0.0", "", "abc", "null", "1,2", "0x1", " "):
        exchange, poll = task.watcher.ask(bad)
        judge.that(
            "POLL-FROM-INVALID",
            exchange.status == 400 or (poll is not None and _tell_the_same(poll, whole)),
            f"a poll with from={bad!r}",
            expected="400, or the answer to from=0",
            got=_in_short(exchange, poll),
            by=exchange,
        )
        if poll is not None:
            judge.that(
                "POLL-NEXT-OFFSET-NOT-NEGATIVE",
                poll.next_offset is not None and poll.next_offset >= 0,
                f"the next_offset of a poll with from={bad!r}",
                expected="a number that is not negative",
                got=f"{poll.next_offset}",
                by=exchange,
            )
    judge.that(
        "POLL-NEXT-OFFSET-NOT-NEGATIVE",
        whole.next_offset is not None and whole.next_offset >= 0,
        "the next_offset of a poll from 0",
        expected="a number that is not negative",
        got=f"{whole.next_offset}",
        by=whole.exchange,
    )


@verifies("POLL-FROM-DEFAULT")
def test_a_missing_from_is_0(stage: Stage, judge: Judge) -> None:
    """A poll without `from` is one from the beginning."""
    task = stage.user.start(_message(stage))
    task.end()
    whole = task.poll(0)
    poll = task.poll()
    judge.that(
        "POLL-FROM-DEFAULT",
        _tell_the_same(poll, whole),
        "a poll without `from`",
        expected=f"the {len(whole.events)} events that from=0 shows",
        got=_in_short(poll.exchange, poll),
        by=(whole.exchange, poll.exchange),
    )


@verifies("POLL-FROM-PAST-END")
def test_from_past_the_end_shows_nothing_and_loses_nothing(stage: Stage, judge: Judge) -> None:
    """200, no events, and a next_offset that is the `from` or the true end."""
    task = stage.user.start(_message(stage))
    # Nothing is known of the end yet; the invariants judge this one when it is.
    task.watcher.ask(100_000)
    task.end()
    end = task.poll(0).end
    for offset in (end + 1, end + 7, end + 1000, 999_999, 2**31 - 1):
        exchange, poll = task.watcher.ask(offset)
        judge.that(
            "POLL-FROM-PAST-END",
            poll is not None and not poll.events and poll.next_offset in (offset, end),
            f"a poll from {offset} of a task with {end} events",
            expected=f"200, no events, next_offset {offset} or {end}",
            got=_in_short(exchange, poll),
            by=exchange,
        )


@verifies("POLL-UNKNOWN-TASK")
def test_an_unknown_task_is_404(stage: Stage, judge: Judge) -> None:
    """Neither a UUID of nobody nor a text that is none has a task."""
    task = stage.user.start()
    known = task.poll()  # the positive control: a known task is found
    for task_id in (str(uuid.uuid4()), str(uuid.UUID(int=0)), "no-such-task", "%00"):
        for from_ in (None, 0, 5):
            exchange = stage.user.api.poll_task(task_id, from_)
            judge.that(
                "POLL-UNKNOWN-TASK",
                exchange.status == 404,
                f"a poll of the task {task_id!r}",
                expected="404",
                got=exchange.summary,
                by=(known.exchange, exchange),
            )


@verifies("POLL-CONCURRENT-SUCCEEDS", "POLL-CONCURRENT-AGREES", slow=True)
def test_pollers_of_a_running_task_read_the_same_story(stage: Stage, judge: Judge) -> None:
    """Eight pollers with habits of their own, all at once; at the end their events are equal."""
    message = _message(stage)
    if stage.scripted:
        # No more than fit into the buffer: nobody may lose one for being slow.
        steps = [
            step for _ in range(8) for step in (say(stage.target.buffer_size // 40), pause(0.01))
        ]
        message = script(turn(think(30), *steps))
    task = stage.user.start(message)
    habits: list[tuple[Strategy, Pace]] = [
        (follow, TIGHT),
        (follow, Pace()),
        (from_start, TIGHT),
        (from_start, Pace(first=0.03)),
        (overlapping(1), TIGHT),
        (overlapping(10), TIGHT),
        (overlapping(300), Pace(first=0.02)),
        (follow, Pace(first=0.05)),
    ]
    gate = threading.Barrier(len(habits))

    def read(habit: tuple[Strategy, Pace]) -> tuple[dict[int, Event], list[Exchange]]:
        gate.wait(stage.seconds(10))
        return _read_to_end(stage, task, *habit)

    with ThreadPoolExecutor(len(habits)) as pool:
        stories = list(pool.map(read, habits))
    task.end()
    whole = {int(event["idx"]): event for event in task.poll(0).events}
    for story, refused in stories:
        judge.that(
            "POLL-CONCURRENT-SUCCEEDS",
            not refused,
            "polls of a running task by eight pollers at once",
            expected="200 for all of them",
            got=refused[0].summary if refused else "",
            by=refused[:2],
        )
        judge.that(
            "POLL-CONCURRENT-AGREES",
            story == whole or bool(refused),
            "the events that one of eight pollers has read",
            expected=f"the {len(whole)} events that a poll after the end shows",
            got=_difference(story, whole),
        )


def _read_to_end(
    stage: Stage, task: Task, strategy: Strategy, pace: Pace
) -> tuple[dict[int, Event], list[Exchange]]:
    """Read TASK to its end as one client does; return what it has, and what was refused."""
    events: dict[int, Event] = {}
    refused: list[Exchange] = []
    offset = 0

    def ended() -> bool:
        nonlocal offset
        exchange, poll = task.watcher.ask(strategy(offset))
        if poll is None:
            refused.append(exchange)
            return True
        events.update((int(event["idx"]), event) for event in poll.events)
        offset = max(0, poll.next_offset or 0)
        return poll.terminal

    if not stage.eventually(ended, 180 if not stage.scripted else 30):
        judge = stage.judge
        judge.cannot_verify("the task did not end while it was being polled")
    return events, refused


@verifies("POLL-TERMINAL-COMPLETE", "TASK-TERMINAL-FOREVER", needs=["scripted-model"], slow=True)
def test_a_terminal_status_never_comes_before_the_last_events(stage: Stage, judge: Judge) -> None:
    """Many short tasks, polled without a pause: the first terminal answer has everything."""
    for number in range(12 * stage.budget.repeats):
        text = script(turn(say(*[f"{number}.{chunk} " for chunk in range(1 + number % 4)])))
        task = stage.user.start(text)
        last = first_terminal(task)
        after = task.poll(0)
        judge.that(
            "POLL-TERMINAL-COMPLETE",
            after.end == max(last.end, last.next_offset or 0),
            "the events that come after the first terminal answer",
            expected=f"none: {last.status} was told with next_offset {last.next_offset}",
            got=f"{after.end - max(last.end, last.next_offset or 0)} more",
            by=(last.exchange, after.exchange),
        )


@verifies("TASK-SUCCEEDS", "TASK-SUCCESS-WITHOUT-ERROR", needs=["scripted-model"])
def test_a_task_whose_model_answers_succeeds(stage: Stage, judge: Judge) -> None:
    """From a live status to `succeeded`, without an error."""
    task = stage.user.held(say("Hello"))
    before = task.poll()
    judge.that(
        "TASK-SUCCEEDS",
        before.status in LIVE,
        "the status while the model is answering",
        expected="a live one",
        got=before.status,
        by=before.exchange,
    )
    task.release()
    last = task.end()
    judge.that(
        "TASK-SUCCEEDS",
        last.status == "succeeded",
        "the status after the model has answered to the end",
        expected="succeeded",
        got=f"{last.status}, error {last.data.get('error')!r}",
        by=last.exchange,
    )


def _same(events: tuple[Event, ...], expected: list[Event]) -> bool:
    return list(events) == expected


def _tell_the_same(poll: Poll, other: Poll) -> bool:
    """Tell whether two polls show the same part; what else they tell has rules of its own."""
    shown = [[event["idx"] for event in each.events] for each in (poll, other)]
    return shown[0] == shown[1] and poll.next_offset == other.next_offset


def _in_short(exchange: Exchange, poll: Poll | None) -> str:
    if poll is None:
        return exchange.summary
    where = f"{poll.first} to {poll.end - 1}" if poll.events else "none"
    return f"{exchange.status}, events {where}, next_offset {poll.next_offset}"


def _difference(story: dict[int, Event], whole: dict[int, Event]) -> str:
    missing = sorted(whole.keys() - story.keys())
    if missing:
        return f"{len(missing)} missing, the first is event {missing[0]}"
    other = [idx for idx in sorted(story) if story[idx] != whole.get(idx)]
    return f"{len(other)} others, the first is event {other[0]}" if other else "the same"


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
