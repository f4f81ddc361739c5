"""The atlas of the sample's encoders, for docs/ATLAS.md: seven checkpoints over the same scenes.

``python sample_data/make_variants.py --work variants/`` trains the checkpoints; then

    python -m benchmarks.atlas --work variants/ --out docs/ATLAS.md

writes the bundled scenes as pictures and a table of captions, runs ``anisoalign atlas`` over all
checkpoints, and puts its table and figures into the document.
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import anisoalign_core as aa
from anisoalign_core.cli import main as anisoalign
from anisoalign_core.gap.encoders import EncoderComparison
from anisoalign_core.plots.bench import run_lines, tradeoff_lines
from anisoalign_core.publish.encoders import comparison_table
from benchmarks.document import replace_section
from benchmarks.notebooks import still

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "sample_data"))
import make_variants

TASKS = ("recall_source_to_target", "recall_target_to_source", "mutual_knn", "overlap")
GAPS = ("centroid_gap", "distribution_gap", "mean distance")


def write_inputs(folder: Path, work: Path) -> Path:
    """Write pictures, captions and the list of encoders; return the list."""
    pair = aa.load_sample("scenes")
    shown = zip(pair.target.ids, pair.target.thumbnails, pair.source.captions, strict=True)
    (folder / "scenes").mkdir()
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "caption"])
        for name, pixels, words in shown:
            Image.fromarray(pixels).save(folder / "scenes" / f"{name}.png")
            writer.writerow([f"{name}.png", words])
    lines = []
    for variant in make_variants.VARIANTS:
        stem = work.resolve() / variant.name.replace(" ", "-")
        lines += [
            "[[encoder]]",
            f"name = {json.dumps(variant.name)}",
            f"checkpoint = {json.dumps(str(stem.with_suffix('.safetensors')))}",
            f"run = {json.dumps(str(stem.with_suffix('.jsonl')))}",
            f"note = {json.dumps(variant.words, ensure_ascii=False)}",
        ]
    (folder / "encoders.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "encoders.toml"


def explained(comparison: EncoderComparison) -> list[str]:
    """Correlate gaps with what encoders are good for, over the encoders: a Markdown table."""
    names = list(comparison.reports)
    points = comparison.points
    gaps = {name: [points[name][one].value for one in names] for name in GAPS[:2]}
    gaps["mean distance"] = [sum(comparison.parts()[one]) ** 0.5 for one in names]
    lines = ["| Pearson r (R²) | " + " | ".join(gaps) + " |", "|---|" + "---|" * len(gaps)]
    for task in TASKS:
        values = [points[task][one].value for one in names]
        found = [float(np.corrcoef(gap, values)[0, 1]) for gap in gaps.values()]
        cells = " | ".join(f"{r:+.2f} ({r * r:.2f})" for r in found)
        lines.append(f"| {task} | {cells} |")
    return lines


def main() -> None:
    """Make the atlas and write the document's section."""
    parser = argparse.ArgumentParser(description="The atlas of the sample's encoders.")
    parser.add_argument("--work", type=Path, required=True, help="what make_variants.py wrote")
    parser.add_argument("--out", type=Path, default=Path("docs/ATLAS.md"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        listed = write_inputs(folder, chosen.work)
        made = folder / "atlas"
        arguments = ["atlas", "--encoders", listed, "--images", folder / "scenes"]
        arguments += ["--captions", folder / "captions.csv", "--out", made]
        if anisoalign([str(one) for one in arguments]):
            raise SystemExit("the atlas failed")
        bench = aa.bench.Bench.load(made / "atlas.bench.zip")
        page = made / "index.html"
        print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")
    comparison = bench.compare()
    figures = {
        "measures": comparison.plot("table"),
        "parts": comparison.plot("parts"),
        "agreement": comparison.plot("agreement"),
        "tradeoff": tradeoff_lines(
            {one.name: one.kept.tradeoff for one in bench.entries if one.kept.tradeoff},
            emphasised=["frozen at 100", "frozen at 14", "sigmoid", "wide", "gap-closing"],
        ),
        "runs": run_lines({run.name: run.frame for run in bench.runs}),
    }
    pictures = chosen.out.parent / "pictures"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--enable-unsafe-swiftshader"],
        )
        page_of = browser.new_page()
        for name, figure in figures.items():
            text = still(page_of, json.loads(figure.to_json()))
            (pictures / f"atlas-{name}.png").write_bytes(base64.b64decode(text))
        browser.close()
    header, rows = comparison_table(comparison)
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    body = [*comparison.sentences, "", *lines, ""]
    for name in figures:
        body += [f"![{name}](pictures/atlas-{name}.png)", ""]
    body += ["Over these seven encoders:", "", *explained(comparison)]
    replace_section(chosen.out, "atlas", "\n".join(body))


if __name__ == "__main__":
    main()
