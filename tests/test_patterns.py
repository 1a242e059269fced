"""No regular expression of ours takes the square of what it is given."""

from __future__ import annotations

import re

import pytest
from pump import inputs, is_quadratic, patterns, size

PATTERNS = list(patterns())


def test_they_are_all_found():
    assert len(PATTERNS) > 500
    assert {"search", "match", "sub", "finditer", "fullmatch"} <= {method for _, _, method in PATTERNS}


@pytest.mark.parametrize("part", range(10))
def test_a_pattern_takes_time_in_proportion(part):
    for place, pattern, method in PATTERNS[part::10]:
        for text in inputs(pattern, size(place)):
            assert not is_quadratic(pattern, method, text), (place, pattern.pattern, text[:40])


def test_a_quadratic_one_is_noticed():
    lines = re.compile(r"^\s*(\w+) = ", re.MULTILINE)
    assert is_quadratic(lines, "search", "\n" * 6_000)
    assert not is_quadratic(re.compile(r"^[ \t]*(\w+) = ", re.MULTILINE), "search", "\n" * 6_000)
