"""Links of pages that are read in the repository as well: folders there are words here."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

ROOT = Path(__file__).resolve().parent.parent.parent


class Folders(SphinxPostTransform):
    """Puts a folder's name in the place of a link to it; the site has pages and files only."""

    default_priority = 4  # before MyST says that there is no such page

    def run(self, **options: object) -> None:
        """Replace every such link on a page."""
        for node in list(self.document.findall(pending_xref)):
            target = node["reftarget"]
            if node.get("reftype") == "myst" and target and (ROOT / target).is_dir():
                node.replace_self(nodes.literal("", node.astext()))


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.add_post_transform(Folders)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
