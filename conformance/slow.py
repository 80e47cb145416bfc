"""Marks single cases of a check that a quick run leaves out."""

import pytest

from pollux.conformance.check import MARKER

#: For ``pytest.param(..., marks=SLOW)``; a whole check says ``verifies(..., slow=True)``.
SLOW: pytest.MarkDecorator = getattr(pytest.mark, MARKER)(slow=True)
