"""ReAlign as a script over pickled records does it: the yardstick that streaming is held against.

A straightforward implementation from the published formulas, in the manner of training code. Each
side is a folder of pickled lists of dictionaries, and four passes in float64 go over the chunks:
the means, the traces, the mean of the scaled rows on the sphere, and the corrected rows, which are
put back into their records and pickled again. Every pass loads every chunk it needs, since a folder
may be larger than memory. It reads and writes plain pickles, so it is for files made here only.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

Records = list[dict[str, object]]
Rows = npt.NDArray[np.float64]


def read_records(path: Path) -> Records:
    """Load one chunk."""
    with path.open("rb") as stream:
        records: Records = pickle.load(stream)  # noqa: S301  (made by this script)
    return records


def write_records(records: Records, path: Path) -> None:
    """Pickle records into one chunk."""
    with path.open("wb") as stream:
        pickle.dump(records, stream, protocol=4)


def chunks(folder: Path) -> Iterator[tuple[Path, Records, Rows]]:
    """Yield every chunk of a folder: its path, its records, and their unit rows."""
    for path in sorted(folder.glob("*.pkl")):
        records = read_records(path)
        rows = np.stack([np.asarray(record["embed"], dtype=np.float64) for record in records])
        yield path, records, normalised(rows)


def normalised(rows: Rows) -> Rows:
    """Rows on the unit sphere."""
    unit: Rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def mean_of(folder: Path) -> Rows:
    """Mean of the unit rows of a folder."""
    total, count = np.zeros(1), 0
    for _, _, rows in chunks(folder):
        total, count = total + rows.sum(axis=0), count + len(rows)
    return total / count


def trace_of(folder: Path, mean: Rows) -> float:
    """Mean squared distance of the unit rows of a folder from their mean."""
    total, count = 0.0, 0
    for _, _, rows in chunks(folder):
        total, count = total + float(((rows - mean) ** 2).sum()), count + len(rows)
    return total / count


def realign(source: Path, target: Path, out: Path) -> None:
    """Correct the texts of one folder towards the images of another."""
    source_mean, target_mean = mean_of(source), mean_of(target)
    ratio = trace_of(target, target_mean) / trace_of(source, source_mean)
    scale = np.sqrt(ratio)
    centre, count = np.zeros_like(target_mean), 0
    for _, _, rows in chunks(source):
        moved = normalised(target_mean + scale * (rows - source_mean))
        centre, count = centre + moved.sum(axis=0), count + len(moved)
    centre = centre / count
    for path, records, rows in chunks(source):
        moved = normalised(target_mean + scale * (rows - source_mean))
        final = normalised(moved - centre + target_mean)
        for record, row in zip(records, final, strict=True):
            record["embed"] = row.astype(np.float32)
        write_records(records, out / path.name)
