"""The one block of bytes that a live picture is made from, in whatever home it is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC = b"AAL1"
KINDS = {"u1": "<u1", "u2": "<u2", "u4": "<u4", "f4": "<f4"}
LEVELS = 65_535


def pack(facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return header and arrays as one block: magic, length, JSON, arrays at multiples of four.

    Parameters
    ----------
    facts : mapping
        What JSON can hold.
    arrays : mapping of name to array
        Of uint8, uint16, uint32 or float32.
    """
    blocks, places, at = [], {}, 0
    for name, array in arrays.items():
        kind = np.dtype(array.dtype).str[1:]
        block = np.ascontiguousarray(array, dtype=KINDS[kind]).tobytes()
        places[name] = {"kind": kind, "at": at, "size": array.size}
        block += b"\0" * (-len(block) % 4)
        blocks.append(block)
        at += len(block)
    words = {**facts, "arrays": places}
    header = json.dumps(words, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = header.encode("utf-8", "replace")  # a lone half of a pair of surrogates is no text
    start = MAGIC + len(text).to_bytes(4, "little") + text + b"\0" * (-len(text) % 4)
    return start + b"".join(blocks)


def unpack(block: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return the header and the arrays of a block."""
    length = int.from_bytes(block[4:8], "little")
    facts = json.loads(block[8 : 8 + length])
    start = 8 + length + (-length % 4)
    arrays = {
        name: np.frombuffer(block, KINDS[one["kind"]], one["size"], start + one["at"])
        for name, one in facts.pop("arrays").items()
    }
    return facts, arrays


def levels(values: npt.NDArray[Any], low: npt.ArrayLike, high: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return values between two ends as 65,536 levels."""
    low, high = np.asarray(low, dtype=np.float32), np.asarray(high, dtype=np.float32)
    part = (values - low) / (high - low)
    return np.asarray(np.round(np.clip(part, 0, 1) * LEVELS), dtype=np.uint16)
