"""A recording at a glance, its events with their times, and the cap on pauses: as it is played."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pollux.replay.format import Record, loads
from pollux.replay.frames import Frame, FrameReader, Scan, TaskState, TimeBase
from pollux.replay.overview import Overview
from pollux.replay.timeline import Timeline
from tests.replay.support import PROPERTY, ListSource, e, s, streams


def frames(records: list[Record], cap_ms: int | None, base: TimeBase) -> list[Frame]:
    reader = FrameReader(ListSource(records), base, cap_ms=cap_ms)
    return list(reader.frames(Scan(), TaskState(status="running")))


@PROPERTY
@given(streams(), st.integers(0, 1000), st.sampled_from(TimeBase))
def test_a_cap_shortens_each_longer_pause_to_itself(
    records: list[Record], cap_ms: int, base: TimeBase
) -> None:
    as_recorded, capped = frames(records, None, base), frames(records, cap_ms, base)
    assert [frame.events for frame in capped] == [frame.events for frame in as_recorded]
    assert [replace(frame.state, at_ms=0) for frame in capped] == [
        replace(frame.state, at_ms=0) for frame in as_recorded
    ]
    before, after = [0, *(f.at_ms for f in as_recorded)], [0, *(f.at_ms for f in capped)]
    for (b, c), (x, y) in zip(pairwise(before), pairwise(after), strict=True):
        assert y - x == min(c - b, cap_ms)


@PROPERTY
@given(streams(), st.sampled_from([None, 100]), st.sampled_from(TimeBase))
def test_an_overview_tells_what_is_played(
    records: list[Record], cap_ms: int | None, base: TimeBase
) -> None:
    told = Overview(ListSource(records), base, cap_ms).as_dict()
    played = frames(records, cap_ms, base)
    events = [(frame.at_ms, idx) for frame in played for idx, _ in frame.events]
    last = {frame.at_ms: frame.events[-1][0] for frame in played if frame.events}
    assert told["events"] == len(events)
    assert told["next_idx"] == (events[-1][1] + 1 if events else 0)
    assert told["duration_ms"] == (played[-1].at_ms if played else 0)
    assert {sample["at_ms"]: sample["idx"] for sample in told["samples"]} == last
    missing = sum(gap["to"] - gap["from"] for gap in told["gaps"])
    assert missing + told["events"] == told["next_idx"]
    assert len(told["markers"]) == sum(record.code == "m" for record in records)


@PROPERTY
@given(streams(), st.integers(1, 7))
def test_an_overview_that_is_read_piece_by_piece_is_the_same(
    records: list[Record], budget: int
) -> None:
    whole = Overview(ListSource(records), TimeBase.SERVER, None).as_dict()
    pieces = Overview(ListSource(records), TimeBase.SERVER, None)
    told = pieces.as_dict(budget)
    while told["read_on"]:
        before = told["events"]
        told = pieces.as_dict(budget)
        assert told["events"] >= before
    assert told == whole


@PROPERTY
@given(streams(), st.integers(0, 60))
def test_events_are_told_from_anywhere_with_their_times(records: list[Record], begin: int) -> None:
    timeline = Timeline(ListSource(records))
    for _ in range(2):  # the second time from a place that was noted the first time
        told = [(at_ms, loads(raw)) for at_ms, raw in timeline.told(begin)]
        assert [event for _, event in told] == [
            event for event in timeline.events() if event["idx"] >= begin
        ]
        played = {
            idx: f.at_ms for f in frames(records, None, TimeBase.SERVER) for idx, _ in f.events
        }
        assert [at_ms for at_ms, _ in told] == [played[event["idx"]] for _, event in told]


def test_an_overview_goes_on_where_a_recording_is_still_being_written() -> None:
    source = ListSource([s("running", 0), e(0, 100)])
    overview = Overview(source, TimeBase.SERVER, None)
    assert (overview.as_dict()["events"], overview.as_dict()["ended"]) == (1, False)
    source.list += [Record(0, "m", "later"), e(1, 250), s("succeeded", 250)]
    told = overview.as_dict()
    assert (told["events"], told["duration_ms"], told["status"]) == (2, 250, "succeeded")
    assert overview.marker_ms("later") == 100
    assert overview.marker_ms("never") is None
