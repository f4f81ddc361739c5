"""UMAPs in a process of their own: ``python -m anisoalign_core.geometry.umap_process``.

What UMAP compiles and lays out holds Python's lock for seconds at a time, and cannot be stopped; in
a process of its own it holds up nobody, and ends when it is killed. What it has compiled stays for
the next map. Each line that comes in names a file of rows and what to do with them; lines that go
out tell how far it is, and where the map was written.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

import numpy as np

from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.geometry.umap_map import joint_map


def serve(lines: TextIO, answers: TextIO) -> None:
    """Make a map for each line, one after the other.

    Parameters
    ----------
    lines : text stream
        JSON objects with ``rows`` and ``out``, paths of ``.npz`` files, ``fit_on`` and ``seed``.
    answers : text stream
        JSON objects with ``done`` and ``words``, or ``made``, or ``error``.
    """

    def say(**what: Any) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    cold = True
    for line in lines:
        job = json.loads(line)
        try:
            with np.load(job["rows"], allow_pickle=False) as held:
                target, source = held["target"], held["source"]
            made = joint_map(
                target,
                source,
                random_state=job["seed"],
                fit_on=job["fit_on"],
                progress=lambda done, words: say(done=done, words=words),
                cold=cold,
            )
        except AnisoAlignError as error:
            say(error=str(error))
            continue
        cold = False
        np.savez(
            job["out"],
            target=made.target,
            source=made.source,
            target_rows=made.target_rows,
            source_rows=made.source_rows,
            reduced_to=made.reduced_to,
        )
        say(made=True)


def main() -> None:
    """Serve the process that started this one, until it closes the pipe."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
