"""Every line of code on the site is run here or where it is said, or is checked and says why."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import shlex
import sys
import tomllib
import types
import zipfile

import numpy as np
import pytest
from PIL import Image

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.cli.parser import build_parser
from tests.conftest import paired_world
from tests.site.pages import DOCS, FENCE, INDENTED, PAGES, ROOT, blocks

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SHELL = ("", "bash")

ELSEWHERE = {
    ("TRAINING.md", "python open_clip"): "tests/gap/test_training_docs.py",
    ("TRAINING.md", "python lightning"): "tests/gap/test_training_docs.py",
}
"""Blocks of Python that another test runs."""

OUTSIDE = {
    "apt-get": "installs a package of the system",
    "chmod": "changes rights on a server",
    "chown": "changes owners on a server",
    "git": "fetches the repository",
    "ln": "links into nginx's folder",
    "nginx": "asks a running nginx; tests/deploy/test_nginx.py runs one with the site's file",
    "printf": "writes a server's file of passwords",
    "systemctl": "starts services; tests/deploy/test_documents.py verifies the unit",
    "useradd": "makes a user of the machine",
}
"""Programs of a server, which no test runs, and why."""

MAP = ("CONTRIBUTING.md", "app/  pages/        the screen: widgets in, plots out; no mathematics")
"""A block that is no code: the map of the library."""

BLOCKS = blocks()
PYTHON = [block for block in BLOCKS if block.info.split()[:1] == ["python"]]
LINES = [
    block
    for block in BLOCKS
    if block.info in SHELL and (block.page, block.text.splitlines()[0]) != MAP
]


def here(page):
    """Blocks of Python that this file runs."""
    return [b for b in PYTHON if b.page == page and (b.page, b.info) not in ELSEWHERE]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the files that pages speak of."""
    y, x = paired_world(300, 16)
    np.save(tmp_path / "text.npy", y)
    np.save(tmp_path / "image.npy", x)
    np.save(tmp_path / "aligned.npy", y)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(page, names, blocks=None):
    """Run blocks of a page one after the other, in the same names."""
    for block in here(page) if blocks is None else blocks:
        exec(compile(block.text, f"{page}", "exec"), names)
    return names


def test_every_block_is_python_shell_toml_or_the_map():
    kinds = {block.info.split()[0] if block.info else "" for block in BLOCKS}
    assert kinds == {"python", "toml", *SHELL}
    assert len([b for b in BLOCKS if b.info in SHELL]) == len(LINES) + 1


def test_code_stands_in_fences():
    """An indented block would be shown as code, and no test would find it."""
    for path in PAGES:
        text = FENCE.sub("```", path.read_text(encoding="utf-8"))
        assert INDENTED.findall(text) == [], path.name


def test_every_page_with_python_has_a_test():
    assert {block.page for block in PYTHON} == {
        name.removeprefix("test_the_code_of_").upper() + ".md"
        for name in globals()
        if name.startswith("test_the_code_of_")
    }


def test_other_tests_run_what_they_are_said_to():
    for (page, info), path in ELSEWHERE.items():
        assert [b.page for b in PYTHON if (b.page, b.info) == (page, info)] == [page]
        assert f'example("{info.split()[1]}")' in (ROOT / path).read_text(encoding="utf-8")


def test_the_code_of_readme(place):
    names = run("README.md", {})
    texts = np.load(place / "text.npy")
    expected = aa.BoundedTransport(bound=0.2).fit(texts, np.load(place / "image.npy"))
    np.testing.assert_array_equal(np.load(place / "aligned.npy"), expected.transform(texts))
    assert names["report"].paired


def test_the_code_of_walkthrough(place, capsys):
    run("WALKTHROUGH.md", {})
    assert capsys.readouterr().out == "(300, 16) float32 1.0\n"


def test_the_code_of_export(place):
    pytest.importorskip("torch")
    names = run("EXPORT.md", {})
    corrected = aa.load("aligned.parquet", modality="text")
    assert corrected.ids.tolist() == names["texts"].ids.tolist()
    np.testing.assert_allclose(corrected.vectors, names["corrected"].vectors, atol=1e-3)
    expected = names["method"].transform(names["texts"].vectors[:256])
    np.testing.assert_allclose(names["prefix"].numpy(), expected, atol=1e-6)
    recipe = aa.recipe.read_recipe("aligned.recipe.json")
    assert aa.replay(recipe, names["texts"], names["images"]).identical
    split = ast.parse(re.search(r"`(aa\.cook\(.*fit_on.*\))`", page("EXPORT.md")).group(1))
    assert eval(compile(split, "EXPORT.md", "exec"), names) is None  # noqa: S307
    for method in ("memory", "neighbour-mean", "sinkhorn"):
        fitted = aa.ALIGNERS[method]().fit(names["texts"], names["images"])
        with pytest.raises(aa.AnisoAlignError):
            fitted.to_torch()
    assert [n for n in ("center-both", "gap-shift") if aa.ALIGNERS[n].moves_target] == [
        "center-both",
        "gap-shift",
    ]


def test_the_lines_of_export_run(place, capsys):
    (block,) = [block for block in LINES if block.page == "EXPORT.md"]
    for words in block.commands:
        assert main([*words[1:], "--quiet"]) == 0
    written = aa.open_shards("aligned", modality="text")
    assert (written.rows, written.shards[0].format.name) == (300, "parquet")


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_code_of_training(place, monkeypatch):
    y, x = np.load("text.npy"), np.load("image.npy")
    scale = types.SimpleNamespace(exp=lambda: 100.0)
    names = {"image_features": x, "text_features": y, "step": 0}
    names["model"] = types.SimpleNamespace(logit_scale=scale)
    first, later, last = here("TRAINING.md")
    run("TRAINING.md", names, [first])
    assert names["row"] is None
    for step in range(1, 50):
        names["row"] = names["monitor"].update(x, y, step=step, logit_scale=100.0)
    assert names["row"].step == 49
    run("TRAINING.md", names, [later])
    assert names["run"].frame["temperature"].tolist() == [0.01]
    logged = []
    session = types.SimpleNamespace(log=lambda row, step: logged.append((step, row)))
    names["wandb"] = types.SimpleNamespace(init=lambda project: session)
    run("TRAINING.md", names, [last])
    for step in range(names["monitor"].every):
        names["monitor"].update(x, y, step=step)
    assert [step for step, _ in logged] == [names["monitor"].every - 1]


def test_the_code_of_method(monkeypatch):
    """faiss is not installed here as a rule: what the page uses of it is ten lines."""
    monkeypatch.setitem(sys.modules, "faiss", types.SimpleNamespace(IndexFlatIP=FlatIndex))
    rng = np.random.default_rng(0)
    sizes = {"queries": 20, "gallery": 50, "reference_queries": 60}
    names = {name: rng.normal(size=(n, 16)) for name, n in sizes.items()}
    run("METHOD.md", names | {"aa": aa})
    assert FlatIndex.last.rows.shape == (50, 17)


class FlatIndex:
    """Largest inner products, by numpy."""

    def __init__(self, d):
        self.d = d
        FlatIndex.last = self

    def add(self, rows):
        assert rows.dtype == np.float32 and rows.shape[1] == self.d
        self.rows = rows

    def search(self, queries, k):
        scores = queries @ self.rows.T
        found = np.argsort(-scores, axis=1)[:, :k]
        return np.take_along_axis(scores, found, 1), found


def test_the_code_of_encoders(place, monkeypatch):
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers", reason="the package transformers is missing")
    from scipy.io import wavfile

    from tests.encode import tiny_hub

    with zipfile.ZipFile("photos.zip", "w") as photos:
        for name in ("a", "b", "c"):
            Image.new("RGB", (32, 32), (ord(name), 40, 90)).save(place / f"{name}.png")
            photos.write(place / f"{name}.png", f"{name}.png")
    (place / "captions.csv").write_text("image,caption\na.png,a red ring\nb.png,blue\nc.png,a\n")
    folders = {"clip": tiny_hub.clip(place / "clip"), "clap": tiny_hub.clap(place / "clap")}
    load = aa.encode.load_encoder

    def from_here(name, *, backend):  # the page names a model of the hub
        assert re.fullmatch(r"[\w-]+/[\w-]+", name) and backend == "transformers"
        return load(backend=backend, checkpoint=folders["clip"])

    monkeypatch.setattr(aa.encode, "load_encoder", from_here)
    first, functions, object_, sounds = here("ENCODERS.md")
    names = run("ENCODERS.md", {}, [first])
    assert len(names["pair"].source) == 3 and names["pair"].paired

    names["my_images"] = lambda images: np.ones((len(images), 5)) * np.arange(1, 6)
    names["my_texts"] = lambda texts: torch.ones(len(texts), 5)
    names["model"] = types.SimpleNamespace(
        logit_scale=torch.tensor(1.0),
        encode_image=lambda batch: batch.reshape(len(batch), -1)[:, :512],
        encode_text=lambda tokens: tokens,
    )
    names |= {
        "torch": torch,
        "prepare": lambda image: torch.from_numpy(np.array(image, np.float32)),
        "tokenize": lambda texts: torch.ones(len(texts), 512),
    }
    run("ENCODERS.md", names, [functions, object_])
    assert names["encoder"].logit_scale == pytest.approx(np.e)
    mine = names["Mine"]()
    items = aa.encode.find_items("photos.zip", "captions.csv").items
    pair = aa.encode.encode(items, mine).pair()
    assert pair.source.vectors.shape == (3, 512)

    (place / "recordings").mkdir()
    noise = np.random.default_rng(0).standard_normal((44_100, 2)).astype(np.float32)
    wavfile.write(place / "recordings" / "one.wav", 44_100, noise)
    names["encoder"] = load(backend="transformers", checkpoint=folders["clap"])
    run("ENCODERS.md", names | {"samples": noise}, [sounds])


def test_the_list_of_encoders_is_read(tmp_path):
    (block,) = [block for block in BLOCKS if block.info == "toml"]
    (tmp_path / "encoders.toml").write_text(block.text, encoding="utf-8")
    listed = aa.bench.read_list(tmp_path / "encoders.toml")
    assert [one.name for one in listed] == ["CLIP B/32", "SigLIP", "mine", "encoded elsewhere"]


def test_the_map_names_what_is_there():
    (block,) = [block for block in BLOCKS if block.text.splitlines()[0] == MAP[1]]
    for line in block.text.splitlines():
        words = re.match(r" *((?:[\w/]+ )*[\w/]+)(?:  |$)", line).group(1).split()
        base = ROOT / "anisoalign_core" if line.startswith("  ") else ROOT
        for word in words:
            assert (base / word).exists() or (base / f"{word}.py").exists(), word


def check(words):
    """Check a command as far as it can be without a network, a server or another program."""
    program, rest = words[0].removeprefix(".venv/bin/"), words[1:]
    if program == "anisoalign":
        assert build_parser().parse_args(rest).verb == rest[0]
    elif program == "pip":
        check_pip(rest)
    elif program in ("streamlit", "ruff", "mypy", "pytest", "sphinx-build", "pre-commit"):
        places = [one for one in rest if "/" in one or one.endswith(".py")]
        assert all((ROOT / one).exists() for one in places if not one.startswith("docs/_build"))
        if program == "pytest" and rest:
            assert rest == ["-m", "not slow"]
    elif program in ("python", "python3"):
        check_python(rest)
    elif program == "install":
        assert "-d" in rest or (ROOT / rest[-2]).is_file(), words
    elif program == "cd":
        assert len(rest) == 1
    else:
        assert program in OUTSIDE, f"no test knows {program}"


def check_pip(rest):
    """Files that are asked for are there, extras are declared, versions are ours."""
    if rest[0] in ("freeze", "wheel"):
        return
    assert rest[0] == "install"
    if rest[1] == "-r":
        assert (ROOT / rest[2]).is_file()
        return
    for one in rest[1:]:
        asked = re.fullmatch(r"anisoalign[_-]studio(?:-([\d.]+)-py3-none-any\.whl)?\[(.*)\]", one)
        if asked:
            assert asked[1] in (None, aa.__version__)
            assert set(asked[2].split(",")) <= set(PROJECT["project"]["optional-dependencies"])
        else:
            assert one in ("pre-commit", "pip-audit", "tensorboard"), one


def check_python(rest):
    """A module or a script of this repository, or a new environment."""
    if rest[:2] == ["-m", "venv"]:
        return
    path = f"{rest[1].replace('.', '/')}.py" if rest[0] == "-m" else rest[0]
    assert (ROOT / path).is_file() or (ROOT / path).with_suffix("").is_dir(), rest


@pytest.mark.parametrize("block", LINES, ids=str)
def test_lines_of_a_shell_are_what_programs_take(block):
    for words in block.commands:
        if words[0] == "pip-audit":
            assert "--strict" in words  # without it the program ends with 0 where it audits nothing
            continue
        check(words[: words.index(">")] if ">" in words else words)


@pytest.mark.parametrize(
    "line",
    [
        "anisoalign fit --method bounded --boundary 0.2 --target a.npy --source b.npy --out c",
        'pip install "anisoalign-studio[nothing]"',
        "pip install -r requirements-none.txt",
        "python -m benchmarks.none",
        "install -m 644 deploy/none.conf /etc",
        "make docs",
    ],
)
def test_a_line_that_is_wrong_is_found(line, capsys):
    with pytest.raises((AssertionError, SystemExit)):
        check(shlex.split(line))


def test_examples_of_the_help_parse():
    parser = build_parser()
    text = re.sub(r"\n {6}", " ", parser.epilog)
    examples = re.findall(r"^  anisoalign (.*)$", text, re.MULTILINE)
    assert len(examples) > 10
    for line in examples:
        words = shlex.split(line)
        assert parser.parse_args(words).verb == words[0]


def test_examples_in_docstrings_give_what_they_say():
    tried = 0
    for path in sorted((ROOT / "anisoalign_core").rglob("*.py")):
        if ">>> " not in path.read_text(encoding="utf-8"):
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        done = doctest.testmod(importlib.import_module(name))
        assert done.failed == 0
        tried += done.attempted
    assert tried >= 6


def test_notebooks_on_the_site_are_those_that_are_run():
    """tests/test_notebooks.py runs every notebook of docs/notebooks/."""
    told = (DOCS / "sections" / "tutorials.md").read_text(encoding="utf-8")
    listed = re.findall(r"^/notebooks/(\w+)$", told, re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in (DOCS / "notebooks").glob("*.ipynb"))
