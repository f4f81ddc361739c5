"""Metrics of a correction and of the gap: declared in a registry, computed once, with intervals.

:func:`evaluate` scores a fitted method on a pair, :func:`score_rows` bare rows, and
:func:`quick_scores` what a moving slider shows. The measures themselves are plain functions of
a comparison or of unit rows, each beside its declaration: ``semantics``, ``mixing``,
``distributions``, ``manifold``, ``separability``, ``residual`` and ``retrieval``.
"""

from typing import Any

import lazy_loader as _lazy

from anisoalign_core import moved as _moved

_find, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    return _find(name) if name in __all__ else _moved.find(name, "metrics")
