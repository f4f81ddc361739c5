from .align import ALIGNERS as ALIGNERS
from .embeddings import EmbeddingPair as EmbeddingPair
from .embeddings import EmbeddingSet as EmbeddingSet
from .errors import AnisoAlignError as AnisoAlignError
from .moments import Moments as Moments
