"""Sets larger than memory, on one machine or on many: the same fit and the same numbers.

:func:`fit_streamed` and :func:`write_streamed` cut a set into pieces, hand them to an engine, and
put the results together. :class:`LocalEngine` works on the cores of this machine;
:class:`anisoalign_core.engine.dask.DaskEngine` on the workers of a Dask cluster.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
