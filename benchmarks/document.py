"""Results documents: each script owns one section between two marks and leaves the others alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import anisoalign_core as aa

DATA = os.environ.get("ANISOALIGN_REAL_DATA")


def replace_section(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the marks of section ``name``, at the end when it is new."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    body = path.read_text(encoding="utf-8") if path.exists() else f"# {path.stem.title()}\n"
    before, mark, rest = body.partition(begin)
    after = rest.partition(end)[2].lstrip("\n") if mark else ""
    whole = f"{before.rstrip()}\n\n{begin}\n\n{text.strip()}\n\n{end}\n"
    path.write_text(whole + (f"\n{after}" if after else ""), encoding="utf-8")


def read_results(path: Path) -> dict[str, Any]:
    """Return what earlier runs of a script measured; nothing before the first."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def load_set(name: str, data: str | None = DATA) -> aa.EmbeddingPair:
    """Return the bundled sample ("scenes"), or a folder of reference embeddings, as pairs."""
    if name == "scenes":
        return aa.load_sample()
    if data is None:
        raise SystemExit("Point ANISOALIGN_REAL_DATA, or --data, at the reference embeddings.")
    folder = Path(data) / name
    return aa.EmbeddingPair(
        aa.load(folder / "text.npy", modality="text"),
        aa.load(folder / "image.npy", modality="image"),
        paired=True,
    )
