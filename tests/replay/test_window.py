"""The window of events a server keeps: the last N, found by idx, never with a hole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.replay.window import EventWindow


@given(
    ring=st.integers(1, 8),
    steps=st.lists(st.sampled_from([0, 0, 0, 0, 1, 5]), max_size=60),
    offset=st.integers(0, 80),
)
def test_it_keeps_the_last_events_without_a_hole(ring: int, steps: list[int], offset: int) -> None:
    window = EventWindow(ring)
    kept: list[int] = []
    idx = 0
    for lost in steps:
        idx += lost
        if lost:
            kept.clear()
        kept = [*kept, idx][-ring:]
        window.append(idx, str(idx).encode())
        idx += 1
        assert [int(event) for event in window.since(offset)] == [i for i in kept if i >= offset]
        assert (window.start, window.end) == (kept[0], idx)


def test_a_full_window_holds_no_more_than_twice_its_size() -> None:
    window = EventWindow(10)
    for idx in range(1000):
        window.append(idx, b"x")
        assert len(window._events) < 20


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        EventWindow(0)
