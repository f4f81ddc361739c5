"""Every verb's arguments, and its help with examples."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from anisoalign_core import __version__

WRONG = 2
SAMPLE_ROWS = 100_000
"""Rows that verbs which measure read of each side, unless told otherwise."""

EXAMPLES = """examples:
  anisoalign info texts/
  anisoalign diagnose --target image.npy --source text.npy --paired --json report.json
  anisoalign fit --method bounded --bound 0.2 --target images/ --source texts/ --out model.npz
  anisoalign apply --model model.npz --source texts/ --out aligned/
  anisoalign evaluate --model model.npz --target image_eval.npy --source text_eval.npy --paired
  anisoalign compare --target image.npy --source text.npy --paired --splits 5 --out board.html
  anisoalign falsify --target image.npy --source text.npy --paired --splits 10 --json found.json
  anisoalign encode --images photos.zip --captions captions.csv --model ViT-B-32
      --pretrained laion2b_s34b_b79k --out-images image.npy --out-texts text.npy
  anisoalign convert --source texts.parquet --out texts/ --format npy --shard-rows 100000
  anisoalign replay aligned.recipe.json --out again/

a set is a file, a folder of shards, a pattern in quotes ("texts/part_*.npy"), several files, a
folder that clip-retrieval wrote, a URL that fsspec knows, or sample:scenes

exit codes: 0 done; 1 a replay differs; 2 wrong use or input; 3 a place could not be read or
written; 130, 143 interrupted
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line.

    ``methods`` adds what the methods declare, for the verb that is used: it imports the numerics.
    """

    methods: Callable[[Any], Any] | None = None

    def parse_known_args(self, *given: Any) -> Any:  # type: ignore[override]
        """Add what depends on the methods, then read the arguments."""
        if self.methods is not None:
            self.methods(self)
        self.methods = None
        return super().parse_known_args(*given)

    def error(self, message: str) -> Any:
        """Print one line and exit."""
        self.exit(WRONG, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all verbs."""
    parser = Parser(
        prog="anisoalign",
        description="Measure and correct the modality gap between two sets of embeddings.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"anisoalign {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb", parser_class=Parser)

    def verb(name: str, module: str, words: str, example: str) -> Parser:
        made: Parser = verbs.add_parser(
            name,
            help=words,
            description=words[0].upper() + words[1:] + ".",
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.add_argument("--quiet", action="store_true", help="nothing on standard error")
        made.set_defaults(run=_run(module, name))
        return made

    adding = (_info, _diagnose, _fit, _apply, _evaluate, _compare, _falsify, _encode)
    for add in (*adding, _convert, _replay):
        add(verb)
    return parser


Verb = Callable[[str, str, str, str], Parser]


def _run(module: str, name: str) -> Callable[[Any], Any]:
    """Return what runs a verb, or adds to it: its module is imported when it is used."""

    def run(subject: Any) -> Any:
        return getattr(import_module(f"anisoalign_core.cli.{module}"), name)(subject)

    return run


def _info(verb: Verb) -> None:
    info = verb(
        "info",
        "info",
        "say what a set, a model or a recipe holds",
        "anisoalign info texts/ --json -",
    )
    info.add_argument("source", nargs="+", metavar="PLACE", help="a set, a model, or a recipe")
    info.add_argument("--modality", dest="source_modality", default="text")
    info.add_argument("--key", dest="source_key", help="name of the array or column")
    info.add_argument("--json", metavar="FILE", help="write everything; - for stdout")


def _diagnose(verb: Verb) -> None:
    diagnose = verb(
        "diagnose",
        "measure",
        "how do the two sets differ?",
        "anisoalign diagnose --target image.npy --source text.npy --paired --json report.json",
    )
    _add_sides(diagnose)
    _add_sampling(diagnose)
    diagnose.add_argument("--seed", type=int, default=0)
    diagnose.add_argument("--json", metavar="FILE", help="write the whole report; - for stdout")


def _fit(verb: Verb) -> None:
    fit = verb(
        "fit",
        "transform",
        "fit a correction and save it; methods that need only moments read sets of any size",
        "anisoalign fit --method bounded --bound 0.2 --target images/ --source texts/ "
        "--out model.npz",
    )
    _add_sides(fit)
    fit.methods = _run("knobs", "add_methods")
    _add_parameters(fit, "any other parameter of the method, as JSON; repeatable")
    fit.add_argument("--split-seed", type=int, help="fit on the fit parts of this split only")
    fit.add_argument("--holdout", type=float, default=0.2)
    fit.add_argument(
        "--rows", type=int, metavar="N", help="fit on a sample of N rows of each side, in memory"
    )
    fit.add_argument("--sample-seed", type=int, default=0, help="seed of that sample")
    _add_engine(fit)
    fit.add_argument("--out", required=True, metavar="MODEL.npz")
    fit.add_argument("--json", metavar="FILE", help="write what was read and fitted; - for stdout")


def _apply(verb: Verb) -> None:
    apply = verb(
        "apply",
        "transform",
        "correct a set with a saved model, shard by shard; the same command goes on after a stop",
        "anisoalign apply --model model.npz --source texts/ --out aligned/",
    )
    apply.add_argument("--model", required=True)
    _add_source(apply)
    apply.add_argument("--target-partners", metavar="FILE", help="for the oracle control only")
    _add_output(apply)
    apply.add_argument("--recipe", metavar="FILE", help="default: beside the output")
    _add_engine(apply)
    apply.add_argument("--json", metavar="FILE", help="write what was written; - for stdout")


def _evaluate(verb: Verb) -> None:
    evaluate = verb(
        "evaluate",
        "measure",
        "score a saved model on rows it has not seen",
        "anisoalign evaluate --model model.npz --target image_eval.npy --source text_eval.npy "
        "--paired",
    )
    _add_sides(evaluate)
    _add_sampling(evaluate)
    evaluate.add_argument("--model", required=True)
    evaluate.add_argument("--k", type=int, default=20, help="neighbours (default 20)")
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--json", metavar="FILE", help="write all scores; - for stdout")


def _compare(verb: Verb) -> None:
    compare = verb(
        "compare",
        "measure",
        "all methods on the same splits, with floor, ceiling and controls",
        "anisoalign compare --target image.npy --source text.npy --paired --out board.html",
    )
    _add_sides(compare)
    _add_sampling(compare)
    compare.add_argument(
        "--methods",
        nargs="*",
        metavar="METHOD[:NAME=VALUE,…]",
        help="default: every method of anisoalign fit; those that train in each of their variants, "
        "which takes minutes",
    )
    _add_splits(compare, 5)
    lessons = compare.add_mutually_exclusive_group()
    lessons.add_argument("--labels", nargs="*", metavar="COLUMN", help="teach these labels only")
    lessons.add_argument(
        "--keywords", help='teach classes found in captions: "dog: dog, puppy; cat: cat, kitten"'
    )
    compare.add_argument(
        "--captions", action="store_true", help="train caption decoders too (minutes)"
    )
    compare.add_argument(
        "--out",
        action="append",
        default=[],
        metavar="FILE",
        help="write .csv, .json, .tex, .md or .html; repeatable",
    )
    compare.add_argument("--json", metavar="FILE", help="write everything; - for stdout")


def _falsify(verb: Verb) -> None:
    falsify = verb(
        "falsify",
        "measure",
        "take AnisoAlign apart, against controls and at equal cost in meaning",
        "anisoalign falsify --target image.npy --source text.npy --paired --splits 10",
    )
    _add_sides(falsify)
    _add_sampling(falsify)
    falsify.methods = _run("knobs", "add_variant")
    _add_splits(falsify, 10)
    falsify.add_argument(
        "--ranks", type=int, nargs="*", help="frame ranks to sweep; default: half and twice"
    )
    _add_parameters(falsify, "a parameter of AnisoAlign, as JSON; repeatable")
    falsify.add_argument("--json", metavar="FILE", help="write every score; - for stdout")


def _encode(verb: Verb) -> None:
    encode = verb(
        "encode",
        "encode",
        "images and captions to embeddings, through a model of open_clip",
        "anisoalign encode --images photos.zip --captions captions.csv --model ViT-B-32 "
        "--pretrained laion2b_s34b_b79k --out-images image.npy --out-texts text.npy",
    )
    encode.add_argument(
        "--images", nargs="+", default=[], metavar="PATH", help="files, .zip archives, folders"
    )
    encode.add_argument(
        "--captions",
        metavar="FILE",
        help="a table with the columns image and caption (.csv, .tsv), or one caption per line; "
        "default: NAME.txt or NAME.json beside each image",
    )
    encode.add_argument("--model", metavar="ARCH", help="architecture; see --list-models")
    encode.add_argument("--pretrained", metavar="TAG", help="its published weights")
    encode.add_argument(
        "--checkpoint", metavar="FILE", help="weights from a file: .safetensors, .pt"
    )
    encode.add_argument(
        "--config",
        metavar="FILE",
        help="what the checkpoint is for, instead of --model; default: NAME.json or "
        "open_clip_config.json beside it",
    )
    encode.add_argument("--batch-size", type=int, default=64, metavar="N")
    encode.add_argument("--precision", default="fp32", metavar="NAME", help="fp32, fp16 or bf16")
    encode.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, cuda:1 or mps")
    encode.add_argument("--out-images", metavar="FILE", help="where the images' embeddings go")
    encode.add_argument("--out-texts", metavar="FILE", help="where the captions' embeddings go")
    encode.add_argument(
        "--unpaired",
        action="store_true",
        help="keep images without caption, and captions whose image is broken",
    )
    encode.add_argument(
        "--list-models",
        nargs="?",
        const="",
        metavar="PATTERN",
        help="list architectures with their sizes and tags, and do nothing else",
    )
    encode.add_argument("--json", metavar="FILE", help="write what was encoded; - for stdout")


def _convert(verb: Verb) -> None:
    convert = verb(
        "convert",
        "transform",
        "write a set in another format, its rows as they are",
        "anisoalign convert --source texts.parquet --out texts/ --format npy --shard-rows 100000",
    )
    _add_source(convert)
    _add_output(convert)
    convert.add_argument(
        "--normalise", action="store_true", help="place the rows on the unit sphere"
    )
    _add_engine(convert)
    convert.add_argument("--json", metavar="FILE", help="write what was written; - for stdout")


def _replay(verb: Verb) -> None:
    replay = verb(
        "replay",
        "transform",
        "build a recipe's output again and check it; exit code 1 if it differs",
        "anisoalign replay aligned.recipe.json --out again/",
    )
    replay.add_argument("recipe")
    replay.add_argument("--target", nargs="+", help="where the target lies now")
    replay.add_argument("--source", nargs="+", help="where the source lies now")
    replay.add_argument("--drop-invalid", action="store_true", help="leave out zero or NaN rows")
    replay.add_argument(
        "--apply-to", nargs="+", help="the corrected set, where it is not the fitted source"
    )
    replay.add_argument("--model", help="use this model instead of fitting again")
    replay.add_argument("--out", required=True, metavar="FILE or FOLDER")
    _add_engine(replay)
    replay.add_argument("--json", metavar="FILE", help="write what was found; - for stdout")


def _add_sides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target",
        required=True,
        nargs="+",
        metavar="PLACE",
        help="the set to stand in for (images): file, folder, pattern; or sample:scenes",
    )
    parser.add_argument(
        "--source",
        required=True,
        nargs="+",
        metavar="PLACE",
        help="the set to be corrected (texts)",
    )
    for side, modality in (("target", "image"), ("source", "text")):
        parser.add_argument(f"--{side}-modality", default=modality, metavar="NAME")
        parser.add_argument(f"--{side}-key", metavar="NAME", help="name of the array or column")
    parser.add_argument("--drop-invalid", action="store_true", help="leave out zero or NaN rows")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--paired", action="store_true", help="row i belongs to row i")
    how.add_argument("--join-ids", action="store_true", help="rows with one id belong together")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source", required=True, nargs="+", metavar="PLACE", help="file, folder or pattern"
    )
    parser.add_argument("--source-modality", "--modality", default="text", metavar="NAME")
    parser.add_argument("--source-key", metavar="NAME", help="name of the array or column")
    parser.add_argument("--drop-invalid", action="store_true", help="leave out zero or NaN rows")


class _Written:
    """Names of the formats that can be written, read when they are asked for."""

    def __iter__(self) -> Iterator[str]:
        from anisoalign_core.io.registry import FORMATS

        return (name for name, each in FORMATS.items() if each.write is not None)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="FILE or FOLDER")
    parser.add_argument(
        "--format",
        choices=_Written(),
        metavar="NAME",
        help="%(choices)s; default: by the suffix, else as the input",
    )
    parser.add_argument("--dtype", choices=("float32", "float16"))
    parser.add_argument("--shard-rows", type=int, metavar="N", help="cut anew, N rows to a file")
    parser.add_argument(
        "--training-json",
        metavar="FILE",
        help="for revision: ids that this training file needs must all be there",
    )


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows",
        type=int,
        default=SAMPLE_ROWS,
        metavar="N",
        help=f"measure a sample of at most N rows of each side (default {SAMPLE_ROWS:,}; 0: all)",
    )
    parser.add_argument("--sample-seed", type=int, default=0, help="seed of that sample")


def _add_splits(parser: argparse.ArgumentParser, splits: int) -> None:
    parser.add_argument("--splits", type=int, default=splits)
    parser.add_argument("--holdout", type=float, default=0.25)
    parser.add_argument("--k", type=int, default=20, help="neighbours (default 20)")
    parser.add_argument("--seed", type=int, default=0)


def _add_parameters(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help=words)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, metavar="N", help="default: the cores that are free")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--scheduler", metavar="tcp://HOST:PORT", help="work on the Dask cluster at this address"
    )
    where.add_argument(
        "--workers", type=int, metavar="N", help="work on a Dask cluster of N processes here"
    )
