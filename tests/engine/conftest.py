"""A small world on disk: as one file, and as shards."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import paired_world

ROWS = (700, 1, 1300, 500)
"""Rows of the shards of each side."""


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with text.npy, image.npy, and the same rows as shards in texts/, images/."""
    y, x = paired_world(sum(ROWS), 24)
    for name, rows in (("text", y), ("image", x)):
        np.save(tmp_path / f"{name}.npy", rows)
        folder = tmp_path / f"{name}s"
        folder.mkdir()
        edges = np.cumsum((0, *ROWS))
        for shard, (start, stop) in enumerate(pairwise(edges)):
            np.save(folder / f"part_{shard * 7}.npy", rows[start:stop])
    monkeypatch.chdir(tmp_path)
    return tmp_path
