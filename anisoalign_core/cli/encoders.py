"""Verbs about many encoders: compare-encoders, atlas."""

from __future__ import annotations

import argparse
from pathlib import Path

from anisoalign_core.cli.common import emit_json, say, telling
from anisoalign_core.errors import FormatError, ParameterError


def compare_encoders(options: argparse.Namespace) -> None:
    """Print the reports of several encoders beside each other."""
    from anisoalign_core.bench import Bench, BenchEntry
    from anisoalign_core.bench.bench import SUFFIX
    from anisoalign_core.gap.report import GapReport
    from anisoalign_core.gap.run import Run
    from anisoalign_core.publish.encoders import comparison_table, encoders_page

    if options.names and len(options.names) != len(options.reports):
        raise ParameterError(
            f"--names gives {len(options.names)} names for {len(options.reports)} files. Give one "
            "each."
        )
    _check_out(options.out, (".html", SUFFIX))
    bench = Bench()
    for number, path in enumerate(options.reports):
        if path.endswith(SUFFIX):
            bench = bench.with_all(Bench.load(path))
            continue
        report = GapReport.load(path)
        name = options.names[number] if options.names else Path(path).stem
        bench = bench.with_entry(BenchEntry(name, report))
    for path in options.runs:
        bench = bench.with_run(Run.load(path))
    comparison = bench.compare(gallery=options.gallery, percent=options.percent)
    names = comparison.order(options.sort)
    if options.out:
        if options.out.endswith(SUFFIX):
            bench.save(options.out)
        else:
            from anisoalign_core.files.atomic import atomic_write_text

            atomic_write_text(options.out, encoders_page(bench, options.title))
        options.kept = f"{options.out} is written."
    emit_json(comparison.to_dict(), options.json)
    if options.json != "-":
        header, rows = comparison_table(comparison)
        by_name = {row[0]: row for row in rows}
        for name in names:
            row = by_name[name]
            print(f"{row[0]}  ({row[1]}, {row[2]})")
            for label, cell in zip(header[3:], row[3:], strict=True):
                print(f"  {label:<32}{cell}")
        for sentence in comparison.sentences:
            print(sentence)


def atlas(options: argparse.Namespace) -> None:
    """Encode, measure and compare a list of encoders."""
    from anisoalign_core.bench.atlas import BENCH, make_atlas, read_list
    from anisoalign_core.files.atomic import atomic_write_text
    from anisoalign_core.publish.encoders import encoders_page

    listed = read_list(options.encoders)
    out = Path(options.out)
    options.kept = f"encoders that are finished stay in {out}, and the same command goes on."
    with telling(options) as tell:
        made = make_atlas(
            listed,
            options.images,
            options.captions,
            out,
            batch_size=options.batch_size,
            random_state=options.seed,
            progress=tell,
        )
    atomic_write_text(out / "index.html", encoders_page(made.bench, options.title, made.failed))
    options.kept = f"{out / 'index.html'} is written."
    for name, why in made.failed.items():
        say(options, f"{name} is left out: {why}")
    say(
        options,
        f"{len(made.bench.entries)} encoders in {out / 'index.html'} and {BENCH}: "
        f"{len(made.made)} measured now, {len(made.kept)} kept from before.",
    )
    body = {
        "kept": list(made.kept),
        "made": list(made.made),
        "failed": made.failed,
        **made.bench.compare().to_dict(),
    }
    emit_json(body, options.json)


def _check_out(out: str | None, endings: tuple[str, ...]) -> None:
    """Refuse before any work what could not be written after it."""
    if not out:
        return
    if not out.endswith(endings):
        raise FormatError(f"--out is {out}; its name ends with {' or '.join(endings)}.")
    if not Path(out).parent.is_dir():
        raise FormatError(f'There is no folder "{Path(out).parent}" to write into.')
