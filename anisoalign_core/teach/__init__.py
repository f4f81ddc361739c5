"""The gap for a class that has never heard of it: three toys on a ball, and the sample's story.

The toys live in three dimensions, where the mathematics can be seen whole, and are corrected and
measured with the library's own aligners and metrics. The story's functions look at the bundled
sample and at checkpoints of its training. Nothing here draws; ``plots/teach.py``
does.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
