"""The wheel, built and installed outside the checkout, and environments of what an extra asks for.

An environment is a folder of links into the one that runs the tests, of no package but those that
the wheel's own metadata ask for. Python is started with ``-S``: it reads no ``.pth`` file, so that
no editable install of the checkout is found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "anisoalign-studio"
BUILT_FROM = (
    "anisoalign_core",
    "app",
    "pages",
    "sample_data",
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "pyproject.toml",
    "setup.py",
)
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def copied(folder: Path) -> Path:
    """Copy what the project is built from, so that building leaves nothing in the checkout."""
    copy = folder / "source"
    copy.mkdir(parents=True)
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            without = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=without)
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


def build(folder: Path) -> tuple[Path, Path]:
    """Build the sdist, and from that the wheel, with the setuptools that is here; return both."""
    copy = copied(folder)
    out = folder / "dist"
    both = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), "."]
    done = subprocess.run(both, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(copy)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel alone into an empty folder, and return that."""
    given = ["--no-deps", "--no-index", "--no-compile", "--target", str(folder), str(wheel)]
    subprocess.run([*PIP, "install", *given], check=True)
    return folder


def asks_for(extra: str = "") -> list[str]:
    """Return what pyproject.toml asks for, with an extra of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"].get(extra, ())]


def asked_for(requirements: Iterable[str], extra: str = "") -> dict[str, metadata.Distribution]:
    """Return what requirements ask for, and what that asks for in turn.

    Parameters
    ----------
    requirements : iterable of str
        As a distribution's metadata hold them.
    extra : str
        The extra of that distribution which is wanted.

    Raises
    ------
    PackageNotFoundError
        If something of it is not installed here.
    """
    found: dict[str, metadata.Distribution] = {}
    done = set()
    waiting = [(Requirement(one), extra) for one in requirements]
    while waiting:
        wanted, within = waiting.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": within}):
            continue
        for inner in {"", *wanted.extras} - {e for name, e in done if name == wanted.name}:
            done.add((wanted.name, inner))
            there = metadata.distribution(wanted.name)
            found[there.name] = there
            waiting += [(Requirement(one), inner) for one in there.requires or ()]
    return found


def environment(folder: Path, distributions: Mapping[str, metadata.Distribution]) -> Path:
    """Make a folder of links to distributions, and to nothing else.

    Its name is ``site-packages``: where Streamlit lies elsewhere it takes itself for a checkout.
    """
    folder.mkdir()
    for each in distributions.values():
        for name in {file.parts[0] for file in each.files or ()} - {"..", "__pycache__"}:
            link = folder / name
            if not link.exists():  # a folder that several share is linked once
                link.symlink_to(Path(str(each.locate_file(name))))
    return folder


@dataclass(frozen=True)
class Installed:
    """An installed wheel with an environment beside it.

    Attributes
    ----------
    place : Path
        Where the wheel was installed.
    packages : Path
        The packages that it can import.
    """

    place: Path
    packages: Path

    @property
    def variables(self) -> dict[str, str]:
        """Variables of a process that sees these two folders and nothing of the checkout."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "STREAMLIT_"))}
        path = os.pathsep.join(map(str, (self.place, self.packages)))
        return kept | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    def python(self, *given: str) -> list[str]:
        """Return a command that runs Python there."""
        return [sys.executable, "-S", *given]

    def anisoalign(self, *given: str) -> list[str]:
        """Return a command that runs the installed ``anisoalign``."""
        return self.python(str(self.place / "bin" / "anisoalign"), *given)

    def run(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder, and return what it said."""
        return subprocess.run(
            command, cwd=folder, env=self.variables, capture_output=True, text=True, timeout=120
        )
