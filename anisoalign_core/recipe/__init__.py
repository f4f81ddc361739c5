"""What was done, as JSON: enough to build the same corrected rows or files again, and to check it.

:func:`cook` makes a :class:`Recipe` of rows in memory; :class:`FitJob` and :func:`run_apply` do
what a :class:`FileRecipe` says of whole files; :func:`replay` builds either again.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
