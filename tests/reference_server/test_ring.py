"""The event buffer: the last N events under ever growing indices (api_v1 2.3.6)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.reference_server.ring import EventRing


def filled(capacity: int, count: int) -> EventRing:
    ring = EventRing(capacity)
    for number in range(count):
        assert ring.append("text_chunk", {"content": str(number)}, float(number)) == number
    return ring


@given(
    capacity=st.integers(1, 12),
    count=st.integers(0, 40),
    offset=st.integers(0, 50),
)
def test_a_window_is_every_kept_event_from_the_offset_on(
    capacity: int, count: int, offset: int
) -> None:
    window = filled(capacity, count).window(offset)
    kept = list(range(max(0, count - capacity), count))
    assert [json.loads(event)["idx"] for event in window.events] == [i for i in kept if i >= offset]
    assert window.next_offset == count
    assert window.start == max(0, count - capacity)


@given(st.integers(1, 8), st.lists(st.integers(0, 8), max_size=20))
def test_polling_on_after_every_burst_that_fits_loses_and_repeats_nothing(
    capacity: int, bursts: list[int]
) -> None:
    ring = EventRing(capacity)
    offset: int = 0
    seen: list[int] = []
    for burst in bursts:
        for _ in range(min(burst, capacity)):
            ring.append("text_chunk", {}, 0.0)
        window = ring.window(offset)
        seen += [json.loads(event)["idx"] for event in window.events]
        offset = window.next_offset
    assert seen == list(range(offset))
    assert offset == sum(min(burst, capacity) for burst in bursts)


def test_an_event_carries_its_idx_type_payload_and_time() -> None:
    ring = EventRing(2)
    ring.append("text_chunk", {"content": "你好 \u2028"}, 12.5)
    assert json.loads(ring.window(0).events[0]) == {
        "idx": 0,
        "type": "text_chunk",
        "data": {"content": "你好 \u2028"},
        "ts": 12.5,
    }


def test_a_ring_needs_room_for_one_event() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        EventRing(0)
