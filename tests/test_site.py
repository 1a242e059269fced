"""The documentation site: what its pages are made of, without mkdocs; and, if mkdocs is there, the strict build."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import Counter
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from conftest import ROOT

from compile_doctor.analysis.graph_breaks.causes import causes, registry
from compile_doctor.checks import all_checks
from compile_doctor.examples import example_names
from compile_doctor.recipes.catalogue import all_recipes
from compile_doctor.schemas import IDENTIFIERS

sys.path.insert(0, str(ROOT / "tools"))

import docsite
import site_hook
from docsite import page as markdown

SITE = docsite.all_pages()
PAGES = [page for pages in SITE.values() for page in pages]
BODY = {page.path: page.markdown for page in PAGES}


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("checks", [check.code.lower() for check in all_checks()]),
        ("causes", [cause.key for cause in causes()]),
        ("recipes", [recipe.id for recipe in all_recipes()]),
        ("examples", example_names()),
        ("schemas", IDENTIFIERS),
    ],
)
def test_each_thing_has_one_page(folder, names):
    own = {"index", "README", "VERIFIED", "torch-ids"}  # a section's own pages
    found = [Path(page.path).stem for page in SITE[folder]]
    assert sorted(set(found) - own) == sorted(names)
    assert [path for path, count in Counter(page.path for page in PAGES).items() if count > 1] == []
    index = SITE[folder][0]
    linked = re.findall(r"\]\(([\w.-]+)\.md\)", index.body)
    assert sorted(set(linked) - own) == sorted(names), "the index names each once"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_a_page_has_a_title_a_description_and_something_to_read(page):
    _, front, body = page.markdown.split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["title"].strip()
    assert 10 <= len(front["description"]) <= 160
    assert not re.search(r"[`\n]", front["description"])
    heading, _, rest = body.strip().partition("\n")
    assert heading.startswith("# ")
    assert "{" not in heading
    assert len(rest.strip()) > 40
    assert (ROOT / page.source).is_file() if page.source else page.path.endswith("index.md")


def test_a_page_of_a_check_shows_both_programs_and_what_explain_says():
    for check in all_checks():
        text = BODY[f"checks/{check.code.lower()}.md"]
        assert check.fires.strip() in text
        assert check.silent.strip() in text
        assert check.explanation.split()[0] in text


def test_a_page_of_a_cause_has_its_fix_and_torch_s_pages():
    for cause in causes():
        text = BODY[f"causes/{cause.key}.md"]
        assert cause.fix.strip() in text
        assert all(f"/gb/{one.lower()}.html" in text for one in cause.gb_ids)
    assert all(f"/gb/{one.lower()}.html" in BODY["causes/torch-ids.md"] for one in registry())


def test_a_page_of_a_recipe_has_its_program_its_code_and_where_it_was_proven():
    for recipe in all_recipes():
        text = BODY[f"recipes/{recipe.id}.md"]
        assert recipe.verify.strip() in text
        assert recipe.code is None or recipe.code.read_text(encoding="utf-8").strip() in text
        assert "2.13.0 |" in text or not recipe.verify
        assert all(url in text for url in recipe.upstream)
        assert "Here " not in text, "what is true of this machine is no part of the page"


def test_what_would_be_markup_is_escaped_outside_of_code():
    assert (
        markdown.escape("`a[0]` x[0] __init__ VecMask<int> *so*")
        == r"`a[0]` x\[0\] \_\_init\_\_ VecMask&lt;int&gt; *so*"
    )
    assert markdown.escape("position * 2, 2 ** -x") == r"position \* 2, 2 \*\* -x"
    assert markdown.prose("One.\n\n    x = a[0]\n\nTwo.").split("\n\n") == ["One.", "```python\nx = a[0]\n```", "Two."]
    assert markdown.code("```\nx\n```").startswith("````python\n")
    assert markdown.inline("a`b") == "``a`b``"


def test_links_lead_to_pages_or_to_the_repository():
    known = {"README.md", "docs/gate.md", "checks/cd101.md"}

    def done(text: str, path: str = "docs/json.md") -> str:
        return site_hook.rewritten(text, path, known, "https://example.org/us")

    assert done("[gate](gate.md#a), [start](../README.md)") == "[gate](gate.md#a), [start](../README.md)"
    assert done("[licence](../LICENSE)") == "[licence](https://example.org/us/blob/main/LICENSE)"
    assert done("[all](tests/evidence)", "README.md") == "[all](https://example.org/us/tree/main/tests/evidence)"
    assert done("[`x`](../Makefile#L3)") == "[`x`](https://example.org/us/blob/main/Makefile#L3)"
    assert done("- a\n\n    [licence](../LICENSE)").endswith("/blob/main/LICENSE)")
    assert done("[gone](../gone.md)") == "[gone](../gone.md)", "mkdocs has to see it"


def test_codes_are_links_in_prose_alone():
    known: set[str] = set()

    def done(text: str, path: str = "docs/json.md") -> str:
        return site_hook.rewritten(text, path, known, "https://example.org/us")

    assert done("a CD101.") == "a [CD101](../checks/cd101.md)."
    assert done("| CD101 |", "README.md") == "| [CD101](checks/cd101.md) |"
    assert done("CD101, CD102", "checks/cd101.md") == "CD101, [CD102](cd102.md)"
    for text in ("`explain CD101`", "# CD101", "```sh\nCD101\n```", "[CD101](x.md)", "    CD101", "CD999"):
        assert done(text) == text


def test_a_bar_in_code_is_escaped_in_cells_alone_and_only_for_github():
    def done(text: str) -> str:
        return site_hook.rewritten(text, "README.md", set(), "https://example.org/us")

    assert done("| a |\n| `x\\|y` |") == "| a |\n| `x|y` |"
    assert done("Say `x\\|y`.") == "Say `x\\|y`."


def test_the_description_of_a_page_that_people_wrote_is_its_first_paragraph():
    assert (
        site_hook.description("# T\n\n```sh\nmake\n```\n\n`run` [does](x.md) it.\nAll.\n\nMore.") == "run does it. All."
    )


def test_make_builds_strictly():
    lines = [line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if "mkdocs build" in line]
    assert len(lines) == 1
    assert lines[0].endswith("mkdocs build --strict"), "with --quiet mkdocs counts no warnings, and fails for none"


def test_nothing_in_the_package_knows_of_the_site():
    package = (path.read_text(encoding="utf-8") for path in (ROOT / "compile_doctor").rglob("*.py"))
    assert [text for text in package if re.search(r"\b(mkdocs|docsite|site_hook)\b", text)] == []


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("mkdocs is not installed: `make docs` does it")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def html(folder: Path, path: str) -> str:
    stem = re.sub(r"(^|/)(index|README)$", r"\1", path.removesuffix(".md"))
    return (folder / stem / "index.html").read_text(encoding="utf-8")


def test_the_strict_build_passes_and_every_page_is_there(built):
    for page in PAGES:
        text = html(built, page.path)
        assert re.search(r'<meta name="description" content="[^"]{10,}">', text), page.path
        title = re.search(r"<title>(.+) - compile-doctor</title>", text)
        assert title, page.path
        assert unescape(title[1]) == page.title


def test_the_pages_that_people_wrote_are_where_their_links_say(built):
    for path in ("README.md", "CONTRIBUTING.md", *(f"docs/{one.name}" for one in (ROOT / "docs").glob("*.md"))):
        text = html(built, path)
        assert re.search(r'<meta name="description" content="[^"]{10,}">', text), path
    assert 'href="docs/gate/"' in html(built, "README.md")
    assert "<code>compile-doctor bench TARGET|--suite</code>" in html(built, "README.md")
    assert "blob/main/LICENSE" in html(built, "README.md")


def test_every_link_and_anchor_leads_somewhere(built):
    """mkdocs checks what is Markdown; this reads what came out, navigation and API included."""
    texts = {
        path.resolve(): path.read_text(encoding="utf-8") for path in built.rglob("*.html") if path.name != "404.html"
    }
    ids = {path: set(re.findall(r' (?:id|name)="?([^"\s>]+)', text)) for path, text in texts.items()}
    assert len(texts) > len(PAGES)
    lost = []
    for path, text in texts.items():
        for link in re.findall(r'<a [^>]*?href="?([^"\s>]+)', text):
            link, _, anchor = unescape(link).partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = (path.parent / link).resolve() if link else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (anchor and unquote(anchor) not in {*ids.get(target, ()), "__skip"}):
                lost.append(f"{path.relative_to(built.resolve())}: {link}#{anchor}")
    assert lost == []


def test_a_page_fetches_nothing_from_elsewhere(built):
    for path in ("README.md", "checks/cd101.md", "api/api.md"):
        fetched = re.findall(r'<(?:script|img|iframe)[^>]* src="([^"]+)"', html(built, path))
        fetched += re.findall(r'<link[^>]* rel="(?:stylesheet|preconnect|icon)"[^>]* href="([^"]+)"', html(built, path))
        fetched += re.findall(r'<link[^>]* href="([^"]+)"[^>]* rel="(?:stylesheet|preconnect|icon)"', html(built, path))
        assert [url for url in fetched if "//" in url] == []


def test_search_finds_every_code(built):
    index = json.loads((built / "search" / "search_index.json").read_text(encoding="utf-8"))
    places = {entry["location"] for entry in index["docs"]}
    assert {f"checks/{check.code.lower()}/" for check in all_checks()} <= places
