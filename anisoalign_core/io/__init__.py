"""Readers and writers of every supported format.

``load`` and ``load_pair`` read files and folders, ``load_bytes`` and ``load_pair_bytes`` uploads;
``save`` and ``to_bytes`` write. ``open_shards`` finds sets of any size, which are read piece by
piece. Headers are compared with :class:`Limits` before anything is allocated, and files appear
whole or not at all. Nothing is ever unpickled, but for ReVision chunks: ``open_shards`` and the
command line read those through an unpickler that knows arrays, numbers and text only.
"""

from anisoalign_core.files.atomic import atomic_path, atomic_write_bytes, atomic_write_text
from anisoalign_core.files.limits import Limits, check_declared
from anisoalign_core.io.format import Format
from anisoalign_core.io.lines import parse_lines
from anisoalign_core.io.reading import (
    array_keys,
    array_keys_bytes,
    columns_bytes,
    has_pair,
    has_pair_bytes,
    load,
    load_bytes,
    load_pair,
    load_pair_bytes,
)
from anisoalign_core.io.registry import FORMATS
from anisoalign_core.io.shards import ShardedSet, open_shards
from anisoalign_core.io.writing import float16_error, save, to_bytes

__all__ = [
    "FORMATS",
    "Format",
    "Limits",
    "ShardedSet",
    "array_keys",
    "array_keys_bytes",
    "atomic_path",
    "atomic_write_bytes",
    "atomic_write_text",
    "check_declared",
    "columns_bytes",
    "float16_error",
    "has_pair",
    "has_pair_bytes",
    "load",
    "load_bytes",
    "load_pair",
    "load_pair_bytes",
    "open_shards",
    "parse_lines",
    "save",
    "to_bytes",
]
