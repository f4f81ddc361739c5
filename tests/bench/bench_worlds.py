"""A small bench, and what it takes to damage one."""

from __future__ import annotations

import io
import json
import zipfile

import anisoalign_core as aa
from anisoalign_core.bench import Bench, BenchEntry
from tests.gap.batches import batches
from tests.gap.encoder_worlds import pair_of, shuffled


def run_of(folder, name="run", steps=3):
    """Return a short training run."""
    path = folder / f"{name}.jsonl"
    monitor = aa.gap.Monitor(every=1, sinks=[aa.gap.JsonLines(path, name=name)])
    for step, pair in enumerate(batches(steps, 16, 4)):
        monitor.update(*pair, step=10 * step)
    return aa.gap.Run.load(path)


def bench_of(folder, rows=40):
    """Return two encoders of the same things, one known by its numbers only, and a run."""
    bench = Bench(runs=(run_of(folder, "my run"),))
    for name, pair in (
        ("<b>one", pair_of(captions=True)),
        ("two", pair_of(captions=True, seed=3, order=shuffled(120))),
    ):
        bench = bench.with_entry(BenchEntry.measure(name, pair, note=f"of {name}", rows=rows))
    bench = bench.with_entry(BenchEntry("numbers", aa.diagnose(pair_of(paired=False))))
    return Bench(bench.entries, bench.runs, "two")


def members_of(data):
    """Return the files in an archive by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {one.filename: archive.read(one) for one in archive.infolist()}


def zipped(members, method=zipfile.ZIP_DEFLATED):
    """Return an archive of files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return stream.getvalue()


def edited(data, change):
    """Return a bench whose list of contents was changed."""
    members = members_of(data)
    body = json.loads(members["bench.json"])
    change(body)
    members["bench.json"] = json.dumps(body).encode()
    return zipped(members)
