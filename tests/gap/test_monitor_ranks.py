"""Several processes together see what one sees of all their batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gap.batches import CASES, batches, in_a_rank, run

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="torch was built without gloo",
)
OF_ONE_RANK = ("recall", "uniformity", "gallery")
"""Of each rank's own batch, averaged: no single process has them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(in_a_rank, (str(folder),), nprocs=2)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_are_one_process_on_both_parts(folder, case):
    first, second = (json.loads((folder / f"rank{k}.json").read_text())[case] for k in (0, 1))
    assert str(first) == str(second), "every rank returns the same row"
    alone = run(batches(8, spread=CASES[case][0]), every=4, window=2)
    assert len(first) == len(alone) == 2
    for together, whole in zip(first, alone, strict=True):
        for name, value in whole.to_dict().items():
            if not name.startswith(OF_ONE_RANK):
                assert together[name] == pytest.approx(value, rel=1e-6, nan_ok=True), name
        assert together["gallery"] == 24, "the mean of 30 and 18"
        assert together["recall_chance"] == pytest.approx((1 / 30 + 1 / 18) / 2)
    assert (folder / f"{case}-0.jsonl").is_file()
    assert not (folder / f"{case}-1.jsonl").exists(), "rank 0 alone writes"
