"""People with a set and wishes of their own, and every number that the library gives for them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from safetensors.numpy import save as to_safetensors

import anisoalign_core as aa
from anisoalign_core.align import ALIGNERS
from anisoalign_core.compare import leaderboard
from anisoalign_core.compare.study import Study
from anisoalign_core.gap.report import GapReport
from anisoalign_core.geometry.directions import Directions
from anisoalign_core.io import load_bytes, load_pair_bytes, to_bytes
from anisoalign_core.metrics import METRICS
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.publish.tables import table
from anisoalign_core.recipe import cook
from app.widgets.common import three
from app.widgets.spectra import in_words

LAYOUTS = ("two .npy", "one .npz", "two .safetensors", "one .safetensors", "two .npz")
HOLDOUTS = (0.15, 0.2, 0.25, 0.3)
CONTEST = ("bounded", "coral")
CONTEST_SPLITS, CONTEST_HOLDOUT = 3, 0.25
PAGES = ("Home", "Spectra", "Directions", "own method", "Compare", "Export")
Facts = dict[tuple[str, str], str]
"""(page, what) → the words it should say."""


@dataclass(frozen=True)
class Wish:
    """A method to end with, the widget that sets its parameter, and what that is set to before."""

    method: str
    key: str = ""
    value: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    before: str = ""


@dataclass(frozen=True)
class Person:
    """What one person brings and wants; everything follows from their number."""

    number: int
    rows: int
    dim: int
    compares: bool = False

    @property
    def layout(self) -> str:
        """What kind of files they bring."""
        return LAYOUTS[self.number % len(LAYOUTS)]

    @property
    def seed(self) -> int:
        """Of their split."""
        return 11 + self.number

    @property
    def holdout(self) -> float:
        """Share of their rows that is held out."""
        return HOLDOUTS[self.number // len(LAYOUTS) % len(HOLDOUTS)]

    @property
    def bounds(self) -> tuple[float, ...]:
        """Where they move the slider to, the first again and last."""
        start = 0.25 + 0.05 * (self.number % 20)
        return tuple(round(start + step, 2) for step in (0, 0.17, 0.08, 0.25, 0.04, 0.21))

    @property
    def wish(self) -> Wish:
        """The method they end with."""
        whole = {"frame": "full"}
        part = round(0.3 + 0.03 * (self.number % 20), 2)
        wishes = (
            Wish("bounded", "rule", "relax", whole | {"rule": "relax"}, "clip"),
            Wish("bures", "p_relaxation", part, {"relaxation": part}),
            Wish("coral"),
            Wish("gap-shift", "p_shift", part, {"shift": part}),
            Wish("ridge"),
            Wish("bounded", "recentre", "rotation", whole | {"recentre": "rotate"}, "shift"),
            Wish("procrustes"),
        )
        return wishes[self.number % len(wishes)]

    def sides(self) -> dict[str, np.ndarray]:
        """Rows of both modalities, float32; gap, spectra and agreement are their own."""
        rng = np.random.default_rng([self.number, self.rows, self.dim])
        scale = np.arange(1, self.dim + 1) ** -rng.uniform(0.3, 0.9)
        noise, gap = rng.uniform(0.4, 1.6), rng.uniform(0.05, 0.35)
        shared = rng.standard_normal((self.rows, self.dim)) * scale
        return {
            name: np.float32(
                shared
                + noise * rng.standard_normal((self.rows, self.dim)) * scale
                + gap * rng.standard_normal(self.dim)
            )
            for name in ("image", "text")
        }

    def files(self) -> dict[str, tuple[str, bytes]]:
        """What it holds → name and bytes; their names are those of everybody else's."""
        sides, (count, suffix) = self.sides(), self.layout.split(" ")
        if count == "one":
            return {"both": (f"set{suffix}", _packed(sides, suffix))}
        return {
            "target": (f"image{suffix}", _packed({"image": sides["image"]}, suffix)),
            "source": (f"text{suffix}", _packed({"text": sides["text"]}, suffix)),
        }


def _packed(sides: Mapping[str, np.ndarray], suffix: str) -> bytes:
    if suffix == ".safetensors":
        return bytes(to_safetensors(dict(sides)))
    stream = io.BytesIO()
    if suffix == ".npz":
        np.savez(stream, **sides)  # type: ignore[arg-type]
    else:
        np.save(stream, next(iter(sides.values())))
    return stream.getvalue()


def loaded(files: Mapping[str, tuple[str, bytes]]) -> EmbeddingPair:
    """Read a person's files with the library."""
    if "both" in files:
        name, data = files["both"]
        return load_pair_bytes(data, name)
    sides = [
        load_bytes(files[role][1], files[role][0], modality=modality)
        for role, modality in (("source", "text"), ("target", "image"))
    ]
    return EmbeddingPair.match(sides[0], sides[1], "row")


def home_facts(report: GapReport) -> Facts:
    """Return the cards of Home."""
    residual, shown = report.residual, report.gallery()
    gap = report.bias.centroid_gap.value
    if residual is None or shown is None:
        raise ValueError("The sets of this campaign are paired, and large enough for neighbours.")
    share, (size, hits) = residual.share, shown
    found, chance = hits.recall_at_1["source_to_target"].value, f"{100 * hits.recall_chance:.2g}"
    cards = {
        "Gap between the means": (three(gap), f"{report.bias.floor:.2g}"),
        "Residual share": (
            three(share.value, True),
            "95",
            *(three(100 * end) for end in (share.low, share.high)),
        ),
        "Residual anisotropy": (
            three(residual.anisotropy.value),
            f"{residual.anisotropy_repaired:.3g}",
        ),
        "Text finds its image": (three(found, True), str(size), chance),
        "Told apart by a line": (three(report.separability), "0.5"),
    }
    return {("Home", label): " ".join(words) for label, words in cards.items()}


def spectra_facts(report: GapReport) -> Facts:
    """Return the cards of Spectra, and its table to six digits."""
    residual, gap = report.residual, report.bias.centroid_gap.value
    if residual is None:
        raise ValueError("The sets of this campaign are paired.")
    share = residual.share
    q, shared = next(iter(report.subspaces.items()))
    cards = {
        "Gap between the means": (three(gap), f"{report.bias.floor:.2g}"),
        "Residual share": (three(share.value), "95", three(share.low), three(share.high)),
        "Residual anisotropy": (
            three(residual.anisotropy.value),
            f"{residual.anisotropy_repaired:.3g}",
        ),
        "Residual dimension": (three(residual.effective_dimension_ratio), "1"),
        "Leading overlap": (
            three(shared.value),
            str(q),
            f"{shared.random:.2g}",
            f"{shared.ceiling:.2g}",
        ),
    }
    facts = {("Spectra", label): " ".join(words) for label, words in cards.items()}
    values = in_words(report)["value"]
    return facts | {("Spectra", str(name)): f"{value:.6g}" for name, value in values.items()}


def direction_facts(pair: EmbeddingPair) -> Facts:
    """Return how much of the gap and of both sides the direction of the gap holds."""
    known = Directions(pair)
    direction = known.get(known.kinds[0])
    delta = known.target.mean - known.source.mean
    inside = float(direction.vector @ delta) ** 2 / float(delta @ delta)
    shares = [inside] + [
        float(direction.vector @ side.covariance @ direction.vector) / side.trace
        for side in (known.target, known.source)
    ]
    words = " ".join([three(direction.strength), *(f"{100 * share:.1f}" for share in shares)])
    return {("Directions", "the gap's direction"): words}


def correct_facts(page: str, scores: Mapping[str, float], raw: Mapping[str, float]) -> Facts:
    """Return the cards of Correct."""
    return {
        (page, METRICS[name].card): f"{three(value)} {three(raw[name])}"
        for name, value in scores.items()
        if METRICS[name].card
    }


@dataclass(frozen=True)
class Expected:
    """What the library gives for a person's own files and wishes.

    Attributes
    ----------
    facts : dict
        Every number and digest that is read on screen, and the SHA-256 of the file they take home.
    """

    facts: Facts


def expected(person: Person, files: Mapping[str, tuple[str, bytes]]) -> Expected:
    """Compute what the pages should say."""
    pair, wish = loaded(files), person.wish
    report = aa.diagnose(pair)
    facts = home_facts(report) | spectra_facts(report) | direction_facts(pair)
    study = Study(pair, pair.split(person.seed, person.holdout))
    first = study.fit(ALIGNERS["bounded"](frame="full", bound=0.0))
    for at in person.bounds:
        facts |= correct_facts(f"bound {at}", first.view(at).scores, study.uncorrected)
    bound = {"bound": person.bounds[0]} if wish.method == "bounded" else {}
    last = study.fit(ALIGNERS[wish.method](**wish.parameters, **bound)).view()
    facts |= correct_facts("own method", last.scores, study.uncorrected)
    _, corrected, recipe = cook(pair, wish.method, {**wish.parameters, **bound})
    facts["Export", "digest"] = recipe.output_digest[:16]
    facts["Export", "file"] = hashlib.sha256(to_bytes(corrected, ".npy")).hexdigest()
    if person.compares:
        facts |= board_facts(pair, person.seed)
    facts["sidebar", "digest"] = pair.digest[:8]
    return Expected(facts)


def board_facts(pair: EmbeddingPair, seed: int) -> Facts:
    """Return the rows of Compare's first table."""
    board = leaderboard(
        pair, CONTEST, splits=CONTEST_SPLITS, holdout=CONTEST_HOLDOUT, random_state=seed
    )
    _, rows = table(board, "semantics")
    return {("Compare", row[0].strip("*")): " | ".join(row[1:]) for row in rows}


def told_apart(everybody: Sequence[Expected]) -> dict[str, float]:
    """Return by page the share of numbers by which the two people most alike differ.

    A number of another's would be noticed only where the two are not the same to the digits shown.
    """
    pages: dict[str, float] = {}
    for i, one in enumerate(everybody):
        for other in everybody[:i]:
            for page in {page for page, _ in one.facts if page in PAGES}:
                both = [key for key in one.facts if key[0] == page and key in other.facts]
                if both:
                    apart = sum(one.facts[key] != other.facts[key] for key in both) / len(both)
                    pages[page] = min(pages.get(page, 1.0), apart)
    return pages
