"""One trial: a scenario, a fault, and whether everything is whole afterwards."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from anisoalign_core.engine.resume import NOTE
from campaigns.faults import children
from campaigns.faults.changes import WAYS
from campaigns.faults.children import Ended
from campaigns.faults.disks import mounted, remount, taken
from campaigns.faults.events import CHANGES, kill
from campaigns.faults.stage import Stage, Tree, files_of, tree_of

LEFT_OVER = re.compile(r"\.(?:.{1,40}-[0-9a-f]{16}(\.\w{1,19})?)")
PAGE = 4096
DONE = (0, 1)
"""Exit codes of work that was done: replay ends with 1 where the input is another."""
STALE = "would be read as its"
"""Of a refusal to write beside old captions when there are none any more."""


@dataclass
class Found:
    """What a trial came to.

    Attributes
    ----------
    happened : bool
        Whether the fault struck: a process may end before it is killed.
    problems : list of str
        Everything that is not as it should be.
    after : str
        How the work was done in the end.
    """

    happened: bool = True
    problems: list[str] = field(default_factory=list)
    after: str = ""


def temporaries(tree: Tree) -> list[str]:
    """Names of temporary files that were left."""
    return [name for name in tree if LEFT_OVER.fullmatch(Path(name).name)]


def killed(stage: Stage, rng: random.Random, *, at_event: bool) -> Found:
    """Kill a run, at a random time or at a random event, and let another one end the work."""
    old = bool(stage.old) and rng.random() < 0.5
    folder = stage.set_up(old=old)
    if at_event:
        kind = rng.choice([kind for kind in CHANGES if stage.counts.get(kind)])
        chosen = kind, rng.randint(1, stage.counts[kind])
        ended = stage.run(folder, stage.watch(folder, chosen, kill))
        what = f"killed at {kind} {chosen[1]} of {stage.counts[kind]}"
    else:
        share = rng.random()
        ended = children.run(stage.scenario.run, folder, kill_after=share * stage.seconds)
        what = f"killed after {share:.0%} of the time"
    if not ended.killed:
        return Found(False)
    found = Found()
    _judge(stage, folder, old, found)
    _end(stage, folder, found)
    return _named(found, what, old)


def full(stage: Stage, rng: random.Random) -> Found:
    """Let the disk be full before everything is written; then make room."""
    old = bool(stage.old) and rng.random() < 0.5
    with mounted(stage.base / "small") as folder:
        stage.set_up(old=old, folder=folder)
        needed = sum(-(-path.stat().st_size // PAGE) for path in files_of(stage.base / "whole"))
        filled = taken(folder)
        share = rng.uniform(0.02, 0.8)
        remount(folder, f"size={filled + max(int(needed * share), 1) * PAGE}")
        found = _refused(stage, folder, old, "No space left")
        remount(folder, "size=64m")
        _end(stage, folder, found)
    return _named(found, f"disk full at {share:.0%} of the output", old)


def too_large(stage: Stage, rng: random.Random) -> Found:
    """Let no file grow beyond a part of the largest output; then lift the limit."""
    old = bool(stage.old) and rng.random() < 0.5
    folder = stage.set_up(old=old)
    largest = max(path.stat().st_size for path in files_of(stage.base / "whole"))
    size = int(largest * rng.uniform(0.02, 0.95))
    found = _refused(stage, folder, old, "too large", partial(children.limit_files, size))
    _end(stage, folder, found)
    return _named(found, f"no file beyond {size:,} bytes", old)


def read_only(stage: Stage, rng: random.Random) -> Found:
    """Let nothing be written into the folder, by its permissions."""
    old = bool(stage.old) and rng.random() < 0.5
    folder = stage.set_up(old=old)
    before = tree_of(folder)
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for each in folders:
        each.chmod(0o555)
    prepare = children.become_nobody if os.geteuid() == 0 else None
    found = _refused(stage, folder, old, "ermission denied", prepare)
    for each in folders:
        each.chmod(0o755)
    if tree_of(folder) != before:
        found.problems.append("something changed in a folder without permission")
    _end(stage, folder, found)
    return _named(found, "folder without permission to write", old)


def read_only_mount(stage: Stage, rng: random.Random) -> Found:
    """Let nothing be written into the folder, by its mount."""
    old = bool(stage.old) and rng.random() < 0.5
    with mounted(stage.base / "small") as folder:
        stage.set_up(old=old, folder=folder)
        before = tree_of(folder)
        remount(folder, "ro")
        found = _refused(stage, folder, old, "ead-only file system")
        if tree_of(folder) != before:
            found.problems.append("something changed on a read-only mount")
        remount(folder, "rw")
        _end(stage, folder, found)
    return _named(found, "read-only mount", old)


def changed(stage: Stage, rng: random.Random) -> Found:
    """Change an input while it is read or what comes of it is written."""
    old = bool(stage.old) and rng.random() < 0.5
    folder = stage.set_up(old=old)
    name = rng.choice(sorted(stage.inputs[0]))
    how = rng.choice(sorted(WAYS))
    seed = rng.randrange(2**32)
    kind = rng.choice(["look", "read", "read", "read", "write", "create"])
    chosen = kind, rng.randint(1, max(stage.counts.get(kind, 0), 1))
    act = partial(WAYS[how], folder / name, seed)
    ended = stage.run(folder, stage.watch(folder, chosen, act))
    found = Found()
    new = tree_of(folder).get(name)
    if new == stage.inputs[0][name]:
        return Found(False)
    now = stage.outputs(folder)
    after = _fresh(stage, folder)
    if ended.code in DONE:
        if now == stage.whole:
            found.after = "ended with the old bytes"
        elif now == after:
            found.after = "ended with the new bytes"
        else:
            differ = sorted(k for k in {*now, *stage.whole} if now.get(k) != stage.whole.get(k))
            found.problems.append(f"a mixture came out: {differ}")
    else:
        found.after = "refused"
        _sentence(ended, Path(name).name.partition(".")[0], found)
        _judge(stage, folder, old, found, changed=name)
        if temporaries(now):
            found.problems.append(f"temporary files are left: {temporaries(now)}")
        if after is not None and not found.problems:
            _end_changed(stage, folder, after, found)
    what = f"{name} {how} at {kind} {chosen[1]} of {stage.counts.get(kind, 0)}"
    return _named(found, what, old)


def _fresh(stage: Stage, folder: Path) -> Tree | None:
    """What comes out of the inputs as they are now, in a folder of its own."""
    other = stage.base / "fresh"
    stage.clear(other)
    for name in stage.inputs[0]:
        if (folder / name).exists():
            (other / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, other / name)
    ended = stage.run(other)
    return stage.outputs(other) if ended.code in DONE else None


def _end_changed(stage: Stage, folder: Path, after: Tree, found: Found) -> None:
    """Do the work on the changed input: at once, or in a new folder where that is said."""
    ended = stage.run(folder)
    if ended.code == 2 and "part of another job" in ended.said and stage.scenario.out:
        shutil.rmtree(folder / stage.scenario.out)
        ended = stage.run(folder)
    if ended.code == 2 and STALE in ended.said:
        return
    if ended.code not in DONE:
        found.problems.append(f"started again, it ended with {ended.code}: {ended.said[-300:]}")
    elif stage.outputs(folder) != after:
        found.problems.append("started again, other bytes came out than in a new folder")


def _refused(
    stage: Stage,
    folder: Path,
    old: bool,
    why: str,
    prepare: Callable[[], object] | None = None,
) -> Found:
    """Run where writing fails: one sentence, and nothing but whole files."""
    ended, found = stage.run(folder, prepare), Found()
    if ended.code == 0 and stage.outputs(folder) == stage.whole:
        return Found(False)
    _sentence(ended, why, found)
    _judge(stage, folder, old, found)
    left = temporaries(tree_of(folder))
    if left:
        found.problems.append(f"temporary files are left: {left}")
    return found


def _sentence(ended: Ended, holds: str, found: Found) -> None:
    """Hold standard error to one sentence that says what happened."""
    lines = [line for line in ended.said.splitlines() if line.startswith("anisoalign ")]
    if ended.code not in (2, 3):
        found.problems.append(f"ended with {ended.code}: {ended.said[-600:]}")
    elif "Traceback" in ended.said or len(lines) != 1:
        found.problems.append(f"not one sentence: {ended.said[-600:]}")
    elif not (holds in lines[0] or STALE in lines[0]) or not lines[0].endswith("."):
        found.problems.append(f'does not say "{holds}": {lines[0]}')


def _judge(stage: Stage, folder: Path, old: bool, found: Found, changed: str = "") -> None:
    """Look for half files, lost inputs, and sets of files that do not belong together."""
    tree = tree_of(folder)
    for name, digest in stage.inputs[0].items():
        if tree.pop(name, None) != digest and name != changed:
            found.problems.append(f"the input {name} is not what it was")
    before = stage.old if old else {}
    for name, digest in tree.items():
        known = digest in (stage.whole.get(name), before.get(name))
        if not known and not LEFT_OVER.fullmatch(Path(name).name) and Path(name).name != NOTE:
            found.problems.append(f"{name} is a half file")
    groups = [each for group in stage.scenario.together for each in _found_in(tree, group)]
    for group in groups:
        now = [tree.get(name) for name in group]
        if now not in ([side.get(name) for name in group] for side in (stage.whole, before)):
            found.problems.append(f"{', '.join(group)} do not belong together")


def _found_in(tree: Tree, group: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Names of a group whose first file is there; a star stands for a folder's name."""
    folders = {Path(name).parent.name for name in tree} if "*" in group[0] else {""}
    named = [tuple(name.replace("*", folder) for name in group) for folder in sorted(folders)]
    return [each for each in named if each[0] in tree]


def _end(stage: Stage, folder: Path, found: Found) -> None:
    """Run again, undisturbed: the same bytes, and nothing left over."""
    if not found.happened:
        return
    ended = stage.run(folder)
    now = stage.outputs(folder)
    if ended.code == 2 and "is not empty" in ended.said and now == stage.whole:
        found.after = "was done"
    elif ended.code != 0:
        found.problems.append(f"started again, it ended with {ended.code}: {ended.said[-600:]}")
    else:
        found.after = "resumed" if "are there already" in ended.said else "restarted"
    beside = {k: v for k, v in stage.old.items() if k not in stage.whole}  # under other names
    now = {k: v for k, v in now.items() if beside.get(k) != v}
    if now != stage.whole:
        odd = sorted(k for k in {*now, *stage.whole} if now.get(k) != stage.whole.get(k))
        found.problems.append(f"started again, these are not right: {odd}")
    if any(tree_of(folder).get(k) != digest for k, digest in stage.inputs[0].items()):
        found.problems.append("an input is lost")


def _named(found: Found, what: str, old: bool) -> Found:
    there = " over an older output" if old else ""
    found.problems = [f"{what}{there}: {problem}" for problem in found.problems]
    return found


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes
    ----------
    inject : callable (stage, rng) -> Found
    mounts : bool
        Whether it needs a file system of its own.
    """

    inject: Callable[[Stage, random.Random], Found]
    mounts: bool = False


FAULTS: dict[str, Fault] = {
    "time": Fault(partial(killed, at_event=False)),
    "event": Fault(partial(killed, at_event=True)),
    "full": Fault(full, mounts=True),
    "limit": Fault(too_large),
    "permission": Fault(read_only),
    "mount": Fault(read_only_mount, mounts=True),
    "changed": Fault(changed),
}
