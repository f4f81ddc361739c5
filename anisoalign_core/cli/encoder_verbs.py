"""Arguments of the verbs about many encoders; what they do is in encoders.py."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable

from anisoalign_core.cli.options import add_json

Verb = Callable[[str, str, str, str], ArgumentParser]


def compare_encoders(verb: Verb) -> None:
    """Add the verb that sets reports beside each other."""
    several = verb(
        "compare-encoders",
        "encoders",
        "the reports of several encoders beside each other, as far as that is fair",
        "anisoalign compare-encoders clip.json siglip.json mine.json --out encoders.html",
    )
    several.add_argument(
        "reports", nargs="+", metavar="REPORT", help="what diagnose --json wrote, or a .bench.zip"
    )
    several.add_argument("--names", nargs="+", metavar="NAME", help="default: names of the files")
    several.add_argument(
        "--runs", nargs="+", default=[], metavar="RUN", help="training runs that monitors wrote"
    )
    several.add_argument("--sort", metavar="MEASURE", help="order by a measure, largest first")
    several.add_argument("--gallery", type=int, help="things in the galleries of retrieval")
    several.add_argument(
        "--percent", type=int, default=80, help="share of variance where directions are compared"
    )
    several.add_argument("--out", metavar="FILE", help="a page (.html), or a bench (.bench.zip)")
    several.add_argument("--title", default="Encoders side by side", help="of the page")
    add_json(several, "the comparison")


def atlas(verb: Verb) -> None:
    """Add the verb that encodes, measures and compares a list."""
    made = verb(
        "atlas",
        "encoders",
        "encode, measure and compare a list of encoders; what is there is kept",
        "anisoalign atlas --encoders list.toml --images photos/ --captions captions.csv "
        "--out atlas/",
    )
    made.add_argument(
        "--encoders", required=True, metavar="LIST.toml", help="a table [[encoder]] for each"
    )
    made.add_argument("--images", nargs="+", default=[], help="as encode takes them")
    made.add_argument("--captions", metavar="FILE", help="as encode takes them")
    made.add_argument("--out", required=True, metavar="FOLDER", help="where all of it goes")
    made.add_argument("--batch-size", type=int, default=64, help="images at a time")
    made.add_argument("--seed", type=int, default=0, help="of halves and samples")
    made.add_argument("--title", default="Encoders side by side", help="of the page")
    add_json(made, "the comparison, and what was made, kept and left out")
