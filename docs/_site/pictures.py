"""The pictures that move, as ``to_html`` writes them: made of the bundled samples with the site."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

PAIRS = 1500
PICTURES = {"bounded": "scenes", "untrained": "scenes-untrained"}
"""Files below ``_static/live/`` and the sample that each shows."""


def make(app: Sphinx, error: Exception | None) -> None:
    """Write the pictures beside the pages that hold them."""
    if error is not None or app.builder.name != "html":
        return
    import anisoalign_core as aa

    place = Path(app.outdir) / "_static" / "live"
    place.mkdir(parents=True, exist_ok=True)
    for name, sample in PICTURES.items():
        pair = aa.load_sample(sample).take(range(PAIRS))
        picture = aa.live(aa.BoundedTransport(bound=0.2), pair)
        picture.to_html(place / f"{name}.html")
    for page in Path(app.outdir).glob("*.html"):
        for asked in re.findall(r'<iframe[^>]* src="([^"]+)"', page.read_text(encoding="utf-8")):
            if not (page.parent / asked).is_file():
                raise ExtensionError(f"{page.name} shows {asked}, which is not there")


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("build-finished", make)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
