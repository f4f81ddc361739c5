"""What most people ask for next of a bundled sample, made while nobody waits for it."""

from __future__ import annotations

from functools import partial
from threading import Timer

from anisoalign_core.gap.report import GapReport
from app.shared import OfSamples

WAIT_SECONDS = 2.0
"""After Home's numbers: the browser asks the server for much until it has shown them."""


def make_ahead(kept: OfSamples, digest: str, report: GapReport) -> Timer:
    """Draw what Spectra shows, and open the bench below it, in a while; once for a server."""

    def begin() -> Timer:
        timer = Timer(WAIT_SECONDS, _make, (kept, digest, report))
        timer.daemon = True
        timer.start()
        return timer

    found: Timer = kept.once((digest, "ahead"), begin)
    return found


def _make(kept: OfSamples, digest: str, report: GapReport) -> None:
    from anisoalign_core.plots.asked import REPORT
    from app.widgets.bench import bundled
    from app.widgets.drawn import draw, drawn_key

    for kind in REPORT:
        kept.once((digest, drawn_key(kind)), partial(draw, report, kind))
    bundled()
