"""What another program may do to an input meanwhile."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np


def _truncate(path: Path, seed: int) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _append(path: Path, seed: int) -> None:
    with path.open("ab") as stream:
        stream.write(random.Random(seed).randbytes(256))


def _rewrite(path: Path, seed: int) -> None:
    """Exchange two stretches of the second half, in place: rows stay rows."""
    data = bytearray(path.read_bytes())
    size = min(len(data) // 8, 4096) // 128 * 128 or len(data) // 8
    a, b = len(data) - size, len(data) - 3 * size
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    with path.open("r+b") as stream:
        stream.write(data)


def _replace(path: Path, seed: int) -> None:
    """Put another whole file in its place: one with other rows where it is an array."""
    other = path.with_name(f"other-{path.name}")
    if path.suffix == ".npy":
        rows = np.load(path)
        with other.open("wb") as stream:
            np.save(stream, np.random.default_rng(seed).permutation(rows))
    else:
        other.write_bytes(path.read_bytes()[::-1])
    other.replace(path)


def _delete(path: Path, seed: int) -> None:
    path.unlink()


WAYS: dict[str, Callable[[Path, int], None]] = {
    "truncated": _truncate,
    "appended to": _append,
    "rewritten in place": _rewrite,
    "replaced": _replace,
    "deleted": _delete,
}
