"""Every verb's arguments, and its help with examples."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from anisoalign_core import __version__
from anisoalign_core.cli.compare_verbs import advise, compare, falsify
from anisoalign_core.cli.encoder_verbs import atlas, compare_encoders
from anisoalign_core.cli.options import (
    add_columns,
    add_drop,
    add_engine,
    add_json,
    add_naming,
    add_neighbours,
    add_output,
    add_parameters,
    add_sample_seed,
    add_sampling,
    add_sides,
    add_source,
    later,
)

WRONG = 2
PLANES = (
    "what to look along: the gap beside the leading residual direction, or two leading directions "
    "of the target, or of both"
)
PARTS = (
    "subspaces",
    "distribution",
    "separability",
    "residual",
    "structure",
)  # gap.diagnose.PARTS, not imported
EXAMPLES = """examples:
  anisoalign info texts/
  anisoalign diagnose --target image.npy --source text.npy --paired --json report.json
  anisoalign fit --method bounded --bound 0.2 --target images/ --source texts/ --out model.npz
  anisoalign apply --model model.npz --source texts/ --out aligned/
  anisoalign evaluate --model model.npz --target image_eval.npy --source text_eval.npy --paired
  anisoalign compare --target image.npy --source text.npy --paired --splits 5 --out board.html
  anisoalign advise --purpose search --target image.npy --source text.npy --paired
  anisoalign live --model model.npz --target image.npy --source text.npy --out live.html
  anisoalign falsify --target image.npy --source text.npy --paired --splits 10 --json found.json
  anisoalign encode --images photos.zip --captions captions.csv --model ViT-B-32
      --pretrained laion2b_s34b_b79k --out-images image.npy --out-texts text.npy
  anisoalign compare-encoders clip.json siglip.json --out encoders.html
  anisoalign atlas --encoders list.toml --images photos/ --captions captions.csv --out atlas/
  anisoalign convert --source texts.parquet --out texts/ --format npy --shard-rows 100000
  anisoalign replay aligned.recipe.json --out again/
  anisoalign studio

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

    def add_argument(self, *names: Any, **given: Any) -> Any:
        """Add an argument; its words end with its default where it has one."""
        usual, words = given.get("default"), given.get("help", "")
        if usual not in (None, False, [], argparse.SUPPRESS) and words and "default" not in words:
            given["help"] = f"{words} (default: {usual})"
        return super().add_argument(*names, **given)

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
        made.set_defaults(run=later(module, name.replace("-", "_")))
        return made

    adding = (_info, _diagnose, _fit, _apply, _evaluate, compare, advise, falsify, _live, _encode)
    for add in (*adding, _scores, _convert, _replay, compare_encoders, atlas, _studio):
        add(verb)
    return parser


Verb = Callable[[str, str, str, str], Parser]


def _info(verb: Verb) -> None:
    info = verb(
        "info",
        "info",
        "say what a set, a model or a recipe holds",
        "anisoalign info texts/ --json -",
    )
    info.add_argument("source", nargs="+", metavar="PLACE", help="a set, a model, or a recipe")
    add_naming(info, None)
    add_columns(info)
    add_json(info, "everything")


def _diagnose(verb: Verb) -> None:
    diagnose = verb(
        "diagnose",
        "measure",
        "how do the two sets differ?",
        "anisoalign diagnose --target image.npy --source text.npy --paired --json report.json",
    )
    add_sides(diagnose)
    add_sampling(diagnose)
    diagnose.add_argument("--seed", type=int, default=0, help="seed of halves and samples")
    diagnose.add_argument(
        "--parts",
        nargs="*",
        choices=PARTS,
        default=PARTS,
        help="what is measured besides means and spectra (default: all of %(choices)s)",
    )
    add_json(diagnose, "the whole report")


def _fit(verb: Verb) -> None:
    fit = verb(
        "fit",
        "transform",
        "fit a correction and save it; methods that need only moments read sets of any size",
        "anisoalign fit --method bounded --bound 0.2 --target images/ --source texts/ "
        "--out model.npz",
    )
    add_sides(fit)
    fit.methods = later("knobs", "add_methods")
    add_parameters(fit, "any other parameter of the method, as JSON; repeatable")
    fit.add_argument("--split-seed", type=int, help="fit on the fit parts of this split only")
    fit.add_argument("--holdout", type=float, default=0.2, help="share that the split holds out")
    fit.add_argument(
        "--weigh",
        choices=("row", "thing"),
        default="row",
        help="what has weight one: each row, or all rows of an id together",
    )
    fit.add_argument(
        "--rows", type=int, metavar="N", help="fit on a sample of N rows of each side, in memory"
    )
    add_sample_seed(fit)
    add_engine(fit)
    fit.add_argument("--out", required=True, metavar="MODEL.npz", help="where the model goes")
    add_json(fit, "what was read and fitted")


def _apply(verb: Verb) -> None:
    apply = verb(
        "apply",
        "transform",
        "correct a set with a saved model, shard by shard; the same command goes on after a stop",
        "anisoalign apply --model model.npz --source texts/ --out aligned/",
    )
    apply.add_argument("--model", required=True, help="what fit wrote")
    add_source(apply)
    apply.add_argument("--target-partners", metavar="FILE", help="for the oracle control only")
    add_output(apply)
    apply.add_argument("--recipe", metavar="FILE", help="default: beside the output")
    add_engine(apply)
    add_json(apply, "what was written")


def _evaluate(verb: Verb) -> None:
    evaluate = verb(
        "evaluate",
        "measure",
        "score a saved model on rows it has not seen",
        "anisoalign evaluate --model model.npz --target image_eval.npy --source text_eval.npy "
        "--paired",
    )
    add_sides(evaluate)
    add_sampling(evaluate)
    evaluate.add_argument("--model", required=True, help="what fit wrote")
    add_neighbours(evaluate)
    add_json(evaluate, "all scores")


def _live(verb: Verb) -> None:
    live = verb(
        "live",
        "measure",
        "a saved model as a picture whose bound moves under the hand: one HTML file",
        "anisoalign live --model model.npz --target image.npy --source text.npy --out live.html",
    )
    add_sides(live)
    add_sampling(live)
    live.add_argument("--model", required=True, help="what fit wrote")
    live.add_argument("--out", required=True, help="the file to write, which fetches nothing")
    live.add_argument("--plane", choices=("gap", "target", "joint"), default="gap", help=PLANES)
    live.add_argument(
        "--shown", type=int, default=8000, help="rows of a side at most, a seeded sample"
    )
    live.add_argument("--title", default="", help="what to call the data")
    add_json(live, "what the picture shows: rows, keyframes, and how right it is between them")


def _scores(verb: Verb) -> None:
    scores = verb(
        "scores",
        "scores",
        "correct the scores of queries with a gallery, and export rows for an index",
        "anisoalign scores --scorer csls --queries q.npy --gallery x.npy --out rows.npy "
        "--out-queries asked.npy",
    )
    scores.methods = later("scores", "add_scores")


def _encode(verb: Verb) -> None:
    encode = verb(
        "encode",
        "encode",
        "images, captions and sounds to embeddings, through a model of any library",
        "anisoalign encode --images photos.zip --captions captions.csv --model ViT-B-32 "
        "--pretrained laion2b_s34b_b79k --out-images image.npy --out-texts text.npy",
    )
    encode.add_argument(
        "--images", nargs="+", default=[], metavar="PATH", help="files, .zip archives, folders"
    )
    encode.add_argument(
        "--captions",
        metavar="FILE",
        help="a table with the columns image and caption (.csv, .tsv), any number of lines for an "
        "image, JSON or JSON lines, COCO's "
        "annotations, or one caption per line; "
        "default: NAME.txt or NAME.json beside each image",
    )
    encode.add_argument(
        "--audio", nargs="+", default=[], metavar="PATH", help=".wav files, and folders of them"
    )
    encode.methods = later("encode", "add_backends")
    encode.add_argument(
        "--checkpoint",
        metavar="PATH",
        help="weights from a file (.safetensors, .pt), or a model's folder",
    )
    encode.add_argument(
        "--config",
        metavar="FILE",
        help="what the checkpoint is for, instead of --model; default: NAME.json or "
        "open_clip_config.json beside it",
    )
    encode.add_argument(
        "--batch-size", type=int, default=64, metavar="N", help="items encoded at once"
    )
    encode.add_argument("--precision", default="fp32", metavar="NAME", help="fp32, fp16 or bf16")
    encode.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, cuda:1 or mps")
    encode.add_argument("--out-images", metavar="FILE", help="where the images' embeddings go")
    encode.add_argument("--out-texts", metavar="FILE", help="where the captions' embeddings go")
    encode.add_argument("--out-audio", metavar="FILE", help="where the sounds' embeddings go")
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
        help="list open_clip's architectures with their sizes and tags, and do nothing else",
    )
    add_json(encode, "what was encoded")


def _convert(verb: Verb) -> None:
    convert = verb(
        "convert",
        "transform",
        "write a set in another format, its rows as they are",
        "anisoalign convert --source texts.parquet --out texts/ --format npy --shard-rows 100000",
    )
    add_source(convert)
    add_output(convert)
    convert.add_argument(
        "--normalise", action="store_true", help="place the rows on the unit sphere"
    )
    add_engine(convert)
    add_json(convert, "what was written")


def _replay(verb: Verb) -> None:
    replay = verb(
        "replay",
        "transform",
        "build a recipe's output again and check it; exit code 1 if it differs",
        "anisoalign replay aligned.recipe.json --out again/",
    )
    replay.add_argument("recipe", help="what apply, or the Export page, wrote")
    replay.add_argument("--target", nargs="+", help="where the target lies now")
    replay.add_argument("--source", nargs="+", help="where the source lies now")
    add_drop(replay)
    replay.add_argument(
        "--apply-to", nargs="+", help="the corrected set, where it is not the fitted source"
    )
    replay.add_argument("--model", help="use this model instead of fitting again")
    replay.add_argument("--out", required=True, metavar="FILE or FOLDER", help="what is written")
    add_engine(replay)
    add_json(replay, "what was found")


def _studio(verb: Verb) -> None:
    studio = verb("studio", "studio", "start the app, with the sample", "anisoalign studio")
    studio.add_argument(
        "--port", type=int, metavar="N", help="where it listens (default: 8501, or the next free)"
    )
    studio.add_argument("--headless", action="store_true", help="open no browser")
