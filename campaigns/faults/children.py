"""Work in forked children, so that the library is imported once and each child can be killed."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_IO_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "PYTHONHASHSEED": "0",
}
"""Of the process that forks: no library may have started threads of its own."""
TRACEBACK = 70


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes
    ----------
    code : int
        Exit code; negative for the signal that ended it.
    said : str
        Its standard error.
    counts : dict
        Of what it asked of the file system, where that was counted and it ended by itself.
    modules : list of str
        What it had imported in the end.
    seconds : float
    """

    code: int
    said: str
    counts: dict[str, int]
    modules: list[str]
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether it was killed before it was done."""
        return self.code == -signal.SIGKILL


def run(
    work: Callable[[], int],
    folder: Path,
    *,
    prepare: Callable[[], object] | None = None,
    kill_after: float | None = None,
) -> Ended:
    """Run ``work`` in a child, with ``folder`` as its working directory.

    Parameters
    ----------
    work : callable
        Returns the exit code.
    folder : Path
    prepare : callable, optional
        Called in the child before; what it returns is asked for ``counts`` at the end.
    kill_after : float, optional
        Kill it after so many seconds.
    """
    begun_read, begun_write = os.pipe()
    said_read, said_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(begun_read)
        os.close(said_read)
        os.dup2(said_write, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(_child(work, folder, prepare, begun_write))
    os.close(begun_write)
    os.close(said_write)
    os.read(begun_read, 1)  # the child begins
    begun = time.monotonic()
    said = _until_closed(said_read, None if kill_after is None else begun + kill_after, child)
    _, status = os.waitpid(child, 0)
    took = time.monotonic() - begun
    os.close(begun_read)
    words, _, told = said.partition("\0")
    counts, modules = json.loads(told) if told else ({}, [])
    return Ended(os.waitstatus_to_exitcode(status), words, counts, modules, took)


def _until_closed(stream: int, end: float | None, child: int) -> str:
    """Read until the child has closed its standard error; kill it when its time is over."""
    parts: list[bytes] = []
    while True:
        left = None if end is None else max(end - time.monotonic(), 0.0)
        if not select.select([stream], [], [], left)[0]:
            os.kill(child, signal.SIGKILL)
            end = None
            continue
        part = os.read(stream, 1 << 16)
        if not part:
            os.close(stream)
            return b"".join(parts).decode("utf-8", "replace")
        parts.append(part)


def _child(
    work: Callable[[], int],
    folder: Path,
    prepare: Callable[[], object] | None,
    begun: int,
) -> int:
    try:
        os.chdir(folder)
        watch = None if prepare is None else prepare()
        os.write(begun, b".")
        code = work()
        counts = getattr(watch, "counts", {})
        sys.stdout.flush()
        sys.stderr.flush()
        _write(b"\0" + json.dumps([counts, sorted(sys.modules)]).encode())
        return code
    except BaseException:
        _write(traceback.format_exc().encode())
        return TRACEBACK


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(2, data) :]


def limit_files(size: int) -> None:
    """Let no file of this process grow beyond ``size`` bytes: writing more is an error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def become_nobody() -> None:
    """Give up root's rights, for which no permission binds."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
