"""The class's live pictures: training, a mean shift, the residual's directions, the trade-off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anisoalign_core.align.affine import to_sphere
from anisoalign_core.compare.study import Plane, Study
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.geometry.residual import Residual
from anisoalign_core.geometry.spectrum import cumulative_energy
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.cosines import mean_rows
from anisoalign_core.metrics.mixing import delta_mu
from anisoalign_core.metrics.residual import repaired_cosine
from anisoalign_core.metrics.retrieval import GALLERY, gallery_recall
from anisoalign_core.numerics import Float32, Integers
from anisoalign_core.plots.explore import PALETTE
from anisoalign_core.plots.live.frames import keyframes
from anisoalign_core.plots.live.pack import levels
from anisoalign_core.plots.live.parts import Arrays, Facts, sheet, words
from anisoalign_core.plots.live.picture import LivePicture, hull
from anisoalign_core.plots.style import CORRECTED, DARK, GAP, NULL, SOURCE, TARGET
from anisoalign_core.teach import Checkpoint, cone_shares, gap_plane

Names = tuple[str, str]
STEP = 0.01


def card(name: str, label: str, beside: str, help_words: str = "", **more: Any) -> Facts:
    """Return a card of a live picture: a number of its scores, and what to read it against."""
    return {"name": name, "label": label, "beside": beside, "help": help_words or label, **more}


def line(name: str, label: str, colour: str, dash: bool = False) -> Facts:
    """Return a curve of a live picture along its dial."""
    return {"name": name, "label": label, "colour": colour, "dash": dash}


def scene(
    clouds: Mapping[str, Float32],
    frames: Sequence[float],
    dial: Facts,
    scores: Mapping[str, Sequence[float]],
    grid: Sequence[float],
    *,
    names: Names,
    axes: tuple[str, str],
    caption: str,
    cards: Sequence[Facts],
    curves: Sequence[Facts] = (),
    corrected: str = "",
    title: str = "",
    arrays: Arrays | None = None,
    error: float = 0.0,
    **more: Any,
) -> LivePicture:
    """Put a live picture together from positions and numbers along a dial.

    Parameters
    ----------
    clouds : mapping
        "target", "before", "after": (n, 2) where nothing moves, or (m, n, 2) at the frames.
    frames, grid : sequence of float
        Values of the dial at which positions, and scores, are known.
    dial : dict
        label, low, high, step, value; ``says`` holds what to call the grid's values.
    names : (str, str)
        Of the target's rows and the source's.
    more : anything that JSON holds
        Further facts that the picture's module reads.
    """
    low, high = hull([xy.reshape(-1, 2) for xy in clouds.values()])
    held: Arrays = {name: levels(xy, low, high) for name, xy in clouds.items()}
    for side, name in (("target", "target"), ("source", "after")):
        held[f"{side}_rows"] = np.arange(clouds[name].shape[-2], dtype=np.uint32)
    held |= arrays or {}
    facts: Facts = {
        "title": title,
        "method": dial["label"],
        "names": {"target": names[0], "source": names[1], "corrected": corrected or names[1]},
        "colours": {
            "target": TARGET,
            "source": SOURCE,
            "corrected": CORRECTED if corrected else SOURCE,
        },
        "dark": DARK,
        "palette": list(PALETTE),
        "dial": dial,
        "frames": [float(v) for v in frames],
        "grid": [float(v) for v in grid],
        "scores": {name: [float(v) for v in along] for name, along in scores.items()},
        "cards": list(cards),
        "curves": list(curves),
        "axes": list(axes),
        "range": [[float(a), float(b)] for a, b in zip(low, high, strict=True)],
        "error": error,
        "labels": [],
        "words": {"source": [], "target": []},
        "sheet": None,
        "caption": caption,
        "alt": f"{names[0]} and {names[1]}, moved by the dial: {dial['label']}",
        "foot": "",
        **more,
    }
    return LivePicture.of(facts, held)


def training_picture(
    source: Float32,
    target: Float32,
    steps: Sequence[int],
    measured: Sequence[Checkpoint],
    *,
    names: Names,
    about: str,
    kind: str,
) -> LivePicture:
    """Both clouds while an encoder learns, and the cosines inside each cone, or the gap.

    Parameters
    ----------
    source, target : (steps, n, d) float32
        Unit rows at each checkpoint.
    steps : sequence of int
    measured : sequence of Checkpoint
    names : (str, str)
    about : str
        Which run, for the caption.
    kind : {"cone", "gap"}
        What the numbers are about.
    """
    plane = gap_plane(source[-1], target[-1]).astype(np.float32)
    cones = [cone_shares(y, x, bins=60) for y, x in zip(source, target, strict=True)]
    scores = {
        "target_length": [one.target_length for one in measured],
        "source_length": [one.source_length for one in measured],
        "target_cosine": [one.target_mean for one in cones],
        "source_cosine": [one.source_mean for one in cones],
        "gap": [one.gap for one in measured],
        "partners": [one.matched_cosine for one in measured],
        "partners_floor": [
            repaired_cosine(Comparison.between(x, y, paired=True))
            for y, x in zip(source, target, strict=True)
        ],
        "found": [
            gallery_recall(y, x)["source_to_target"] for y, x in zip(source, target, strict=True)
        ],
    }
    n = source.shape[1]
    size = min(GALLERY, n)
    grid = list(range(len(steps)))
    more: Facts = {}
    arrays: Arrays = {}
    if kind == "cone":
        cards = [
            card("target_length", f"Mean arrow of {names[0]}", "1 if all agree"),
            card("source_length", f"Mean arrow of {names[1]}", "1 if all agree"),
            card("target_cosine", f"Two {names[0]}", "mean cosine; no cone 0"),
            card("source_cosine", f"Two {names[1]}", "mean cosine; no cone 0"),
        ]
        curves = [
            line("target_length", cards[0]["label"], TARGET),
            line("source_length", cards[1]["label"], SOURCE),
        ]
        both = np.stack([[one.target for one in cones], [one.source for one in cones]])
        arrays = {
            "spread": both.astype(np.float32),
            "spread_null": cones[0].everywhere.astype(np.float32),
        }
        more = {
            "spread": {
                "bins": 60,
                "top": float(cones[0].everywhere.max()),
                "sides": ["target", "source"],
                "words": "cosine of two rows of a side (line: of no cone)",
            }
        }
    else:
        cards = [
            card("gap", "Gap between the means", f"sampling floor {measured[0].gap_floor:.2g}"),
            card(
                "partners",
                "Partners' cosine",
                "1 if they coincide",
                floor=["shuffled", "partners_floor"],
            ),
            card("found", "Finds its picture", f"of {size}; chance {1 / size:.2%}", percent=True),
        ]
        curves = [
            line("gap", "Gap between the means", GAP),
            line("partners", "Partners' cosine", NULL, dash=True),
        ]
        more = {"top": 1.05 * max(scores["gap"])}
    return scene(
        {"target": target @ plane, "after": source @ plane},
        grid,
        _dial("Training steps", 0.0, grid[-1], 0.0, says=list(steps)) | {"once": True},
        scores,
        grid,
        names=names,
        axes=(
            "direction between the means at the end",
            "leading direction of both across it",
        ),
        caption=f"{n} held-out {names[0]} and their {names[1]} on two of {source.shape[-1]} "
        f"directions, uncentred, {about}. Between the {len(steps)} checkpoints (steps "
        f"{', '.join(f'{s}' for s in steps)}) rows go straight and numbers are marked ≈.",
        cards=cards,
        curves=curves,
        arrays=arrays,
        single="while it learns",
        **more,
    )


def shift_picture(study: Study, plane: Plane, names: Names) -> LivePicture:
    """Return a part of a mean shift: ``Norm(y + t (μ_x − μ_y))`` for t from 0 to 1.25.

    Parameters
    ----------
    study : Study
        Whose fitted rows give both means, and whose live rows the numbers.
    plane : Plane
    names : (str, str)
    """
    pair, parts = study.pair, study.split
    means = [
        mean_rows(side.vectors[rows])
        for side, rows in ((pair.target, parts.fit_target), (pair.source, parts.fit_source))
    ]
    step = (means[0] - means[1]).astype(np.float32)
    directions = plane.directions.astype(np.float32)

    def moved(share: float, rows: Float32) -> Float32:
        return to_sphere(rows + np.float32(share) * step)

    def paths(values: Sequence[float]) -> Float32:
        return np.stack([moved(value, study.source) @ directions for value in values])

    low, high = 0.0, 1.25
    span = np.ptp(np.concatenate([study.source, study.target]) @ directions, axis=0)
    found = keyframes(paths, low, high, span.astype(np.float64))
    grid = np.linspace(low, high, 11)
    source, target = study.live_rows
    scores: dict[str, list[float]] = {}
    for value in grid:
        after = moved(float(value), source)
        now = study.score(after, target) | {"gap": delta_mu(Comparison.between(target, after))}
        for name, score in now.items():
            scores.setdefault(name, []).append(score)
    return scene(
        {
            "target": study.target @ directions,
            "before": study.source @ directions,
            "after": found.positions,
        },
        found.values,
        _dial("Part of the mean shift", low, high, 1.0),
        scores,
        grid.tolist(),
        names=names,
        axes=plane.labels,
        caption=f"{len(study.source)} held-out rows of each side on two of {pair.dim} directions, "
        "uncentred; crosses are means. Means from other rows, without pairs. Numbers in all "
        f"dimensions, k = {study.k} neighbours. Between {len(found.values)} computed positions "
        f"rows go straight (at most {found.error:.2f} pixels off).",
        cards=judged(),
        curves=[
            line("gap", "Gap left", GAP),
            line("omega", "Neighbours kept", SOURCE, dash=True),
            line("mixing_coverage", f"{names[0].capitalize()} covered", TARGET),
        ],
        corrected=f"{names[1]}, shifted",
        error=found.error,
    )


def judged() -> list[Facts]:
    """Return the cards by which the story judges a correction."""
    return [
        card("gap", "Gap left", "0 if equal", "‖μ_z − μ_x‖ after it", direction="lower"),
        card("omega", "Neighbours kept", "1 if all stay", "Ω", direction="higher"),
        card("mixing_coverage", "Covers the target", "1 if mixed", "M^X", direction="higher"),
    ]


def residual_picture(
    source: EmbeddingSet,
    target: EmbeddingSet,
    found: Residual,
    ends: Sequence[tuple[Integers, Integers]],
    names: Names,
    rows: Integers,
) -> LivePicture:
    """Partners brought together along the residual's first K directions, gap taken away.

    Row i of the source stands at ``y + Δ + Σ_{k ≤ K} ⟨x − y − Δ, v_k⟩ v_k``.

    Parameters
    ----------
    source, target : EmbeddingSet
        Matched rows.
    found : Residual
        With its eigenvectors v_k.
    ends : sequence of (low, high)
        Rows that differ most along each direction, one way and the other.
    names : (str, str)
    rows : (n,) int
        The pairs drawn.
    """
    count = len(ends)
    listed = np.unique(np.concatenate([np.concatenate(pair) for pair in ends]))
    place = {int(row): i for i, row in enumerate(listed)}
    rows = np.concatenate([listed, np.setdiff1d(rows, listed)])  # those listed have faces
    basis = found.directions[:, :count].astype(np.float32)
    y, x = source.vectors[rows], target.vectors[rows]
    gap = (found.target.mean - found.source.mean).astype(np.float32)
    off = (x - y - gap) @ basis
    look = basis[:, [1, 2]]
    steps = [(y + gap + off[:, :k] @ basis[:, :k].T) @ look for k in range(count + 1)]
    energy = np.concatenate([[0.0], found.energy[:count]])
    both = np.concatenate([[0.0], cumulative_energy(found.repaired_values)[:count]])
    grid = list(range(count + 1))
    dim = source.dim
    groups = [
        [[place[int(row)] for row in end] for end in ends[max(k - 1, 0)]] for k in range(count + 1)
    ]
    start = np.asarray((y + gap) @ look, dtype=np.float32)
    return scene(
        {"target": x @ look, "before": start, "after": np.stack(steps)},
        grid,
        _dial("Leading directions K", 0.0, float(count), 3.0, step=1.0),
        {
            "energy": energy.tolist(),
            "repaired": both.tolist(),
            "equal": [k / dim for k in grid],
        },
        grid,
        names=names,
        axes=("second residual direction", "third residual direction"),
        caption=f"{len(rows)} pairs, the gap taken away: {names[1]} before, and after they went to "
        "their partners along the residual's first K directions. Across and up: its second and "
        f"third. Numbers over all {len(source):,} pairs, centred. Dashed: the same when every row "
        "gets a random partner; dotted grey: if every direction held the same.",
        cards=[
            card("energy", "The first K hold", "of the residual", percent=True),
            card("repaired", "With random partners", "they would hold", percent=True),
            card("equal", "If all were equal", "they would hold", percent=True),
        ],
        curves=[
            line("energy", "of the residual", GAP),
            line("repaired", "with random partners", NULL, dash=True),
            line("equal", "if all were equal", NULL, dash=True),
        ],
        corrected=f"{names[1]}, partners along K directions",
        lists={"rows": groups, "titles": ["differ most along direction K", "and the other way"]},
        words={"source": words(source, rows), "target": words(target, rows)},
        sheet=sheet(source, target, (rows, rows)),
    )


def with_trade_off(
    made: LivePicture, others: Mapping[str, tuple[float, float]], labels: tuple[str, str]
) -> LivePicture:
    """Return a correction's picture with neighbours kept against coverage, others beside it.

    Parameters
    ----------
    made : LivePicture
        With the scores ``omega`` and ``mixing_coverage`` along its dial.
    others : mapping of words to (omega, coverage)
    labels : (str, str)
        Of the two axes.
    """
    drawn = [{"label": words, "at": list(at)} for words, at in others.items()]
    way = {
        "x": "omega",
        "y": "mixing_coverage",
        "across": labels[0],
        "up": labels[1],
        "others": drawn,
    }
    return LivePicture.of({**made.facts, "way": way}, made.arrays)


def _dial(
    label: str,
    low: float,
    high: float,
    value: float,
    step: float = STEP,
    says: Sequence[float] | None = None,
) -> Facts:
    found: Facts = {"label": label, "low": low, "high": high, "step": step, "value": value}
    return found | ({"says": list(says)} if says else {})
