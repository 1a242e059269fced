"""The documents against the style guide in CONTRIBUTING.md: the worst of what made them hard to read stays away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PATTERNS = ("*.md", ".github/*.md", "docs/**/*.md", "[a-z]*/README.md", "tests/programs/README.md")
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in PATTERNS
    for path in ROOT.glob(pattern)
    if path.name != "CODE_OF_CONDUCT.md"  # the Contributor Covenant, in its own words
)

RULES = {
    "is not a valid …": r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|more\b)[a-z]",
    "restored, reverted": r"\b(?:put(?:s|ting)?|taken) back\b",
    "fix": r"\bmend(?:s|ed|ing)?\b",
    "because": r"\bfor want of\b",
    "timed out": r"\b(?:ran|runs?) out\b(?! of memory)",
    "reports, decides": r"\b(?:said|told|tells? (?:of|apart)|judge[sd]?|judging)\b",
    "is, is in": r"\bst(?:ands?|ood)\b(?! for\b)",
    "package, layout": r"\b(?:house|rooms?)\b",
    "compared with": r"\bheld against\b",
    "instead of": r"\bin place of\b",
    "expensive": r"\bdear(?:er)?\b",
    "comes from": r"\bcomes? of (?:it|that|them)\b",
    "if": r"(?:^|[.:;!?|] *)(?-i:Where\b)(?! to\b)"
    r"|\b(?:only|even|except|unless|not) where\b|\bwhere (?:there|that|this) (?:is|are|was|were|does|has)\b"
    r"|\bwhere (?:possible|necessary|needed)\b",
}
"""What to write, and a pattern of what it replaces."""

ALLOWED: set[tuple[str, str]] = set()
"""(page, words) that a rule finds although they are right; write the reason beside each."""

HEADING_NAMES = {"Action", "GitLab", "Python", "Ray", "Unreleased"}

_NOT_PROSE = re.compile(
    r"""^[ ]*```.*?^[ ]*```$                            # code
      | <!--[ ]table:[ ]([\w-]+)[ ]-->.*?<!--[ ]end:    # generated tables, and the pairs of the guide
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_QUOTED = re.compile(r'`[^`\n]+`|"[^"\n]{1,100}"|(?<=\]\()[^)\s]+(?=\))|^ {4}.*')


def blank(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def prose(text: str) -> list[str]:
    """The lines of a page, without code, quoted output, addresses and generated tables."""
    return [_QUOTED.sub("`…`", line) for line in _NOT_PROSE.sub(blank, text).split("\n")]


def broken(line: str) -> list[str]:
    """The rules that a line breaks."""
    return [f"write “{rule}”" for rule, pattern in RULES.items() if re.search(pattern, line, re.IGNORECASE)]


def badly_cased(line: str) -> list[str]:
    words = re.findall(r"[^\W\d_]+", line)[1:] if line.startswith("#") else []
    return [word for word in words if word.istitle() and len(word) > 1 and word not in HEADING_NAMES]


def pairs() -> list[list[str]]:
    """The rows of the guide: what not to write, and what to write."""
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"<!-- table: style -->\n(.*?)<!-- end", guide, re.DOTALL)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.split("|")[1:3]] for row in rows]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_keeps_to_the_style_guide(page):
    found = []
    for number, line in enumerate(prose((ROOT / page).read_text(encoding="utf-8")), 1):
        for _, words in (one for one in ALLOWED if one[0] == page):
            line = line.replace(words, "")
        found += [f"{page}:{number}: {what}: {line}" for what in broken(line)]
        found += [f"{page}:{number}: headings are in sentence case: {word}" for word in badly_cased(line)]
    assert found == [], "\n".join(found)


def test_every_rule_finds_its_example_in_the_guide():
    assert len(pairs()) >= 15
    found = {rule for before, _ in pairs() for rule in broken(before)}
    assert sorted({f"write “{rule}”" for rule in RULES} - found) == []


@pytest.mark.parametrize(("before", "after"), pairs())
def test_what_the_guide_recommends_is_clean(before, after):
    assert broken(after) == []
    assert before != after


def test_what_is_allowed_is_still_there():
    assert [one for one in ALLOWED if one[1] not in (ROOT / one[0]).read_text(encoding="utf-8")] == []


def test_code_and_quotations_are_not_prose():
    page = 'a\n```sh\nmend it\n```\n<!-- table: x -->\n| mended |\n<!-- end: x -->\n`told` and "was told"\n# Judged\n'
    lines = prose(page)
    assert [number for number, line in enumerate(lines, 1) if broken(line)] == [9]
    assert badly_cased("## What It does") == ["It"]
