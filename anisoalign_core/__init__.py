"""AnisoAlign core: measure and correct the modality gap between two sets of embeddings.

Arrays come in through :mod:`anisoalign_core.io`, become an :class:`EmbeddingPair`, are summed
once into :class:`Moments`, and everything a person sees or exports is computed from those two.
What is needed daily stands here; sets larger than memory are the business of
:mod:`anisoalign_core.engine`, pictures and captions of :mod:`anisoalign_core.encode`. Names are
loaded when first used, so that importing the package stays quick.
"""

import sys as _sys

import lazy_loader as _lazy

from anisoalign_core import moved as _moved

__version__ = "0.3.0"

_find, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
_sys.meta_path.append(_moved.MovedModules())


def __getattr__(name: str) -> object:
    return _find(name) if name in __all__ else _moved.find(name)
