"""A caption of one's own through the sample's encoder: where it lands among the pictures."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import streamlit as st

from anisoalign_core.encode.tokenizers import Tokens
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.numerics import Float32
from anisoalign_core.plots.teach import landing_in_plane
from anisoalign_core.teach import Landing
from app.widgets import learn_sample as sample
from app.widgets.common import Number, number_row, plain, three
from app.widgets.learn_look import figure
from app.widgets.learn_predictions import THUMBNAIL
from app.widgets.prompts import sample_encoder

LOG = logging.getLogger("anisoalign")
LETTERS = 120
FIRST = "a small green star at night"
KEPT = "learn_own_caption"
SAID = 8
"""Unknown words that are named."""


def own_caption() -> None:
    """Take a caption through the sample's encoder, and show where it lands."""
    st.markdown("##### Your own caption")
    st.markdown(
        "Say in a few words what a picture could show: shapes, colours, sizes, places. The "
        "sample's small encoder turns it into an arrow, and the bounded correction moves it."
    )
    with st.form("learn_own", border=False):
        row = st.container(horizontal=True, vertical_alignment="bottom")
        text = row.text_input("Your caption", FIRST, max_chars=LETTERS, key="learn_own_text")
        if row.form_submit_button("See where it lands", icon=":material/place:"):
            st.session_state[KEPT] = " ".join(text[:LETTERS].split())
    said = st.session_state.get(KEPT)
    if said is None:
        return
    if not said:
        st.info("There are no words in this caption. Write a few.")
        return
    try:
        encoder = sample_encoder()
        tokens = encoder.tokenizer([said]) if encoder.tokenizer is not None else Tokens(None)
        rows = encoder.encode_texts([said])
    except (AnisoAlignError, ImportError, RuntimeError, OSError) as error:
        _cannot(error)
        return
    if not _words_known(said, tokens):
        return
    _landed(said, rows)


def _cannot(error: Exception) -> None:
    """Say in one line why there is no encoder; all else on the page needs none."""
    if not isinstance(error, AnisoAlignError):
        LOG.warning("the sample's encoder could not be loaded", exc_info=error)
        st.info(
            "The sample's encoder cannot run on this server: torch or open_clip cannot be loaded. "
            "The rest of the story needs neither.",
            icon=":material/extension_off:",
        )
        return
    st.info(plain(str(error)), icon=":material/extension_off:")


def _words_known(said: str, tokens: Tokens) -> bool:
    """Say which words the encoder never read; return whether it knows any."""
    unknown = [plain(word) for word in tokens.unknown]
    if not unknown:
        return True
    named = ", ".join(f"“{word}”" for word in unknown[:SAID])
    more = f" and {len(unknown) - SAID} more" if len(unknown) > SAID else ""
    nothing = not np.count_nonzero(np.asarray(tokens.ids)[0, 1:])
    st.caption(
        f"It never read {named}{more}, and left that out: it knows the words of its training "
        "captions alone."
    )
    if nothing:
        st.info(f"Nothing is left of “{plain(said)}”. Try words such as those in “{FIRST}”.")
    return not nothing


def _landed(said: str, rows: Float32) -> None:
    target = sample.pair().target
    moved = np.asarray(sample.automatic().transform(rows), dtype=np.float32)
    found = Landing(rows[0], moved[0], target.vectors)
    usual = sample.usual_cosines()
    number_row(
        [
            Number(
                "Nearest picture before",
                float(found.cosines[0][0]),
                f"cosine; the sample's captions {three(usual[0])}",
                "Median over held-out captions of the sample, each with the picture nearest to it.",
            ),
            Number(
                "Nearest picture after",
                float(found.cosines[1][0]),
                f"cosine; the sample's captions {three(usual[1])}",
                "The same after the correction.",
            ),
            Number("To the mean before", found.to_mean[0], "of all pictures", "‖y − μ_x‖"),
            Number("To the mean after", found.to_mean[1], "of all pictures", "‖z − μ_x‖"),
            Number(
                "Nearest that stay",
                found.kept / found.count,
                f"{found.kept} of {found.count}",
                "Pictures among the nearest both before and after the correction.",
                percent=True,
            ),
        ]
    )
    plane, study = sample.plane(0, 1), sample.study()
    directions = plane.directions.astype(np.float32)
    figure(
        lambda: landing_in_plane(
            study.target @ directions,
            study.source @ directions,
            (found.before @ directions, found.after @ directions),
            target.vectors[found.rows[1]] @ directions,
            axis_labels=plane.labels,
        ),
        caption=f"“{plain(said)}” before and after the bounded correction (α = "
        f"{sample.automatic_bound():.2f}, fitted without it), among {len(study.source)} held-out "
        f"pictures and captions on two of {target.dim} directions, uncentred. Rings: the "
        f"{found.count} pictures nearest after it. Numbers in all dimensions, among all "
        f"{len(target):,} pictures.",
        alt="Pictures, captions, and your caption before and after the correction",
        key="learn_landing",
        own=True,
    )
    for words, near, cosines in zip(
        ("Nearest before", "Nearest after"), found.rows, found.cosines, strict=True
    ):
        _named(words, near, cosines)


def _named(words: str, rows: Any, cosines: Any) -> None:
    """Show pictures, what each shows, and its cosine."""
    target = sample.pair().target
    captions = sample.shown(target)[0]
    st.markdown(f"**{words}**")
    tiles = st.container(horizontal=True, gap="small")
    for row, cosine in zip(rows, cosines, strict=True):
        with tiles.container(width=THUMBNAIL + 40, gap="xxsmall"):
            st.image(sample.thumbnail(target, int(row)), width=THUMBNAIL, alt=str(captions[row]))
            st.caption(f"{three(float(cosine))} · {plain(str(captions[row]))}")
