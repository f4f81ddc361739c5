"""What was done, as JSON: enough to build the same corrected rows or files again, and to check it.

:func:`cook` makes a :class:`Recipe` of rows in memory; :class:`FitJob` and :func:`run_apply` do
what a :class:`FileRecipe` says of whole files; :func:`replay` builds either again.
"""

from anisoalign_core.recipe.again import Replay, cook, replay
from anisoalign_core.recipe.facts import InputFacts, vectors_digest, versions
from anisoalign_core.recipe.jobs import Applied, ApplyJob, FitJob, run_apply
from anisoalign_core.recipe.written import FileRecipe, Recipe, read_recipe

__all__ = [
    "Applied",
    "ApplyJob",
    "FileRecipe",
    "FitJob",
    "InputFacts",
    "Recipe",
    "Replay",
    "cook",
    "read_recipe",
    "replay",
    "run_apply",
    "vectors_digest",
    "versions",
]
