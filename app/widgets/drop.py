"""The Data page's one drop zone: files of any kind, what they are taken for, and Load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from anisoalign_core.encode.images import thumbnail_side
from anisoalign_core.errors import InvalidRowsError, LimitError
from anisoalign_core.files.source import Choice, Source
from anisoalign_core.gap.diagnose import refuse_same_rows
from anisoalign_core.io.captions import PICTURES
from anisoalign_core.io.registry import suffixes
from anisoalign_core.numerics import Progress
from anisoalign_core.samples import SAMPLES
from app.loading import Given, add_to, data_root, listing, read_sides, together, within
from app.proposal import WAYS, Proposal, Side, Way, propose
from app.proposal_words import in_words
from app.recognise import LINES, SESSION, Array, Seen
from app.session import Loaded, ask_for_room, use_pair, use_sample
from app.widgets.common import guard, plain
from app.widgets.drop_corrections import (
    ask_to_swap,
    corrected,
    corrections,
    encoder_name,
    stands_turned,
)
from app.widgets.progress import progress_bar
from app.widgets.session_file import open_session


def choosing() -> bool:
    """Whether files are chosen and not loaded yet."""
    turn = st.session_state.get("drop_round", 0)
    return any(st.session_state.get(f"{key}_{turn}") for key in ("drop", "folder", "server"))


def drop_zone(current: Loaded | None) -> None:
    """Take files of any kind, say what they are together, and load them when asked to.

    What is loaded stays until another set has been read and checked.
    """
    for note in st.session_state.pop("drop_notes", ()):
        st.caption(plain(note))
    spot = st.container()
    row = st.container(horizontal=True, vertical_alignment="center")
    given = together(_files(spot, row, st.session_state.get("drop_round", 0)))
    if not given:
        _samples(row)
        return
    seen = [_seen(one) for one in given]
    loaded = None if current is None else {way: _side_of(current, way) for way in WAYS}
    proposal = propose(seen, corrected(given), loaded)
    if _same_bytes(given, proposal):
        a, b = (plain(given[proposal.sides[way].file or 0].source.name) for way in WAYS)
        same = (
            f"{a} and {b} are the same file, byte by byte, so there is nothing between them to "
            f"see. Give the {plain(proposal.names['target'])} rows on one side and the "
            f"{plain(proposal.names['source'])} rows on the other."
        )
        st.error(same, icon=":material/error:")
        proposal = replace(proposal, act=None)
    for one in seen:
        if one.problem:
            st.error(plain(one.problem), icon=":material/error:")
    for question in proposal.questions:
        st.warning(plain(question), icon=":material/help:")
    escaped = replace(proposal, names={way: plain(proposal.names[way]) for way in WAYS})
    if not proposal.questions:
        st.markdown(in_words(seen, escaped, stands_turned(), lambda name: f"**{plain(name)}**"))
    if proposal.misplaced:
        ask_to_swap(given, escaped)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    choices: dict[int, Choice] = {}
    encoder = encoder_name(row, seen, proposal) if proposal.act == "load" else ""
    ready = proposal.act is not None and not proposal.questions and not proposal.misplaced
    label = {"add": "Add", "open": "Open"}.get(proposal.act or "", "Load")
    pressed = row.button(label, type="primary", key="load", disabled=not ready)
    below = st.container()
    if proposal.act != "open" and not all(one.problem for one in seen):
        with st.container(border=True, gap="small"):
            choices = corrections(given, seen, proposal)
    drop = bool(st.session_state.pop("drop_rows", False)) and ready
    if pressed or drop:
        with below, guard():
            _carry_out(given, proposal, choices, current, encoder, drop)


def _files(spot: Any, row: Any, turn: int) -> list[tuple[str, Source]]:
    """Ask for files, a folder, and places on the server."""
    folder = row.toggle(
        "Choose a whole folder",
        key="drop_folder",
        help="The button then opens a folder, such as one that clip-retrieval wrote, with all that "
        "is in it.",
    )
    uploaded = spot.file_uploader(
        "Drop embeddings of both sides, in two files, one, or a folder; with them ids, captions, "
        "pictures",
        type=sorted({*suffixes(uploads=True), *LINES, *PICTURES, ".zip"}) if folder else None,
        accept_multiple_files="directory" if folder else True,
        key=f"{'folder' if folder else 'drop'}_{turn}",
        help="A folder is one that clip-retrieval wrote. Captions and pictures alone are added to "
        "what is loaded; a saved session (.studio.zip) is opened. Which file is which is told by "
        "names and content, and can be corrected below.",
    )
    found = [(one.file_id, Source(one.name, data=one.getvalue())) for one in uploaded]
    root = data_root()
    if root is not None:
        names = row.multiselect(
            "or from the server's folder",
            listing(root),
            key=f"server_{turn}",
            accept_new_options=True,
            placeholder="or a file or folder on the server: choose, or type its name",
            label_visibility="collapsed",
            width=440,
        )
        for name in names:
            with guard():
                path = within(root, name)
                known = path.stat()
                found.append((f"{name} {known.st_mtime_ns} {known.st_size}", Source(name, path)))
    return found


def _samples(row: Any) -> None:
    if data_root() is not None:  # whose choice takes the room beside
        row = st.container(horizontal=True, vertical_alignment="center")
    row.caption("or a bundled sample:", width="content")
    for name, sample in SAMPLES.items():
        if row.button(sample.title, key=f"open_{name}", help=sample.description, type="tertiary"):
            use_sample(name)
            st.rerun()


def _seen(one: Given) -> Seen:
    """Look at a file once, if there is room to."""
    known: dict[str, Seen] = st.session_state.setdefault("drop_seen", {})
    if one.identity not in known:
        try:
            ask_for_room(one.size, one.source.name)
        except LimitError as error:
            return Seen(one.source.name, "nothing", problem=str(error))
        with st.spinner("Looking …"):
            known[one.identity] = one.look()
    return known[one.identity]


def _side_of(current: Loaded, way: Way) -> Side:
    data = getattr(current.pair, way)
    known = data.provenance
    return Side(None, Array("", known.rows_read or len(data), data.dim), not known.ids_are_rows)


def _same_bytes(given: Sequence[Given], proposal: Proposal) -> bool:
    files = [side.file for side in proposal.sides.values() if side.file is not None]
    if len(set(files)) < 2:
        return False
    a, b = (given[i].source.data for i in files)
    return a is not None and a != b"" and a == b


# -- what is done ---------------------------------------------------------------------------------


def _carry_out(
    given: Sequence[Given],
    proposal: Proposal,
    choices: Mapping[int, Choice],
    current: Loaded | None,
    encoder: str,
    drop: bool,
) -> None:
    """Load, add or open what was understood; on any failure all stays as it is."""
    notes: list[str] = []
    if proposal.act == "open":
        names = [one.source for one in given if one.source.name.lower().endswith(SESSION)]
        open_session(names[0])
    elif proposal.act == "add" and current is not None:
        _room_for_pictures(proposal, "these pictures")
        with progress_bar("Reading", on_cancel=lambda: None, long=True) as tell:
            pair, notes = add_to(current.pair, given, proposal, tell)
        use_pair(replace(current, pair=pair, sample=None, turned=False))
    else:
        used = sorted({side.file for side in proposal.sides.values() if side.file is not None})
        title = " + ".join(given[i].source.name for i in used)
        ask_for_room(sum(given[i].size for i in used), title)
        _room_for_pictures(proposal, title)
        try:
            with st.spinner("Reading and checking …"):
                pair, notes = _read(given, proposal, choices, encoder, drop)
                refuse_same_rows(pair)
        except InvalidRowsError as error:
            st.error(plain(str(error)), icon=":material/error:")
            st.button("Drop these rows and load the rest", on_click=_flag)
            return
        use_pair(Loaded(pair.turned() if stands_turned() else pair, title))
        st.toast("Loaded.", icon=":material/check:")
    state = st.session_state
    state["drop_round"] = state.get("drop_round", 0) + 1
    state["drop_said"], state["drop_seen"], state["drop_notes"] = {}, {}, notes
    st.rerun()


def _read(
    given: Sequence[Given],
    proposal: Proposal,
    choices: Mapping[int, Choice],
    encoder: str,
    drop: bool,
) -> Any:
    def read(tell: Progress) -> Any:
        return read_sides(given, proposal, choices, tell, drop_invalid=drop, encoder=encoder)

    if not any(part.role == "pictures" for part in proposal.parts):
        return read(lambda fraction, words: None)
    with progress_bar("Reading", on_cancel=lambda: None, long=True) as tell:
        return read(tell)


def _room_for_pictures(proposal: Proposal, what: str) -> None:
    rows = sum(
        side.array.rows
        for way, side in proposal.sides.items()
        if side.array is not None and proposal.given("pictures", way)
    )
    ask_for_room(3 * rows * thumbnail_side(rows) ** 2, what)


def _flag() -> None:
    st.session_state["drop_rows"] = True
