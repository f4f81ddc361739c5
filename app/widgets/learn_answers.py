"""The Learn page's hidden answers, with the sample's own numbers in them."""

from __future__ import annotations

from typing import Any

from anisoalign_core.geometry.spectrum import cumulative_energy
from anisoalign_core.metrics.retrieval import GALLERY
from app.widgets import learn_sample as sample
from app.widgets.common import three


def space() -> str:
    """Step 1: why another picture often comes first."""
    ours, before = (sample.retrieval(kept)["source_to_target"] for kept in (True, False))
    return (
        f"No. Among {GALLERY} pictures **{ours:.1%}** of the captions find their own first; by "
        f"chance {1 / GALLERY:.0%} would, and before training {before:.1%} do. Captions "
        "leave things out, so several pictures fit the same words. And no cosine comes near 1, "
        "right or wrong: all captions keep some distance from all pictures. That distance is what "
        "the next steps are about."
    )


def cone() -> str:
    """Step 2: whether training makes the cone."""
    runs = sample.training()
    start, end = (runs.measured[runs.scales[-1], step] for step in (0, runs.steps[-1]))
    return (
        "It depends on the side. Before any training the captions' mean arrow is already "
        f"**{three(start.source_length)}** long: layers with random weights send different inputs "
        f"in similar directions. The pictures' is {three(start.target_length)}. Training at "
        f"temperature 0.01 takes them to {three(end.source_length)} and "
        f"{three(end.target_length)}. Since an untrained encoder can have a cone, a cone alone "
        "says nothing about meaning."
    )


def temperature() -> str:
    """Step 3: what temperature did in the bundled runs."""
    runs = sample.training()
    last = runs.steps[-1]
    lines = ""
    for scale in runs.scales[::-1]:
        gaps = [runs.measured[scale, step].gap for step in runs.steps]
        found = sample.found_at(scale, last)
        lines += f"| {1 / scale:.2g} | {three(gaps[0])} | {three(max(gaps))} | "
        lines += f"{three(gaps[-1])} | {found:.1%} |\n"
    return (
        "In these four runs, yes: the lower the temperature, the wider the gap that is left.\n\n"
        f"| temperature | gap before | widest | after {last} steps | captions that find their "
        f"picture among {GALLERY}, by chance {1 / GALLERY:.0%} |\n|---|---|---|---|---|\n"
        + lines
        + "\n"
        "But a gap was there before training, and at the two lowest temperatures it first grows "
        "and then shrinks. And a small gap does not make a good encoder: compare the last column. "
        "These are four short runs of one small encoder. They show what can happen, not a law."
    )


def mean_shift() -> str:
    """Step 4: what closing the gap alone buys."""
    raw, shift, turn = (sample.shift_scores(name) for name in ("identity", "mean-shift", "rotate"))
    return (
        f"No. In the sample the gap falls from {three(raw['gap'])} to {three(shift['gap'])}, yet "
        f"captions cover only **{three(shift['mixing_coverage'])}** of what fully mixed clouds "
        f"would, and {1 - shift['omega']:.1%} of their nearest neighbours are lost on the way. A "
        f"rotation loses {1 - turn['omega']:.1%} and covers {three(turn['mixing_coverage'])}. "
        "Either way the means agree and the shapes of the clouds do not. Shapes are matched by "
        "stretching."
    )


def residual() -> str:
    """Step 5: what few directions mean beside random partners."""
    found = sample.directions().residual
    both = cumulative_energy(found.repaired_values)
    apart = found.source.trace + found.target.trace
    return (
        f"Not by itself. Ten of {sample.pair().dim} directions hold **{found.energy[9]:.1%}** of "
        f"the residual, but with random partners they would hold {both[9]:.1%}: any two clouds "
        "with a few strong directions look like that. True partners share the strong directions, "
        f"so their residual is smaller ({three(found.trace)} instead of {three(apart)}) and spread "
        "over more of them. Read such a curve against random partners, not against the dotted "
        "line."
    )


def bounded() -> str:
    """Step 6: the two ends of the bound."""
    method: Any = sample.bounded().method
    asked = method.raw_stretch_ / method.scale_
    return (
        "At **0** every axis gets the same stretch: the correction is exactly the published method "
        "ReAlign. At **∞** every axis gets what Gaussian optimal transport asks for: the two "
        "clouds' covariances agree, and in the sample single directions are stretched to "
        f"{three(float(asked.max()))} times the overall scale and shrunk to "
        f"{three(float(asked.min()))} of it. In between, before the arrows return to length 1, no "
        "distance between two captions leaves the overall scale by more than a factor e^α. That "
        "is a promise; how much fit it buys has to be measured."
    )


def which_bound() -> str:
    """Step 7: what a bound is chosen by."""
    return (
        "None for every purpose. If captions are to stand in for pictures, for example to train on "
        "text alone, more fit may be worth some neighbours; to search among captions it is not. A "
        "choice that needs no pairs and no labels is the largest bound at which Ψ on captions held "
        f"out stays within 0.01 of its value at 0: here **{sample.automatic_bound():.2f}**. To "
        "choose the bound by a number that uses pairs, such as partners' cosine, is to choose on "
        "the test: whoever does so has to say so."
    )
