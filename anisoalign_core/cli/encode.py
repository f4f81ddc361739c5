"""The verb that turns images and captions into embeddings."""

from __future__ import annotations

import argparse
import os
import warnings
from contextlib import ExitStack, redirect_stderr
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anisoalign_core.cli.common import emit_json, say, telling
from anisoalign_core.errors import FormatError, ParameterError

if TYPE_CHECKING:
    from anisoalign_core.embeddings import EmbeddingSet
    from anisoalign_core.encode import Encoded, Inputs
    from anisoalign_core.encode.run import Sides

SHOWN = 5
"""Broken images that are named on standard error; the JSON names all."""


def add_backends(parser: argparse.ArgumentParser) -> None:
    """Add where a model comes from, as :data:`~anisoalign_core.encode.BACKENDS` declares it."""
    from anisoalign_core.encode.backends import BACKENDS

    parser.add_argument(
        "--backend", default="open_clip", choices=tuple(BACKENDS), help="whose model it is"
    )
    for option, said, words in (
        ("model", "model", "which one; of open_clip see --list-models"),
        ("pretrained", "weights", "which weights of it"),
    ):
        meant: dict[str, list[str]] = {}
        for one in BACKENDS.values():
            meant.setdefault(getattr(one, said), []).append(one.name)
        each = (f"{' and '.join(names)}: {what}" for what, names in meant.items() if what)
        parser.add_argument(f"--{option}", metavar=option.upper(), help="; ".join((words, *each)))


def encode(options: argparse.Namespace) -> None:
    """Encode images, captions and sounds and write the embeddings."""
    if options.list_models is not None:
        _list_models(options)
        return
    from anisoalign_core.encode import Encoded, Inputs, encode_clips, find_items
    from anisoalign_core.encode import encode as encoded

    _check_outputs(options)
    asked = bool(options.out_images or options.out_texts)
    inputs = find_items(options.images or None, options.captions) if asked else Inputs((), ())
    sides = _sides(options, inputs)
    if options.out_images:
        _check_captions(Path(options.out_images), inputs)
    if inputs.captions_each[1] > 1:
        say(options, f"Found {inputs.in_words}.")
    for words in inputs.problems:
        say(options, words)
    encoder = _encoder(options)
    found = Encoded(None, None, encoder=encoder.describe())
    if asked:
        with warnings.catch_warnings(), telling(options) as tell:
            warnings.simplefilter(
                "ignore"
            )  # Pillow's, about odd files: broken ones are named below
            found = encoded(
                inputs.items,
                encoder,
                batch_size=options.batch_size,
                progress=tell,
                sides=sides,
                paired=not options.unpaired,
                thumbnails=0,
                files=inputs.files,
            )
    sounds = None
    if options.out_audio:
        with telling(options) as tell:
            sounds = encode_clips(
                options.audio, encoder, batch_size=options.batch_size, progress=tell
            )
    _say_broken(options, found)
    written = _write(options, found, sounds)
    say(
        options,
        " and ".join(f"{len(part):,} {side} in {path}" for side, part, path in written)
        + f", {encoder.dim} dimensions, through {encoder.summary}.",
    )
    emit_json(_about(written, found, inputs), options.json)


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse before any work what could not be written after it."""
    from anisoalign_core.io.registry import writer_of

    given = {
        f"--out-{side}": Path(out)
        for side in ("images", "texts", "audio")
        if (out := getattr(options, f"out_{side}"))
    }
    if not given:
        raise ParameterError(
            "Say where the embeddings shall go: --out-images, --out-texts, or both; sounds by "
            "--out-audio."
        )
    for side in ("images", "audio"):
        if f"--out-{side}" in given and not getattr(options, side):
            raise ParameterError(f"--out-{side} needs --{side}.")
    if options.audio and not options.out_audio:
        raise ParameterError("--audio needs --out-audio: say where its embeddings shall go.")
    outs = list(given.values())
    for (one, out), (two, other) in combinations(given.items(), 2):
        if out.resolve() == other.resolve() and out.suffix:
            raise ParameterError(f"{one} and {two} are both {out}. Name two files.")
    for out in outs:
        if not out.parent.is_dir():
            raise FormatError(f'There is no folder "{out.parent}" to write {out.name} into.')
        if out.suffix and not out.is_dir():
            writer_of(out.suffix, out.name)


def _check_captions(out: Path, inputs: Inputs) -> None:
    """Refuse a place where an old file of captions would be read as that of the images."""
    from anisoalign_core.io.lines import CAPTIONS_ENDING, refuse_stale
    from anisoalign_core.io.registry import writer_of

    if not out.suffix or any(one.caption for one in inputs.items):
        return
    form, _ = writer_of(out.suffix, out.name)
    if form.lines:
        refuse_stale(out.with_suffix(CAPTIONS_ENDING), out, "captions")


def _sides(options: argparse.Namespace, inputs: Inputs) -> Sides:
    if options.out_images and options.out_texts:
        if not any(one.caption for one in inputs.items):
            raise ParameterError(
                "There are no captions for --out-texts: no file NAME.txt or NAME.json lies beside "
                "an image. Give them with --captions, or leave --out-texts out."
            )
        return "both"
    return "images" if options.out_images else "texts"


def _encoder(options: argparse.Namespace) -> Any:
    from anisoalign_core.encode import load_encoder

    with ExitStack() as stack:
        if options.quiet:  # downloads show bars of their own
            silent = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            stack.enter_context(redirect_stderr(silent))
        return load_encoder(
            options.model,
            options.pretrained,
            backend=options.backend,
            checkpoint=options.checkpoint,
            config=options.config,
            device=options.device,
            precision=options.precision,
            texts=bool(options.out_texts),
        )


def _say_broken(options: argparse.Namespace, found: Encoded) -> None:
    from anisoalign_core.files.source import printable

    for one in found.broken[:SHOWN]:
        say(options, f"{printable(one.id)} is left out: {one.reason}.")
    if len(found.broken) > SHOWN:
        say(options, f"{len(found.broken) - SHOWN:,} more images are left out as well.")
    for words in found.notes:
        say(options, words)


def _write(
    options: argparse.Namespace, found: Encoded, sounds: EmbeddingSet | None
) -> list[tuple[str, EmbeddingSet, str]]:
    from anisoalign_core.io import save

    written = []
    for side, part, path in (
        ("images", found.images, options.out_images),
        ("texts", found.texts, options.out_texts),
        ("sounds", sounds, options.out_audio),
    ):
        if path and part is not None:
            save(part, path)
            written.append((side, part, path))
            options.kept = f"{path} is written."
    return written


def _about(
    written: list[tuple[str, EmbeddingSet, str]], found: Encoded, inputs: Inputs
) -> dict[str, Any]:
    return {
        "written": {
            side: {"file": path, "rows": len(part), "dimensions": part.dim, "digest": part.digest}
            for side, part, path in written
        },
        "encoder": found.encoder,
        "inputs": list(inputs.files),
        "broken": [{"id": one.id, "reason": one.reason} for one in found.broken],
        "left_out": list(found.left_out),
        "images_without_caption": list(inputs.images_without_caption),
        "captions_without_image": list(inputs.captions_without_image),
        "notes": [*inputs.notes, *found.notes],
    }


def _list_models(options: argparse.Namespace) -> None:
    """Print architectures with dimensions, image size, parameters and tags."""
    from anisoalign_core.encode import available_models

    models = available_models(options.list_models)
    if not models:
        raise ParameterError(
            f'No architecture matches "{options.list_models}". Leave the pattern out to see all.'
        )
    rows = []
    with telling(options) as tell:
        for number, one in enumerate(models, 1):
            rows.append((one, one.parameters))
            tell(number / len(models), one.name)
    body = [
        {
            "name": one.name,
            "dimensions": one.dim,
            "image_size": list(one.image_size),
            "context_length": one.context_length,
            "parameters": count,
            "tags": list(one.tags),
            "missing": list(one.missing),
            "note": one.note,
        }
        for one, count in rows
    ]
    emit_json(body, options.json)
    if options.json == "-":
        return
    wide = max(len(one.name) for one, _ in rows)
    print(f"{'architecture':<{wide}}  dimensions  pixels  parameters  tags")
    for one, count in rows:
        size = "–" if count is None else f"{count / 1e6:,.0f} M"
        tags = ", ".join(one.tags) or "no published weights"
        note = f" ({one.note})" if one.note else ""
        print(
            f"{one.name:<{wide}}  {one.dim:>10}  {one.image_size[0]:>6}  {size:>10}  {tags}{note}"
        )
