"""A scenario on its stage: inputs, what comes out undisturbed, and folders to disturb it in."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from campaigns.faults import children
from campaigns.faults.children import Ended
from campaigns.faults.events import Events, kill
from campaigns.faults.scenarios import Scenario

LONG_AGO = 1_600_000_000
"""When inputs were last written: long before they are read."""

Tree = dict[str, str]
"""Digests of all files below a folder, by name."""


def tree_of(folder: Path) -> Tree:
    """Return the digests of all files below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def files_of(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


class Stage:
    """A scenario with its inputs, and what comes out undisturbed.

    Parameters
    ----------
    scenario : Scenario
    base : Path
        Everything is made below it.
    """

    def __init__(self, scenario: Scenario, base: Path) -> None:
        self.scenario, self.base = scenario, base
        self.trial = base / "trial"
        base.mkdir(parents=True)
        self.inputs = {seed: self._inputs(seed) for seed in (0, 1)}
        old, _ = self._undisturbed(1, "old")
        self.old = {} if scenario.out else old
        _, ended = self._undisturbed(0, "warm")
        for module in ended.modules:  # children import nothing, also those that may read nothing
            with suppress(Exception):
                import_module(module)
        self.whole, ended = self._undisturbed(0, "whole")
        self.seconds = ended.seconds
        again, _ = self._undisturbed(0, "again")
        if again != self.whole:
            raise RuntimeError(f"{scenario.name} does not give the same bytes twice")
        self.counts = self._counted()

    def set_up(self, *, old: bool, folder: Path | None = None) -> Path:
        """Make the folder of a trial: inputs, and if asked for an older complete output."""
        folder = folder or self.trial
        self.clear(folder)
        if old:
            shutil.copytree(self.base / "old", folder, dirs_exist_ok=True)
        shutil.copytree(self.base / "inputs-0", folder, dirs_exist_ok=True)
        for path in folder.rglob("*"):
            os.utime(path, (LONG_AGO, LONG_AGO))
        return folder

    def clear(self, folder: Path) -> None:
        """Empty a folder of a trial, or make it."""
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def outputs(self, folder: Path) -> Tree:
        """Everything in a folder that is no input."""
        return {k: v for k, v in tree_of(folder).items() if k not in self.inputs[0]}

    def run(self, folder: Path, prepare: Callable[[], object] | None = None) -> Ended:
        """Run the scenario in a folder."""
        return children.run(self.scenario.run, folder, prepare=prepare)

    def watch(
        self, folder: Path, chosen: tuple[str, int] | None, act: Callable[[], None]
    ) -> Callable[[], Events]:
        """Return what watches a child and acts at one event."""

        def prepare() -> Events:
            events = Events(folder, chosen, act)
            events.install()
            return events

        return prepare

    def _inputs(self, seed: int) -> Tree:
        folder = self.base / f"inputs-{seed}"
        folder.mkdir()

        def prepare() -> int:
            self.scenario.prepare(folder, seed)
            return 0

        _check(children.run(prepare, folder))
        return tree_of(folder)

    def _undisturbed(self, seed: int, name: str) -> tuple[Tree, Ended]:
        folder = self.base / name
        shutil.copytree(self.base / f"inputs-{seed}", folder)
        ended = _check(self.run(folder))
        for path in self.inputs[seed]:
            (folder / path).unlink()
        return tree_of(folder), ended

    def _counted(self) -> dict[str, int]:
        folder = self.set_up(old=False)
        ended = _check(self.run(folder, self.watch(folder, None, kill)))
        if self.outputs(folder) != self.whole:
            raise RuntimeError(f"{self.scenario.name} gives other bytes while it is watched")
        return ended.counts


def _check(ended: Ended) -> Ended:
    if ended.code != 0:
        raise RuntimeError(f"undisturbed, it ended with {ended.code}: {ended.said}")
    return ended
