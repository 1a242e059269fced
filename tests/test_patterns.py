"""No regular expression of ours takes the square of what it is given: a broken one hangs here for minutes."""

from __future__ import annotations

import pytest
from pump import inputs, patterns, run, size

PATTERNS = list(patterns())


def test_they_are_all_found():
    assert len(PATTERNS) > 500
    assert {"search", "match", "sub", "finditer", "fullmatch"} <= {method for _, _, method in PATTERNS}


@pytest.mark.parametrize("part", range(10))
def test_a_pattern_takes_time_in_proportion(part):
    """A quadratic one needs 60,000 times as long as a linear one on the longest of these."""
    for place, pattern, method in PATTERNS[part::10]:
        for text in inputs(pattern, size(place)):
            run(pattern, method, text)
