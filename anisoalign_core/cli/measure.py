"""Verbs that measure: diagnose, evaluate, live."""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

from anisoalign_core.cli.common import (
    SAMPLE,
    emit_json,
    open_set,
    read_pair,
    sample_note,
    say,
    telling,
)
from anisoalign_core.cli.options import spoken
from anisoalign_core.errors import FormatError


def diagnose(options: argparse.Namespace) -> None:
    """Print how two sets differ."""
    from anisoalign_core.gap.diagnose import diagnose as diagnosed
    from anisoalign_core.gap.diagnose import refuse_same_rows

    pair, sample = read_pair(options)
    refuse_same_rows(pair)
    with telling(options) as tell:
        report = diagnosed(pair, random_state=options.seed, parts=options.parts, progress=tell)
    if options.json:
        body = json.loads(report.to_json())
        emit_json(body | {"sample": sample} if sample else body, options.json)
    if options.json != "-":
        table = report.to_frame()[["value", "low", "high", "null", "null_is"]]
        print(table.to_string(float_format=lambda value: f"{value:.4g}", na_rep=""))
        print(report.verdict.headline)
        for reason in (*report.verdict.reasons, *report.notes, *sample_note(sample)):
            print(f"  {spoken(reason, options)}")


def evaluate(options: argparse.Namespace) -> None:
    """Print the scores of a saved model."""
    from anisoalign_core.align import load_aligner
    from anisoalign_core.metrics import evaluate as evaluated
    from anisoalign_core.metrics.evaluate import FittedRowsWarning

    method = load_aligner(options.model)
    pair, sample = read_pair(options)
    fitted = method.saw(pair.source.vectors)
    if fitted or _fitted_on(options, vars(method).get("fitted_on_")):
        say(
            options,
            f"warning: {options.model} was fitted on these very source rows, so the scores flatter "
            "it. Fit with --split-seed, or evaluate other rows.",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FittedRowsWarning)  # said above
        scores = evaluated(method, pair, k=options.k, random_state=options.seed)
    if options.json:
        body = scores.to_dict()
        emit_json(body | {"sample": sample} if sample else body, options.json)
    if options.json != "-":
        table = scores.to_frame()[["value", "low", "high", "floor", "needs", "direction"]]
        print(table.to_string(float_format=lambda value: f"{value:.4g}", na_rep=""))
        for sentence in (scores.rows_note, *sample_note(sample)):
            print(sentence)


def live(options: argparse.Namespace) -> None:
    """Write a saved model as a picture that moves without a server."""
    from anisoalign_core.align import load_aligner
    from anisoalign_core.plots.live import live as pictured

    out = Path(options.out)
    if not out.parent.is_dir():
        raise FormatError(f'There is no folder "{out.parent}" to write {out.name} into.')
    method = load_aligner(options.model)
    pair, sample = read_pair(options)
    title = options.title or f"{pair.target.provenance.name} and {pair.source.provenance.name}"
    made = pictured(method, pair, plane=options.plane, rows=options.shown, title=title)
    made.to_html(out)
    for sentence in (made.facts["caption"], *sample_note(sample), made.facts["foot"]):
        say(options, sentence)
    rows = {side: len(made.arrays[f"{side}_rows"]) for side in ("source", "target")}
    body = {"out": str(out), "rows": rows, "frames": list(made.frames), "error": made.error}
    emit_json(body, options.json)


def _fitted_on(options: argparse.Namespace, known: dict[str, Any] | None) -> bool:
    """Whether a source file is one that the model was fitted on, as a whole."""
    from anisoalign_core.engine.facts import FileFacts

    if known is None or known["job"]["split_seed"] is not None or known["job"]["rows"] is not None:
        return False
    then = {(one["bytes"], one["digest"]) for one in known["source"]["files"]}
    sizes = {size for size, _ in then}
    if any(place.startswith(SAMPLE) for place in options.source):
        return False
    files = [one for one in open_set(options, "source").shards if one.path.is_file()]
    alike = [FileFacts.of(one) for one in files if one.path.stat().st_size in sizes]
    return any((one.bytes, one.digest) in then for one in alike)
