"""Gives the documentation site the layout of the repository, so that every relative link has the same target in both.

mkdocs calls the `on_…` functions (`hooks` in mkdocs.yml). README.md is the start page, docs/gate.md is /docs/gate/, and the
generated pages (tools/docsite/) have their own folders. A link to a file that is not a page of the site leads to the
repository, and a code such as CD101 leads to its page. mkdocs then checks all links and anchors: the build is strict.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import File, Files
    from mkdocs.structure.pages import Page as SitePage

# mkdocs removes both entries after it has loaded this file.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from docsite import all_pages
from docsite.page import Page, plain

from compile_doctor.checks import all_checks

ROOT = Path(__file__).resolve().parent.parent
STYLE = "assets/site.css"
CHECKS = {f"checks/{check.code.lower()}.md" for check in all_checks()}
# Codes here do not become links: fences, `code`, headings, directives of mkdocstrings, and links (see `_link`).
_SKIPPED = re.compile(
    r"^```.*?^```|^#+ .*?$|^::: .*?$|``.+?``|`[^`\n]+`|!?\[(?:`[^`\n]*`|[^\]\n])*\]\([^)\n]*\)|<https?:[^>\n]*>",
    re.DOTALL | re.MULTILINE,
)
_LINK = re.compile(r"\A(!?\[.*\]\()([^)#]+)(#[^)]*)?\)\Z", re.DOTALL)
_CODE = re.compile(r"^(?: {4}|\t).*|\bCD\d{3}\b", re.MULTILINE)  # an indented line may be code: its codes stay


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Sets the files of the site and the navigation: what mkdocs.yml names, all of docs/, and the generated pages."""
    from mkdocs.structure.files import File

    def place(path: str) -> File:
        return File(path, str(ROOT), config.site_dir, config.use_directory_urls)

    for found in list(files.documentation_pages()):
        files.remove(found)
        files.append(place(f"docs/{found.src_uri}"))
    for path in _paths(config.nav):
        if not path.endswith("/") and path not in files.src_uris:
            files.append(place(path))
    generated = all_pages()
    for page in (page for pages in generated.values() for page in pages):
        files.append(_generated(page, config))
    files.append(File.generated(config, STYLE, content=(ROOT / "tools" / "docsite" / "site.css").read_text("utf-8")))
    config.nav = _expanded(config.nav, generated)
    return files


def on_page_markdown(markdown: str, page: SitePage, config: MkDocsConfig, files: Files) -> str:
    """Rewrites the links for the site, and adds a description to pages without one."""
    if not page.meta.get("description"):
        page.meta["description"] = description(markdown)
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]  # it has no neighbours, and a report needs the width
    # In a report, a line that begins with # is not the prompt of root.
    markdown = markdown.replace("\n```console\n", "\n```text\n")
    return rewritten(markdown, page.file.src_uri, set(files.src_uris), str(config.repo_url))


def description(markdown: str) -> str:
    """The first paragraph of prose."""
    blocks = re.split(r"\n\s*\n", re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE))
    return plain(next((block for block in blocks if re.match(r"[\w`*\[]", block.strip())), ""))


def rewritten(markdown: str, path: str, known: set[str], repository: str) -> str:
    """The Markdown of the page `path`, with codes as links, and links to the repository for files outside the site."""
    done, at = [], 0
    for skipped in _SKIPPED.finditer(markdown):
        text = skipped[0]
        if text.startswith("`") and markdown[markdown.rfind("\n", 0, skipped.start()) + 1] == "|":
            text = text.replace(
                "\\|", "|"
            )  # in a cell: GitHub wants it escaped within code, Python-Markdown shows the escape
        done += [_codes_linked(markdown[at : skipped.start()], path), _link(text, path, known, repository)]
        at = skipped.end()
    return "".join([*done, _codes_linked(markdown[at:], path)])


def _codes_linked(text: str, path: str) -> str:
    def link(found: re.Match[str]) -> str:
        target = f"checks/{found[0].lower()}.md"
        if target == path or target not in CHECKS:
            return found[0]
        return f"[{found[0]}]({posixpath.relpath(target, posixpath.dirname(path) or '.')})"

    return _CODE.sub(link, text)


def _link(text: str, path: str, known: set[str], repository: str) -> str:
    """A link; if only the repository has its target, with the address of the repository."""
    found = _LINK.match(text)
    if not found or ":" in found[2]:
        return text
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[2]))
    if target in known or not (ROOT / target).exists():
        return text  # mkdocs reports a link without a target
    kind = "tree" if (ROOT / target).is_dir() else "blob"
    return f"{found[1]}{repository.rstrip('/')}/{kind}/main/{target}{found[3] or ''})"


def _generated(page: Page, config: MkDocsConfig) -> File:
    from mkdocs.structure.files import File

    made = File.generated(config, page.path, content=page.markdown)
    made.edit_uri = page.source or None
    return made


def _paths(nav: Any) -> list[str]:
    """Every file and folder that the navigation names."""
    if isinstance(nav, str):
        return [nav]
    children = nav.values() if isinstance(nav, dict) else nav or ()
    return [path for child in children for path in _paths(child)]


def _expanded(nav: Any, generated: dict[str, list[Page]]) -> Any:
    """The navigation, with each folder (`checks/`) replaced by its pages; the first is the index of the section."""
    if isinstance(nav, list):
        return [_expanded(one, generated) for one in nav]
    if isinstance(nav, dict):
        return {title: _expanded(one, generated) for title, one in nav.items()}
    if not nav.endswith("/"):
        return nav
    index, *others = generated[nav.rstrip("/")]
    return [index.path, *({page.title: page.path} for page in others)]
