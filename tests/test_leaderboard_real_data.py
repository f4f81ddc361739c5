"""The leaderboard on real encoders: trained, and with random weights."""

import pytest

import anisoalign_core as aa
from anisoalign_core.compare import leaderboard

pytestmark = pytest.mark.real_data
METHODS = ("center-both", "bounded:bound=0.2", "bures", "procrustes", "permuted", "oracle")


def board_of(real_data, name):
    folder = real_data / name
    pair = aa.EmbeddingPair(
        aa.load(folder / "text.npy", modality="text"),
        aa.load(folder / "image.npy", modality="image"),
        paired=True,
    )
    return leaderboard(pair, METHODS, splits=4, holdout=0.24, k=10, curves=False)


def test_floor_ceiling_and_control_are_where_they_must_be_on_coco(real_data):
    board = board_of(real_data, "coco-clip-vitb16")
    assert len(board.order()) > 20
    assert all(check.holds for check in board.order()), board.order()
    assert all(check.holds for check in board.controls()), board.controls()
    assert board.answer("bounded:bound=0.2", "mixing_penetration") == "better"
    assert board.answer("bounded:bound=0.2", "frechet") == "better"


def test_nothing_finds_partners_where_nothing_was_learned(real_data):
    board = board_of(real_data, "coco-clip-vitb16-randominit")
    for name in ("identity", "realign", "center-both", "bounded:bound=0.2", "bures", "procrustes"):
        for way in ("source_to_target", "target_to_source"):
            metric = f"recall_at_1_{way}"
            assert board.score(name, metric).low <= board.floor(name, metric), name
    assert board.score("bures", "mixing_penetration").value > 0.5  # support says nothing of it
