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

NAMES: dict[str, str] = {}
"""Names that stood at the top of the package: where each one is now."""

MODULES: dict[str, str] = {}
"""Modules that were imported by their own names: where each one is now."""


def lookup(name: str) -> Any:
    """Return a thing that stood at the top of the package under ``name``.

    Raises
    ------
    AttributeError
        If there never was such a name.
    """
    if name not in NAMES:
        raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}")
    module, _, attribute = NAMES[name].rpartition(".")
    _warn(f"{PACKAGE}.{name}", f"{PACKAGE}.{NAMES[name]}", 4)
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), attribute)


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
        old = module.__name__
        new = f"{PACKAGE}.{MODULES[old.removeprefix(f'{PACKAGE}.')]}"
        _warn(old, new, 6)
        sys.modules[old] = importlib.import_module(new)


def _warn(old: str, new: str, level: int) -> None:
    warnings.warn(f"{old} is {new} now.", DeprecationWarning, stacklevel=level)
