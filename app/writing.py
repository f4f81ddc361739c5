"""What is kept of this session: written after each run, behind the page's back.

Only what a person loaded, chose or trained is kept; what follows from that is computed again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from anisoalign_core.compare import Advice, Leaderboard
from anisoalign_core.errors import AnisoAlignError, LimitError
from anisoalign_core.files.source import Source
from anisoalign_core.io.pair_file import write_pair
from app.keeping import Elsewhere, Forgotten, Piece, Store, Token, new_key
from app.kept import ADDRESS, Keep, Wants, keeping, pen, store
from app.packed import (
    COMPARED,
    ChoiceSaid,
    Compared,
    ComparedSaid,
    Contents,
    PairSaid,
    SelectionSaid,
    TrainingSaid,
    new_part,
    write_compared,
)
from app.places import bytes_of
from app.session import DEFAULT_SAMPLE, KEY_OF_BROWSER, Loaded, loaded
from app.widgets.bench import BENCH_WAITS, bench, own
from app.widgets.compare import kept_results

LOG = logging.getLogger("anisoalign")
LINKED = {"data", "name", "sample", "turned", "seed", "holdout", ADDRESS}
"""What an address holds besides settings of the page."""
MOST_SETTINGS, LONGEST_SETTING = 100, 2000
MOST_COMPARED = 12
"""Boards and advice that are kept: the latest."""
NUMBER_BYTES = 24
"""A number of a board takes as many as text."""
TOUCH_SECONDS = 600.0


def keep(page: str) -> None:
    """Write what has changed since the last time, behind the page's back."""
    if "loaded" not in st.session_state or (here := store()) is None:
        return
    held, current = keeping(), loaded()
    _note_settings(held, page)
    if held.off or (held.wants is not None and _waits(held.wants, current)):
        return
    contents, pieces = said_now()
    if contents == held.said and not held.elsewhere:
        if held.token is not None and time.monotonic() - held.touched > TOUCH_SECONDS:
            held.touched = time.monotonic()
            here.touch(held.token)
        return
    if not held.name and contents == FRESH:
        return
    held.key = st.session_state[KEY_OF_BROWSER] = held.key or new_key()
    if not held.name or held.elsewhere:
        held.name, held.stamp, held.elsewhere = Token.new(held.key).name, None, False
    held.said, held.touched = contents, time.monotonic()
    if (token := held.token) is not None:
        pen().put(token.place, partial(_write, here, held, token, contents, pieces))


def _waits(wants: Wants, current: Loaded | None) -> bool:
    """Whether what was kept is not written over yet: its rows may come, or have just come."""
    if current is None or current.sample is not None:
        return True
    return wants.awaited(current) is not None


FRESH = Contents(pair=PairSaid("", "", (), sample=DEFAULT_SAMPLE))
"""What is said of a session in which nothing was done."""


def said_now() -> tuple[Contents, dict[str, Piece]]:
    """Return what is to be said of this session, and its files."""
    state, held = st.session_state, keeping()
    pieces: dict[str, Piece] = {}
    known: dict[str, tuple[Any, str]] = {}

    def part(what: str, mark: Any, suffix: str, piece: Piece) -> str:
        """Return the name of a file, which stays while what it holds is the same."""
        before = held.known.get(what)
        same = before is not None and (before[0] is mark or before[0] == mark)
        kind = what.partition(" ")[0]
        known[what] = before if same and before else (mark, new_part(kind, suffix))
        pieces[known[what][1]] = piece
        return known[what][1]

    current, pair = loaded(), None
    if current is not None and current.sample is not None:
        pair = PairSaid("", "", (), sample=current.sample, turned=current.turned)
    elif current is not None:
        rows = current.pair
        file = part("pair", rows, ".npz", Piece(partial(write_pair, rows), bytes_of([rows])))
        names = (_text(rows.target.name), _text(rows.source.name))
        pair = PairSaid(_text(current.title), rows.digest, names, part=file)
    trainings = list(held.trainings)
    for learned in state.get("trainings", []):
        piece = Piece(learned.method.save, bytes_of([learned.method]))
        file = part(f"training {id(learned)}", learned, ".npz", piece)
        seed, holdout = learned.split
        chosen = ChoiceSaid.of(learned.choice)
        trainings.append(
            TrainingSaid(chosen, seed, holdout, learned.seconds, file, learned.trained_at)
        )
    digest = "" if current is None else current.pair.digest
    unread = tuple(one for one in held.compared if one.digest == digest)
    compared = list(unread)
    for kind, asked, found in _compared_now():
        piece = Piece(partial(write_compared, found), NUMBER_BYTES * bytes_of([found]) // 8)
        file = part(f"{kind} {asked}", found, ".json", piece)
        compared.append(ComparedSaid(kind, asked, digest, file))
    bench_file = held.bench if BENCH_WAITS in state else None
    if "bench" in state and (mine := own(bench())).entries + mine.runs:
        mark = (tuple(map(id, (*mine.entries, *mine.runs))), mine.baseline)
        bench_file = part("bench", mark, ".zip", Piece(mine.save, bytes_of([mine])))
    needed = {one.part for one in held.trainings} | {one.part for one in unread}
    needed |= {bench_file} if bench_file else set()
    waiting = needed if held.wants is None else {*needed, *held.wants.contents.files}
    held.files = {name: found for name, found in held.files.items() if name in waiting}
    for name in needed & held.files.keys():
        source, size = held.files[name]
        pieces[name] = Piece(partial(_copy, source, size), size)
    held.known = known
    choice = state.get("choice")
    return Contents(
        pair,
        int(state["split_seed"]),
        float(state["holdout"]),
        None if choice is None else ChoiceSaid.of(choice),
        tuple(trainings),
        bench_file,
        {
            _text(name): SelectionSaid(one.target, one.source, _text(one.origin))
            for name, one in state.get("selections", {}).items()
        },
        {name: dict(found) for name, found in held.pages.items()},
        tuple(compared),
    ), pieces


def _compared_now() -> list[tuple[Compared, str, Leaderboard | Advice]]:
    """Return what Compare found for the loaded set: kind, what it was asked under, and itself."""
    found = [
        (kind, asked, one)
        for asked, one in kept_results().items()
        for kind, of in COMPARED.items()
        if isinstance(asked, str) and isinstance(one, of)
    ]
    return found[-MOST_COMPARED:]


def _copy(source: Callable[[], Source], size: int, path: Path) -> None:
    """Write a file that was not opened since it was read; its size is that of the source."""
    with source().open() as stream:
        path.write_bytes(stream.read(size + 1))


def _write(
    here: Store, held: Keep, token: Token, contents: Contents, pieces: Mapping[str, Piece]
) -> None:
    """Write a session; without its rows where they are more than may be kept."""
    if held.name != token.name:
        return
    problem = ""
    try:
        try:
            stamp = here.write(token, contents.plain(), pieces, held.stamp)
        except LimitError as error:
            contents = contents.without_vectors()
            rest = {name: pieces[name] for name in contents.files}
            stamp = here.write(token, contents.plain(), rest, held.stamp)
            problem = f"{error} Its rows are not kept: load them again after a reload."
    except Elsewhere:
        held.elsewhere = True
    except Forgotten:
        held.off = True
    except AnisoAlignError as error:
        held.problem = f"{error} This session is not kept: a reload begins anew."
    except Exception:
        LOG.exception("a session could not be kept")
        held.problem = "This session could not be kept: a reload begins anew."
    else:
        if held.name == token.name:
            held.stamp, held.problem = stamp, problem


def _note_settings(held: Keep, page: str) -> None:
    """Note the settings in the address for the page that shows them."""
    found = {}
    for name in list(st.query_params)[:MOST_SETTINGS]:
        values = tuple(st.query_params.get_all(name))
        if name not in LINKED and sum(map(len, values)) <= LONGEST_SETTING:
            found[name] = values
    if found or page in held.pages:
        held.pages[page] = found


def _text(text: str) -> str:
    """Return text that every file can hold: names of files may hold halves of characters."""
    return text.encode("utf-8", "replace").decode("utf-8")
