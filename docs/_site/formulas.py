"""Formulas, which sources write as plain text, with their indices and powers set as such.

``μ_x``, ``Σ̂_y^−½`` and ``e^{±α}`` stand in docstrings and pages as a terminal shows them. Here what
follows ``_`` and ``^`` goes down and up, and a formula in backquotes has the font of the words
around it, not that of code.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import desc_signature
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

SIGNS = re.compile(r"[Α-Ωα-ωϕ√‖∈∞≤≥≈≠⟨⟩∘·×←∩∪ᵀ½²³⁴⁻∇−]")
"""What stands in formulas, and in no line of code."""

BASE = r"(?<![\w.])[A-Za-zΑ-Ωα-ω][\u0300-\u036f]*′?|(?<=[)\]}‖|½²])"
INDEX = r"_(?:\{([^{}]+)\}|(max|min|[A-Za-zΑ-Ωα-ω]{1,2}|\d{1,3})(?![A-Za-zΑ-Ωα-ω0-9_]))"
POWER = r"\^(?:\{([^{}]+)\}|(\([^()]+\)|[−+±-]{0,2}(?:[\d½∞]+|[A-Za-zΑ-Ωα-ω]{1,2})(?![A-Za-z])))"
SET = re.compile(rf"({BASE})(?:{INDEX})?(?:{POWER})?")
APART = (nodes.literal_block, nodes.title, nodes.raw, nodes.math, nodes.comment, desc_signature)


def pieces(text: str) -> list[nodes.Node]:
    """Return text with what follows ``_`` and ``^`` as subscripts and superscripts."""
    made: list[nodes.Node] = []
    end = 0
    for found in SET.finditer(text):
        _, *parts = found.groups()
        if not any(parts):
            continue
        below, above = parts[0] or parts[1], parts[2] or parts[3]
        made.append(nodes.Text(text[end : found.start()] + found.group(1)))
        for kind, words in ((nodes.subscript, below), (nodes.superscript, above)):
            if words:
                made.append(kind("", "", *(pieces(words) or [nodes.Text(words)])))
        end = found.end()
    return [*made, nodes.Text(text[end:])] if made else []


def is_formula(text: str) -> bool:
    """Whether what stands in backquotes is mathematics and no code."""
    if re.search(r"""["'`]|\w\.\w|__|==""", text):
        return False
    return bool(SIGNS.search(text) or pieces(text))


class Formulas(SphinxPostTransform):
    """Sets the formulas of a page."""

    default_priority = 800  # names have found their places

    def run(self, **options: object) -> None:
        """Replace text by what shows it."""
        if not self.app.builder.format == "html":
            return
        for node in list(self.document.findall(nodes.Text)):
            literal = node.parent if isinstance(node.parent, nodes.literal) else None
            if is_apart(node) or (literal is not None and not is_formula(node.astext())):
                continue
            made = pieces(node.astext())
            if literal is not None and not isinstance(literal.parent, nodes.reference):
                inner = made or [nodes.Text(node.astext())]
                literal.replace_self(nodes.inline("", "", *inner, classes=["formula"]))
            elif made and literal is None:
                node.parent.replace(node, made)


def is_apart(node: nodes.Node) -> bool:
    """Whether text stands where it is shown as written."""
    while node.parent is not None and not isinstance(node, APART):
        node = node.parent
    return isinstance(node, APART)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.add_post_transform(Formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
