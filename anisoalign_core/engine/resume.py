"""A folder that a job fills file by file, and can go on filling after it was killed.

While the job runs, ``.anisoalign-job.json`` says what it is. Files appear whole under their final
names, so what is there is finished. When the job is done, the note goes away.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anisoalign_core.engine.facts import FileFacts
from anisoalign_core.engine.outputs import Output, OutputPlan
from anisoalign_core.errors import FormatError
from anisoalign_core.files.atomic import (
    atomic_write_text,
    make_folder,
    remove_left_over,
    remove_unlocked,
)
from anisoalign_core.files.digests import file_digest
from anisoalign_core.files.places import is_local, source_at
from anisoalign_core.io.registry import by_suffix, suffix_of
from anisoalign_core.io.shards import Shard, stream_limits

NOTE = ".anisoalign-job.json"
LEFT_OVER = re.compile(r"\.(?:.{1,40}-[0-9a-f]{16}(\.\w{1,19})?|[0-9a-f]{16}-.+)")
"""Temporary names: of files written here, and of files copied to a store."""


@dataclass(frozen=True)
class Work:
    """What is left to do of a plan.

    Attributes
    ----------
    plan : OutputPlan
    unfinished : tuple of Output
    finished : tuple of Output
        Already there, from an earlier run of the same job.
    made : tuple of Path
        Folders that were made for it, the innermost first.
    """

    plan: OutputPlan
    unfinished: tuple[Output, ...]
    finished: tuple[Output, ...]
    made: tuple[Path, ...] = ()

    def done(self) -> None:
        """Take the note away: everything is written."""
        if not self.plan.is_file:
            note = self.plan.out / NOTE
            if note.exists():
                note.unlink()
            _sweep(self.plan)

    def undone(self) -> None:
        """Leave the place as it was found, if an error came before any file was finished."""
        if self.plan.is_file or any(self.plan.path(o).exists() for o in self.plan.outputs):
            return
        self.done()
        inside = {folder for o in self.plan.outputs for folder in _folders(self.plan, o)}
        _remove_empty((*(inside - {self.plan.out}), *self.made))

    def finished_facts(self) -> dict[str, FileFacts]:
        """Facts of the files that were already there, by name."""
        found = {}
        for output in self.finished:
            path = self.plan.path(output)
            rows = output.rows
            if self.plan.drop_invalid:
                rows = _rows_of(path, output.pieces[0].shard)
            found[output.name] = FileFacts(
                output.name, rows, path.stat().st_size, file_digest(path)
            )
        return found


def begin(plan: OutputPlan, identity: Mapping[str, Any]) -> Work:
    """Prepare the place that a plan writes to, or find out what an earlier run left to do.

    Parameters
    ----------
    plan : OutputPlan
    identity : mapping
        What makes this job the same as an earlier one: its options and the digest of its model.
        The names, sizes and times of the inputs are added.

    Raises
    ------
    FormatError
        If the folder holds anything else, or a part of another job.
    PlaceError
        If it may not be written to, or the disk is full.
    """
    if plan.is_file:
        if is_local(plan.out) and not plan.folder.is_dir():  # stores make theirs when they write
            raise FormatError(
                f'There is no folder "{plan.folder}" to write {plan.out.name} into. Make it first, '
                "or choose another place."
            )
        return Work(plan, plan.outputs, ())
    note, text = plan.out / NOTE, _described(plan, identity)
    made = tuple(folder for folder in (plan.out, *plan.out.parents) if not folder.exists())
    if not plan.out.exists():
        make_folder(plan.out)
    elif not plan.out.is_dir():
        raise FormatError(f"{plan.out.name} is a file, so no folder can be written there.")
    if is_local(note):
        remove_left_over(note)  # of a process that was killed before it had said what it is
    if note.exists():
        if note.read_text(encoding="utf-8") != text:
            raise FormatError(
                f"{plan.out.name} holds a part of another job: its model, its options or its "
                "inputs differ. Choose another folder, or delete this one."
            )
        _sweep(plan)
    elif any(plan.out.iterdir()):
        raise FormatError(
            f"{plan.out.name} is not empty. Shards are written into an empty or a new folder, so "
            "that nothing in it is mistaken for one of them. Choose another folder."
        )
    else:
        try:
            atomic_write_text(note, text)
        except BaseException:
            _remove_empty(made)
            raise
    there = [output for output in plan.outputs if plan.path(output).exists()]
    names = {output.name for output in there}
    left = tuple(output for output in plan.outputs if output.name not in names)
    return Work(plan, left, tuple(there), made)


def _rows_of(path: Path, read: Shard) -> int:
    """Count the rows of a file that was written from a shard."""
    how = by_suffix(suffix_of(path.name)) or read.format
    opened = how.open(source_at(path), stream_limits())
    key = read.key if read.key in opened.keys else opened.keys[0]
    return opened.facts(key).rows


def _described(plan: OutputPlan, identity: Mapping[str, Any]) -> str:
    shards = {p.shard.path: p.shard for output in plan.outputs for p in output.pieces}
    inputs = []
    for path, shard in shards.items():
        known = path.stat()
        changed = getattr(known, "st_mtime_ns", 0) if is_local(path) else 0
        inputs.append([shard.name, known.st_size, changed])
    names = [output.name for output in plan.outputs]
    body = {**identity, "inputs": inputs, "outputs": names, "dtype": plan.dtype}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()
    return json.dumps({"format": "anisoalign-job", "sha256": digest}) + "\n"


def _sweep(plan: OutputPlan) -> None:
    """Remove what killed processes left under temporary names."""
    folders = {plan.out} | {folder for o in plan.outputs for folder in _folders(plan, o)}
    for folder in folders:
        if not folder.is_dir():
            continue
        for path in list(folder.iterdir()):
            if not LEFT_OVER.fullmatch(path.name) or path.name == NOTE:
                continue
            if is_local(path):
                remove_unlocked(path)
            else:
                path.unlink(missing_ok=True)


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _folders(plan: OutputPlan, output: Output) -> set[Path]:
    """Folders that an output and its metadata lie in."""
    metadata = plan.metadata_path(output)
    return {plan.path(output).parent} | (set() if metadata is None else {metadata.parent})


def beside(out: Path, ending: str) -> Path:
    """Return the file beside an output that belongs to it: ``aligned.recipe.json``."""
    stem = out.stem if by_suffix(out.suffix) else out.name
    return out.with_name(stem + ending)
