"""Where the inputs of a recipe lie: beside it, found by the digests of their rows."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError, ParameterError
from anisoalign_core.io import load
from anisoalign_core.io.registry import suffixes
from anisoalign_core.recipe.facts import InputFacts, vectors_digest
from anisoalign_core.recipe.written import Recipe

MOST_FILES = 100
"""Files of a folder that are looked into."""
BUNDLED = "sample_data/"


def inputs_beside(
    recipe: Recipe, folder: str | Path, sides: Collection[str] = ("source", "target")
) -> dict[str, EmbeddingSet]:
    """Find the source and the target of a recipe of rows.

    Bundled samples are loaded. Other rows are looked for in the files of a folder, those with the
    names of then first, and known by the digest of the vectors, so that names may have changed.

    Parameters
    ----------
    recipe : Recipe
    folder : str or Path
        Where the recipe lies, usually.
    sides : collection of {"source", "target"}
        Which to find.

    Raises
    ------
    ParameterError
        If no file there holds the rows of a side; it names the options to give.
    """
    found, missing = dict[str, EmbeddingSet](), dict[str, str]()
    for side in sides:
        facts: InputFacts = getattr(recipe, side)
        rows = _bundled(facts, side) or _beside(facts, Path(folder))
        if rows is None:
            missing[side] = f"the {side} ({facts.name}, {facts.rows:,} × {facts.dim})"
        else:
            found[side] = rows
    if missing:
        options = " and ".join(f"--{side}" for side in missing)
        raise ParameterError(
            f"No file beside the recipe holds {' or '.join(missing.values())}. Copy it there, or "
            f"give {options}."
        )
    return found


def _bundled(facts: InputFacts, side: str) -> EmbeddingSet | None:
    if not facts.files or not all(file.startswith(BUNDLED) for file in facts.files):
        return None
    from anisoalign_core.samples import SAMPLES, load_sample

    for name in SAMPLES:
        pair = load_sample(name)
        rows: EmbeddingSet = getattr(pair, side)
        if vectors_digest(rows.vectors) == facts.vectors_digest:
            return rows
    return None


def _beside(facts: InputFacts, folder: Path) -> EmbeddingSet | None:
    """Return the set of a file that holds these rows, or that has the name of then.

    Joining by id may have left rows out, so that a file of the right name holds more of them; the
    replay checks digests once more. Files that cannot be read hold nothing.
    """
    of_name = None
    names = {Path(file).name for file in facts.files}
    for path in _candidates(names, folder):
        try:
            rows = load(path, modality=facts.modality, drop_invalid=facts.dropped_rows > 0)
        except (AnisoAlignError, OSError):
            continue
        if vectors_digest(rows.vectors) == facts.vectors_digest:
            return rows
        if path.name in names and of_name is None:
            of_name = rows
    return of_name


def _candidates(names: Collection[str], folder: Path) -> list[Path]:
    """Files of a folder that may hold a set, those with a name of then first."""
    readable = tuple(suffixes(uploads=True))
    there = sorted(path for path in folder.iterdir() if path.name.lower().endswith(readable))
    there = [path for path in there if path.is_file()][:MOST_FILES]
    return sorted(there, key=lambda path: path.name not in names)
