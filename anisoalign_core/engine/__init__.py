"""Sets larger than memory, on one machine or on many: the same fit and the same numbers.

:func:`fit_streamed` and :func:`write_streamed` cut a set into pieces, hand them to an engine, and
put the results together. :class:`LocalEngine` works on the cores of this machine;
:class:`anisoalign_core.engine.dask.DaskEngine` on the workers of a Dask cluster.
"""

from anisoalign_core.engine.facts import FileFacts, SetFacts
from anisoalign_core.engine.local import LocalEngine
from anisoalign_core.engine.outputs import Output, OutputPlan, plan_outputs
from anisoalign_core.engine.sampling import sample_rows, sample_set
from anisoalign_core.engine.streaming import Engine, fit_streamed, moments_of, write_streamed

__all__ = [
    "Engine",
    "FileFacts",
    "LocalEngine",
    "Output",
    "OutputPlan",
    "SetFacts",
    "fit_streamed",
    "moments_of",
    "plan_outputs",
    "sample_rows",
    "sample_set",
    "write_streamed",
]
