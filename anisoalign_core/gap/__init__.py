"""What is said of a gap: the diagnosis, its report, many encoders, and training as it goes."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
