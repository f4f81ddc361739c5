"""Names in docstrings, led to where the reference describes what they name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.addnodes import desc_signature, pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

from docs._site.reference import PACKAGE, Known, Reference, found

ROOT = Path(__file__).resolve().parent.parent.parent
DOCSTRING = "docstring of"

log = logging.getLogger(__name__)


class Leads(SphinxPostTransform):
    """Leads every name of Python to where its thing is described, as Python itself finds it.

    A docstring that speaks of what is described nowhere is a warning; a type in a signature, which
    may be another library's, stays words.
    """

    default_priority = 5  # before Sphinx looks among all names, which takes half of the build
    where: Callable[[str], str]

    def run(self, **options: Any) -> None:
        """Replace every such name on a page."""
        objects = self.env.domains.python_domain.objects
        for node in list(self.document.findall(pending_xref)):
            if node.get("refdomain") != "py":
                continue
            words = node.next_node(nodes.Element) or nodes.inline("", node.astext())
            entry = objects.get(described(type(self).where, node))
            if entry is not None:
                builder, here = self.app.builder, self.env.docname
                words = make_refnode(builder, here, entry.docname, entry.node_id, words.deepcopy())
            elif DOCSTRING in (node.source or "") and not in_signature(node):
                log.warning("%r is described nowhere", node["reftarget"], location=node)
            node.replace_self(words)


def described(where: Callable[[str], str], node: pending_xref) -> str:
    """Return the name by which the reference has what a node speaks of; "" if it has not."""
    scopes = [node.get("py:module") or "", PACKAGE, ""]
    place, _, thing = (node.source or "").partition(f":{DOCSTRING} ")
    if thing:  # the module that defines it, which may be another's than the page's, and its room
        module, _ = outermost(tuple(thing.split(".")))
        scopes[:0] = [module.__name__]
        *above, last = Path(place).relative_to(ROOT).with_suffix("").parts
        scopes[:0] = [".".join((*above, last)).removesuffix(".__init__"), ".".join(above)]
    inner = node.get("py:class") or ""
    for scope in scopes:
        for one in dict.fromkeys((inner, "")):
            words = (scope, one, node["reftarget"])
            found_at = where(".".join(word for word in words if word))
            if found_at:
                return found_at
    return ""


@cache
def outermost(parts: tuple[str, ...]) -> tuple[ModuleType, tuple[str, ...]]:
    """Import as much of a dotted name as modules go, but for its last word; the rest is theirs."""
    module, rest = importlib.import_module(parts[0]), parts[1:]
    while len(rest) > 1 or (rest and not hasattr(module, rest[0])):
        try:
            module = importlib.import_module(f"{module.__name__}.{rest[0]}")
        except ImportError:
            break
        rest = rest[1:]
    return module, rest


def locate(known: Known, dotted: str) -> str:
    """Return the name by which the reference has what Python finds under a dotted name."""
    parts = dotted.split(".")
    if parts[0] != PACKAGE:
        return ""
    module, rest = outermost(tuple(parts))
    owner: Any = None
    thing: Any = module
    for part in rest:
        owner, thing = thing, getattr(thing, part, None)
    if inspect.ismodule(thing):
        return thing.__name__
    if inspect.ismodule(owner):
        one = known.get(found(owner, parts[-1]).key) if thing is not None else None
        return one.full if one else ""
    if not inspect.isclass(owner):
        return ""
    first = next((each for each in owner.__mro__ if parts[-1] in vars(each)), owner)
    one = known.get((first.__module__, first.__qualname__))
    if one is None or (thing is None and parts[-1] not in inspect.get_annotations(owner)):
        return ""
    return one.full if thing is None else f"{one.full}.{parts[-1]}"


def in_signature(node: nodes.Node) -> bool:
    """Whether a node stands in a signature, not in words."""
    while node.parent is not None and not isinstance(node, desc_signature):
        node = node.parent
    return isinstance(node, desc_signature)


def prepare(app: Sphinx) -> None:
    """Write the pages before any is read."""
    reference = Reference(Path(app.srcdir) / "reference")
    reference.write()
    Leads.where = cache(partial(locate, reference.known))  # the same names, again and again


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("builder-inited", prepare)
    app.add_post_transform(Leads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
