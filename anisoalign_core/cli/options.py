"""Options that several verbs have, each said once."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

SAMPLE_ROWS = 100_000
"""Rows that verbs which measure read of each side, unless told otherwise."""


KEYWORD = re.compile(r'\b([a-z_]+)=(?:True|"([^"]*)"|\["([^"]*)"\])')


def spoken(words: str, options: Namespace) -> str:
    """Return a message of the library with the verb's options in the place of keyword arguments."""
    known = vars(options)

    def option(match: re.Match[str]) -> str:
        name = match[1]
        named = [name] if name in known else []
        if name == "key":
            named = [f"{side}_key" for side in ("source", "target") if f"{side}_key" in known]
        if not named:
            return match[0]
        value = f" {match[2] or match[3]}" if match[2] or match[3] else ""
        if options.verb == "info":
            named = [each.removeprefix("source_") for each in named]
        return " or ".join(f"--{each.replace('_', '-')}{value}" for each in named)

    return KEYWORD.sub(option, words)


def add_sides(parser: ArgumentParser) -> None:
    """Add the two sets and how they are read and paired."""
    parser.add_argument(
        "--target",
        required=True,
        nargs="+",
        metavar="PLACE",
        help="the set to stand in for (images): file, folder, pattern; or sample:scenes",
    )
    words = "the set to be corrected (texts)"
    parser.add_argument("--source", required=True, nargs="+", metavar="PLACE", help=words)
    for side, modality in (("target", "image"), ("source", "text")):
        words = "what its rows are; also chooses among the arrays of a file"
        parser.add_argument(f"--{side}-modality", default=modality, metavar="NAME", help=words)
        parser.add_argument(f"--{side}-key", metavar="NAME", help="name of the array or column")
    add_columns(parser, "source", "target")
    add_drop(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--paired", action="store_true", help="row i belongs to row i")
    how.add_argument("--join-ids", action="store_true", help="rows with one id belong together")


def add_source(parser: ArgumentParser) -> None:
    """Add one set and how it is read."""
    parser.add_argument(
        "--source", required=True, nargs="+", metavar="PLACE", help="file, folder or pattern"
    )
    add_naming(parser, "text")
    add_columns(parser)
    add_drop(parser)


def add_naming(parser: ArgumentParser, modality: str | None) -> None:
    """Add what the rows of the one set are, and which array holds them."""
    usual = "" if modality else "; default: text, or the first"
    parser.add_argument(
        "--source-modality",
        "--modality",
        default=modality,
        metavar="NAME",
        help=f"what its rows are; also chooses among the arrays of a file{usual}",
    )
    parser.add_argument("--source-key", "--key", metavar="NAME", help="name of the array or column")


def add_columns(parser: ArgumentParser, *sides: str) -> None:
    """Add which column holds the ids and which are left out, for every set and for each side."""
    for side in ("", *sides):
        words = f" of the {side}" if side else ""
        parser.add_argument(
            f"--{side}-id-column" if side else "--id-column",
            metavar="NAME",
            help=f"column{words} that holds the ids; default: told by its name",
        )
        parser.add_argument(
            f"--{side}-drop-columns" if side else "--drop-columns",
            nargs="+",
            metavar="NAME",
            help=f"columns{words} to leave out",
        )


def add_drop(parser: ArgumentParser) -> None:
    """Add whether invalid rows are left out."""
    parser.add_argument("--drop-invalid", action="store_true", help="leave out zero or NaN rows")


def add_json(parser: ArgumentParser, words: str) -> None:
    """Add where an answer is written as JSON."""
    parser.add_argument("--json", metavar="FILE", help=f"write {words}; - for stdout")


def add_neighbours(parser: ArgumentParser) -> None:
    """Add the neighbours that scores count, and their seed."""
    parser.add_argument("--k", type=int, default=20, help="neighbours")
    parser.add_argument("--seed", type=int, default=0, help="seed of all that is drawn")


def add_sample_seed(parser: ArgumentParser) -> None:
    """Add the seed of a sample."""
    parser.add_argument("--sample-seed", type=int, default=0, help="seed of that sample")


class _Written:
    """Names of the formats that can be written, read when they are asked for."""

    def __iter__(self) -> Iterator[str]:
        from anisoalign_core.io.registry import FORMATS

        return (name for name, each in FORMATS.items() if each.write is not None)


def add_output(parser: ArgumentParser) -> None:
    """Add where and how a set is written."""
    parser.add_argument("--out", required=True, metavar="FILE or FOLDER", help="what is written")
    parser.add_argument(
        "--format",
        choices=_Written(),
        metavar="NAME",
        help="%(choices)s; default: by the suffix, else as the input",
    )
    parser.add_argument("--dtype", choices=("float32", "float16"), help="default: as the input")
    parser.add_argument("--shard-rows", type=int, metavar="N", help="cut anew, N rows to a file")
    parser.add_argument(
        "--training-json",
        metavar="FILE",
        help="for revision: ids that this training file needs must all be there",
    )


def add_sampling(parser: ArgumentParser) -> None:
    """Add how many rows are measured."""
    parser.add_argument(
        "--rows",
        type=int,
        default=SAMPLE_ROWS,
        metavar="N",
        help=f"measure a sample of at most N rows of each side (default {SAMPLE_ROWS:,}; 0: all)",
    )
    add_sample_seed(parser)


def add_splits(parser: ArgumentParser, splits: int) -> None:
    """Add how a pair is split."""
    parser.add_argument("--splits", type=int, default=splits, help="repeated splits")
    parser.add_argument("--holdout", type=float, default=0.25, help="share held out by each")
    add_neighbours(parser)


def add_parameters(parser: ArgumentParser, words: str) -> None:
    """Add any parameter of a method."""
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help=words)


def add_engine(parser: ArgumentParser) -> None:
    """Add who does the work."""
    parser.add_argument("--threads", type=int, metavar="N", help="default: the cores that are free")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--scheduler", metavar="tcp://HOST:PORT", help="work on the Dask cluster at this address"
    )
    where.add_argument(
        "--workers", type=int, metavar="N", help="work on a Dask cluster of N processes here"
    )


def later(module: str, name: str) -> Callable[[Any], Any]:
    """Return what runs a verb, or adds to it: its module is imported when it is used."""

    def run(subject: Any) -> Any:
        return getattr(import_module(f"anisoalign_core.cli.{module}"), name)(subject)

    return run
