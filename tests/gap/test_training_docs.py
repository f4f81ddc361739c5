"""What docs/TRAINING.md shows runs, and its table has every column."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import anisoalign_core as aa
from anisoalign_core.gap.row import COLUMNS
from anisoalign_core.numerics import one_torch_thread

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "TRAINING.md").read_text(encoding="utf-8")


def example(name):
    (found,) = re.findall(rf"```python {name}\n(.*?)```", PAGE, re.DOTALL)
    return found


def test_the_table_has_every_column():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = re.findall(r"`([a-z_0-9]+)`", "\n".join(rows))
    assert set(COLUMNS) <= set(named), sorted(set(COLUMNS) - set(named))


def test_the_loop_of_open_clip_is_watched(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    open_clip = pytest.importorskip("open_clip")
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    vision = CLIPVisionCfg(image_size=16, patch_size=8, width=16, head_width=8, layers=1)
    text = CLIPTextCfg(context_length=6, vocab_size=20, width=16, heads=2, layers=1)
    model = CLIP(8, vision, text, output_dict=True)
    batch = torch.randn(24, 3, 16, 16), torch.randint(1, 19, (24, 6))
    names = {
        "aa": aa,
        "model": model,
        "loss": open_clip.ClipLoss(),
        "dataloader": [batch] * 50,
        "optimizer": torch.optim.AdamW(model.parameters(), 1e-3),
        "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    }
    with one_torch_thread():
        exec(example("open_clip"), names)
    run = aa.gap.Run.load(tmp_path / "run.jsonl")
    assert list(run.frame.index) == [49]
    row = run.frame.iloc[0]
    assert row["n"] == 50 * 24 and 0 < row["centroid_gap"] < 2
    assert row["logit_scale"] == pytest.approx(model.logit_scale.exp().item(), rel=0.05)


def test_lightning_calls_the_callback(tmp_path):
    torch = pytest.importorskip("torch")
    names = {"aa": aa, "lightning": types.SimpleNamespace(Callback=object)}
    exec(example("lightning"), names)
    logged = []
    module = types.SimpleNamespace(log=lambda *told: logged.append(told))
    watch = names["WatchGap"](tmp_path / "run.jsonl", every=2)
    for step in range(4):
        outputs = {
            "image": torch.randn(20, 8),
            "text": torch.randn(20, 8) + 1,
            "scale": torch.tensor(10.0),
        }
        watch.on_train_batch_end(
            types.SimpleNamespace(global_step=step), module, outputs, None, step
        )
    frame = aa.gap.Run.load(tmp_path / "run.jsonl").frame
    assert list(frame.index) == [1, 3]
    assert logged == [("gap/centroid_gap", value) for value in frame["centroid_gap"]]


def test_the_training_script_trains_and_writes_its_run(tmp_path):
    pytest.importorskip("open_clip")
    out = tmp_path / "run.jsonl"
    script = ROOT / "docs" / "train_with_monitor.py"
    lines = script.read_text(encoding="utf-8").split('"""')[2].splitlines()
    assert len([line for line in lines if line.strip()]) <= 30
    done = subprocess.run(
        [sys.executable, str(script), str(out), "6", "200", "3"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    frame = aa.gap.Run.load(out).frame
    assert list(frame.index) == [3, 6]
    assert (frame["n"] == 3 * 160).all() and (frame["temperature"] - 0.01).abs().max() < 1e-6
    assert done.stdout.count("gap 0.") == 2
