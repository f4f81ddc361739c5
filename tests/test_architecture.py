"""Arrows run one way, and importing the library stays quick and light."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "anisoalign_core"
HEAVY = (
    "torch",
    "streamlit",
    "umap",
    "plotly",
    "open_clip",
    "transformers",
    "sentence_transformers",
    "sklearn",
    "pandas",
)
ENCODERS = {"open_clip", "transformers", "sentence_transformers", "huggingface_hub", "tokenizers"}
MAY_IMPORT = {  # room: the rooms of the library below it
    "errors": set(),
    "card": set(),
    "extras": {"errors"},
    "threads": set(),
    "moved": set(),
    "plain": set(),
    "numerics": {"threads"},
    "files": {"errors"},
    "arrays": {"errors"},
    "rows": {"errors", "arrays", "numerics"},
    "embeddings": {"errors", "card", "numerics", "rows"},
    "things": {"errors", "numerics"},
    "splitting": {"errors", "numerics", "embeddings", "things"},
    "pairs": {"errors", "card", "numerics", "rows", "embeddings", "things", "splitting"},
    "matrices": {"errors", "numerics", "threads"},
    "moments": {"errors", "card", "arrays", "numerics", "matrices", "files"},
    "io": {
        "errors",
        "arrays",
        "plain",
        "numerics",
        "rows",
        "embeddings",
        "things",
        "pairs",
        "files",
    },
    "encode": {
        "errors",
        "extras",
        "moved",
        "numerics",
        "rows",
        "embeddings",
        "pairs",
        "files",
        "io",
    },
    "geometry": {
        "errors",
        "extras",
        "threads",
        "numerics",
        "embeddings",
        "things",
        "splitting",
        "pairs",
        "matrices",
        "moments",
    },
    "metrics": {
        "errors",
        "arrays",
        "card",
        "moved",
        "threads",
        "numerics",
        "embeddings",
        "things",
        "splitting",
        "pairs",
        "matrices",
        "moments",
        "geometry",
    },
    "align": {
        "errors",
        "extras",
        "arrays",
        "card",
        "threads",
        "numerics",
        "embeddings",
        "things",
        "splitting",
        "pairs",
        "matrices",
        "moments",
        "geometry",
        "metrics",
        "files",
        "io",
    },
    "scoring": {
        "errors",
        "card",
        "numerics",
        "matrices",
        "rows",
        "embeddings",
        "metrics",
        "align",
    },
    "engine": {
        "errors",
        "extras",
        "threads",
        "numerics",
        "matrices",
        "rows",
        "embeddings",
        "things",
        "splitting",
        "pairs",
        "moments",
        "files",
        "io",
        "align",
    },
    "recipe": {
        "errors",
        "numerics",
        "rows",
        "embeddings",
        "things",
        "splitting",
        "pairs",
        "files",
        "io",
        "align",
        "plain",
        "engine",
        "samples",
    },
    "gap": {
        "errors",
        "card",
        "plain",
        "files",
        "threads",
        "numerics",
        "rows",
        "embeddings",
        "things",
        "splitting",
        "pairs",
        "matrices",
        "moments",
        "geometry",
        "metrics",
    },
    "compare": {
        "errors",
        "extras",
        "card",
        "moved",
        "threads",
        "numerics",
        "embeddings",
        "things",
        "splitting",
        "pairs",
        "matrices",
        "moments",
        "geometry",
        "metrics",
        "align",
        "recipe",
        "files",
        "scoring",
    },
    "teach": {
        "errors",
        "card",
        "numerics",
        "embeddings",
        "things",
        "splitting",
        "pairs",
        "moments",
        "geometry",
        "align",
        "metrics",
    },
    "plots": {
        "errors",
        "card",
        "numerics",
        "files",
        "embeddings",
        "splitting",
        "pairs",
        "moments",
        "geometry",
        "metrics",
        "align",
        "compare",
        "gap",
        "teach",
        "bench",
    },
    "bench": {
        "errors",
        "numerics",
        "plain",
        "files",
        "rows",
        "embeddings",
        "things",
        "pairs",
        "matrices",
        "moments",
        "io",
        "metrics",
        "align",
        "gap",
        "compare",
        "encode",
    },
    "publish": {"errors", "card", "files", "metrics", "gap", "bench", "compare", "plots"},
}


DOOR = ("plot", "anisoalign_core.plots.asked")
"""The one way up: a thing's ``plot`` asks the room above for its figure, when it is called."""


def imports(path: Path) -> set[str]:
    found = set()
    tree = ast.parse(path.read_text())
    plots = (f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and f.name == DOOR[0])
    asked = {n for f in plots for n in f.body if getattr(n, "module", "") == DOOR[1]}
    for node in set(ast.walk(tree)) - asked:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def modules():
    return sorted(CORE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def test_arrows_run_one_way():
    wrong = []
    for path in modules():
        names, room = imports(path), room_of(path)
        tops = {name.partition(".")[0] for name in names}
        refused = tops & {"streamlit", "app", "pages"}  # the library knows no screen
        if room != "plots":
            refused |= tops & {"plotly"}
        if room in MAY_IMPORT:
            inside = {n.split(".")[1] for n in names if n.startswith("anisoalign_core.")}
            refused |= inside - {room} - MAY_IMPORT[room]
        if refused:
            wrong.append(f"{path.relative_to(CORE)} imports {sorted(refused)}")
    assert not wrong


def test_heavy_packages_are_not_imported_at_the_top():
    heavy = {"torch", "umap", "dask", "distributed", "upath", "fsspec", *ENCODERS}
    wrong = []
    for path in modules():
        top = set()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                top |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                top.add(node.module.partition(".")[0])
        if top & heavy:
            wrong.append(f"{path.relative_to(CORE)} imports {sorted(top & heavy)}")
    assert not wrong


def run_python(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    return done.stdout.strip()


def test_importing_the_library_loads_nothing_heavy():
    loaded = run_python(
        f"import sys, anisoalign_core; print(' '.join(sorted(set(sys.modules) & set({HEAVY!r}))))"
    )
    assert loaded == ""


def test_the_first_use_of_a_method_loads_neither_scikit_learn_nor_scipy_nor_pandas():
    code = (
        "import sys, anisoalign_core as aa; [kind() for kind in aa.ALIGNERS.values()]; "
        "print(sorted({'sklearn', 'scipy', 'pandas', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_closed_form_path_never_loads_torch():
    loaded = run_python(
        "import sys, numpy as np, anisoalign_core as aa; r = np.random.default_rng(0); "
        "y, x = r.standard_normal((2, 60, 8)); m = aa.BoundedTransport(bound=.2).fit(y, x); "
        "m.transform(y); aa.METRICS; aa.diagnose; print('torch' in sys.modules)"
    )
    assert loaded == "False"


def test_every_public_name_resolves():
    import anisoalign_core

    for name in anisoalign_core.__all__:
        assert getattr(anisoalign_core, name) is not None
    assert {
        "load",
        "EmbeddingSet",
        "EmbeddingPair",
        "diagnose",
        "BoundedTransport",
        "evaluate",
        "load_aligner",
        "ALIGNERS",
        "METRICS",
    } <= set(anisoalign_core.__all__)


def test_pages_are_thin():
    for path in (ROOT / "pages").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 120, path
        tops = {name.partition(".")[0] for name in imports(path)}
        assert not {"numpy", "scipy", "sklearn", "torch"} & tops, path


def test_home_is_thin():
    assert len((ROOT / "app" / "Home.py").read_text().splitlines()) <= 60


@pytest.mark.parametrize("room", ["anisoalign_core", "app", "pages", "benchmarks", "sample_data"])
def test_a_silenced_rule_of_security_says_why(room):
    for path in (ROOT / room).rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"# noqa: S\d", line):
                assert re.search(r"# noqa: S\d+  \(.{4,}\)$", line), f"{path.name}: {line}"


SCREEN = sorted((*(ROOT / "app").rglob("*.py"), *(ROOT / "pages").glob("*.py")))


def test_the_screen_solves_nothing():
    for path in SCREEN:
        text = path.read_text()
        names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        assert not names & {"eigh", "Moments"}, path
        assert "linalg" not in text, path


def test_nobody_asks_which_method_it_has():
    classes = r"\b(BoundedTransport|AnisoAlign|Bures|C3|ReAlign|Oracle)\b"
    asks = re.compile(rf"isinstance\([^)]*{classes}|(method|name) (==|!=) \"(bounded|anisoalign)\"")
    found = [str(path) for path in (*modules(), *SCREEN) if asks.search(path.read_text())]
    assert not found


def _modules_of(node: ast.AST, files: dict[str, Path]) -> set[str]:
    """Modules of ours that an import statement needs."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names} & files.keys()
    if isinstance(node, ast.ImportFrom) and node.module:
        whole = {f"{node.module}.{alias.name}": node.module for alias in node.names}
        return {name if name in files else room for name, room in whole.items()} & files.keys()
    return set()


def test_no_imports_run_in_a_circle():
    """Type checkers' imports included; those within functions wait until everything is there."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in modules()
    }
    below: dict[str, set[str]] = {}
    for name, path in files.items():
        body = ast.parse(path.read_text(encoding="utf-8")).body
        inner = [each for node in body if isinstance(node, ast.If) for each in node.body]
        found = {each for node in [*body, *inner] for each in _modules_of(node, files)}
        below[name] = found - {name, "anisoalign_core"}
    while free := {name for name, names in below.items() if not names & below.keys()}:
        below = {name: names for name, names in below.items() if name not in free}
    assert not below, f"imports of {sorted(below)} wait for each other"


def test_files_are_rooms_not_halls():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long
