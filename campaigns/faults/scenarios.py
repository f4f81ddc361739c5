"""What is disturbed: commands and calls that write, on small sets of their own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SHARDS, ROWS, DIM = 4, 600, 32
BLOCK = 128
"""Rows that are read and written at a time here, so that small files have many blocks."""

LIGHT = ("anisoalign_core.cli", "anisoalign_core.recipe", "pyarrow.parquet", "pandas")
TORCH = ("torch", "anisoalign_core.align.anisoalign")
Prepare = Callable[[Path, int], None]
"""Make the inputs of one seed in a folder, which is the working directory too."""


@dataclass(frozen=True)
class Scenario:
    """One thing that writes.

    Attributes
    ----------
    name, what : str
    prepare : callable (folder, seed)
    run : callable
        Does it, in the working directory; returns the exit code of the command line.
    out : str
        The folder that it fills, or "" where it writes single files, which may be there already.
    together : tuple of tuples of str
        Files that are read as one set, the one with the vectors first.
    imports : tuple of str
        Modules imported once, before children are forked.
    changes : bool
        Whether its inputs are files whose change is to be noticed.
    """

    name: str
    what: str
    prepare: Prepare
    run: Callable[[], int]
    out: str = ""
    together: tuple[tuple[str, ...], ...] = ()
    imports: tuple[str, ...] = LIGHT
    changes: bool = True


def command(*words: str) -> Callable[[], int]:
    """Return a run of the command line."""

    def run() -> int:
        from anisoalign_core.cli import main

        return main(list(words))

    return run


def sides(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows of a source and a target that share a latent."""
    rng = np.random.default_rng(seed)
    rows = SHARDS * ROWS
    shared = rng.standard_normal((rows, DIM)) * np.linspace(1.0, 0.2, DIM)

    def one(spread: float) -> np.ndarray:
        side = shared + spread * rng.standard_normal((rows, DIM)) + 2.0 * rng.standard_normal(DIM)
        return (side / np.linalg.norm(side, axis=1, keepdims=True)).astype(np.float32)

    return one(0.4), one(0.3)


def write_shards(folder: Path, side: str, rows: np.ndarray, suffix: str) -> None:
    """Write one side as shards with ids and captions, in any format that has both."""
    import anisoalign_core as aa

    modality = "image" if side.startswith("image") else "text"
    place = folder / side
    if suffix == "clip":
        names = np.arange(len(rows)).astype(str)
        aa.save(
            aa.EmbeddingSet.from_array(rows, modality=modality, ids=names, captions=_said(names)),
            place,
        )
        return
    place.mkdir()
    for number, part in enumerate(np.array_split(rows, SHARDS)):
        names = np.char.add(f"{side}-{number}-", np.arange(len(part)).astype(str))
        data = aa.EmbeddingSet.from_array(
            part, modality=modality, ids=names, captions=_said(names), name=side
        )
        aa.save(data, place / f"part_{number}{suffix}")


def _said(names: np.ndarray) -> list[str]:
    return [f"a picture called {name}" for name in names]


def shards(suffix: str, *, model: str = "", recipe: bool = False) -> Prepare:
    """Inputs: both sides as shards, and if asked for a model, and the recipe of a correction."""

    def prepare(folder: Path, seed: int) -> None:
        source, target = sides(seed)
        write_shards(folder, "texts", source, suffix)
        write_shards(folder, "images", target, ".npy")
        both = ("--source", "texts", "--target", "images")
        if model:
            done = command("fit", "--method", model, *both, "--out", "model.npz")()
            assert done == 0
        if recipe:
            words = ("--source", "texts", "--out", "first.npy", "--recipe", "recipe.json")
            assert command("apply", "--model", "model.npz", *words)() == 0
            for left in folder.glob("first.*"):
                left.unlink()
            (folder / "model.npz").unlink()
        elif model:
            shutil.rmtree(folder / "images")

    return prepare


def server(folder: Path, seed: int) -> None:
    """Inputs of the app: both sides, and the folder that it may write to."""
    shards(".npy")(folder, seed)
    (folder / "exports").mkdir()


def revision(folder: Path, seed: int) -> None:
    """Inputs: chunks of ReVision and a model."""
    shards(".npy", model="bounded")(folder, seed)
    words = ("--source", "texts", "--format", "revision", "--out", "chunks")
    assert command("convert", *words)() == 0
    shutil.rmtree(folder / "texts")


def clip(folder: Path, seed: int) -> None:
    """Inputs: a folder of clip-retrieval with several shards, and a model."""
    shards(".npy", model="bounded")(folder, seed)
    words = ("--source", "texts", "--format", "clip-retrieval", "--shard-rows", str(ROWS))
    assert command("convert", *words, "--out", "retrieval")() == 0
    shutil.rmtree(folder / "texts")


def pictures(folder: Path, seed: int) -> None:
    """Inputs: a few pictures with captions."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    (folder / "pictures").mkdir()
    for number in range(6):
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{number}.png")
        (folder / "pictures" / f"{number}.txt").write_text(f"noise number {number}")


def encoder() -> str:
    """Where the bundled encoder lies."""
    import anisoalign_core as aa

    return str(aa.sample_encoder_path())


def encode() -> int:
    """Encode the pictures and their captions."""
    words = ("--images", "pictures", "--checkpoint", encoder())
    return command("encode", *words, "--out-images", "image.npy", "--out-texts", "text.npy")()


FORMATS = (".npy", ".npz", ".safetensors", ".parquet", ".tsv")


def export() -> int:
    """What the Export page writes on the server, and what ``aa.save`` writes, in every format."""
    import anisoalign_core as aa
    from anisoalign_core.errors import AnisoAlignError
    from anisoalign_core.files.atomic import atomic_write_text
    from anisoalign_core.recipe import cook

    try:
        source = aa.load("texts/part_0.npy", modality="text")
        target = aa.load("images/part_0.npy", modality="image")
        pair = aa.EmbeddingPair(source, target, paired=False)
        method, corrected, recipe = cook(pair, "bounded", {"bound": 0.2})
        for suffix in FORMATS:
            # one stem for each: files beside are named after it
            path = aa.save(corrected, f"{suffix[1:]}{suffix}", metadata={"method": method.name})
            atomic_write_text(path.with_suffix(".recipe.json"), recipe.to_json())
        aa.save(corrected, "retrieval")
        method.save("model.npz")
    except AnisoAlignError as error:
        print("anisoalign export:", error, file=sys.stderr)
        return 3
    return 0


def page() -> int:
    """The Export page itself, in the app's process, writing to the server's folder."""
    from streamlit.testing.v1 import AppTest

    import anisoalign_core as aa
    import app.widgets.export as widgets
    from app.session import Loaded

    os.environ["ANISOALIGN_EXPORT_ROOT"] = str(Path("exports").resolve())
    widgets.DOWNLOAD_LIMIT = 0
    pair = aa.EmbeddingPair(
        aa.load("texts/part_0.npy", modality="text"),
        aa.load("images/part_0.npy", modality="image"),
        paired=False,
    )
    root = Path(__file__).resolve().parents[2]
    at = AppTest.from_file(str(root / "app" / "Home.py"), default_timeout=600)
    from collections import OrderedDict

    at.session_state["loaded"] = Loaded(pair, "mine")
    at.session_state["results"] = OrderedDict()
    at.run()
    at.switch_page("../pages/export.py").run()
    button = next(one for one in at.button if one.label.startswith("Write "))
    button.click().run()
    if at.exception:
        print("Traceback:", at.exception[0].value, file=sys.stderr)
        return 1
    if at.error:
        print("anisoalign page:", at.error[0].value.replace("\\", ""), file=sys.stderr)
        return 3
    return 0 if any("Written" in one.value for one in at.success) else 1


APPLY = ("apply", "--model", "model.npz")
BOTH = ("--source", "texts", "--target", "images")
TRAINED = ("prior_steps=40", "refine_steps=40", "batch=64", "hidden=32")
STEPS = tuple(word for one in TRAINED for word in ("--param", one))


def beside(*names: str) -> tuple[tuple[str, ...], ...]:
    """Vectors with ids and captions beside, by the names of the files."""
    return tuple(
        (name, *(f"{name.rpartition('.')[0]}.{end}.txt" for end in ("ids", "captions")))
        for name in names
    )


SCENARIOS: dict[str, Scenario] = {
    each.name: each
    for each in (
        Scenario(
            "export",
            "export in every format, with recipe and model",
            shards(".npy"),
            export,
            together=(
                *beside("npy.npy", "safetensors.safetensors"),
                ("tsv.tsv", "tsv.metadata.tsv"),
            ),
        ),
        Scenario(
            "apply-npy",
            "`apply`, shards of .npy with ids and captions",
            shards(".npy", model="bounded"),
            command(*APPLY, "--source", "texts", "--out", "out"),
            "out",
        ),
        Scenario(
            "apply-safetensors",
            "`apply`, shards of .safetensors",
            shards(".safetensors", model="bounded"),
            command(*APPLY, "--source", "texts", "--out", "out"),
            "out",
        ),
        Scenario(
            "apply-parquet",
            "`apply`, shards of .parquet",
            shards(".parquet", model="bounded"),
            command(*APPLY, "--source", "texts", "--out", "out"),
            "out",
        ),
        Scenario(
            "apply-revision",
            "`apply`, ReVision chunks",
            revision,
            command(*APPLY, "--source", "chunks", "--out", "out"),
            "out",
        ),
        Scenario(
            "apply-clip",
            "`apply`, folder of clip-retrieval",
            clip,
            command(*APPLY, "--source", "retrieval", "--out", "out"),
            "out",
        ),
        Scenario(
            "apply-one",
            "`apply`, shards into one file",
            shards(".npy", model="realign"),
            command(*APPLY, "--source", "texts", "--out", "out.npy"),
            together=beside("out.npy"),
        ),
        Scenario(
            "fit",
            "`fit`, piece by piece",
            shards(".npy"),
            command(
                "fit", *BOTH, "--method", "bounded", "--out", "model.npz", "--json", "fit.json"
            ),
        ),
        Scenario(
            "train",
            "`fit --method anisoalign`: training",
            shards(".npy"),
            command("fit", *BOTH, "--method", "anisoalign", *STEPS, "--out", "model.npz"),
            imports=(*LIGHT, *TORCH),
        ),
        Scenario(
            "replay",
            "`replay` of a recipe",
            shards(".npy", model="bounded", recipe=True),
            command("replay", "recipe.json", "--out", "again.npy", "--json", "answer.json"),
            together=beside("again.npy"),
        ),
        Scenario(
            "convert",
            "`convert`, .npy to a folder of .parquet",
            shards(".npy"),
            command("convert", "--source", "texts", "--format", "parquet", "--out", "out"),
            "out",
        ),
        Scenario(
            "convert-one",
            "`convert`, shards into one .tsv",
            shards(".npy"),
            command("convert", "--source", "texts", "--out", "out.tsv"),
            together=(("out.tsv", "out.metadata.tsv"),),
        ),
        Scenario(
            "encode",
            "`encode`, pictures and captions",
            pictures,
            encode,
            together=beside("image.npy", "text.npy"),
            imports=(*LIGHT, *TORCH, "anisoalign_core.encode", "open_clip"),
            changes=False,
        ),
        Scenario(
            "page",
            "the app's Export page, onto the server",
            server,
            page,
            together=beside("exports/*/text-bounded-0.2.npy"),
            imports=(*LIGHT, "streamlit.testing.v1", "app.widgets.export"),
            changes=False,
        ),
    )
}


@dataclass
class Tally:
    """Counts of one fault in one scenario."""

    injected: int = 0
    survived: int = 0
    missed: int = 0
    after: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
