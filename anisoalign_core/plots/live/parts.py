"""What stands around the clouds of a live picture: words, labels, faces, stretches, neighbours."""

from __future__ import annotations

import base64
import io
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from anisoalign_core.align.knobs import Dial, Sweep
from anisoalign_core.compare.study import Study, Trial
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.metrics.neighbours import top_k
from anisoalign_core.numerics import Float32, Float64, Integers
from anisoalign_core.plots.explore import PALETTE, coded
from anisoalign_core.plots.live.frames import Frames
from anisoalign_core.plots.live.pack import levels
from anisoalign_core.plots.style import MAX_HOVER_POINTS

Arrays = dict[str, npt.NDArray[Any]]
Facts = dict[str, Any]

MAX_BARS = 400
MAX_LABELS = 6
MAX_FACES = 4000
FACE = 32
WORDS = 160
CANDIDATES, LISTED = 12, 6
NEAR_VALUES = 7


def words(side: EmbeddingSet, rows: Integers) -> list[str]:
    """Return what a drawn row is called: its caption, else its id; nothing above 20,000 rows."""
    if len(rows) > MAX_HOVER_POINTS:
        return []
    known = side.ids if side.captions is None else side.captions
    return [
        text if len(text) <= WORDS else text[: WORDS - 1] + "…"
        for text in (str(known[row]) for row in rows)
    ]


def labels(
    source: EmbeddingSet, target: EmbeddingSet, shown: tuple[Integers, Integers], arrays: Arrays
) -> list[Facts]:
    """Labels to colour by; each row's code is that of its value, the next after all for others."""
    sides = {"source": (source, shown[0]), "target": (target, shown[1])}
    names = dict.fromkeys(
        str(name)
        for side, _ in sides.values()
        if side.labels is not None
        for name in side.labels.columns
    )
    found: list[Facts] = []
    for name in list(names)[:MAX_LABELS]:
        columns = [
            side.labels[name].iloc[rows].astype(str)
            if side.labels is not None and name in side.labels.columns
            else None
            for side, rows in sides.values()
        ]
        codes, values = coded(columns)
        others = False
        for side, code in zip(sides, codes, strict=True):
            if code is not None:
                others |= bool((code < 0).any())
                code = np.where(code < 0, len(PALETTE), code)
                arrays[f"{side}_label_{len(found)}"] = code.astype(np.uint8)
        found.append({"name": name, "values": values, "others": others})
    return found


def sheet(
    source: EmbeddingSet, target: EmbeddingSet, shown: tuple[Integers, Integers]
) -> Facts | None:
    """Small pictures of the first drawn rows of a side, as one image within the page."""
    from PIL import Image

    for name, side, rows in (("target", target, shown[1]), ("source", source, shown[0])):
        if side.thumbnails is None:
            continue
        tiles = side.thumbnails[rows[:MAX_FACES]]
        columns = 64
        size = (columns * FACE, -(-len(tiles) // columns) * FACE)
        whole = Image.new("RGB", size)
        for i, tile in enumerate(tiles):
            small = Image.fromarray(tile).convert("RGB").resize((FACE, FACE))
            whole.paste(small, (i % columns * FACE, i // columns * FACE))
        whole.save(stream := io.BytesIO(), format="WEBP", quality=75)
        data = base64.b64encode(stream.getvalue()).decode()
        return {
            "side": name,
            "src": f"data:image/webp;base64,{data}",
            "tile": FACE,
            "columns": columns,
            "count": len(tiles),
        }
    return None


def bars(trial: Trial, dial: Dial | None, frames: Frames, arrays: Arrays) -> Facts:
    """Stretches of directions at every keyframe, as natural logarithms of the ratio to s."""
    if dial is None or trial.sweep is None:
        return {}
    known = [trial.sweep.at(**dial.settings(value)).stretches for value in frames.values]
    stretches = [one for one in known if one is not None]
    if not stretches:
        return {}
    first = stretches[0]
    d = len(first.raw)
    kept = np.unique(np.linspace(0, d - 1, min(d, MAX_BARS)).round().astype(int))

    def logs(values: Float64) -> Float32:
        floor = 1e-3 * first.scale
        found = np.log(np.maximum(values[kept], floor) / first.scale)
        return np.asarray(found, dtype=np.float32)

    arrays["raw"] = logs(first.raw)
    arrays["held"] = np.stack([logs(one.held) for one in stretches])
    several = "" if len(kept) == d else f"{len(kept)} of "
    return {"bars": f"stretch of {several}{d} directions (grey: asked for)"}


def near(study: Study, trial: Trial, dial: Dial | None, arrays: Arrays) -> Facts:
    """Nearest live target rows of every live source row along the dial."""
    n, m = study.live
    if n < LISTED or m <= CANDIDATES:
        return {}
    values = [0.0] if dial is None else np.linspace(dial.low, dial.high, NEAR_VALUES).tolist()
    target = (trial.view().target if dial is None else study.target)[:m]
    if dial is None:
        moved = [trial.view().live_rows]
    else:
        sweep = cast(Sweep, trial.sweep)  # it has a dial
        moved = [sweep.at(**dial.settings(v)).rows(slice(n)) for v in values]
    best = np.full((n, m), -2.0, dtype=np.float32)
    for rows in moved:
        nearest, cosines = top_k(rows, target, LISTED + 2)
        there = np.take_along_axis(best, nearest, axis=1)
        np.put_along_axis(best, nearest, np.maximum(there, cosines), axis=1)
    listed = np.argsort(-best, axis=1, kind="stable")[:, :CANDIDATES]
    cosines = np.stack([np.einsum("nd,ncd->nc", rows, target[listed]) for rows in moved])
    arrays["near"] = listed.astype(np.uint16)
    arrays["near_cosines"] = levels(cosines, -1.0, 1.0)
    things = study.live_things
    if study.pair.paired:
        arrays["things_source"] = (np.arange(n) if things is None else things.source).astype("u4")
        arrays["things_target"] = (np.arange(m) if things is None else things.target).astype("u4")
    said = {"rows": n, "candidates": CANDIDATES, "show": LISTED, "grid": values, "among": m}
    return {"near": said, "follow": 0}
