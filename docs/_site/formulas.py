"""Formulas set as formulas: indices down, powers up, in the font of the words around."""

from __future__ import annotations

from docutils import nodes
from sphinx.addnodes import desc_signature
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from docs._site.notation import is_formula, pieces

APART = (nodes.literal_block, nodes.title, nodes.raw, nodes.math, nodes.comment, desc_signature)
SET = {"below": nodes.subscript, "above": nodes.superscript}


class Formulas(SphinxPostTransform):
    """Sets the formulas of a page."""

    default_priority = 800  # names have found their places
    formats = ("html",)

    def run(self, **options: object) -> None:
        """Replace text by what shows it."""
        for node in list(self.document.findall(nodes.Text)):
            literal = node.parent if isinstance(node.parent, nodes.literal) else None
            if is_apart(node) or (literal is not None and not is_formula(node.astext())):
                continue
            made = shown(node.astext())
            if literal is None and len(made) > 1:
                node.parent.replace(node, made)
            elif literal is not None and not isinstance(literal.parent, nodes.reference):
                literal.replace_self(nodes.inline("", "", *made, classes=["formula"]))


def shown(text: str) -> list[nodes.Node]:
    """Return text with its indices and powers, and theirs."""
    made: list[nodes.Node] = []
    for kind, words in pieces(text):
        if kind:
            made.append(SET[kind]("", "", *shown(words)))
        elif words:
            made.append(nodes.Text(words))
    return made


def is_apart(node: nodes.Node) -> bool:
    """Whether text stands where it is shown as written."""
    while node.parent is not None and not isinstance(node, APART):
        node = node.parent
    return isinstance(node, APART)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.add_post_transform(Formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
