"""The gap for a class that has never heard of it: three toys on a ball, and the sample's story.

The toys live in three dimensions, where the mathematics can be seen whole, and are corrected and
measured with the library's own aligners and metrics. The story's functions look at the bundled
sample and at checkpoints of its training. Nothing here draws; ``plots/teach.py``
does.
"""

from anisoalign_core.teach.ball import (
    BallBound,
    Cones,
    Moved,
    ball_bound,
    ball_shift,
    two_cones,
)
from anisoalign_core.teach.claims import Bar, Claim, claims
from anisoalign_core.teach.landing import Landing, usual_nearest
from anisoalign_core.teach.predictions import MOST_OPTIONS, Prediction, typical
from anisoalign_core.teach.sentences import Sentences
from anisoalign_core.teach.story import (
    Checkpoint,
    ConeShares,
    Found,
    cone_shares,
    find_pictures,
    gap_plane,
    mean_cosine,
    mean_length,
    shape_axes,
)

__all__ = [
    "MOST_OPTIONS",
    "BallBound",
    "Bar",
    "Checkpoint",
    "Claim",
    "ConeShares",
    "Cones",
    "Found",
    "Landing",
    "Moved",
    "Prediction",
    "Sentences",
    "ball_bound",
    "ball_shift",
    "claims",
    "cone_shares",
    "find_pictures",
    "gap_plane",
    "mean_cosine",
    "mean_length",
    "shape_axes",
    "two_cones",
    "typical",
    "usual_nearest",
]
