"""The command line: ``anisoalign diagnose | fit | apply | evaluate | compare | falsify | replay``.

Exit codes: 0 done, 2 wrong use or wrong input with one line on standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from anisoalign_core import __version__
from anisoalign_core.errors import AnisoAlignError, ParameterError

if TYPE_CHECKING:
    from anisoalign_core.embeddings import EmbeddingSet
    from anisoalign_core.pairs import EmbeddingPair

METHODS = (
    "identity mean-shift gap-shift center-both c3 standardize realign coral bures bounded "
    "anisoalign procrustes ridge permuted oracle"
).split()
WRONG = 2
SAMPLE = "sample:"
"""Before the name of a bundled sample, in the place of a file."""

EXAMPLES = """examples:
  anisoalign diagnose --target image.npy --source text.npy --paired --json report.json
  anisoalign fit --method bounded --bound 0.2 --target image.npy --source text.npy --out model.npz
  anisoalign apply --model model.npz --source text.npy --out aligned.npy
  anisoalign evaluate --model model.npz --target image_eval.npy --source text_eval.npy --paired
  anisoalign compare --target image.npy --source text.npy --paired --splits 5 --out board.html
  anisoalign falsify --target image.npy --source text.npy --paired --splits 10 --json found.json
  anisoalign replay recipe.json --target image.npy --source text.npy --out aligned.npy
"""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> Any:
        self.exit(WRONG, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all verbs."""
    parser = _Parser(
        prog="anisoalign",
        description="Measure and correct the modality gap between two sets of embeddings.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"anisoalign {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb", parser_class=_Parser)

    diagnose = verbs.add_parser("diagnose", help="how do the two sets differ?")
    _add_sides(diagnose)
    diagnose.add_argument("--seed", type=int, default=0)
    diagnose.add_argument("--json", metavar="FILE", help="write the whole report; - for stdout")
    diagnose.set_defaults(run=_diagnose)

    fit = verbs.add_parser("fit", help="fit a correction and save it")
    _add_sides(fit)
    fit.add_argument("--method", choices=METHODS, default="bounded")
    fit.add_argument("--bound", type=_bound, help='bound α ≥ 0, or "auto" (bounded only)')
    fit.add_argument("--frame", choices=("full", "joint", "target"))
    fit.add_argument("--rank", type=int)
    fit.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of the method, as JSON; repeatable",
    )
    fit.add_argument("--split-seed", type=int, help="fit on the fit parts of this split only")
    fit.add_argument("--holdout", type=float, default=0.2)
    fit.add_argument("--out", required=True, metavar="MODEL.npz")
    fit.set_defaults(run=_fit)

    apply = verbs.add_parser("apply", help="correct a file with a saved model")
    apply.add_argument("--model", required=True)
    apply.add_argument("--source", required=True)
    apply.add_argument("--target-partners", metavar="FILE", help="for the oracle control only")
    apply.add_argument("--drop-invalid", action="store_true")
    apply.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    apply.add_argument("--out", required=True, metavar="FILE")
    apply.set_defaults(run=_apply)

    evaluate = verbs.add_parser("evaluate", help="score a saved model on rows it has not seen")
    _add_sides(evaluate)
    evaluate.add_argument("--model", required=True)
    evaluate.add_argument("--k", type=int, default=20, help="neighbours (default 20)")
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--json", metavar="FILE", help="write all scores; - for stdout")
    evaluate.set_defaults(run=_evaluate)

    compare = verbs.add_parser(
        "compare", help="all methods on the same splits, with floor, ceiling and controls"
    )
    _add_sides(compare)
    compare.add_argument(
        "--methods",
        nargs="*",
        metavar="METHOD[:NAME=VALUE,…]",
        help="default: every method, AnisoAlign in both variants (those train: minutes)",
    )
    compare.add_argument("--splits", type=int, default=5)
    compare.add_argument("--holdout", type=float, default=0.25)
    compare.add_argument("--k", type=int, default=20, help="neighbours (default 20)")
    compare.add_argument("--seed", type=int, default=0)
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
    compare.set_defaults(run=_compare)

    falsify = verbs.add_parser(
        "falsify", help="take AnisoAlign apart, against controls and at equal cost in meaning"
    )
    _add_sides(falsify)
    falsify.add_argument("--variant", choices=("paper", "corrected"), default="paper")
    falsify.add_argument("--splits", type=int, default=10)
    falsify.add_argument("--holdout", type=float, default=0.25)
    falsify.add_argument("--k", type=int, default=20, help="neighbours (default 20)")
    falsify.add_argument("--seed", type=int, default=0)
    falsify.add_argument(
        "--ranks", type=int, nargs="*", help="frame ranks to sweep; default: half and twice"
    )
    falsify.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of AnisoAlign, as JSON; repeatable",
    )
    falsify.add_argument("--json", metavar="FILE", help="write every score; - for stdout")
    falsify.set_defaults(run=_falsify, method="anisoalign", bound=None, frame=None, rank=None)

    replay = verbs.add_parser("replay", help="build a recipe's output again and check it")
    replay.add_argument("recipe")
    _add_sides(replay, pairing=False)
    replay.add_argument("--out", required=True, metavar="FILE")
    replay.set_defaults(run=_replay)
    for verb in verbs.choices.values():
        verb.add_argument("--quiet", action="store_true", help="no progress on standard error")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    options = build_parser().parse_args(arguments)
    try:
        run: Any = options.run
        run(options)
    except AnisoAlignError as error:
        print(f"anisoalign {options.verb}: {error}", file=sys.stderr)
        return WRONG
    except OSError as error:  # a missing or read-only folder, a full disk
        name = Path(error.filename).name if error.filename else "a file"
        print(f"anisoalign {options.verb}: {name}: {error.strerror or error}.", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print(f"anisoalign {options.verb}: cancelled; nothing was written.", file=sys.stderr)
        return 130
    return 0


def _add_sides(parser: argparse.ArgumentParser, *, pairing: bool = True) -> None:
    parser.add_argument(
        "--target", required=True, help="the set to stand in for (images); or sample:scenes"
    )
    parser.add_argument("--source", required=True, help="the set to be corrected (texts)")
    parser.add_argument("--drop-invalid", action="store_true", help="leave out zero or NaN rows")
    if pairing:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--paired", action="store_true", help="row i belongs to row i")
        how.add_argument("--join-ids", action="store_true", help="rows with one id belong together")


def _bound(text: str) -> float | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is neither a number nor "auto"') from None


def _say(options: argparse.Namespace, words: str) -> None:
    if not options.quiet:
        print(words, file=sys.stderr)


def _read(options: argparse.Namespace, path: str, modality: str) -> EmbeddingSet:
    from anisoalign_core.io import load
    from anisoalign_core.samples import load_sample

    if path.startswith(SAMPLE):
        pair = load_sample(path.removeprefix(SAMPLE))
        found = pair.target if modality == "image" else pair.source
    else:
        found = load(path, modality=modality, drop_invalid=options.drop_invalid)
    dropped = len(found.provenance.dropped_rows)
    _say(
        options,
        f"{found.name}: {len(found):,} × {found.dim}" + (f", {dropped} dropped" * (dropped > 0)),
    )
    if len(found) < found.dim:
        _say(
            options,
            f"warning: {found.name} has fewer rows than dimensions; its covariance is singular "
            "and is shrunk (Ledoit–Wolf) where it is inverted.",
        )
    return found


def _pair(options: argparse.Namespace) -> EmbeddingPair:
    from anisoalign_core.pairs import EmbeddingPair

    source, target = _read(options, options.source, "text"), _read(options, options.target, "image")
    by: Literal["row", "id", "none"] = (
        "id" if options.join_ids else "row" if options.paired else "none"
    )
    return EmbeddingPair.match(source, target, by)


def _emit(text: str, path: str) -> None:
    from anisoalign_core.io.atomic import atomic_write_text

    if path == "-":
        print(text)
    else:
        atomic_write_text(Path(path), text + "\n")


def _diagnose(options: argparse.Namespace) -> None:
    from anisoalign_core.diagnose import diagnose

    report = diagnose(
        _pair(options),
        random_state=options.seed,
        progress=lambda fraction, words: _say(options, f"{fraction:4.0%} {words}"),
    )
    if options.json:
        _emit(report.to_json(), options.json)
    if options.json != "-":
        table = report.to_frame()[["value", "low", "high", "null", "null_is"]]
        print(table.to_string(float_format=lambda value: f"{value:.4g}", na_rep=""))
        print(report.verdict.headline)
        for reason in (*report.verdict.reasons, *report.notes):
            print(f"  {reason}")


def _fit(options: argparse.Namespace) -> None:
    from anisoalign_core.align import ALIGNERS
    from anisoalign_core.recipe import fit_rows

    pair = _pair(options)
    parameters = _parameters(options)
    method = ALIGNERS[options.method](**parameters)
    if (method.needs_pairs or method.needs_partners) and not pair.paired:
        raise ParameterError(
            f"{options.method} learns from pairs: add --paired (row i belongs to row i) or "
            "--join-ids."
        )
    split = None
    if options.split_seed is not None:
        split = pair.split(options.split_seed, options.holdout)
    rows = fit_rows(pair, method.needs_pairs, split)
    method.fit(*rows, progress=lambda fraction, words: _say(options, f"{fraction:4.0%} {words}"))
    method.save(options.out)
    if hasattr(method, "bound_"):
        _say(options, f"bound {method.bound_:g}")
    _say(options, f"{method.label} fitted on {method.n_source_:,} + {method.n_target_:,} rows.")


def _compare(options: argparse.Namespace) -> None:
    from anisoalign_core.leaderboard import Leaderboard, leaderboard
    from anisoalign_core.leaderboard.captions import caption_board
    from anisoalign_core.metrics.transfer import parse_keywords
    from anisoalign_core.publish import FORMATS, to_json, to_markdown

    for path in options.out:
        if Path(path).suffix not in FORMATS:
            raise ParameterError(f"--out {path}: end the name with {', '.join(FORMATS)}.")
    pair, finished, captions = _pair(options), list[Leaderboard](), None

    def tell(fraction: float, words: str) -> None:
        _say(options, f"{fraction:4.0%} {words}")

    try:
        leaderboard(
            pair,
            options.methods,
            splits=options.splits,
            holdout=options.holdout,
            k=options.k,
            random_state=options.seed,
            columns=options.labels,
            keywords=parse_keywords(options.keywords) if options.keywords else None,
            on_split=finished.append,
            progress=tell,
        )
        if options.captions:
            captions = caption_board(
                pair, holdout=options.holdout, random_state=options.seed, progress=tell
            )
    except KeyboardInterrupt:
        if not finished:
            raise
        _say(options, f"stopped; {finished[-1].splits} of {options.splits} splits are kept.")
    board = finished[-1]
    for path in options.out:
        _write_board(board, captions, path)
    if options.json:
        _emit(to_json(board, captions).rstrip("\n"), options.json)
    if options.json != "-":
        print(to_markdown(board, captions))


def _write_board(board: Any, captions: Any, path: str) -> None:
    from anisoalign_core.io.atomic import atomic_path
    from anisoalign_core.publish import render

    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(render(board, Path(path).suffix, captions))


def _falsify(options: argparse.Namespace) -> None:
    from anisoalign_core.align import AnisoAlign
    from anisoalign_core.falsifiers import falsify

    parameters = {"variant": options.variant} | _parameters(options)
    found = falsify(
        _pair(options),
        splits=options.splits,
        method=AnisoAlign(**parameters),
        ranks=options.ranks,
        holdout=options.holdout,
        k=options.k,
        random_state=options.seed,
        progress=lambda fraction, words: _say(options, f"{fraction:4.0%} {words}"),
    )
    if options.json:
        _emit(json.dumps(found.to_dict(), indent=1), options.json)
    if options.json != "-":
        print(found.to_markdown())
        for note in found.notes:
            print(f"  {note}")


def _parameters(options: argparse.Namespace) -> dict[str, Any]:
    from anisoalign_core.align import ALIGNERS

    known = ALIGNERS[options.method]().get_params()
    given: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("bound", "frame", "rank")
        if getattr(options, name) is not None
    }
    for entry in options.param:
        name, equals, text = entry.partition("=")
        if not equals:
            raise ParameterError(f'--param {entry}: write NAME=VALUE, for example "sigma=0.05".')
        try:
            given[name] = json.loads(text)
        except json.JSONDecodeError:
            given[name] = text
    for name, value in given.items():
        if name not in known:
            has = ", ".join(sorted(known)) or "none"
            raise ParameterError(f"{options.method} has no parameter {name!r}; it has: {has}.")
        usual = known[name]
        several = name.endswith("_bounds") and isinstance(value, list)
        number = usual is None or isinstance(usual, int | float)
        if number and not several and not isinstance(value, int | float):
            raise ParameterError(f"{name} is {value!r}; give a number.")
        if isinstance(usual, str) and not isinstance(value, str) and name != "bound":
            raise ParameterError(f"{name} is {value!r}; give a name.")
    return given


def _apply(options: argparse.Namespace) -> None:
    from anisoalign_core.align import load_aligner
    from anisoalign_core.io import save

    method = load_aligner(options.model)
    source = _read(options, options.source, "text")
    partners = None
    if options.target_partners:
        partners = _read(options, options.target_partners, "image")
    corrected = source.with_vectors(method.transform(source, partners))
    save(corrected, options.out, dtype=options.dtype)
    _say(options, f"{len(corrected):,} corrected rows in {options.out}")


def _evaluate(options: argparse.Namespace) -> None:
    from anisoalign_core.align import load_aligner
    from anisoalign_core.metrics import evaluate

    scores = evaluate(
        load_aligner(options.model), _pair(options), k=options.k, random_state=options.seed
    )
    if options.json:
        _emit(json.dumps(scores.to_dict(), indent=2, allow_nan=False), options.json)
    if options.json != "-":
        table = scores.to_frame()[["value", "low", "high", "floor", "needs", "direction"]]
        print(table.to_string(float_format=lambda value: f"{value:.4g}", na_rep=""))
        print(scores.rows_note)


def _replay(options: argparse.Namespace) -> None:
    from anisoalign_core.io import save
    from anisoalign_core.recipe import read_recipe, replay

    recipe = read_recipe(options.recipe)
    source = _read(options, options.source, recipe.source.modality)
    target = _read(options, options.target, recipe.target.modality)
    again = replay(recipe, source, target)
    for difference in again.differences:
        _say(options, difference)
    if not again.identical and not again.differences:
        _say(options, "Inputs and versions agree, but the output differs in its last bits.")
    save(again.corrected, options.out)
    print(
        "identical to the recipe's output"
        if again.identical
        else "NOT identical to the recipe's output"
    )


if __name__ == "__main__":
    sys.exit(main())
