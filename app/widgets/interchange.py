"""Interchangeability on the Compare page: what corrected rows teach about the target."""

from __future__ import annotations

import streamlit as st

from anisoalign_core.compare import Leaderboard
from anisoalign_core.compare.captions import CAPTIONED, CaptionBoard, caption_board
from anisoalign_core.plots.leaderboard import mixed_gallery
from app.session import require_pair
from app.widgets.common import figure, lacks, plain
from app.widgets.compare import Contest, kept_results
from app.widgets.progress import cancellable

SHOWN = 4
DRAWN = ("identity", "center-both", "realign", "bounded", "anisoalign:variant=corrected")
KIND = "captions"


def gallery(board: Leaderboard) -> None:
    """Show retrieval over a gallery whose share of target rows grows."""
    st.subheader("Found among images and texts together?", anchor=False)
    if not board.mixed:
        st.caption("A mixed gallery needs pairs: the one right item is the query's own partner.")
        return
    names = st.multiselect(
        "Methods to draw",
        list(board.mixed),
        default=[name for name in DRAWN if name in board.mixed],
        format_func=lambda name: board.named(name).label,
        key="compare_gallery",
        bind="query-params",
    )
    figure(
        mixed_gallery(board, names),
        caption="Source rows look for their own target row. The other items of the gallery are "
        "shown as target rows in the share on the axis, and as source rows otherwise: with a gap, "
        "rows of the query's own modality stand in front. At 1 it is plain cross-modal retrieval.",
        alt="nDCG at 10 along the share of target rows in the gallery, one line per method",
        key="compare_mixed",
    )


def captions_key(contest: Contest) -> tuple[object, ...]:
    """Return what captions are kept under."""
    return KIND, contest.holdout, contest.seed


def known_captions(contest: Contest) -> CaptionBoard | None:
    """Return the captions of this set when they were made already."""
    found = kept_results().get(captions_key(contest))
    return found if isinstance(found, CaptionBoard) else None


def captions(contest: Contest) -> None:
    """Train decoders on corrected texts on request, and show what they say about images."""
    st.subheader("What a caption decoder trained on texts says about images", anchor=False)
    pair = require_pair()
    if not pair.paired or (pair.source.captions is None and pair.target.captions is None):
        st.caption("Captions need a paired set that has them. Load captions on the Data page.")
        return
    if lacks("Training caption decoders", "train", "torch"):
        return
    key = captions_key(contest)
    board = known_captions(contest)
    if board is None and st.session_state.get("captions_asked") != (pair.digest, key):
        st.caption(
            "One small decoder per method learns captions from corrected text vectors only, then "
            "captions held-out images; one more learns from images themselves."
        )
        rows = min(int(0.375 * len(pair.source)), 4000)
        minutes = max(1, round((len(CAPTIONED) + 1) * 40 * rows / 1500 / 60))
        st.button(
            f"Train {len(CAPTIONED) + 1} decoders, about {minutes} minutes",
            key="captions_run",
            on_click=lambda: st.session_state.update(captions_asked=(pair.digest, key)),
        )
        return
    if board is None:
        board = cancellable(
            (pair.digest, key),
            "Captions",
            lambda tell: caption_board(
                pair, holdout=contest.holdout, random_state=contest.seed, progress=tell
            ),
            long=True,
        )
        kept_results()[key] = board
    _pictures(board)
    st.dataframe(
        board.to_frame(),
        width="stretch",
        height="content",
        column_config={
            name: st.column_config.NumberColumn(format="%.3f") for name in board.to_frame().columns
        },
    )
    for text in board.sentences:
        st.caption(plain(text))


def _pictures(board: CaptionBoard) -> None:
    """Show a few target rows with what every decoder says of them, side by side."""
    first = st.session_state.get("captions_first", 0) % len(board.references)
    shown = min(SHOWN, len(board.references))
    places = [place for _ in range(0, shown, 2) for place in st.columns(2)]
    for number in range(shown):
        row = (first + number) % len(board.references)
        with places[number].container(border=True, height="stretch"):
            image, text = st.columns([1, 4])
            if board.thumbnails is not None:
                image.image(board.thumbnails[row], width=72)
            else:
                image.caption(f"row {int(board.rows[row])}")
            text.markdown(f"*Its own caption*: {plain(board.references[row])}")
            text.markdown(
                "\n".join(
                    f"- **{plain(one.label)}**: {plain(board.scores[one.name].captions[row])}"
                    for one in board.entries
                )
            )
    st.button(
        "Show others",
        key="captions_others",
        on_click=lambda: st.session_state.update(captions_first=first + SHOWN),
    )
