"""No page loads torch, open_clip or umap before it needs them, and the whole story needs none."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = "torch,open_clip,umap,numba,dask"
SCRIPT = """
import json, sys
from streamlit.testing.v1 import AppTest
at = AppTest.from_file("app/Home.py", default_timeout=120).run()
found = {}
for name in sys.argv[2:]:
    at.switch_page(f"../pages/{name}.py").run()
    for _ in range(7 if name == "learn" else 0):
        at.button(key="learn_next").click().run()
    assert not at.exception and not at.error, name
    found[name] = [m for m in sys.argv[1].split(",") if m in sys.modules]
    if name == "learn":
        assert at.subheader[0].value.startswith("8 of 8")
print(json.dumps(found))
"""


def test_pages_load_nothing_heavy_by_being_opened():
    names = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, HEAVY, *names],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == set(names)
    assert found == {name: [] for name in names}
