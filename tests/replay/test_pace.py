"""The recorder polls soon while events come, less often while none do, and waits when told to."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pollux.replay.pace import Pace, Patience, retry_after_seconds


def test_intervals_grow_while_nothing_happens_and_shrink_with_the_next_event() -> None:
    pace = Pace(0.1, 1.0)
    quiet = [pace.after_answer(0) for _ in range(10)]
    assert quiet == sorted(quiet)
    assert quiet[0] == pytest.approx(0.15)
    assert quiet[-1] == 1.0
    assert pace.after_answer(1) == 0.1


def test_a_stream_that_could_outrun_the_buffer_is_polled_at_once() -> None:
    assert Pace().after_answer(250) == 0.0


def test_retry_after_is_waited_for() -> None:
    pace = Pace(0.1, 1.0)
    assert pace.after_failure(7.0) == 7.0
    assert pace.after_failure(0.0) < 1.0
    assert pace.after_failure(1e9) == 600.0


def test_patience_ends_but_not_before_the_time_that_the_server_asked_for() -> None:
    seconds = [0.0]
    patience = Patience(10, lambda: seconds[0])
    assert not patience.over(10)
    assert patience.over(10.1)
    assert not patience.over(15, retry_after=15)
    seconds[0] = 24.0
    assert not patience.over(1, retry_after=1)
    assert patience.over(1.1, retry_after=1)
    patience.answered()
    assert patience.over(10.1)


def test_retry_after_is_seconds_or_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert retry_after_seconds(" 12 ") == 12.0
    assert retry_after_seconds(format_datetime(later, usegmt=True)) == pytest.approx(60, abs=5)
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds("-3") is None
    assert retry_after_seconds(None) is None
