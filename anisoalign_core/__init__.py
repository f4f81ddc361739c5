"""AnisoAlign core: measure and correct the modality gap between two sets of embeddings.

Arrays come in through :mod:`anisoalign_core.io`, become an :class:`EmbeddingPair`, are summed
once into :class:`Moments`, and everything a person sees or exports is computed from those two.
Names are loaded when first used, so that importing the package stays quick.
"""

import lazy_loader as _lazy

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
