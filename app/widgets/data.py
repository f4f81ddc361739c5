"""The Data page's forms: uploads, the server folder, what a set holds, the split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, cast

import pandas as pd
import streamlit as st

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import InvalidRowsError
from anisoalign_core.gap.diagnose import refuse_same_rows
from anisoalign_core.io.reading import columns, pair_words
from anisoalign_core.io.registry import suffixes
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.splitting import equal_rows
from app.loading import (
    Side,
    Upload,
    data_root,
    listing,
    misplaced,
    pair_from_server,
    pair_from_sides,
    pair_from_upload,
    size_below,
    within,
)
from app.session import Loaded, ask_for_room, split, use_pair
from app.widgets.columns import column_choice, upload_choice
from app.widgets.common import guard, plain, three

PAIRING = {"By row": "row", "By id": "id", "Unpaired": "none"}
PAIRING_HELP = (
    "By row: row i of one file belongs to row i of the other. By id: rows with the same id belong "
    "together, in any order. Unpaired: nothing is known; pairs are then never used."
)


def _taken(uploaded: Any) -> Upload | None:
    return None if uploaded is None else Upload(uploaded.name, uploaded.getvalue())


def pairing(key: str) -> Literal["row", "id", "none"]:
    """Ask how rows of several files belong together."""
    chosen = st.segmented_control(
        "How do rows correspond?", list(PAIRING), default="By row", key=key, help=PAIRING_HELP
    )
    return PAIRING[chosen or "By row"]  # type: ignore[return-value]


def _attempt(
    key: str, build: Callable[[bool], EmbeddingPair], title: str, size: Callable[[], int]
) -> None:
    """Load with an offer to mend what can be mended; the loaded set stays until it succeeds.

    ``size`` tells that of the files, in bytes: what this server has no room for is not read.
    """
    pressed = st.button("Load", type="primary", key=f"{key}_load")
    drop = st.session_state.pop(f"{key}_drop", False)
    if not (pressed or drop):
        return
    ask_for_room(size(), title)
    try:
        with st.spinner("Reading and checking …"):
            pair = build(drop)
            refuse_same_rows(pair)
    except InvalidRowsError as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.button("Drop these rows and load the rest", on_click=_flag, args=(f"{key}_drop",))
        return
    st.session_state["upload_round"] = st.session_state.get("upload_round", 0) + 1
    use_pair(Loaded(pair, title))
    st.toast("Loaded.", icon=":material/check:")
    st.rerun()


def _flag(name: str) -> None:
    st.session_state[name] = True


def upload_form() -> None:
    """Two files, or one that holds both; read at once, kept only when all is well."""
    turn = st.session_state.get("upload_round", 0)
    layout = st.segmented_control(
        "What do you have?",
        ["Two files", "One file with both"],
        default="Two files",
        key="upload_layout",
    )
    left, right = st.columns(2)
    target_name = left.text_input("Target modality", "image", key="target_modality").strip()
    source_name = right.text_input("Source modality", "text", key="source_modality").strip()
    target_name, source_name = target_name or "image", source_name or "text"
    if layout == "One file with both":
        both_in_one = suffixes(uploads=True, several=True)
        uploaded = st.file_uploader(
            f"A file with both sets ({', '.join(both_in_one)})",
            type=both_in_one,
            key=f"both_{turn}",
            help='Arrays named "image" and "text" (or "target" and "source"), paired by row.',
        )
        both, choice = _taken(uploaded), upload_choice(uploaded, f"both_{turn}")
        if both is None:
            st.caption("Choose a file to go on.")
            return
        with guard():
            _attempt(
                "both",
                lambda drop: pair_from_upload(
                    both, target_name, source_name, drop_invalid=drop, choice=choice
                ),
                both.name,
                lambda: len(both.data),
            )
        return
    sides: list[Side] = []
    for column, role, name in ((left, "target", target_name), (right, "source", source_name)):
        vectors = column.file_uploader(
            f"{name.capitalize()} embeddings ({role})",
            type=suffixes(uploads=True),
            key=f"{role}_{turn}",
            help="Rows are embeddings, columns dimensions. Any float or integer type.",
        )
        with column.expander("Ids and captions (optional)"):
            ids = st.file_uploader(
                "Ids, one per line", type=["txt", "csv", "tsv"], key=f"{role}_i{turn}"
            )
            words = st.file_uploader(
                "Captions, one per line, or with the ids they belong to",
                type=["txt", "csv", "tsv", "jsonl", "json", "token"],
                key=f"{role}_c{turn}",
            )
        with column:
            choice = upload_choice(vectors, f"{role}_{turn}")
        sides.append(Side(name, _taken(vectors), _taken(ids), _taken(words), choice))
    by = pairing("upload_pairing")
    target, source = sides
    x, y = target.vectors, source.vectors
    if x is None or y is None:
        st.caption("Choose both files to go on.")
        return
    if x.data == y.data:
        st.error(
            f"{plain(x.name)} and {plain(y.name)} are the same file, byte by byte, so there is "
            f"nothing between them to see. Choose the {plain(target_name)} rows on one side and "
            f"the {plain(source_name)} rows on the other.",
            icon=":material/error:",
        )
        return
    placed = _placed(target, source)
    if placed is None:
        return
    target, source = placed
    x, y = cast(Upload, target.vectors), cast(Upload, source.vectors)
    with guard():
        _attempt(
            "two",
            lambda drop: pair_from_sides(source, target, by, drop_invalid=drop),
            f"{x.name} + {y.name}",
            lambda: len(x.data) + len(y.data),
        )


def _placed(target: Side, source: Side) -> tuple[Side, Side] | None:
    """Ask where files' names say the other side, and exchange them if wished; None until then."""
    wrong = misplaced(target, source)
    if wrong is None:
        return target, source
    files = [each.vectors.name for each in (target, source) if each.vectors is not None]
    said = st.session_state.get("files_placed", ([], ""))
    way = said[1] if said[0] == files else ""
    if not way:
        st.warning(
            f"{plain(files[0])} is given as {plain(target.modality)} and {plain(files[1])} as "
            f"{plain(source.modality)}, but the names say otherwise. Are they the wrong way round?",
            icon=":material/swap_horiz:",
        )
        row = st.container(horizontal=True)
        for label, choice in (("Swap the files", "swap"), ("They are right as they are", "keep")):
            row.button(
                label,
                key=f"files_{choice}",
                type="primary" if choice == "swap" else "secondary",
                on_click=st.session_state.update,
                kwargs={"files_placed": (files, choice)},
            )
        return None
    if way == "keep":
        return target, source
    st.caption(
        f"Swapped: {plain(files[1])} is {plain(target.modality)}, {plain(files[0])} is "
        f"{plain(source.modality)}."
    )
    return replace(source, modality=target.modality), replace(target, modality=source.modality)


def server_form() -> None:
    """Pick files below the folder that the server's owner opened."""
    root = data_root()
    if root is None:
        return
    with guard():
        files = listing(root)
        if not files:
            st.caption("The server folder holds no file that can be loaded.")
            return
        left, right = st.columns(2)
        target = left.selectbox("Target file or folder", files, key="server_target")
        source = right.selectbox("Source file or folder", files, key="server_source")
        st.caption("Pick the same file or folder twice when it holds both sets.")
        choices = []
        for column, role, name in ((right, "source", source), (left, "target", target)):
            with column:
                path = within(root, name)
                choices.append(column_choice(name, partial(columns, path), f"server_{role}"))
        by = pairing("server_pairing")
        _attempt(
            "server",
            lambda drop: pair_from_server(
                root, source, target, ("text", "image"), by, drop_invalid=drop, choices=choices
            ),
            target if target == source else f"{target} + {source}",
            lambda: sum(size_below(within(root, name)) for name in {target, source}),
        )


def choosing() -> bool:
    """Whether files of another set are chosen and not loaded yet."""
    turn = st.session_state.get("upload_round", 0)
    return any(st.session_state.get(f"{role}_{turn}") for role in ("target", "source", "both"))


def set_table(pair: EmbeddingPair) -> None:
    """Show what each set holds, and what was measured on the way in.

    Its warnings end where files of another set are chosen: they would be taken for the new one's.
    """
    columns = {
        plain(side.modality + role): {fact: plain(words) for fact, words in _facts(side).items()}
        for side, role in _sides(pair)
    }
    st.table(pd.DataFrame(columns))  # wraps; its cells are Markdown
    if pair.paired:
        st.caption(plain(pair_words(pair)))
    else:
        st.caption("Unpaired: nothing that needs pairs is computed.")
    for side, _ in _sides(pair):
        for note in side.provenance.notes:
            st.caption(plain(note))
        if len(side) < pair.dim and not choosing():
            st.warning(
                f"{plain(side.name)} has fewer rows ({len(side)}) than dimensions ({pair.dim}): "
                "its covariance is singular. Everything works, with Ledoit–Wolf shrinkage, but "
                "spectra and overlaps are rough.",
                icon=":material/warning:",
            )
    with st.expander("First rows"):
        rows = min(8, len(pair.source), len(pair.target))
        for side, _ in _sides(pair):
            st.markdown(f"**{plain(side.modality)}**")
            table = pd.DataFrame({"id": side.ids[:rows]})
            if side.captions is not None:
                table["caption"] = side.captions[:rows]
            if side.labels is not None:
                table = pd.concat([table, side.labels.iloc[:rows]], axis=1)
            table["first dimensions"] = [
                ", ".join(three(float(v)) for v in row[:4]) + ", …" for row in side.vectors[:rows]
            ]
            st.dataframe(table, hide_index=True, width="stretch")


def _sides(pair: EmbeddingPair) -> list[tuple[EmbeddingSet, str]]:
    return [(pair.target, " (target)"), (pair.source, " (source)")]


def _facts(side: EmbeddingSet) -> dict[str, str]:
    known = side.provenance
    return {
        "file": known.name,
        "rows × dimensions": f"{len(side):,} × {side.dim}",
        "encoder": known.model or "not named",
        "stored as": known.original_dtype,
        "norms: min / median / max": " / ".join(
            three(v) for v in (known.norm_min, known.norm_median, known.norm_max)
        ),
        "were unit already": "yes" if known.was_normalised else "no: normalised on loading",
        "dropped rows (zero, NaN, Inf)": f"{len(known.dropped_rows):,}",
        "repeated rows": f"{side.duplicate_rows:,}"
        + (", kept on one side of a split" if equal_rows(side) else ""),
        "ids": "row numbers" if known.ids_are_rows else f"given, e.g. {side.ids[0]}",
        "captions": "yes" if side.captions is not None else "no",
        "digest": side.digest[:16],
    }


def split_settings(pair: EmbeddingPair) -> None:
    """Choose the hold-out share and seed; every number on Correct comes from this split."""
    left, right = st.columns(2)
    st.session_state["holdout"] = left.slider(
        "Share held out to evaluate",
        0.05,
        0.5,
        st.session_state["holdout"],
        0.05,
        key="holdout_slider",
    )
    st.session_state["split_seed"] = int(
        right.number_input("Seed", 0, 2**31 - 1, st.session_state["split_seed"], key="seed_input")
    )
    with guard():
        parts = split()
        held = f"{len(parts.holdout_pairs):,} pairs"
        if pair.paired and not pair.matched.are_rows:
            held = f"{len(parts.holdout_pairs):,} things with all their rows"
        words = (
            f"{len(parts.fit_target):,} target rows and {len(parts.fit_source):,} other source "
            f"rows fit the corrections; {held} are held out to "
            "evaluate. No fitted statistic sees a row and its partner."
            if pair.paired
            else f"{len(parts.fit_target):,} target and {len(parts.fit_source):,} source rows fit "
            f"the corrections; {len(parts.holdout_target):,} and {len(parts.holdout_source):,} are "
            "held out to evaluate."
        )
        st.caption(words)
