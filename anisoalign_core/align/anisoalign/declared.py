"""AnisoAlign's knobs, and what its variants stand for."""

from __future__ import annotations

from anisoalign_core.align.anisoalign.options import Weights
from anisoalign_core.align.knobs import Curve, Knob, Values

VARIANTS: dict[str, Weights] = {
    "paper": Weights(prior=1.0, phase=1.0),
    "corrected": Weights(energy=1.0, neighbours=10.0, magnitude=10.0),
}
"""Loss weights of each variant, where none are given."""
CORRECTED_LIMIT = 0.15
"""Hard limit β of the corrected variant, where none is given."""
REFINEMENT = {"paper": (1500, 1e-3), "corrected": (150, 3e-3)}
"""Steps and learning rate of Stage II, where none are given."""


def _refines(chosen: Values) -> bool:
    return bool(chosen.get("refine", True))


def _has_prior(chosen: Values) -> bool:
    return _refines(chosen) and bool(VARIANTS[chosen.get("variant", "paper")].prior)


KNOBS = (
    Knob(
        "variant",
        "Variant",
        "Paper: the published equations, weaknesses included. Corrected: centred phases, couplings "
        "only above chance, losses that compare whole rows and their neighbours, a hard limit on "
        "every row's step, and no weight on the prior.",
        choices={name: name for name in VARIANTS},
        words="{} variant",
    ),
    Knob(
        "refine",
        "Refine",
        "Off: the published start alone (phases kept, radii matched). Nothing is trained.",
        choices={True: "refined", False: "start alone, no refinement"},
        words="{}",
    ),
    Knob(
        "rank",
        "Rank of the frame",
        "Even: its coordinates are paired into blocks, each with a phase and a radius.",
        low=2,
        high=None,
        step=2,
        words="rank {}",
        auto="The smallest even rank with 90 % of the variance of both sets, at most a tenth of "
        "the rows of the smaller side.",
        option=True,
    ),
    Knob(
        "prior_steps",
        "Steps of the prior",
        "Steps of Adam in Stage I, which learns the target's phases.",
        low=10,
        high=20_000,
        step=50,
        words="{:,} steps of the prior",
        typed=True,
        when=_has_prior,
    ),
    Knob(
        "refine_steps",
        "Steps of the refinement",
        "Steps of Adam in Stage II, which learns how rows move.",
        low=10,
        high=20_000,
        step=50,
        begin=lambda chosen: REFINEMENT[chosen.get("variant", "paper")][0],
        words="{:,} steps of the refinement",
        typed=True,
        when=_refines,
    ),
    Knob(
        "frame",
        "Frame",
        "Leading directions of both sets together (published), or of the target alone.",
        choices={"joint": "joint", "target": "target"},
        words="frame of the {}",
        option=True,
        folded=True,
    ),
    Knob(
        "random_state",
        "Seed",
        "Of the mixing of the frame and of all training.",
        high=2**31 - 1,
        step=1,
        words="seed {}",
        typed=True,
        folded=True,
    ),
    Knob(
        "partners",
        "Partners of each block",
        "How many strongest couplings each block keeps in the graph.",
        low=1,
        high=64,
        step=1,
        words="{} partners",
        typed=True,
        folded=True,
    ),
    Knob(
        "prior",
        "The prior learns from",
        "The last two are falsifiers: a prior that knows nothing, or nothing about how blocks "
        "belong together. If they correct as well, the prior adds nothing.",
        choices={
            "target": "the target's phases",
            "uniform": "uniform phases: nothing to know",
            "shuffled": "phases shuffled block by block",
        },
        words="prior of {}",
        folded=True,
        when=_has_prior,
    ),
    Knob(
        "bound_theta",
        "Turn α_θ (radians)",
        "How far the phase of a block may turn from its start. 0 keeps every phase.",
        high=1.5,
        words="α_θ = {:.2f}",
        live=True,
        curve=Curve(
            "share of its bounds",
            (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
            ("bound_theta", "bound_rho", "bound_v"),
        ),
    ),
    Knob(
        "bound_rho",
        "Radius α_ρ",
        "A block's radius may change by a factor e^±α_ρ. 0 keeps every radius.",
        high=1.5,
        words="α_ρ = {:.2f}",
        live=True,
    ),
    Knob(
        "bound_v",
        "Outside the blocks α_v",
        "How far each coordinate outside the frame may move. 0 keeps them. No published loss "
        "reaches them: in the paper variant this slider moves nothing.",
        high=0.1,
        step=0.001,
        words="α_v = {:.3f}",
        live=True,
    ),
)
