"""The generated pages of the documentation site: one for each check, cause, recipe, example and JSON schema.

They are made from the data of the package, so that no text exists twice, and without mkdocs, so that tests can read them.
`tools/site_hook.py` passes them to mkdocs.
"""

from __future__ import annotations

from docsite import causes, checks, examples, reference, schemas
from docsite import recipes as recipe_pages
from docsite.page import Page

SECTIONS = {
    "checks": checks.pages,
    "causes": causes.pages,
    "recipes": recipe_pages.pages,
    "examples": examples.pages,
    "api": reference.pages,
    "schemas": schemas.pages,
}
"""By the folder that a section's pages are in; its first page is its index."""


def all_pages() -> dict[str, list[Page]]:
    """The pages of each section, in the order of the navigation."""
    return {folder: list(make()) for folder, make in SECTIONS.items()}
