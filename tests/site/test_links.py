"""Links of pages lead to files and headings that are there; those to elsewhere are well formed."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.site.pages import FENCE, PAGES, ROOT, without_code

LINK = re.compile(r"\]\(<?([^()\s>]+(?:\([^()\s]*\))?)>?\)|(?:src|href)=\"([^\"]+)\"")
BUILT = "_static/live/"  # made with the site, which says so itself where one is missing


def links(path: Path) -> list[str]:
    """Targets of links and pictures on a page."""
    return [one or other for one, other in LINK.findall(without_code(path))]


def headings(path: Path) -> set[str]:
    """Anchors of a page's headings, as the repository's pages and the site make them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for title in re.findall(r"^#{1,6} +(.*?) *$", text, re.MULTILINE):
        words = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = len([one for one in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", one)])
        found.add(f"{slug}-{number}" if number else slug)
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    for target in links(path):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme in ("https", "http", "mailto"), target
            assert parts.scheme == "mailto" or "." in parts.netloc, target
            continue
        if parts.path.startswith(BUILT):
            continue
        place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        assert place.is_relative_to(ROOT) and place.exists(), f"{path.name}: {target}"
        if parts.fragment:
            assert place.suffix == ".md" and parts.fragment in headings(place), target


def test_there_are_links_to_look_at():
    assert sum(len(links(path)) for path in PAGES) > 40


def test_a_missing_heading_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# What `advise` says\n\n## Twice\n\n## Twice\n", encoding="utf-8")
    assert headings(page) == {"what-advise-says", "twice", "twice-1"}
