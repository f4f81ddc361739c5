"""Which correction for what, on two encoders and two that learned nothing; for docs/RESULTS.md.

Run ``python -m benchmarks.purposes [--sets …] [--splits 5] [--honesty 200]``: about a quarter of an
hour on two cores, most of it for the sample's networks, and as long again for the honesty. Raw
numbers go to docs/results; ``--write-only`` renders what earlier runs left there.

Needs the extra ``encode``: vectors of class names come from the sample's encoder, and from the same
encoder before training, which is built again from its seed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import anisoalign_core as aa
from anisoalign_core.compare import PURPOSES, Advice, Leaderboard, advise, entry, leaderboard
from anisoalign_core.compare.advice import signed
from anisoalign_core.compare.advise import SETTINGS, candidates
from anisoalign_core.compare.entries import FLOOR
from anisoalign_core.compare.results import Check, markdown_table
from anisoalign_core.compare.use import classes_of, described, prompt_rows
from anisoalign_core.compare.use.uses import USES, head
from anisoalign_core.numerics import Float32
from anisoalign_core.publish.tables import GROUP_WORDS, MARKS, cell, three
from anisoalign_core.samples import sample_encoder_path
from benchmarks.document import DATA, read_results, replace_section
from benchmarks.falsifiers import FOLDER, say
from benchmarks.results import CONTROLS, SETS, pair_of

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
KEPT_HONESTY = FOLDER / "purposes-honesty.json"
GROUPS = (*PURPOSES, "robustness")

INTRO = f"""## By purpose

Made by `python -m benchmarks.purposes`. Measures of use of every method that does not train, on the
same splits, a quarter held out, and what `anisoalign advise` says; docs/METHOD.md has the formulas.
Of two marks the first is against ReAlign, the second against rows as they are, by the same measure
and split by split: ▲ better, ▼ worse, = the interval of the difference holds zero. ↑ larger is
better, ↓ smaller is. *Chance* is what the measure gives without any meaning; where it differs
between methods it stands in the cell.

Advice is not read from these tables: on splits of its own, methods are fitted on 60 % of the rows,
chosen on 20 % and scored on the other 20 %, so its levels and gains differ from the tables'. It
tries what stands in the tables without controls, two settings of BoundedTransport more included
({", ".join(f"`{one}`" for one in SETTINGS)}), and names chance as docs/METHOD.md derives it."""


def kept(name: str) -> Path:
    """Return where the numbers of one set lie."""
    return FOLDER / f"purposes-{name}.json.gz"


def untrained_encoder() -> Any:
    """Return the sample's encoder before training, from its seed.

    The rows that it makes are those of "scenes-untrained", which are stored in half precision.
    """
    sys.path.insert(0, str(SAMPLE))
    import make_samples

    settings = make_samples.Settings()
    tokenizer = make_samples.Tokenizer.from_templates(settings.context_length)
    config = make_samples.model_config(settings, tokenizer.size)
    model = make_samples.build_model(config, settings.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "untrained.safetensors"
        make_samples.save_checkpoint(model, config, tokenizer.vocabulary, path)
        encoder = aa.encode.load_encoder(checkpoint=path)
    pair = aa.load_sample("scenes-untrained")
    again = encoder.encode_texts(list(pair.source.captions[:50]))
    if np.abs(again - pair.source.vectors[:50]).max() > 1e-3:
        raise SystemExit("This is not the encoder of scenes-untrained; its library has changed.")
    return encoder


def prompts_of(name: str, pair: aa.EmbeddingPair) -> aa.EmbeddingSet | None:
    """Return vectors of class names by the set's own encoder; None where there are no classes."""
    classes = classes_of(pair)
    if classes is None:
        return None
    encoder = (
        aa.encode.load_encoder(checkpoint=sample_encoder_path())
        if name == "scenes"
        else untrained_encoder()
    )
    return prompt_rows(encoder, {column: list(of) for column, of in classes.names.items()})


def methods() -> list[str]:
    """Return what stands in the tables: what advice tries, and controls."""
    from anisoalign_core.compare import default_names

    tried = candidates(paired=True)
    return [name for name in default_names() if not entry(name).trains] + [
        name for name in tried if name in SETTINGS
    ]


def measure(name: str, splits: int, data: str | None) -> None:
    """Compare all methods on one set, ask for advice, and keep both."""
    pair = pair_of(name, data)
    prompts = prompts_of(name, pair)
    begun = time.process_time()
    advice = advise(pair, splits=splits, prompts=prompts, progress=say)
    seconds = time.process_time() - begun
    board = leaderboard(pair, methods(), splits=splits, prompts=prompts, curves=False, progress=say)
    body = {"board": _lean(board), "advice": advice.to_dict(), "advice_cpu_seconds": seconds}
    with gzip.GzipFile(kept(name), "wb", mtime=0) as stream:  # equal numbers, equal bytes
        stream.write(json.dumps(body).encode())


def _lean(board: Leaderboard) -> dict[str, Any]:
    """Return a board with its measures of use only; the others have a section of their own."""
    body = board.to_dict() | {"mixed": {}, "seconds": {}, "gap": {}}
    for part in ("values", "floors"):
        body[part] = {
            one: {name: value for name, value in scores.items() if name.partition("[")[0] in USES}
            for one, scores in body[part].items()
        }
    return body


def columns_of(board: Leaderboard, group: str) -> list[str]:
    """Return the measures of a table: those of the group, single columns of labels left out."""
    found = [name for name in board.metrics(group) if "[" not in name]
    return (["search_recall"] if group == "robustness" else []) + found


def table(board: Leaderboard, group: str) -> str:
    """One row per method: every measure of a purpose with its interval, chance and two marks."""
    names = columns_of(board, group)
    rows = []
    chances = [board.chance(name) for name in names]
    if any(one is not None for one in chances):
        rows.append(["*chance*", "", *("" if one is None else three(one) for one in chances)])
    for one in board.ranked:
        cells = []
        for name, chance in zip(names, chances, strict=True):
            if not board.has(one.name, name):
                cells.append("–")
                continue
            floor = board.floor(one.name, name)
            beside = f" / {three(floor)}" if chance is None and floor is not None else ""
            marks = (
                ""
                if one.role in ("control", "ceiling")
                else "".join(
                    MARKS[board.answer(one.name, name, other)] or "·"
                    for other in ("realign", FLOOR)
                )
            )
            cells.append(f"{cell(board.score(one.name, name))}{beside} {marks}".strip())
        if any(text != "–" for text in cells):
            rows.append([one.label, one.reads, *cells])
    return markdown_table(["method", "reads", *map(head, names)], rows)


def checks(board: Leaderboard, group: str) -> str:
    """Say whether floor, ceiling and control are in order in a group."""

    def said(found: list[Check], words: str) -> str:
        mine = [one for one in found if described(one.metric).group == group]
        off = [
            f"{described(one.metric).symbol} ({one.low} {three(one.low_value)}, {one.high} "
            f"{three(one.high_value)})"
            for one in mine
            if not one.holds
        ]
        if not mine:
            return ""
        text = f"{words} on {len(mine) - len(off)} of {len(mine)}"
        return text + (f", not on {'; '.join(off)}." if off else ".")

    order = said(board.order(), "The floor entry lies below the ceiling entry")
    control = said(board.controls(), "The permuted target is no better than chance")
    return f"{order} {control}".strip()


def price(advice: Advice, purpose: str) -> str:
    """Say what a recommendation costs or buys elsewhere; empty where there is none."""
    pick = advice.answers[purpose].pick if purpose in advice.answers else None
    if pick is None:
        return ""
    found = [
        f"{described(name).symbol} {signed(each)}" for name, each in advice.price(pick).items()
    ]
    words = "; ".join(found)
    return f" The first elsewhere, against rows as they are: {words}." if found else ""


def advised(advice: Advice) -> str:
    """Advice for every purpose, as a list."""
    lines = [f"* {advice.in_words(name)}{price(advice, name)}" for name in PURPOSES]
    return "\n".join(lines)


def helped(advice: Advice) -> str:
    """Say for an encoder that learned nothing whether anything is advised without pairs."""
    wrong = [name for name, one in advice.answers.items() if one.helps]
    if wrong:
        return f"**Without pairs something is advised for {', '.join(wrong)}, and must not be.**"
    count = len(advice.answers)
    return f"Without pairs nothing is advised for any of the {count} purposes, as it must be."


def section(name: str) -> Iterator[str]:
    """Yield the parts of one set."""
    body = json.loads(gzip.decompress(kept(name).read_bytes()))
    board, advice = Leaderboard.from_dict(body["board"]), Advice.from_dict(body["advice"])
    rows = board.setting.rows
    yield (
        f"### {SETS[name]}, by purpose\n\n{rows['fit_source']} + {rows['fit_target']} unpaired "
        f"rows fitted, {rows['source']} pairs scored, {board.splits} splits."
    )
    yield f"#### Advice\n\n{advised(advice)}"
    if name in CONTROLS:
        yield helped(advice)
    yield f"Advice took {body['advice_cpu_seconds']:.0f} s of processor time."
    for group in GROUPS:
        if not any(USES[use].group == group for use in board.metrics(group) if use in USES):
            yield f"#### {GROUP_WORDS[group]}\n\nNot asked: it needs {PURPOSES[group].needs}."
            continue
        yield f"#### {GROUP_WORDS[group]}\n\n{table(board, group)}\n\n{checks(board, group)}"


# --- how often a winner is named where there is none ---------------------------------------

NULLS = {
    "equal": "Rows of one distribution, unrelated; labels and class vectors at random",
    "gap": "The same, with a gap between the sides",
    "apart": "Each class of each side in a place of its own, as random weights put them",
}
ROWS, DIM, CLASSES = 160, 8, 6
RACE = ("mean-shift", "standardize", "bures")


def null_world(kind: str, seed: int) -> tuple[aa.EmbeddingPair, aa.EmbeddingSet]:
    """Draw two sides that share no meaning, with labels and class vectors."""
    rng = np.random.default_rng([seed, list(NULLS).index(kind)])
    names = np.array([f"class {number}" for number in range(CLASSES)])

    def side(modality: str, number: int) -> tuple[aa.EmbeddingSet, Float32]:
        rows, labels = rng.standard_normal((ROWS, DIM)), rng.integers(0, CLASSES, ROWS)
        places = rng.standard_normal((CLASSES, DIM))
        if kind == "apart":
            rows += 2 * places[labels]
        if kind != "equal":
            rows += 4 * np.eye(DIM)[number]
        table = pd.DataFrame({"class": names[labels]})
        made = aa.EmbeddingSet.from_array(rows, modality=modality, labels=table)
        return made, np.asarray(places, dtype=np.float32)

    (source, places), (target, _) = side("text", 0), side("image", 1)
    prompts = aa.EmbeddingSet.from_array(places, modality="text", ids=list(names))
    return aa.EmbeddingPair(source, target, paired=True), prompts


def honesty(draws: int) -> dict[str, Any]:
    """Count for each purpose how often a winner is named, and a gain without regard to chance."""
    counts = {kind: {name: {"helps": 0, "over_nothing": 0} for name in PURPOSES} for kind in NULLS}
    for kind, purposes in counts.items():
        for seed in range(draws):
            pair, prompts = null_world(kind, seed)
            found = advise(pair, methods=RACE, random_state=seed, prompts=prompts, workers=1)
            for name, one in found.answers.items():
                purposes[name]["helps"] += one.helps
                purposes[name]["over_nothing"] += one.over_nothing.sign > 0 and not one.plain
        print(f"{NULLS[kind]}: {purposes}", flush=True)
    return {"draws": draws, "counts": counts}


def honest() -> str:
    """Return the table of :func:`honesty`."""
    found = read_results(KEPT_HONESTY)
    if not found:
        return ""
    draws = found["draws"]
    rows = [
        [
            words,
            *(
                f"{one['helps'] / draws:.3f} ({one['over_nothing'] / draws:.3f})"
                for one in found["counts"][kind].values()
            ),
        ]
        for kind, words in NULLS.items()
    ]
    lead = (
        f"### How often a winner is named where there is none\n\n{draws} draws of {ROWS} pairs in "
        f"{DIM} dimensions that share no meaning, {CLASSES} classes; chosen among "
        f"{len(RACE) + 2} methods on 5 splits. Share of draws in which a correction is advised, "
        "which must be at most .05; in brackets, in which a gain over doing nothing alone is told, "
        "without regard to chance."
    )
    return f"{lead}\n\n{markdown_table(['rows', *PURPOSES], rows)}"


def write(path: Path) -> None:
    """Render every kept set into the results document."""
    parts = [INTRO]
    for name in SETS:
        if kept(name).exists():
            parts += section(name)
    replace_section(path, "purposes", "\n\n".join(filter(None, [*parts, honest()])))


def main() -> None:
    """Run the sets asked for, then write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--honesty", type=int, metavar="N", help="count winners in N null draws")
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--write-only", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/RESULTS.md"))
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in () if options.write_only else options.sets:
        print(f"\n{name}")
        measure(name, options.splits, options.data)
    if options.honesty and not options.write_only:
        found = honesty(options.honesty)
        KEPT_HONESTY.write_text(json.dumps(found) + "\n", encoding="utf-8")
    write(options.out)


if __name__ == "__main__":
    main()
