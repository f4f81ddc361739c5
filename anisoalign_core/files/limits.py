"""What is refused before a byte is allocated."""

from __future__ import annotations

import os
from dataclasses import dataclass

from anisoalign_core.errors import LimitError, ParameterError

GIB = 1024**3
MIB = 1024**2


@dataclass(frozen=True)
class Limits:
    """The largest inputs that readers accept.

    Attributes
    ----------
    max_rows : int, default 5 000 000
    max_dim : int, default 16 384
    max_bytes : int, default 4 GiB
        Of one array, as it would lie in memory.
    max_text_bytes : int, default 200 MB
        Of a delimited text file, or of a file of ids or captions.
    max_archive_members : int, default 65 536
        Files in a ``.npz`` or ``.pt`` archive: one for each id, where it is a dictionary.
    max_id_length : int, default 1024
        Characters in one id.
    max_ratio : int, default 200
        How many times larger than its compressed form a member of an archive may be, once it is
        above 16 MiB. Embeddings compress by less than 10; an archive bomb by about 1000.
    """

    max_rows: int = 5_000_000
    max_dim: int = 16_384
    max_bytes: int = 4 * GIB
    max_text_bytes: int = 200_000_000
    max_archive_members: int = 65_536
    max_id_length: int = 1024
    max_ratio: int = 200

    @classmethod
    def from_env(cls) -> Limits:
        """Return the defaults, changed by environment variables where they are set.

        ``ANISOALIGN_MAX_ROWS``, ``ANISOALIGN_MAX_DIM`` and ``ANISOALIGN_MAX_BYTES`` hold whole
        numbers above zero.

        Raises
        ------
        ParameterError
            If one of them holds anything else.
        """
        return cls(
            max_rows=from_env("ANISOALIGN_MAX_ROWS", cls.max_rows),
            max_dim=from_env("ANISOALIGN_MAX_DIM", cls.max_dim),
            max_bytes=from_env("ANISOALIGN_MAX_BYTES", cls.max_bytes),
        )


def check_declared(rows: int, dim: int, itemsize: int, name: str, limits: Limits) -> None:
    """Refuse an array by what its header declares, before anything is allocated.

    Parameters
    ----------
    rows, dim : int
        Declared shape. Arrays of more axes count as ``dim`` = product of all but the first.
    itemsize : int
        Bytes per entry in memory.
    name : str
        What messages call the input.
    limits : Limits

    Raises
    ------
    LimitError
        If rows, columns or bytes are above their limit.
    """
    declared = f"{name} declares {rows:,} rows × {dim:,} columns"
    if rows > limits.max_rows:
        raise LimitError(
            f"{declared}; the limit is {limits.max_rows:,} rows. Load fewer rows, or raise the "
            "limit with the environment variable ANISOALIGN_MAX_ROWS."
        )
    if dim > limits.max_dim:
        raise LimitError(
            f"{declared}; the limit is {limits.max_dim:,} columns. Check that rows are vectors, "
            "or raise the limit with the environment variable ANISOALIGN_MAX_DIM."
        )
    check_bytes(rows * dim * itemsize, f"{declared},", name, limits)


def check_bytes(size: int, declared: str, name: str, limits: Limits) -> None:
    """Refuse ``size`` bytes above the limit; ``declared`` begins the sentence."""
    if size > limits.max_bytes:
        raise LimitError(
            f"{declared} {size_text(size)} in memory; the limit is "
            f"{size_text(limits.max_bytes)}. Split {name}, save it as float16, or raise the limit "
            "with the environment variable ANISOALIGN_MAX_BYTES."
        )


def check_text_size(size: int, name: str, limits: Limits) -> None:
    """Refuse a text file above ``max_text_bytes``.

    Raises
    ------
    LimitError
    """
    if size > limits.max_text_bytes:
        raise LimitError(
            f"{name} has {size_text(size)} of text; the limit is "
            f"{size_text(limits.max_text_bytes)}. Text is for small sets: save a .npy or a "
            ".parquet file instead, or pass limits=Limits(max_text_bytes=…)."
        )


def size_text(size: int) -> str:
    """Return a number of bytes in words: ``3.2 GiB``."""
    for unit, scale in (("GiB", GIB), ("MiB", MIB), ("KiB", 1024)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size:,} bytes"


def from_env(variable: str, default: int, *, zero: bool = False) -> int:
    """Return the whole number above zero in an environment variable; the default without one.

    With ``zero``, zero is a value too.

    Raises
    ------
    ParameterError
        If it holds anything else.
    """
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or int(text) < (not zero):
        raise ParameterError(
            f'{variable} is "{text[:40]}"; give a whole number above zero, such as {default}'
            f"{', or 0' if zero else ''}."
        )
    return int(text)


THREADS_VARIABLE = "ANISOALIGN_THREADS"
MOST_THREADS = 16


def usable_cores() -> int:
    """Threads that one piece of work may use: the cores this process may run on, at most 16.

    Each thread holds a few blocks of rows in memory. ``ANISOALIGN_THREADS`` lowers the number.

    Raises
    ------
    ParameterError
        If the variable holds anything but a whole number above zero.
    """
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(found or 1, MOST_THREADS, from_env(THREADS_VARIABLE, MOST_THREADS)))
