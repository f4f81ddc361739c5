"""Links of pages that are read in the repository as well.

Files beside README that are pages here lead there; folders and other files are words.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

ROOT = Path(__file__).resolve().parent.parent.parent


class Places(SphinxPostTransform):
    """Turns links to places of the repository into those of the site, or into words."""

    default_priority = 4  # before MyST says that there is no such page

    def run(self, **options: object) -> None:
        """Replace every such link on a page."""
        for node in list(self.document.findall(pending_xref)):
            target = node["reftarget"]
            if node.get("reftype") != "myst" or not target or not (ROOT / target).exists():
                continue
            page = f"sections/{Path(target).stem.lower()}"
            if page in self.env.found_docs:
                node["refdomain"], node["reftarget"], node["reftargetid"] = "doc", page, None
            else:
                node.replace_self(nodes.literal("", node.astext()))


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.add_post_transform(Places)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
