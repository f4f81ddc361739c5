"""What several files are together: which is which side, how rows belong together, what is asked.

Pure functions of what :mod:`app.recognise` saw in the files. What names and content leave open is a
question, in one sentence; it is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal

from anisoalign_core.io.keys import find_key
from app.recognise import CAPTION_WORDS, MODALITIES, Array, Seen, said

Role = Literal["target", "source", "both", "captions", "ids", "pictures", "none"]
Of = Literal["both", "target", "source"]
By = Literal["row", "id"]
Way = Literal["target", "source"]
WAYS: tuple[Way, Way] = ("target", "source")
OTHER: dict[Way, Way] = {"target": "source", "source": "target"}
SOURCES = ("sequence", "text")
"""Modalities that are the source also where the other side does not say what it is."""


@dataclass(frozen=True)
class Part:
    """What one file is taken for, and why.

    Attributes
    ----------
    role : Role or None
        None where it is asked.
    why : str
    of : Of
        Whose captions, ids or pictures they are.
    by : By or None
        How captions and pictures belong to rows; None where it is asked.
    """

    role: Role | None
    why: str = ""
    of: Of = "both"
    by: By | None = "row"


@dataclass(frozen=True)
class Side:
    """Which array of which file is a side; rows that are loaded have no file."""

    file: int | None
    array: Array | None
    ids: bool


@dataclass(frozen=True)
class Proposal:
    """What the files are together.

    Attributes
    ----------
    parts : tuple of Part
        One for each file.
    names : dict of Way to str
        The modalities.
    sides : dict of Way to Side
    by : {"row", "id", "none"} or None
        How rows of the two sides correspond; None where it is asked.
    act : {"load", "add", "open"} or None
        What can be done.
    questions : tuple of str
        What is asked, or lacks: a sentence each. While there are some, nothing can be done.
    misplaced : bool
        Whether files are called after the other side.
    """

    parts: tuple[Part, ...]
    names: Mapping[Way, str]
    sides: Mapping[Way, Side]
    by: Literal["row", "id", "none"] | None = None
    act: Literal["load", "add", "open"] | None = None
    questions: tuple[str, ...] = ()
    misplaced: bool = False

    @property
    def one_file(self) -> bool:
        """Whether both sides lie in one file."""
        return len({side.file for side in self.sides.values()}) < len(self.sides)

    def given(self, role: Role, way: Way) -> list[int]:
        """Return the files that hold captions, ids or pictures of a side."""
        return [
            i for i, one in enumerate(self.parts) if one.role == role and one.of in ("both", way)
        ]


Corrections = Mapping[tuple[str, int], Any]
"""What a person says otherwise: ``("role", 0)`` of the first file, ``("by", -1)`` of the rows."""


def propose(
    seen: Sequence[Seen],
    corrected: Corrections | None = None,
    loaded: Mapping[Way, Side] | None = None,
) -> Proposal:
    """Say what files are together, and what has to be asked.

    Parameters
    ----------
    seen : sequence of Seen
    corrected : Corrections, optional
        Of a file ``role``, ``of``, ``by``, and keys of arrays as ``target`` and ``source``; of the
        whole, under −1, ``by``, ``placed``, and the modalities as ``target`` and ``source``.
    loaded : dict of Way to Side, optional
        What is loaded, which captions and pictures alone can be added to.
    """
    corrected, asked = corrected or {}, list[str]()
    names = _names(seen, corrected)
    parts = _roles(seen, corrected)
    done = Proposal(tuple(parts), names, {})
    if any(one.kind == "session" for one in seen):
        return replace(done, act="open")
    used = [i for i in _vectors(seen) if parts[i].role in (None, *WAYS, "both")]
    if not used:
        if loaded is not None and any(one.role in ("captions", "pictures") for one in parts):
            parts = _belonging(seen, parts, loaded, names, corrected, asked)
            return Proposal(tuple(parts), names, loaded, None, "add", tuple(asked))
        return replace(done, questions=tuple(_alone(seen, parts)))
    sides: dict[Way, Side] = {}
    for way in WAYS:
        files = [i for i in used if parts[i].role in (way, "both")]
        if len(files) > 1:
            asked.append(f"{_and(seen, files)} are both given as {names[way]}. Leave one out.")
        elif files:
            one = seen[files[0]]
            array = _array(one, way, names[way], corrected.get((way, files[0])))
            sides[way] = Side(files[0], array, one.ids)
    for i in {side.file for side in sides.values() if side.array is None}:
        which = " and which is ".join(names[way] for way, side in sides.items() if side.file == i)
        keys = ", ".join(each.key for each in seen[i or 0].arrays[:8])
        asked.append(f"{seen[i or 0].name} holds several arrays ({keys}). Say which is {which}.")
    asked += _lacking(seen, parts, used, sides, names)
    if len(sides) < 2:
        return Proposal(tuple(parts), names, sides, None, "load", tuple(asked))
    parts = _belonging(seen, parts, sides, names, corrected, asked)
    sides = _with_ids(sides, parts)
    shared = any(part.role == "ids" and part.of == "both" for part in parts)
    by = corrected.get(("by", -1)) or _pairing(sides, shared)
    if by is None and not asked:
        rows = [f"{_name(seen, sides[way])} has {_rows(sides[way]):,} rows" for way in WAYS]
        asked.append(
            f"{' and '.join(rows)}, so row i cannot belong to row i. Say how rows correspond, or "
            "add ids."
        )
    wrong = corrected.get(("placed", -1)) != "keep" and _misplaced(seen, sides, names)
    return Proposal(tuple(parts), names, sides, by, "load", tuple(asked), wrong)


def _vectors(seen: Sequence[Seen]) -> list[int]:
    return [i for i, one in enumerate(seen) if one.arrays]


def _names(seen: Sequence[Seen], corrected: Corrections) -> dict[Way, str]:
    """Return the modalities: as files say before anybody corrects them, else image and text."""
    known = {m for i in _vectors(seen) for one in seen[i].arrays for m in said(one.key)}
    if len(known) != 2:
        known = {seen[i].modality for i in _vectors(seen)} - {""}
    ranked = [each for each in MODALITIES if each in known]
    found = {"target": "image", "source": "text"}
    if any(one.kind == "pair" for one in seen):
        found = {"target": "target", "source": "source"}  # whatever it calls them itself
    elif len(ranked) == 2:
        found = {"target": ranked[0], "source": ranked[1]}
    elif len(ranked) == 1:
        found["source" if ranked[0] in SOURCES else "target"] = ranked[0]
    return {way: corrected.get((way, -1)) or found[way] for way in WAYS}


def _roles(seen: Sequence[Seen], corrected: Corrections) -> list[Part]:
    """Say what each file is: what a person says, what it says itself, what is left over."""
    parts = [Part(None) for _ in seen]
    for i, one in enumerate(seen):
        if ("role", i) in corrected:
            parts[i] = Part(corrected["role", i], "as you say")
        elif one.kind in ("captions", "ids", "pictures"):
            parts[i] = Part(one.kind, f"it holds {one.count:,} {one.kind}")
        elif not one.arrays:
            parts[i] = Part("none")
    vectors = _vectors(seen)
    for i, way, why in _ways(seen, vectors, {i: parts[i].role for i in vectors if parts[i].role}):
        parts[i] = Part(way, why)
    return parts


def _ways(
    seen: Sequence[Seen], vectors: Sequence[int], fixed: Mapping[int, Role | None]
) -> list[tuple[int, Role | None, str]]:
    """Say which side each file of vectors is that nobody has said it of."""
    free = [i for i in vectors if i not in fixed]
    sides: list[Way] = [way for way in WAYS if not {way, "both"} & set(fixed.values())]
    modality = {i: seen[i].modality for i in free}
    known = [i for i in free if modality[i]]
    if not sides:
        return [(i, "none", "both sides have their rows") for i in free]
    if len(free) == 1 and len(sides) == 2:
        (i,) = free
        if len(seen[i].arrays) > 1:
            why = "it is a saved pair" if seen[i].kind == "pair" else "it holds several arrays"
            return [(i, "both", why)]
        return [(i, _alone_way(modality[i]), _why(seen[i]))]
    if len(sides) == 1:
        fitting = [i for i in known if _alone_way(modality[i]) == sides[0]]
        chosen = free if len(free) == 1 else fitting
        if len(chosen) != 1:
            return []
        rest = [(i, "none", "both sides have their rows") for i in free if i not in chosen]
        return [(chosen[0], sides[0], "it is the other one"), *rest]  # type: ignore[list-item]
    if len(known) == 1 and len(free) == 2:
        (i,), (j,) = known, [j for j in free if j not in known]
        own = _alone_way(modality[i]) or "target"
        return [(i, own, _why(seen[i])), (j, OTHER[own], "it is the other one")]
    if len(known) == 2 and len({modality[i] for i in known}) == 2:
        first, second = sorted(known, key=lambda i: list(MODALITIES).index(modality[i]))
        rest = [(i, "none", "both sides have their rows") for i in free if i not in known]
        told = [
            (first, "target", _why(seen[first])),
            (second, "source", _why(seen[second])),
        ]
        return [*told, *rest]  # type: ignore[list-item]
    return []


def _alone_way(modality: str) -> Way | None:
    return None if not modality else "source" if modality in SOURCES else "target"


def _why(one: Seen) -> str:
    if not one.modality:
        return ""
    where = "its name" if one.modality in said(one.name) else "what is inside"
    return f"{where} says {one.modality}"


def _array(one: Seen, way: Way, name: str, key: str | None) -> Array | None:
    """Return the array of a file that is a side; None where several may be meant."""
    if one.kind == "pair":
        return one.arrays[WAYS.index(way)]
    if len(one.arrays) == 1:
        return one.arrays[0]
    keys = [each.key for each in one.arrays]
    named = [each for each in keys if name in said(each)]
    key = key or find_key(keys, name, way) or (named[0] if len(named) == 1 else None)
    return next((each for each in one.arrays if each.key == key), None)


def _with_ids(sides: Mapping[Way, Side], parts: Sequence[Part]) -> dict[Way, Side]:
    """Add the ids that come in files of their own."""
    given = [part.of for part in parts if part.role == "ids"]
    return {
        way: replace(side, ids=side.ids or way in given or "both" in given)
        for way, side in sides.items()
    }


def _belonging(
    seen: Sequence[Seen],
    parts: Sequence[Part],
    sides: Mapping[Way, Side],
    names: Mapping[Way, str],
    corrected: Corrections,
    asked: list[str],
) -> list[Part]:
    """Say whose captions, ids and pictures are, and how they belong to rows."""
    found = list(parts)
    for role in ("ids", "captions", "pictures"):
        for i, part in enumerate(parts):
            if part.role != role:
                continue
            one = seen[i]
            of: Of = corrected.get(("of", i)) or _whose(one, role, sides, names)
            mine = [sides[way] for way in WAYS if of in ("both", way)]
            by: By | None = "row"
            if role != "ids" and one.ids:
                counted = role == "pictures" and all(_rows(side) == one.count for side in mine)
                by = "id" if one.numbered or any(side.ids for side in mine) else None
                by = "row" if by is None and counted else by
            by = corrected.get(("by", i)) or by
            found[i] = replace(part, of=of, by=by)
            if by is None:
                asked.append(
                    f"The rows have no ids that the names in {one.name} could be, and there is not "
                    "one picture for each row. Add ids, or leave the pictures out."
                    if role == "pictures"
                    else f"{one.name} says whose its captions are, and the rows have no ids. Say "
                    "below that they belong to the rows in order, or add ids."
                )
        sides = _with_ids(sides, found)
    for role in ("ids", "captions"):
        twice = [i for i, one in enumerate(found) if one.role == role]
        wholes = [{"both": {*WAYS}}.get(found[i].of, {found[i].of}) for i in twice]
        if sum(map(len, wholes)) > len(set[str]().union(*wholes)):
            asked.append(f"{_and(seen, twice)} hold {role} of the same rows. Leave one out.")
    return found


def _whose(one: Seen, role: str, sides: Mapping[Way, Side], names: Mapping[Way, str]) -> Of:
    """Tell by the name, by how many there are, or by which side has ids; else they are of both."""
    bare = CAPTION_WORDS.sub(" ", PurePosixPath(one.name).stem.lower())
    called = [way for way in WAYS if names[way] in said(bare)]
    if len(called) != 1 and (role == "ids" or not one.ids):
        called = [way for way in WAYS if _rows(sides[way]) in (one.count, one.count - 1)]
    elif len(called) != 1 and not one.numbered:
        called = [way for way in WAYS if sides[way].ids]
    return called[0] if len(called) == 1 else "both"


def _pairing(sides: Mapping[Way, Side], shared: bool) -> Literal["row", "id"] | None:
    """Say how rows correspond: by id where both sides have ids, but for those that they share."""
    target, source = sides["target"], sides["source"]
    if target.file == source.file or (shared and _rows(target) == _rows(source)):
        return "row"
    if target.ids and source.ids:
        return "id"
    return "row" if _rows(target) == _rows(source) else None


def _misplaced(seen: Sequence[Seen], sides: Mapping[Way, Side], names: Mapping[Way, str]) -> bool:
    """Whether a file is called after the other side, and not after its own."""
    if sides["target"].file == sides["source"].file:
        return False
    for way in WAYS:
        called = said(_name(seen, sides[way]))
        ways = {_alone_way(each) for each in called}
        if names[way] in called or way in ways:
            continue
        if names[OTHER[way]] in called or OTHER[way] in ways:
            return True
    return False


def _lacking(
    seen: Sequence[Seen],
    parts: Sequence[Part],
    used: Sequence[int],
    sides: Mapping[Way, Side],
    names: Mapping[Way, str],
) -> list[str]:
    """Say which side lacks, or which file nobody knows the side of."""
    unsaid = [i for i in used if parts[i].role is None]
    if len(used) == 1 and len(sides) < 2:
        size = seen[used[0]].arrays[0].size
        which = "".join(f", {names[way]}" for way in sides)
        return [
            f"{seen[used[0]].name} ({size}) is one side{which}, and a pair has two. Add the file "
            "of the other side."
        ]
    if unsaid:
        if len(used) > 2:
            return [
                f"{len(used)} files hold vectors, and a pair has two. Say which is "
                f"{names['target']} and which {names['source']}, and leave the others out."
            ]
        both = {seen[i].modality for i in used}
        why = "Neither names nor content tell"
        if len(both) == 1 and both != {""}:
            why = f"Both say {both.pop()}"
        whole = f"Which of {_and(seen, used)} is {names['target']}, and which {names['source']}?"
        return [f"{whole} {why}: choose below."]
    lost = [names[way] for way in WAYS if way not in sides]
    twice = any(sum(part.role in (way, "both") for part in parts) > 1 for way in WAYS)
    return [] if twice or not lost else [f"No file is given as {lost[0]}. Choose one below."]


def _alone(seen: Sequence[Seen], parts: Sequence[Part]) -> list[str]:
    """Say what files without any rows lack."""
    held = [i for i, part in enumerate(parts) if part.role != "none"]
    if not held:
        return []
    what = parts[held[0]].role
    return [
        f"{_and(seen, held)} {'holds' if len(held) == 1 else 'hold'} {what}, and there are no rows "
        "that they belong to. Add embeddings: two files, or one with both sides."
    ]


def _and(seen: Sequence[Seen], files: Sequence[int]) -> str:
    named = [seen[i].name for i in files]
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def _name(seen: Sequence[Seen], side: Side) -> str:
    return "what is loaded" if side.file is None else seen[side.file].name


def _rows(side: Side) -> int:
    return -1 if side.array is None else side.array.rows
