"""From images and captions to embeddings, through a model of open_clip.

``find_items`` says which images and captions there are and which belong together, ``load_encoder``
builds a model with its weights, and ``encode`` turns the one through the other into two
:class:`~anisoalign_core.embeddings.EmbeddingSet`. Nothing in a file is executed, nothing is
unpacked to disk, and a broken image never ends the work. torch and open_clip are loaded when first
used.
"""

import sys

from anisoalign_core.encode.encoder import Encoder
from anisoalign_core.encode.images import ImageLimits, decode_image
from anisoalign_core.encode.inputs import Inputs, Item, find_items
from anisoalign_core.encode.models import load_encoder
from anisoalign_core.encode.registry import Architecture, available_models, parameter_count
from anisoalign_core.encode.results import Broken, Encoded, EncodingState
from anisoalign_core.encode.run import encode
from anisoalign_core.encode.tokenizers import WordTokenizer
from anisoalign_core.moved import Room

__all__ = [
    "Architecture",
    "Broken",
    "Encoded",
    "Encoder",
    "EncodingState",
    "ImageLimits",
    "Inputs",
    "Item",
    "WordTokenizer",
    "available_models",
    "decode_image",
    "encode",
    "find_items",
    "load_encoder",
    "parameter_count",
]

sys.modules[__name__].__class__ = Room  # aa.encode.encode(...) was the function
