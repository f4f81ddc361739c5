"""Names that have another place now; they work for one version and say where to look instead.

A name at the top of the package, or a module, is looked up here when it is asked for. Both give a
:class:`DeprecationWarning` and then the thing itself.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
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
}
"""Names that stood at the top of the package: where each one is now."""

MODULES: dict[str, str] = {
    "lapack": "threads",
    "validate": "rows",
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


def find(name: str) -> Any:
    """Return a thing that stood at the top of the package under ``name``.

    Raises
    ------
    AttributeError
        If there never was such a name.
    """
    if name not in NAMES:
        raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}")
    _warn(name, NAMES[name], 4)
    return _at(NAMES[name])


class MovedModules(MetaPathFinder, Loader):
    """Finds modules under the names that they had."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a moved module is; None for all others."""
        known = fullname.removeprefix(f"{PACKAGE}.")
        return ModuleSpec(fullname, self) if known != fullname and known in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of the new name in place of the one that was asked for."""
        old = module.__name__.removeprefix(f"{PACKAGE}.")
        _warn(old, MODULES[old], 6)
        sys.modules[module.__name__] = importlib.import_module(f"{PACKAGE}.{MODULES[old]}")


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
