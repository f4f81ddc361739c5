"""A pickle is walked over before it is loaded: what would take memory for nothing is refused."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest

from anisoalign_core.errors import FormatError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.io.opcodes import check_opcodes
from anisoalign_core.io.unpickling import load_records


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02]r\xff\xff\xff\x7f.",
        b"(lp99999999999\n.",
        b"\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00]r\xff\xff\xff\xff.",
        # an index behind the end of a frame, where reading anew forgets what the frame left over
        b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00]X\x05\x00\x00\x00r\xff\xff\xff\x7f.",
        b"\x80\x04\x95\x0a\x00\x00\x00\x00\x00\x00\x00\x95\x00\x00\x00\x00\x00\x00\x00\x00].",
        b"\x80\x04B\xff\xff\xff\xff.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x04\x95\xff\xff\xff\xff\x10\x00\x00\x00].",
        b"\x80\x04\x8b\xff\xff\xff\x7f.",
    ],
)
def test_small_files_take_little_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=r"a\.pkl"):
            load_records(Source("a.pkl", data=data), Limits())
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_a_walk_over_the_opcodes_ends_where_the_pickle_does() -> None:
    """Also past long texts and vectors whose length the walk has learned."""
    records = [
        {"id": i, "caption": "é" * (i * 7 % 600), "embed": np.full(100 + i % 3, i, np.float64)}
        for i in range(300)
    ]
    for protocol in (2, 3, 4, 5):
        data = pickle.dumps(records, protocol)
        check_opcodes(data, "a.pkl")
        with pytest.raises(FormatError, match="1 bytes after the end"):
            check_opcodes(data + b"x", "a.pkl")
        loaded = load_records(Source("a.pkl", data=data), Limits())
        assert [record["caption"] for record in loaded] == [one["caption"] for one in records]
