"""Published figures of the same quantities, measured on another encoder."""

from __future__ import annotations

ENCODER = "LLM2CLIP-Openai-L-14-336, Llama-3-8B, [AA] arXiv:2605.07825 (2026)"
"""What the figures below were measured on: another encoder, other data, other rows."""
ACCURACY = {"identity": 40.08, "c3": 42.44, "realign": 45.00, "anisoalign": 47.49}
"""Mean accuracy over 11 benchmarks of a language model trained on corrected texts [AA Table 1]."""
GEOMETRY = {
    "identity": {"delta_mu": 0.393},
    "c3": {
        "delta_mu": 0.276,
        "mixing_penetration": 0.410,
        "mixing_coverage": 0.075,
        "phi": 0.899,
        "psi": 0.925,
        "omega": 0.840,
    },
    "realign": {
        "delta_mu": 0.012,
        "mixing_penetration": 0.357,
        "mixing_coverage": 0.305,
        "phi": 0.923,
        "psi": 0.836,
    },
    "anisoalign": {
        "delta_mu": 0.012,
        "mixing_penetration": 0.372,
        "mixing_coverage": 0.337,
        "phi": 0.941,
        "psi": 0.983,
        "omega": 0.945,
    },
}
"""Method → metric → value, on 10,000 pairs [AA Figures 6 and 7]."""
GAP = {
    "centroid_gap": ("G_μ", 0.392),
    "residual_trace": ("tr Σ_r", 1.264),
    "residual_share": ("residual share", 0.89),
    "residual_anisotropy": ("A_r of the raw pairs", 28.6),
    "effective_dimension_ratio": ("d_eff/d", 0.284),
    "spectral_correlation": ("C_λ", 0.845),
}
"""Name in a GapReport → symbol and value, on 1,000,000 pairs with d = 1280 [AA §3]."""
OVERLAP = (128, 0.441, 0.100)
"""q, O_q, and O_q of random subspaces, on the same pairs."""
