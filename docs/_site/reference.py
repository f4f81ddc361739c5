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
import itertools
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "anisoalign_core"
ROOMS = {
    "": "every day",
    "embeddings": "sets of rows",
    "pairs": "two sets that belong together",
    "moments": "sums that a fit needs",
    "io": "reading and writing",
    "gap": "measuring the gap",
    "align": "corrections of rows",
    "align.anisoalign": "the method of Yu et al.",
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
    "plots.live": "the picture that moves",
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
        return said(self.home).get(self.name, "")


Known = dict[tuple[str, str], Name]


def called(room: str) -> str:
    """Name a module as it is imported."""
    return f"{PACKAGE}.{room}".rstrip(".")


@cache
def said(module: str) -> dict[str, str]:
    """Return what stands below each assignment of a module, by the name that is assigned."""
    path = Path(str(importlib.import_module(module).__file__))
    body = ast.parse(path.read_text(encoding="utf-8")).body
    words: dict[str, str] = {}
    for one, below in itertools.pairwise(body):
        match one, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                words[name] = inspect.cleandoc(text)
    return words


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
    return name in said(module.__name__)


def found(module: ModuleType, name: str) -> Name:
    """Return a name of a module with where it is defined."""
    thing = getattr(module, name)
    if inspect.ismodule(thing):
        return Name(module.__name__, name, thing, thing.__name__)
    if inspect.isclass(thing) or inspect.isroutine(thing):
        return Name(module.__name__, name, thing, thing.__module__)
    return Name(module.__name__, name, thing, origin(module.__name__, name))


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
        self.public = {
            one.thing for each in ROOMS for one in names(each) if inspect.isclass(one.thing)
        }
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
            return [f".. autoclass:: {one.full}", "   :members:", *self.inherited(one), ""]
        if inspect.isroutine(one.thing):
            return [f".. autofunction:: {one.full}", ""]
        said = [f"   {line}".rstrip() for line in one.words.splitlines()]
        table = [f"   {line}".rstrip() for line in registry(one.thing)]
        data = [f".. py:data:: {one.name}", f"   :module: {one.room}"]
        return [*data, "", *said, "", *table, ""]

    def inherited(self, one: Name) -> list[str]:
        """Options of a class: members of bases that no room names are shown as its own."""
        _, *bases = one.thing.__mro__
        inner = bool(bases) and bases[0].__module__.startswith(PACKAGE)
        if not inner or bases[0] in self.public:
            return ["   :show-inheritance:"]
        ours = [each for each in bases if each.__module__.startswith(PACKAGE)]
        end = next((each for each in bases if each in self.public or each not in ours), object)
        return [f"   :inherited-members: {end.__name__}"]

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
    lines = [".. list-table::", "   :class: registry", "   :header-rows: 1"]
    lines += ["   :widths: auto", "", "   * - name"]
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
