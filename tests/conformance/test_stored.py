"""How two readings of a conversation are held against each other."""

from typing import Any

import pytest

from pollux.conformance.stored import changed, disturbed
from pollux.polling.exchange import Exchange
from tests.polling.exchanges import exchange

_BEFORE = {"title": "new", "updated_at": "1", "messages": [{"role": "user"}], "metadata": {"a": 1}}


def reading(data: dict[str, Any] | None) -> Exchange:
    body = {"success": False, "error": "gone"} if data is None else {"success": True, "data": data}
    return exchange(body, status=404 if data is None else 200, operation="getConversation")


@pytest.mark.parametrize(
    ("after", "is_changed", "is_disturbed"),
    [
        (_BEFORE, False, False),
        ({**_BEFORE, "metadata": {"a": 2}}, True, True),
        ({**_BEFORE, "messages": []}, True, True),
        # A title came in the background.
        ({**_BEFORE, "title": "x", "updated_at": "2", "metadata": {"locked": True}}, True, False),
        ({**_BEFORE, "title": "x", "messages": []}, True, True),
        (None, True, True),
    ],
)
def test_a_title_that_comes_late_disturbs_nothing(
    after: dict[str, Any] | None, is_changed: bool, is_disturbed: bool
) -> None:
    readings = reading(_BEFORE), reading(after)
    assert bool(changed(*readings)) is is_changed
    assert bool(disturbed(*readings)) is is_disturbed
