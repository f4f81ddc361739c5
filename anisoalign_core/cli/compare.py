"""Verbs that compare methods: compare, advise, falsify."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anisoalign_core.cli.common import (
    emit,
    emit_json,
    parameters_of,
    read_pair,
    sample_note,
    say,
    telling,
)
from anisoalign_core.errors import ParameterError

if TYPE_CHECKING:
    from anisoalign_core.pairs import EmbeddingPair


def compare(options: argparse.Namespace) -> None:
    """Print a board of all methods on the same splits."""
    from anisoalign_core.compare import Leaderboard, leaderboard
    from anisoalign_core.compare.captions import caption_board
    from anisoalign_core.compare.plan import plan_board
    from anisoalign_core.publish import FORMATS, to_json, to_markdown

    for path in options.out:
        if Path(path).suffix not in FORMATS:
            raise ParameterError(f"--out {path}: end the name with {', '.join(FORMATS)}.")
    (pair, _), finished, captions = read_pair(options), list[Leaderboard](), None
    lessons = _lessons(options, pair)
    if not options.quiet:
        asked = _questions(pair, lessons)
        plan = plan_board(
            pair, options.methods, options.splits, holdout=options.holdout, questions=asked
        )
        say(options, f"{plan}.")
    try:
        with telling(options) as tell:
            leaderboard(
                pair,
                options.methods,
                splits=options.splits,
                holdout=options.holdout,
                k=options.k,
                random_state=options.seed,
                **lessons,
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
        say(options, f"stopped; {finished[-1].splits} of {options.splits} splits are kept.")
    board = finished[-1]
    for path in options.out:
        _write_board(board, captions, path)
    if options.json:
        emit(to_json(board, captions).rstrip("\n"), options.json)
    if options.json != "-":
        print(to_markdown(board, captions))


def _write_board(board: Any, captions: Any, path: str) -> None:
    from anisoalign_core.files.atomic import atomic_path
    from anisoalign_core.publish import render

    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(render(board, Path(path).suffix, captions))


def falsify(options: argparse.Namespace) -> None:
    """Print what is left of AnisoAlign without each of its parts."""
    from anisoalign_core.align import AnisoAlign
    from anisoalign_core.compare import falsify as falsified

    parameters = {"variant": options.variant} | parameters_of(options, AnisoAlign)
    pair, sample = read_pair(options)
    with telling(options) as tell:
        found = falsified(
            pair,
            splits=options.splits,
            method=AnisoAlign.of(parameters),
            ranks=options.ranks,
            holdout=options.holdout,
            k=options.k,
            random_state=options.seed,
            progress=tell,
        )
    if options.json:
        emit(json.dumps(found.to_dict(), indent=1), options.json)
    if options.json != "-":
        print(found.to_markdown())
        for note in (*found.notes, *sample_note(sample)):
            print(f"  {note}")


def advise(options: argparse.Namespace) -> None:
    """Print what is advised for each purpose, and the lines that apply it."""
    from anisoalign_core.compare import Advice
    from anisoalign_core.compare import advise as advised

    (pair, sample), finished = read_pair(options), list[Advice]()
    lessons = _lessons(options, pair)
    if not options.quiet:
        _say_plan(options, pair, lessons)
    try:
        with telling(options) as tell:
            found = advised(
                pair,
                options.purpose,
                options.methods,
                splits=options.splits,
                random_state=options.seed,
                **lessons,
                on_split=finished.append,
                progress=tell,
            )
    except KeyboardInterrupt:
        if not finished:
            raise
        found = finished[-1]
        say(options, f"stopped; {found.splits} of {options.splits} splits are kept.")
    if options.json:
        body = found.to_dict()
        emit_json(body | {"sample": sample} if sample else body, options.json)
    if options.json == "-":
        return
    for sentence in found.sentences:
        print(sentence)
    places = {"target": options.target[0], "source": options.source[0]}
    for purpose in found.answers:
        ways = {found.lines(purpose, **places): purpose}
        ways.setdefault(found.lines(purpose, pairs=True, **places), f"{purpose}, from pairs")
        for lines, name in ways.items():
            if lines:
                print(f"\n# {name}\n{lines}")
    for note in sample_note(sample):
        print(note)


def _lessons(options: argparse.Namespace, pair: EmbeddingPair) -> dict[str, Any]:
    """Return what classifiers are taught, and the vectors of class names."""
    from anisoalign_core.compare.use import parse_keywords
    from anisoalign_core.io import load

    prompts = options.prompts
    return {
        "columns": options.labels,
        "keywords": parse_keywords(options.keywords) if options.keywords else None,
        "prompts": load(prompts, modality=pair.source.modality) if prompts else None,
    }


def _questions(pair: EmbeddingPair, lessons: dict[str, Any]) -> int:
    """Return how many questions classifiers are taught."""
    from anisoalign_core.compare.use import classes_of

    classes = classes_of(pair, lessons["columns"], lessons["keywords"])
    return 0 if classes is None else len(classes.columns)


def _say_plan(options: argparse.Namespace, pair: EmbeddingPair, lessons: dict[str, Any]) -> None:
    """Say what the advice will try, and for how long."""
    from anisoalign_core.compare.plan import plan_advice
    from anisoalign_core.compare.purposes import askable

    questions = _questions(pair, lessons)
    possible, _ = askable(pair.paired, questions or None, lessons["prompts"])
    purposes = [name for name in options.purpose or possible if name in possible]
    if purposes:
        plan = plan_advice(pair, purposes, options.methods, options.splits, questions=questions)
        say(options, f"{plan}.")
