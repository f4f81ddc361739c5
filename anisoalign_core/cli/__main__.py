"""``python -m anisoalign_core.cli``."""

import sys

from anisoalign_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
