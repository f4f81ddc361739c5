"""Names that have another place now; they work for one version and say where to look instead.

A name at the top of the package, or a module, is looked up here when it is asked for. Both give a
:class:`DeprecationWarning` and then the thing itself.
"""

from __future__ import annotations

import importlib
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType

TYPE_CHECKING = False  # not from typing, which takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

PACKAGE = __name__.rpartition(".")[0]

NAMES: dict[str, str] = {
    "Encoded": "encode.Encoded",
    "Encoder": "encode.Encoder",
    "EncodingState": "encode.EncodingState",
    "available_models": "encode.available_models",
    "find_items": "encode.find_items",
    "load_encoder": "encode.load_encoder",
    "fit_streamed": "engine.fit_streamed",
    "moments_of": "engine.moments_of",
    "plan_outputs": "engine.plan_outputs",
    "sample_set": "engine.sample_set",
    "write_streamed": "engine.write_streamed",
    "ShardedSet": "io.ShardedSet",
    "Provenance": "embeddings.Provenance",
    "Split": "pairs.Split",
    "read_recipe": "recipe.read_recipe",
    "metrics.compare": "metrics.score_rows",
}
"""Names at the top of the package, or of a room: where each one is now."""

MODULES: dict[str, str] = {
    "diagnose": "gap.diagnose",
    "engine.jobs": "recipe",
    "engine.pieces": "engine.passes",
    "engine.preflight": "engine.write",
    "engine.recipes": "recipe",
    "engine.sums": "engine.passes",
    "engine.work": "engine.write",
    "falsifiers": "compare",
    "falsifiers.results": "compare.falsification",
    "lapack": "threads",
    "leaderboard": "compare",
    "leaderboard.captions": "compare.captions",
    "leaderboard.entries": "compare.entries",
    "leaderboard.results": "compare.results",
    "metrics.bootstrap": "metrics.intervals",
    "metrics.resampling": "metrics.intervals",
    "metrics.transfer": "compare.use",
    "metrics.transfer.captions": "compare.use.captions",
    "metrics.transfer.decoder": "compare.use.decoder",
    "metrics.transfer.gallery": "compare.use.gallery",
    "metrics.transfer.labels": "compare.use.labels",
    "report": "gap.report",
    "rounds": "compare.splits",
    "study": "compare.study",
    "validate": "rows",
    "verdict": "gap.verdict",
    "io.atomic": "files.atomic",
    "io.digests": "files.digests",
    "io.flushing": "files.flushing",
    "io.limits": "files.limits",
    "io.places": "files.places",
    "io.source": "files.source",
}
"""Modules that were imported by their own names: where each one is now."""

CALLED: dict[str, str] = {"encode": "encode.encode", "compare": "metrics.score_rows"}
"""Functions that stood at the top of the package where a room of that name is now."""


def find(name: str, room: str = "") -> Any:
    """Return a thing that stood at the top of the package, or of a room, under ``name``.

    Raises
    ------
    AttributeError
        If there never was such a name.
    """
    old = f"{room}.{name}" if room else name
    if old not in NAMES:
        raise AttributeError(f"module {PACKAGE + '.' * bool(room) + room!r} has no {name!r}")
    _warn(old, NAMES[old], 4)
    return _at(NAMES[old])


class MovedModules:
    """Finds and loads modules under the names that they had."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a moved module is; None for all others."""
        known = fullname.removeprefix(f"{PACKAGE}.")
        if known == fullname or known not in MODULES:
            return None
        return ModuleSpec(fullname, self)  # type: ignore[arg-type]  # a loader by what it does

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return what stands for the module of the old name."""
        return Moved(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Say where the module is now."""
        old = module.__name__.removeprefix(f"{PACKAGE}.")
        _warn(old, MODULES[old], 6)


class Moved(ModuleType):
    """A module's old name: everything in it is looked up under the new one.

    Where a function of the package has the same name, it can be called as that.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # its own modules are found here too

    def __getattr__(self, name: str) -> Any:
        """Look a name up in the module that took this one's place."""
        old = self.__name__.removeprefix(f"{PACKAGE}.")
        return getattr(importlib.import_module(f"{PACKAGE}.{MODULES[old]}"), name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the function of the same name."""
        return getattr(self, self.__name__.rpartition(".")[2])(*arguments, **options)


class Room(ModuleType):
    """A room that can still be called, as the function that its name stood for."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call that function."""
        name = self.__name__.removeprefix(f"{PACKAGE}.")
        _warn(f"{name}()", f"{CALLED[name]}()", 3)
        return _at(CALLED[name])(*arguments, **options)


def _at(place: str) -> Any:
    module, _, attribute = place.rpartition(".")
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), attribute)


def _warn(old: str, new: str, level: int) -> None:
    words = f"{PACKAGE}.{old} is {PACKAGE}.{new} now; the old name goes with the next version."
    warnings.warn(words, DeprecationWarning, stacklevel=level)
