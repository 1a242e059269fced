"""Reads a page as a strict reader would: every rule that a page has to keep, in one place."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "input", "link", "img", "hr"}
SVG = {"svg", "path", "rect", "text", "tspan", "g", "title", "desc", "line", "circle"}
ALLOWED = VOID - {"img", "link"} | SVG
ALLOWED |= {"html", "head", "body", "style", "script", "header", "main", "footer", "nav", "section", "article", "div"}
ALLOWED |= {"h1", "h2", "h3", "h4", "h5", "h6", "p", "a", "ul", "ol", "li", "span", "strong", "code", "pre", "details"}
ALLOWED |= {"summary", "table", "caption", "thead", "tbody", "tr", "th", "td", "label", "output"}


@dataclass
class Element:
    """An element with what is in it."""

    tag: str
    attributes: dict[str, str]
    parts: list[str | Element] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [one for one in self.parts if isinstance(one, Element)]

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(one if isinstance(one, str) else one.text for one in self.parts)

    def all(self, tag: str) -> list[Element]:
        """Those of this name below it, in their order."""
        return [one for one in in_order(self) if one.tag == tag and one is not self]


def in_order(one: Element) -> list[Element]:
    """It, and all elements in it, as they are written."""
    found, left = [], [one]
    while left:
        one = left.pop()
        found.append(one)
        left += reversed(one.children)
    return found


class Page(HTMLParser):
    """A page whose elements are closed in the order in which they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]
        self.problems: list[str] = []
        self.feed(text)
        self.close()
        self.problems += [f"<{one.tag}> is not closed" for one in self.open[1:]]
        self.check()

    def handle_starttag(self, tag, attrs):
        found = Element(tag, {})
        for name, value in attrs:
            if name in found.attributes:
                self.problems.append(f"<{tag}> has {name} twice")
            found.attributes[name] = value or ""
        self.open[-1].parts.append(found)
        if tag not in ALLOWED:
            self.problems.append(f"<{tag}> is not an element that a page has")
        if tag not in VOID:
            self.open.append(found)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if self.open[-1].tag != tag:
            self.problems.append(f"</{tag}> closes <{self.open[-1].tag}> at {self.getpos()}")
        if any(one.tag == tag for one in self.open):
            while self.open.pop().tag != tag:
                pass

    def handle_data(self, data):
        self.open[-1].parts.append(data)

    def handle_comment(self, data):
        self.problems.append(f"a comment: {data[:40]!r}")

    def handle_pi(self, data):
        self.problems.append(f"a processing instruction: {data[:40]!r}")

    def every(self) -> list[Element]:
        return in_order(self.root)

    def check(self) -> None:
        every = self.every()
        counts = Counter(one.attributes["id"] for one in every if "id" in one.attributes)
        self.problems += [f"the id {name} is there {count} times" for name, count in counts.items() if count > 1]
        ids = {*counts}
        for one in every:
            self._attributes(one, ids)
        self._policy()
        self._headings()
        for table in self.root.all("table"):
            if not table.all("caption") or not table.all("th"):
                self.problems.append("a table without a caption or headings")
            if any("scope" not in head.attributes for head in table.all("th")):
                self.problems.append("a heading of a table without its scope")
        for details in self.root.all("details"):
            if not details.children or details.children[0].tag != "summary":
                self.problems.append("details without a summary")
        for name in ("main", "h1", "header", "footer", "nav"):
            if len(self.root.all(name)) < 1:
                self.problems.append(f"no <{name}>")
        for one in self.root.all("svg"):
            named = one.attributes.get("aria-hidden") == "true" or one.attributes.get("aria-labelledby") in ids
            if not named:
                self.problems.append("a picture without a title")

    def _attributes(self, one: Element, ids: set[str]) -> None:
        for name, value in one.attributes.items():
            if name.startswith("on") or name in ("style", "src", "srcset", "action", "srcdoc", "xlink:href"):
                self.problems.append(f"<{one.tag} {name}={value[:40]!r}>")
            if name == "href" and not (value.startswith("#") and value[1:] in ids):
                self.problems.append(f"a link that leads nowhere: {value[:60]!r}")
            if name in ("aria-labelledby", "data-filters") and value not in ids:
                self.problems.append(f"{name}={value!r} names no element")
        scrolls = "wide" in one.attributes.get("class", "").split() or one.tag == "pre"
        if scrolls and one.attributes.get("tabindex") != "0":
            self.problems.append(f"<{one.tag}> scrolls, and the keyboard does not reach it")

    def _policy(self) -> None:
        """What the policy allows is what the page has: one style sheet, one script."""
        policies = [
            one.attributes["content"]
            for one in self.root.all("meta")
            if one.attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        parts = dict(part.strip().split(" ", 1) for part in "".join(policies).split(";"))
        expected = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
        for kind in ("style", "script"):
            found = self.root.all(kind)
            digest = base64.b64encode(hashlib.sha256(found[0].text.encode()).digest()).decode()
            expected[f"{kind}-src"] = f"'sha256-{digest}'"
            if len(found) != 1:
                self.problems.append(f"{len(found)} <{kind}>")
        if len(policies) != 1 or parts != expected:
            self.problems.append(f"the policy is {policies}")
        style = self.root.all("style")[0].text
        if re.search(r"url\(|@import|@font-face", style):
            self.problems.append("the style sheet loads something")

    def _headings(self) -> None:
        last = 0
        for one in in_order(self.root):
            if re.fullmatch(r"h[1-6]", one.tag):
                level = int(one.tag[1])
                if level > last + 1:
                    self.problems.append(f"<{one.tag}> {one.text!r} follows <h{last}>")
                last = level
