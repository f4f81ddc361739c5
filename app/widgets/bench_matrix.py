"""More than two modalities: upload one file for each, and see the gap of every two."""

from __future__ import annotations

from pathlib import PurePosixPath

import streamlit as st

from anisoalign_core.gap.modalities import GapMatrix, matrix
from anisoalign_core.io import load_bytes
from anisoalign_core.io.registry import suffixes
from app.session import ask_for_room
from app.widgets.common import figure, guard, plain
from app.widgets.drop_corrections import pairing
from app.widgets.progress import progress_bar


def matrix_section() -> None:
    """Ask for a file for each modality, and draw a heat map of every two."""
    with st.expander("More than two modalities", icon=":material/grid_on:"):
        turn = st.session_state.get("matrix_upload", 0)
        files = st.file_uploader(
            "A file for each modality, named after it: image.npy, text.npy, audio.npy",
            type=suffixes(uploads=True),
            accept_multiple_files=True,
            key=f"matrix_files_{turn}",
        )
        by = pairing("matrix_by")
        with guard():
            if len(files) > 1 and st.button("Measure every two", type="primary"):
                ask_for_room(sum(one.size for one in files), "these files")
                sets = {
                    PurePosixPath(one.name).stem: load_bytes(
                        one.getvalue(), one.name, modality=PurePosixPath(one.name).stem
                    )
                    for one in files
                }
                with progress_bar("Measuring", on_cancel=lambda: None, long=True) as tell:
                    st.session_state["matrix"] = matrix(sets, by=by, progress=tell)
                st.session_state["matrix_upload"] = turn + 1
                st.rerun()
            found: GapMatrix | None = st.session_state.get("matrix")
            if found is not None:
                _show(found)


def _show(found: GapMatrix) -> None:
    comparison = found.comparison()
    labels = {
        measure.name: measure.label
        for measure in comparison.measures
        if not measure.name.startswith("recall_")
    }
    if any(measure.name.startswith("recall_") for measure in comparison.measures):
        labels["recall"] = f"R@1 among {comparison.gallery:,}, from row to column"
    measure = st.selectbox(
        "Measure", list(labels), format_func=lambda name: labels[name], key="matrix_measure"
    )
    figure(
        found.plot(measure),
        caption=f"{plain(labels[measure])} of every two of {plain(', '.join(found.modalities))}.",
        alt="A heat map of the gap between every two modalities",
        key="matrix",
    )
