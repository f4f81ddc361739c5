"""Arguments of the verbs that compare methods; what they do is in compare.py."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from anisoalign_core.cli.options import (
    add_json,
    add_parameters,
    add_sampling,
    add_sides,
    add_splits,
    later,
)

Verb = Callable[[str, str, str, str], Any]


def compare(verb: Verb) -> None:
    """Add the verb that ranks methods."""
    made = verb(
        "compare",
        "compare",
        "all methods on the same splits, with floor, ceiling and controls",
        "anisoalign compare --target image.npy --source text.npy --paired --out board.html",
    )
    add_sides(made)
    add_sampling(made)
    made.add_argument(
        "--methods",
        nargs="*",
        metavar="METHOD[:NAME=VALUE,…]",
        help="default: every method of anisoalign fit that does not train; those that do take "
        "minutes",
    )
    add_splits(made, 5)
    _add_lessons(made)
    made.add_argument(
        "--captions", action="store_true", help="train caption decoders too (minutes)"
    )
    made.add_argument(
        "--out",
        action="append",
        default=[],
        metavar="FILE",
        help="write .csv, .json, .tex, .md or .html; repeatable",
    )
    add_json(made, "everything")


def advise(verb: Verb) -> None:
    """Add the verb that recommends a method for a purpose."""
    made = verb(
        "advise",
        "compare",
        "which correction for what: recommended, with its gain, or that nothing helps",
        "anisoalign advise --purpose search --target image.npy --source text.npy --paired",
    )
    made.add_argument(
        "--purpose",
        nargs="+",
        choices=("train", "search", "mixed", "cluster", "zero-shot"),
        help="what the vectors are for; default: all that can be asked",
    )
    add_sides(made)
    add_sampling(made)
    made.add_argument(
        "--methods",
        nargs="*",
        metavar="METHOD[:NAME=VALUE,…]",
        help="what is tried; default: methods that do not train",
    )
    made.add_argument("--splits", type=int, default=5, help="splits, at least 2")
    made.add_argument("--seed", type=int, default=0, help="of the first split")
    _add_lessons(made)
    add_json(made, "the advice, and every score behind it")


def falsify(verb: Verb) -> None:
    """Add the verb that takes AnisoAlign apart."""
    made = verb(
        "falsify",
        "compare",
        "take AnisoAlign apart, against controls and at equal cost in meaning",
        "anisoalign falsify --target image.npy --source text.npy --paired --splits 10",
    )
    add_sides(made)
    add_sampling(made)
    made.methods = later("knobs", "add_variant")
    add_splits(made, 10)
    made.add_argument(
        "--ranks", type=int, nargs="*", help="frame ranks to sweep; default: half and twice"
    )
    add_parameters(made, "a parameter of AnisoAlign, as JSON; repeatable")
    add_json(made, "every score")


def _add_lessons(parser: ArgumentParser) -> None:
    """Add what classifiers are taught, and what names their classes."""
    lessons = parser.add_mutually_exclusive_group()
    lessons.add_argument("--labels", nargs="*", metavar="COLUMN", help="teach these labels only")
    lessons.add_argument(
        "--keywords", help='teach classes found in captions: "dog: dog, puppy; cat: cat, kitten"'
    )
    parser.add_argument(
        "--prompts",
        metavar="FILE",
        help="vectors of class names, for zero-shot accuracy: ids, or columns of labels, name the "
        "class",
    )
