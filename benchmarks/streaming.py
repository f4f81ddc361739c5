"""Time and memory of sets larger than memory: a section of docs/PERFORMANCE.md.

Run ``python -m benchmarks.streaming [--out docs/PERFORMANCE.md] [--work FOLDER]`` in the checkout.
It needs about 15 GB of disk in the work folder and takes some twenty minutes on two cores. Every
measurement runs in a process of its own, so that its peak memory is its own; what is compared takes
turns. Peak memory is read from the operating system, so not on Windows.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.document import replace_section

ROOT = Path(__file__).resolve().parent.parent
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
MIB = 1024**2
STEP = 50_000


def make_rows(path: Path, rows: int, dim: int, seed: int, *, mean: float = 0.5) -> None:
    """Write unit rows with a decaying spectrum around a mean of about the given norm."""
    rng = np.random.default_rng(seed)
    scale = np.arange(1, dim + 1, dtype=np.float32) ** -0.5
    scale *= np.float32(np.sqrt(1 - mean**2)) / np.linalg.norm(scale)
    centre = rng.standard_normal(dim).astype(np.float32)
    centre *= np.float32(mean) / np.linalg.norm(centre)
    head = {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, head)
        for start in range(0, rows, STEP):
            count = min(STEP, rows - start)
            part = rng.standard_normal((count, dim), dtype=np.float32) * scale + centre
            part /= np.sqrt(np.einsum("ij,ij->i", part, part))[:, None]
            stream.write(part.data)


def make_chunks(folder: Path, array: Path, key: str, rows: int = 200_000) -> None:
    """Write the rows of an array as pickled records, as training code keeps them."""
    from benchmarks.pickled_realign import write_records

    folder.mkdir(exist_ok=True)
    vectors = np.load(array)
    for number, start in enumerate(range(0, len(vectors), rows)):
        part = vectors[start : start + rows]
        records = [
            {"id": start + i, key: f"caption {start + i}", "embed": row.copy()}
            for i, row in enumerate(part)
        ]
        write_records(records, folder / f"embeds_{number}.pkl")


# -- what is measured: each function runs in a process of its own and returns seconds -------------


def bare_product(folder: Path) -> float:
    """One float32 product XᵀX of rows that are in memory."""
    rows = np.load(folder / "wide.npy")
    rows[:4096].T @ rows[:4096]
    return timed(lambda: rows.T @ rows)


def moments_in_memory(folder: Path) -> float:
    """Moments of rows that are in memory."""
    from anisoalign_core.moments import Moments

    rows = np.load(folder / "wide.npy")
    Moments.from_chunks([rows[:4096]])
    return timed(lambda: Moments.from_chunks([rows]))


def bare_product_from_disk(folder: Path) -> float:
    """Read the rows from disk, then the product."""

    def work() -> object:
        rows = np.load(folder / "wide.npy")
        return rows.T @ rows

    return timed(work)


def moments_from_disk(folder: Path, name: str = "wide.npy") -> float:
    """Moments of unit rows on disk: read, checked, normalised, summed."""
    from anisoalign_core.engine import moments_of
    from anisoalign_core.io.shards import open_shards

    return timed(lambda: moments_of(open_shards(folder / name, modality="image")))


def bounded_on_disk(folder: Path) -> float:
    """Fit BoundedTransport on two files and correct one: what the command line does."""
    from anisoalign_core.recipe.jobs import ApplyJob, FitJob, run_apply

    source, target = (str(folder / f"million_{side}.npy") for side in ("text", "image"))
    out = folder / "corrected.npy"
    out.unlink(missing_ok=True)

    def work() -> object:
        method = FitJob((source,), (target,), "bounded", {"bound": 0.2}).run()
        return run_apply(method, ApplyJob((source,), str(out)))

    return timed(work)


def bounded_parts(folder: Path) -> float:
    """Time read both files + one n×d×d product + write the result, each alone."""
    names = [folder / f"million_{side}.npy" for side in ("text", "image")]
    copy = folder / "copied.npy"
    copy.unlink(missing_ok=True)

    def read() -> None:
        buffer = memoryview(bytearray(16 * MIB))
        for name in names:
            with name.open("rb", buffering=0) as stream:
                while stream.readinto(buffer):
                    pass

    taken = timed(read)
    rows = np.load(names[0])
    dim = rows.shape[1]
    square = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0]
    square = square.astype(np.float32)
    product = np.zeros_like(rows)
    taken += timed(lambda: np.matmul(rows, square, out=product))

    def write() -> None:
        with copy.open("wb") as stream:
            np.save(stream, product)
            stream.flush()
            os.fsync(stream.fileno())

    return taken + timed(write)


def make_file(folder: Path, name: str, rows: str, dim: str, seed: str) -> float:
    """Make one file, in a process of its own: a child's peak memory begins at its parent's."""
    make_rows(folder / name, int(rows), int(dim), int(seed))
    return 0.0


def make_pickled(folder: Path) -> float:
    """Make both sides of the comparison with the script."""
    for seed, (side, key) in enumerate((("text", "caption"), ("image", "image_path"))):
        make_rows(folder / f"{side}.npy", 200_000, 512, seed)
        make_chunks(folder / f"{side}s", folder / f"{side}.npy", key)
    return 0.0


def pickled(folder: Path) -> float:
    """Correct pickled records with the straightforward script."""
    from benchmarks.pickled_realign import realign

    out = folder / "pickled_out"
    out.mkdir(exist_ok=True)
    return timed(lambda: realign(folder / "texts", folder / "images", out))


def streamed_arrays(folder: Path) -> float:
    """ReAlign from .npy to .npy."""
    return _streamed(folder, "text.npy", "image.npy", "streamed.npy")


def commands(folder: Path) -> float:
    """ReAlign from .npy to .npy by two commands, the interpreter and all imports included."""
    (folder / "by_command.npy").unlink(missing_ok=True)
    lines = (
        "fit --method realign --target image.npy --source text.npy --out model.npz --quiet",
        "apply --model model.npz --source text.npy --out by_command.npy --quiet",
    )

    def work() -> None:
        for line in lines:
            command = [sys.executable, "-m", "anisoalign_core.cli", *line.split()]
            subprocess.run(command, cwd=folder, check=True)  # noqa: S603  (made above)

    return timed(work)


def streamed_chunks(folder: Path) -> float:
    """ReAlign from chunks to chunks."""
    import shutil

    shutil.rmtree(folder / "streamed_out", ignore_errors=True)
    return _streamed(folder, "texts", "images", "streamed_out")


def _streamed(folder: Path, source: str, target: str, out: str) -> float:
    from anisoalign_core.recipe.jobs import ApplyJob, FitJob, run_apply

    where, other = str(folder / source), str(folder / target)
    (folder / out).unlink(missing_ok=True) if out.endswith(".npy") else None

    def work() -> None:
        method = FitJob((where,), (other,), "realign").run()
        run_apply(method, ApplyJob((where,), str(folder / out))).finish()

    return timed(work)


def local_fit(folder: Path) -> float:
    """BoundedTransport on shards, on this machine's cores."""
    return _fit_shards(folder, None)


def dask_fit(folder: Path) -> float:
    """BoundedTransport on shards, on two Dask workers; the cluster is up already."""
    from anisoalign_core.engine.dask import connected

    with connected(None, workers=2) as engine:
        engine.client.submit(_load_library).result()
        return _fit_shards(folder, engine)


def _load_library() -> None:
    import anisoalign_core.recipe.jobs  # noqa: F401


def _fit_shards(folder: Path, engine: Any) -> float:
    import shutil

    from anisoalign_core.recipe.jobs import ApplyJob, FitJob, run_apply

    name = "local" if engine is None else "dask"
    out = folder / f"{name}_out"
    shutil.rmtree(out, ignore_errors=True)
    source, target = str(folder / "shards_text"), str(folder / "shards_image")

    def work() -> None:
        method = FitJob((source,), (target,), "bounded", {"bound": 0.2}).run(engine)
        run_apply(method, ApplyJob((source,), str(out)), engine=engine).finish()
        np.savez(folder / f"{name}.npz", **_arrays(method))

    return timed(work)


def _arrays(method: Any) -> dict[str, np.ndarray]:
    parts = ((one.name, getattr(method.map_, one.name)) for one in fields(method.map_))
    return {name: value for name, value in parts if value is not None}


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


# -- how it is measured ---------------------------------------------------------------------------


def alone(name: str, folder: Path, *arguments: str) -> tuple[float, float]:
    """Run a function of this module in its own process: its seconds, and the process's peak MiB."""
    os.sync()  # nobody waits for what another one wrote
    done = subprocess.run(  # noqa: S603  (this module, in a process of its own)
        [sys.executable, "-m", "benchmarks.streaming", "--only", name, str(folder), *arguments],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return found["seconds"], found["peak"] / MIB


def in_turns(
    names: tuple[str, ...], folder: Path, repeats: int
) -> dict[str, tuple[list[float], float]]:
    """Run functions in turns; return the seconds of each run, and each one's largest peak."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    peaks = dict.fromkeys(names, 0.0)
    for _ in range(repeats):
        for name in names:
            taken, peak = alone(name, folder)
            seconds[name].append(taken)
            peaks[name] = max(peaks[name], peak)
            print(f"  {name}: {taken:.2f} s, {peak:.0f} MiB", file=sys.stderr, flush=True)
    return {name: (seconds[name], peaks[name]) for name in names}


def median_ratio(found: dict[str, tuple[list[float], float]], one: str, other: str) -> float:
    """Median of the ratios of runs that took turns."""
    return statistics.median(a / b for a, b in zip(found[one][0], found[other][0], strict=True))


def row(words: str, found: tuple[list[float], float], ratio: str) -> str:
    """Return one line of a table."""
    return f"| {words} | {statistics.median(found[0]):.2f} s | {found[1]:,.0f} MiB | {ratio} |"


def moments_section(folder: Path, repeats: int) -> list[str]:
    """Moments against the bare product, and their memory along n."""
    alone("make_file", folder, "wide.npy", "200000", "768", "0")
    names = ("bare_product", "moments_in_memory", "bare_product_from_disk", "moments_from_disk")
    found = in_turns(names, folder, repeats)
    lines = [
        "**Moments of 200,000 × 768** (budget: 1.5 of the bare product, 400 MiB for any n). The "
        "bare product is `X.T @ X` in float32, for which BLAS computes one triangle only. From "
        "disk, every row is read, checked and normalised too, and the files' digests are taken.",
        "",
        "| | time | peak memory | ÷ bare |",
        "|---|---|---|---|",
        row("bare product, rows in memory", found[names[0]], "1"),
        row(
            "`Moments`, rows in memory",
            found[names[1]],
            f"{median_ratio(found, names[1], names[0]):.2f}",
        ),
        row("load, then bare product", found[names[2]], "1"),
        row(
            "`moments_of`, rows on disk",
            found[names[3]],
            f"{median_ratio(found, names[3], names[2]):.2f}",
        ),
        "",
        "| rows on disk × 768 | size | peak memory of `moments_of` |",
        "|---|---|---|",
    ]
    for rows in (50_000, 200_000, 800_000):
        path = folder / f"wide_{rows}.npy"
        alone("make_file", folder, path.name, str(rows), "768", "0")
        _, peak = alone("moments_from_disk", folder, path.name)
        lines.append(f"| {rows:,} | {rows * 768 * 4 / MIB:,.0f} MiB | {peak:,.0f} MiB |")
        path.unlink()
    (folder / "wide.npy").unlink()
    return [*lines, ""]


def bounded_section(folder: Path, repeats: int) -> list[str]:
    """Fit and apply on a million rows, against its parts."""
    for seed, side in enumerate(("text", "image")):
        alone("make_file", folder, f"million_{side}.npy", "1000000", "512", str(seed))
    names = ("bounded_parts", "bounded_on_disk")
    found = in_turns(names, folder, repeats)
    for path in folder.glob("million_*.npy"):
        path.unlink()
    for name in ("corrected.npy", "copied.npy"):
        (folder / name).unlink(missing_ok=True)
    return [
        "**BoundedTransport on 1,000,000 × 512 float32 on disk**, fit and apply (budget: 1 GiB, "
        "and 2 of its parts). The parts, each measured alone: reading both files once, one n×d×d "
        "product into memory that is there, writing and flushing the result. Ours reads the source "
        "three times and the target once, sums two scatters, takes the calibration, and corrects.",
        "",
        "| | time | peak memory | ÷ parts |",
        "|---|---|---|---|",
        row("read + product + write", found[names[0]], "1"),
        row("fit + apply", found[names[1]], f"{median_ratio(found, names[1], names[0]):.2f}"),
        "",
    ]


def _records(folder: Path) -> list[dict[str, Any]]:
    from benchmarks.pickled_realign import read_records

    return [record for path in sorted(folder.glob("*.pkl")) for record in read_records(path)]


def realign_section(folder: Path, repeats: int) -> list[str]:
    """ReAlign against the script over pickled records."""
    alone("make_pickled", folder)
    names = ("pickled", "streamed_arrays", "commands", "streamed_chunks")
    found = in_turns(names, folder, repeats)
    wanted = np.array([record["embed"] for record in _records(folder / "pickled_out")])
    arrays = np.load(folder / "streamed.npy")
    chunks = np.array([record["embed"] for record in _records(folder / "streamed_out")])
    if (folder / "by_command.npy").read_bytes() != (folder / "streamed.npy").read_bytes():
        raise RuntimeError("commands and library wrote different files")
    worst = max(float(np.abs(each - wanted).max()) for each in (arrays, chunks))
    if worst > 1e-5:
        raise RuntimeError(f"ReAlign differs from the script by {worst}")
    faster = {name: 1 / median_ratio(found, name, "pickled") for name in names[1:]}
    less = {name: found["pickled"][1] / found[name][1] for name in names[1:]}
    return [
        "**ReAlign on 200,000 × 512** against `benchmarks/pickled_realign.py`, a straightforward "
        "implementation from the formulas over pickled lists of dictionaries, four float64 passes "
        "over chunks of 200,000 records, each of which every pass loads anew. All entries agree to "
        f"{worst:.1g} (budget 1e-5). Budgets: from `.npy` 20 times faster and an eighth of the "
        "memory. Pickles are read by a restricted unpickler, which looks at every one of their "
        "steps: convert them once (`anisoalign convert`) where they are read often.",
        "",
        "| | time | peak memory | times faster | times less memory |",
        "|---|---|---|---|---|",
        row("script, chunks to chunks", found[names[0]], "1") + " 1 |",
        *(
            row(words, found[name], f"{faster[name]:.1f}") + f" {less[name]:.1f} |"
            for words, name in (
                ("ours, `.npy` to `.npy`", "streamed_arrays"),
                ("the same by two commands, `fit` and `apply`", "commands"),
                ("ours, chunks to chunks", "streamed_chunks"),
            )
        ),
        "",
    ]


def dask_section(folder: Path, repeats: int) -> list[str]:
    """Two Dask workers against this machine's own engine."""
    for seed, side in enumerate(("text", "image")):
        shards = folder / f"shards_{side}"
        shards.mkdir(exist_ok=True)
        for number in range(16):
            alone("make_file", shards, f"part_{number}.npy", "32768", "512", f"{seed}{number}")
    names = ("local_fit", "dask_fit")
    found = in_turns(names, folder, repeats)
    with np.load(folder / "local.npz") as local, np.load(folder / "dask.npz") as spread:
        apart = {
            key: float(np.abs(local[key] - spread[key]).max() / np.abs(local[key]).max())
            for key in local.files
        }
    calibration = apart.pop("recentring")
    same = all(
        path.read_bytes() == (folder / "dask_out" / path.name).read_bytes()
        for path in (folder / "local_out").iterdir()
    )
    return [
        "**Dask, two workers of one thread each, against the local engine** on the same 16 + 16 "
        "shards of 32,768 × 512, fit and apply of BoundedTransport; the cluster is up and the "
        f"library imported before the clock starts. Means and matrices differ by at most "
        f"{max(apart.values()):.1g} of their largest entry, the calibration, which weighs rows by "
        f"float32 norms, by {calibration:.1g}; the corrected files are "
        f"{'the same bytes' if same else 'equal to float32 rounding'}. Memory is the client's.",
        "",
        "| | time | peak memory | ÷ local |",
        "|---|---|---|---|",
        row("local, two threads", found["local_fit"], "1"),
        row("Dask, two workers", found["dask_fit"], f"{median_ratio(found, *names[::-1]):.2f}"),
        "",
    ]


def precision_section(rows: int = 1_000_000, dim: int = 256) -> list[str]:
    """Float32 products with float64 sums against float64 throughout."""
    from anisoalign_core.moments import Moments

    lines = [
        f"**Numerical care.** {rows:,} × {dim} rows: products of float32 blocks, summed in "
        "float64, against float64 throughout (budgets: relative error of the covariance 1e-6 at a "
        "mean of norm .9; five digits of the residual spectrum at .998).",
        "",
        "| norm of the mean | ‖Σ₃₂ − Σ₆₄‖ ÷ ‖Σ₆₄‖ | largest relative error of an eigenvalue | of "
        "the mean's norm |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for mean in (0.9, 0.998):
            make_rows(Path(folder) / "rows.npy", rows, dim, 1, mean=mean)
            data = np.load(Path(folder) / "rows.npy")
            fast, exact = (Moments.from_chunks([data], precise=p) for p in (False, True))
            gap = np.linalg.norm(fast.covariance - exact.covariance)
            values = [np.linalg.eigvalsh(m.covariance) for m in (fast, exact)]
            worst = float(np.max(np.abs(values[0] / values[1] - 1)))
            norms = [float(np.linalg.norm(m.mean)) for m in (fast, exact)]
            lines.append(
                f"| {norms[1]:.3f} | {gap / np.linalg.norm(exact.covariance):.1g} | {worst:.1g} | "
                f"{abs(norms[0] / norms[1] - 1):.1g} |"
            )
            del data
    return [*lines, ""]


SECTIONS = {
    "moments": moments_section,
    "bounded": bounded_section,
    "dask": dask_section,
    "realign": realign_section,  # last, since it takes memory in this process too
}


def main() -> None:
    """Measure what was asked for; print it, and write the section when all of it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", type=Path, help="folder for the files; default: a temporary one")
    parser.add_argument("--parts", nargs="*", default=[*SECTIONS, "precision"])
    parser.add_argument("--only", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        name, folder, *rest = options.only
        seconds = globals()[name](Path(folder), *rest)
        who = resource.RUSAGE_CHILDREN if name == "commands" else resource.RUSAGE_SELF
        peak = resource.getrusage(who).ru_maxrss * PEAK_UNIT
        print(json.dumps({"seconds": seconds, "peak": peak}))
        return
    head = [
        "## Larger than memory",
        "",
        "Made by `python -m benchmarks.streaming`: medians of "
        f"{options.repeats} runs that take turns, each in a process of its own; ratios are medians "
        "of the ratios of neighbouring runs. Peak memory is the largest resident size of the "
        "process, Python and its libraries included. Output files are new in every run, and "
        "flushed to disk; what earlier runs wrote is flushed before the clock starts.",
    ]
    if options.out:
        replace_section(options.out, "streaming", "\n".join(head))
    for part in options.parts:
        if part == "precision":
            found = precision_section()
        else:
            with tempfile.TemporaryDirectory(dir=options.work) as folder:
                found = SECTIONS[part](Path(folder), options.repeats)
        print("\n".join(found), flush=True)
        if options.out:
            replace_section(options.out, f"streaming: {part}", "\n".join(found))


if __name__ == "__main__":
    main()
