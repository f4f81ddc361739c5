"""The reference: a page for each room of the library, written from what the rooms declare.

Which names a room has is said in the room alone: in ``__all__``, or, of a module without one, by
what it defines. Rooms that hold mathematics have a second page with the functions behind those
names, since a formula stands where it is computed. Nothing is listed here but rooms.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.addnodes import desc_signature, pending_xref
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

PACKAGE = "anisoalign_core"
ROOT = Path(__file__).resolve().parent.parent.parent
DOCSTRING = "docstring of"
ROOMS = {
    "": "every day",
    "embeddings": "sets of rows",
    "pairs": "two sets that belong together",
    "moments": "sums that a fit needs",
    "io": "reading and writing",
    "gap": "measuring the gap",
    "align": "corrections of rows",
    "scoring": "corrections of scores",
    "metrics": "judging a correction",
    "compare": "comparing corrections",
    "compare.use": "what corrected rows teach",
    "recipe": "making a result again",
    "engine": "sets larger than memory",
    "encode": "from pictures and captions",
    "bench": "many encoders",
    "geometry": "spectra, directions, residuals",
    "plots": "figures",
    "publish": "boards as pages",
    "teach": "the Learn page's worlds",
    "samples": "the bundled sample",
    "errors": "what can go wrong",
}
"""Rooms with a page, in reading order, and what each is for; the first is the package itself."""

FORMULAS = ("geometry", "align", "scoring", "metrics", "gap", "compare")
"""Rooms whose inner functions have a page too: what METHOD.md maps is defined there."""

SHARED = (
    *("matrices", "things", "splitting", "rows", "arrays", "numerics", "card"),
    *("files.limits", "files.source"),
)
"""Modules on one page of what all rooms stand on, whose types and words others speak of."""

ALSO = {
    "": ("plots.live.picture.LivePicture",),
    "encode": ("configs.read_config",),
    "engine": ("dask.DaskEngine",),
    "io": ("captions.read_captions", "registry.streamed"),
    "recipe": ("written.AnyRecipe",),
}
"""What public docstrings speak of and a room does not name: described on the room's page."""

WITHOUT = {
    "cli": "has a page of its own, made of the parser",
    "extras": "no names for use elsewhere",
    "files": "its limits are on the shared page, and what is public is given by io",
    "moved": "names that have another place now",
    "plain": "no names for use elsewhere",
    "threads": "no names for use elsewhere",
}
"""Rooms of the library without a page, and why."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Name:
    """A public name: the room that gives it, and the module that defines it."""

    room: str
    name: str
    thing: Any
    home: str

    @property
    def full(self) -> str:
        """The name that the reference gives it."""
        return f"{self.room}.{self.name}"

    @property
    def key(self) -> tuple[str, str]:
        """What it is, whatever it is called."""
        return (self.home, getattr(self.thing, "__qualname__", self.name))

    @property
    def first(self) -> str:
        """The first sentence that is said of it."""
        text = inspect.cleandoc(self.words or "")
        return " ".join(text.partition("\n\n")[0].split())

    @property
    def words(self) -> str:
        """Its docstring; of data, what stands below the assignment."""
        if inspect.isclass(self.thing) or inspect.isroutine(self.thing):
            return self.thing.__doc__ or ""
        found = ModuleAnalyzer.for_module(self.home).find_attr_docs()
        return "\n".join(found.get(("", self.name), []))


Known = dict[tuple[str, str], Name]


def called(room: str) -> str:
    """Name a module as it is imported."""
    return f"{PACKAGE}.{room}".rstrip(".")


def defines(module: str, name: str) -> bool:
    """Whether a module assigns a name."""
    return ("", name) in ModuleAnalyzer.for_module(module).find_attr_docs()


def names(room: str) -> list[Name]:
    """Public names of a room, in its own order."""
    module = importlib.import_module(called(room))
    given = getattr(module, "__all__", None)
    listed = list(given) if given else [one for one in vars(module) if is_own(module, one)]
    return [found(module, one) for one in listed]


def also(room: str) -> list[Name]:
    """Names that a room's docstrings speak of and that it does not list."""
    places = [f"{called(room)}.{each}".rpartition(".") for each in ALSO.get(room, ())]
    return [found(importlib.import_module(module), name) for module, _, name in places]


def is_own(module: ModuleType, name: str) -> bool:
    """Whether a module without ``__all__`` defines a public name."""
    thing = getattr(module, name)
    if name.startswith("_") or inspect.ismodule(thing):
        return False
    if inspect.isclass(thing) or inspect.isroutine(thing):
        return bool(thing.__module__ == module.__name__)
    return defines(module.__name__, name)


def found(module: ModuleType, name: str) -> Name:
    """Return a name of a module with where it is defined."""
    thing = getattr(module, name)
    if inspect.ismodule(thing):
        return Name(module.__name__, name, thing, thing.__name__)
    if inspect.isclass(thing) or inspect.isroutine(thing):
        return Name(module.__name__, name, thing, thing.__module__)
    return Name(module.__name__, name, thing, origin(module.__name__, name))


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


@cache
def origin(module: str, name: str) -> str:
    """Return the module that assigns what a module has under a name, by the imports in between."""
    source = Path(str(importlib.import_module(module).__file__))
    stub = source.with_suffix(".pyi")
    text = (stub if stub.exists() else source).read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom):
            for one in node.names:
                if (one.asname or one.name) == name:
                    asked = "." * node.level + (node.module or "")
                    return origin(importlib.util.resolve_name(asked, module), one.name)
    return module


def modules(module: ModuleType) -> Iterator[ModuleType]:
    """Modules below a package, at any depth."""
    for each in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{module.__name__}."):
        if not each.name.rpartition(".")[2].startswith("_"):
            yield importlib.import_module(each.name)


class Reference:
    """All pages, each thing described once."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.known: Known = {}
        self.pages: dict[str, list[str]] = {}

    def write(self) -> None:
        """Write every page, and remove those of rooms that are gone."""
        for room in ROOMS:
            if room:
                self.describe(room, names(room))
        self.describe_inside()
        self.pages["daily"] = self.daily()
        self.pages["command-line"] = command_line()
        self.pages["index"] = index()
        self.place.mkdir(exist_ok=True)
        for old in self.place.glob("*.rst"):
            if old.stem not in self.pages:
                old.unlink()
        for name, lines in self.pages.items():
            path, text = self.place / f"{name}.rst", "\n".join(lines) + "\n"
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")

    def describe(self, room: str, public: list[Name]) -> None:
        """Make the page of a room."""
        lines = [*heading(f"aa.{room}: {ROOMS[room]}", "="), f".. automodule:: {called(room)}", ""]
        if public:
            lines += summary([self.known.get(one.key, one) for one in public])
        for one in (*public, *also(room)):
            lines += self.once(one)
        self.pages[room] = lines

    def describe_inside(self) -> None:
        """Make the pages of functions that stand behind a room's names."""
        for room in FORMULAS:
            inner = list(modules(importlib.import_module(called(room))))
            inner = [m for m in inner if m.__name__.removeprefix(f"{PACKAGE}.") not in ROOMS]
            self.pages[f"{room}.formulas"] = [
                *heading(f"Formulas of {room}", "="),
                f"Functions behind the names of :doc:`aa.{room} <{room}>`, by the module that "
                "defines them.",
                "",
                *(line for module in inner for line in self.module(module)),
            ]
        self.pages["shared"] = [
            *heading("What all rooms share", "="),
            *(
                line
                for name in SHARED
                for line in self.module(importlib.import_module(called(name)))
            ),
        ]

    def module(self, module: ModuleType) -> list[str]:
        """Make the section of one module: what it defines and no page has yet."""
        own = [found(module, name) for name in vars(module) if is_own(module, name)]
        new = [one for one in own if one.key not in self.known]
        if not new:
            return []
        short = module.__name__.removeprefix(f"{PACKAGE}.")
        within = importlib.import_module(module.__name__.rpartition(".")[0])
        twice = not inspect.ismodule(vars(within)[short.rpartition(".")[2]])
        return [
            *heading(short, "-"),
            f".. automodule:: {module.__name__}",
            *(["   :no-index:"] * twice),  # a function of the room has the module's name
            "",
            *(line for one in new for line in self.once(one)),
        ]

    def once(self, one: Name) -> list[str]:
        """Describe a thing, unless a page does."""
        if inspect.ismodule(one.thing) or one.key in self.known:
            return []
        self.known[one.key] = one
        if inspect.isclass(one.thing):
            return [f".. autoclass:: {one.full}", "   :members:", "   :show-inheritance:", ""]
        if inspect.isroutine(one.thing):
            return [f".. autofunction:: {one.full}", ""]
        said = [f"   {line}".rstrip() for line in one.words.splitlines()]
        table = [f"   {line}".rstrip() for line in registry(one.thing)]
        data = [f".. py:data:: {one.name}", f"   :module: {one.room}"]
        return [*data, "", *said, "", *table, ""]

    def daily(self) -> list[str]:
        """Make the page of the package itself: its names, and the rooms that describe them."""
        here = [self.known.get(one.key, one) for one in names("")]
        return [
            *heading(f"import {PACKAGE} as aa: {ROOMS['']}", "="),
            f".. automodule:: {PACKAGE}",
            "",
            "These names stand at the top of the package; each links to where it is described.",
            "",
            *summary(here),
            *(line for one in (*here, *also("")) for line in self.once(one)),
        ]


def heading(text: str, mark: str) -> list[str]:
    """Return a heading in reStructuredText."""
    return [text, mark * len(text), ""]


def summary(listed: list[Name]) -> list[str]:
    """Return names beside the first sentence on each."""
    lines = [".. list-table::", "   :class: names", "   :widths: auto", ""]
    for one in listed:
        role = f":doc:`{one.name} <{one.home.removeprefix(PACKAGE + '.')}>`"
        if not inspect.ismodule(one.thing):
            role = f":py:obj:`{one.name} <{one.full}>`"
        words = one.first
        lines += [f"   * - {role}", f"     - {words}"]
    return [*lines, ""]


def registry(thing: Any) -> list[str]:
    """Return what a registry of methods, scorers or metrics declares, as a table."""
    if not isinstance(thing, dict):
        return []
    columns = ("label", "symbol", "summary", "description", "direction", "needs", "reference")
    rows = [(key, value) for key, value in thing.items() if hasattr(value, "label")]
    if not rows:
        return []
    has = [name for name in columns if isinstance(getattr(rows[0][1], name, None), str)]
    lines = [".. list-table::", "   :header-rows: 1", "", "   * - name"]
    lines += [f"     - {name}" for name in has]
    for key, value in rows:
        lines.append(f"   * - ``{key}``")
        lines += [f"     - {plain(getattr(value, name))}" for name in has]
    return lines


def plain(text: str) -> str:
    """Return words that hold no marks of reStructuredText."""
    return "".join(f"\\{one}" if one in "\\*`|_" else one for one in text)


def index() -> list[str]:
    """Return the first page of the reference."""
    rooms = ["daily" if not room else room for room in ROOMS]
    inner = [f"{room}.formulas" for room in FORMULAS]
    tree = [".. toctree::", "   :maxdepth: 1", ""]
    return [
        *heading("Reference", "="),
        "Every public name, as its docstring says it: formula, shapes, errors, source. ``aa`` is "
        "``import anisoalign_core as aa``.",
        "",
        *(*tree[:2], "   :caption: Names", "", *(f"   {each}" for each in rooms), ""),
        *(*tree[:2], "   :caption: Formulas", "", *(f"   {each}" for each in inner)),
        "   shared",
        "",
        *(*tree[:2], "   :caption: Shell", "", "   command-line", ""),
    ]


def command_line() -> list[str]:
    """Return what ``anisoalign --help`` and the help of every verb say."""
    from anisoalign_core.cli.parser import build_parser

    parser = build_parser()
    lines = [*heading("anisoalign: the command line", "="), *literal(parser.format_help())]
    verbs = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for verb, one in verbs.choices.items():
        add = getattr(one, "methods", None)
        if add is not None:
            add(one)
        lines += [*heading(f"anisoalign {verb}", "-"), *literal(one.format_help())]
    return lines


def literal(text: str) -> list[str]:
    """Return text as it is."""
    return [".. code-block:: none", "", *(f"   {line}".rstrip() for line in text.splitlines()), ""]


class Leads(SphinxPostTransform):
    """Leads every name of Python to where its thing is described, as Python itself finds it.

    A docstring that speaks of what is described nowhere is a warning; a type in a signature, which
    may be another library's, stays words.
    """

    default_priority = 5  # before Sphinx looks among all names, which takes half of the build
    known: Known

    def run(self, **options: Any) -> None:
        """Replace every such name on a page."""
        objects = self.env.domains.python_domain.objects
        for node in list(self.document.findall(pending_xref)):
            if node.get("refdomain") != "py":
                continue
            words = node.next_node(nodes.Element) or nodes.inline("", node.astext())
            entry = objects.get(described(self.known, node))
            if entry is not None:
                builder, here = self.app.builder, self.env.docname
                words = make_refnode(builder, here, entry.docname, entry.node_id, words.deepcopy())
            elif DOCSTRING in (node.source or "") and not in_signature(node):
                log.warning("%r is described nowhere", node["reftarget"], location=node)
            node.replace_self(words)


def described(known: Known, node: pending_xref) -> str:
    """Return the name by which the reference has what a node speaks of; "" if it has not."""
    scopes = [node.get("py:module") or "", PACKAGE, ""]
    path = Path((node.source or "").partition(f":{DOCSTRING}")[0])
    if path.is_relative_to(ROOT):
        *above, last = path.relative_to(ROOT).with_suffix("").parts
        scopes[:0] = [".".join((*above, last)).removesuffix(".__init__"), ".".join(above)]
    inner = node.get("py:class") or ""
    for scope in scopes:
        for one in dict.fromkeys((inner, "")):
            words = (scope, one, node["reftarget"])
            place = locate(".".join(word for word in words if word), known)
            if place:
                return place
    return ""


def locate(dotted: str, known: Known) -> str:
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
    Leads.known = reference.known


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("builder-inited", prepare)
    app.add_post_transform(Leads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
