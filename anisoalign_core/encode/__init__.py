"""From images and captions to embeddings, through a model of any library.

``find_items`` says which images and captions there are and which belong together, ``load_encoder``
builds a model with its weights, and ``encode`` turns the one through the other into two
:class:`~anisoalign_core.embeddings.EmbeddingSet`. Nothing in a file is executed, nothing is
unpacked to disk, and a broken image never ends the work. ``BACKENDS`` says which libraries' models
there are; torch and they are loaded when first used. Models of one's own come by
``from_callables``, or are any object that has what :class:`Encodes` asks for.
"""

import sys

from anisoalign_core.encode.audio import Clip, read_clip
from anisoalign_core.encode.backends import BACKENDS, Backend, load_encoder
from anisoalign_core.encode.callables import from_callables
from anisoalign_core.encode.encoder import Encoder, Encodes
from anisoalign_core.encode.images import ImageLimits, decode_image
from anisoalign_core.encode.inputs import Inputs, Item, find_items
from anisoalign_core.encode.registry import Architecture, available_models, parameter_count
from anisoalign_core.encode.results import Broken, Encoded, EncodingState
from anisoalign_core.encode.run import encode, encode_clips
from anisoalign_core.encode.tokenizers import WordTokenizer
from anisoalign_core.moved import Room

__all__ = [
    "BACKENDS",
    "Architecture",
    "Backend",
    "Broken",
    "Clip",
    "Encoded",
    "Encoder",
    "Encodes",
    "EncodingState",
    "ImageLimits",
    "Inputs",
    "Item",
    "WordTokenizer",
    "available_models",
    "decode_image",
    "encode",
    "encode_clips",
    "find_items",
    "from_callables",
    "load_encoder",
    "parameter_count",
    "read_clip",
]

sys.modules[__name__].__class__ = Room  # aa.encode.encode(...) was the function
