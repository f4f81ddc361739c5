"""The bench: many encoders kept side by side, with what it takes to show them again."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
