"""Figures: functions that return ``plotly.graph_objects.Figure``, for notebooks and pages alike."""

import sys

from anisoalign_core.plots.bench import run_lines, small_clouds, tradeoff_lines
from anisoalign_core.plots.clouds import before_after, clouds, density, histogram_1d
from anisoalign_core.plots.correction import pareto, stretches, tradeoff
from anisoalign_core.plots.encoders import (
    NamedSpectra,
    agreement_map,
    encoder_dots,
    encoder_spectra,
    gap_parts,
    matrix_figure,
)
from anisoalign_core.plots.explore import Layer, linked
from anisoalign_core.plots.gap import (
    add_random_overlap,
    angles,
    bias_and_residual,
    directional_ratio,
    energy,
    few_coordinates,
    overlap,
    spectra,
)
from anisoalign_core.plots.phases import (
    block_arrows,
    coupling_graph,
    couplings,
    phase_histograms,
)
from anisoalign_core.plots.training import losses

if "IPython" in sys.modules:  # where figures may be shown in place; elsewhere it loads for nothing
    from anisoalign_core.plots.notebook import show_as_html

    show_as_html()

__all__ = [
    "Layer",
    "NamedSpectra",
    "add_random_overlap",
    "agreement_map",
    "angles",
    "before_after",
    "bias_and_residual",
    "block_arrows",
    "clouds",
    "coupling_graph",
    "couplings",
    "density",
    "directional_ratio",
    "encoder_dots",
    "encoder_spectra",
    "energy",
    "few_coordinates",
    "gap_parts",
    "histogram_1d",
    "linked",
    "losses",
    "matrix_figure",
    "overlap",
    "pareto",
    "phase_histograms",
    "run_lines",
    "small_clouds",
    "spectra",
    "stretches",
    "tradeoff",
    "tradeoff_lines",
]
