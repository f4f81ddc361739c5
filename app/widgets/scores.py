"""Scores on the Export page: rows for an index whose inner products are mended scores."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

import numpy as np
import pandas as pd
import streamlit as st

from anisoalign_core.align import ALIGNERS, Aligner
from anisoalign_core.compare.splits import Round, Run
from anisoalign_core.compare.use.search import first_is_match
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.metrics.retrieval import chance_of_hit
from anisoalign_core.numerics import Float32, generator
from anisoalign_core.scoring import SCORERS, Scorer, Threshold, probability, thresholds
from app.session import require_pair, result
from app.widgets.common import plain, three
from app.widgets.correct import Choice
from app.widgets.export import DOWNLOAD_LIMIT, READY_BYTES, Cooked, file_name, file_names
from app.widgets.learned import needs_training
from app.widgets.prompts import prompts_offered, session_encoder

WANTED, SCORER, ASKS = "export_mended", "export_scorer", "export_asks"
MENDING = {name: kind for name, kind in SCORERS.items() if name != "none"}
REFERENCE_ROWS = 10_000
"""Rows of each side that a scorer is fitted on, at most; of more a seeded sample."""
FALSE_MATCHES = 0.01
README = """\
numpy.load("queries.npy") @ numpy.load("gallery.npy").T are the scores; larger is nearer.
With FAISS: index = faiss.IndexFlatIP(gallery.shape[1]); index.add(gallery); then search.
"""


@dataclass(frozen=True)
class Sides:
    """Queries, the gallery they search, and what a scorer is fitted on."""

    queries: EmbeddingSet
    gallery: EmbeddingSet

    @classmethod
    def of(cls, cooked: Cooked, asks: str) -> Sides:
        """Return both sides, corrected: the source's rows ask, or the target's."""
        target = require_pair().target if cooked.target is None else cooked.target
        pair = cooked.corrected, target
        return cls(*(pair if asks == "source" else pair[::-1]))

    def fitted(self, scorer: str) -> Scorer:
        """Return a scorer fitted on these rows."""
        return SCORERS[scorer]().fit(_some(self.queries.vectors), _some(self.gallery.vectors))


def _some(rows: Float32) -> Float32:
    if len(rows) <= REFERENCE_ROWS:
        return rows
    return rows[np.sort(generator(0).choice(len(rows), REFERENCE_ROWS, replace=False))]


def zipped(sides: Sides, scorer: Scorer) -> bytes:
    """Return gallery and queries with columns added, as ``.npy`` in a zip, and how to search."""
    arrays = {
        "gallery.npy": scorer.export(sides.gallery.vectors),
        "queries.npy": scorer.export_queries(sides.queries.vectors),
    }
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        for name, rows in arrays.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(rows), allow_pickle=False)
        archive.writestr(zipfile.ZipInfo("README.txt"), README)
        for name, side in (("gallery", sides.gallery), ("queries", sides.queries)):
            if not side.provenance.ids_are_rows:
                lines = "".join(f"{' '.join(one.splitlines())}\n" for one in side.ids)
                archive.writestr(zipfile.ZipInfo(f"{name}.ids.txt"), lines)
    return stream.getvalue()


@dataclass(frozen=True)
class Told:
    """What held-out pairs say of scores in one direction."""

    way: str
    scores: str
    mended: bool
    recall: float
    chance: float
    gallery: int
    threshold: Threshold


def judged(choice: Choice, scorer: str) -> list[Told]:
    """Search held-out pairs both ways, by cosines as rows are and by mended scores."""
    pair = require_pair()
    run = Run(pair, st.session_state["holdout"], 20, st.session_state["split_seed"])
    part = run.round(0)
    method = part.fit(choice.build())
    return [one for forward in (True, False) for one in _one_way(part, method, scorer, forward)]


def _one_way(part: Round, method: Aligner, scorer: str, forward: bool) -> Iterator[Told]:
    things, learnt, before = part.things, part.learnt_by(method), part.reference
    assert things is not None
    after, moved = part.moved(method)
    goal = before.target if moved is None else moved
    queries, gallery, bank = (after, goal, learnt.rows) if forward else (goal, after, learnt.bank)
    mended = SCORERS[scorer]().fit(bank, gallery).scores(queries, gallery)
    cosines = before.before @ before.target.T
    plain_cosines = cosines if forward else cosines.T
    asks, found = (things.source, things.target) if forward else (things.target, things.source)
    pair = part.run.pair
    names = pair.source.modality, pair.target.modality
    way = " → ".join(names if forward else names[::-1])
    hits = part.at_work(before.before).ranks.hits(1, forward=forward).mean()
    chance = chance_of_hit(things, 1, forward=forward)
    matches = asks[:, None] == found
    for is_mended, words, recall, scores in (
        (False, "cosines, rows as they are", float(hits), plain_cosines),
        (True, SCORERS[scorer].label, first_is_match(mended, asks, found), mended),
    ):
        least = thresholds(scores, matches, false_match_rate=FALSE_MATCHES)[""]
        yield Told(way, words, is_mended, recall, chance, len(gallery), least)


def mended_scores(cooked: Cooked, choice: Choice) -> None:
    """Offer rows for an index with mended scores, and say what they are worth."""
    st.subheader("Rows for an index", anchor=False)
    if not st.toggle(
        "Export rows for an index with mended scores",
        key=WANTED,
        bind="query-params",
        help="For search: rows stay where they are, and a column or two beside them mend the "
        "scores. Any index of largest inner products finds them.",
    ):
        return
    pair = require_pair()
    row = st.container(horizontal=True, gap="large")
    scorer = row.selectbox(
        "Scores",
        list(MENDING),
        index=list(MENDING).index("csls"),
        format_func=lambda name: MENDING[name].label,
        key=SCORER,
        bind="query-params",
        width=340,
    )
    asks = row.segmented_control(
        "Rows that ask",
        ["source", "target"],
        default="source",
        required=True,
        format_func=lambda side: plain(getattr(pair, side).modality),
        key=ASKS,
        bind="query-params",
    )
    kind = MENDING[scorer]
    st.caption(f"{kind.summary} Source: {plain(kind.reference)}.")
    try:
        _offer(cooked, choice, scorer, asks)
        _judge(choice, scorer)
    except AnisoAlignError as error:
        st.error(plain(str(error)), icon=":material/error:")


def _offer(cooked: Cooked, choice: Choice, scorer: str, asks: str) -> None:
    sides = Sides.of(cooked, asks)
    largest = sum(each.vectors.nbytes for each in (sides.queries, sides.gallery))

    def make() -> bytes:
        return zipped(sides, sides.fitted(scorer))

    if largest > DOWNLOAD_LIMIT:
        st.caption("This is too large to send through the browser: run the line below.")
    else:
        key = "index", cooked.recipe.output_digest, scorer, asks
        ready = largest <= READY_BYTES
        with st.spinner("Fitting the scores …"):
            data = result(key, make) if ready else make
        st.download_button(
            f"Download {scorer}-index.zip",
            data=data,
            file_name=f"{scorer}-index.zip",
            mime="application/zip",
            icon=":material/download:",
            key="download_index",
            on_click="ignore",
        )
    moved = "as they are" if ALIGNERS[choice.method].is_floor else "corrected as above"
    rows = max(len(sides.queries), len(sides.gallery))
    sampled = f", at most {REFERENCE_ROWS:,} of each" if rows > REFERENCE_ROWS else ""
    st.caption(
        f"gallery.npy holds {len(sides.gallery):,} {plain(sides.gallery.modality)} rows and "
        f"queries.npy {len(sides.queries):,} {plain(sides.queries.modality)} rows, {moved}; "
        f"README.txt says how to search. Fitted on these very rows{sampled}."
    )
    target = file_names(require_pair())[0] if cooked.target is None else "moved.npy"
    files = file_name(choice, ".npy"), target
    queries, gallery = map(quote, files if asks == "source" else files[::-1])
    st.code(
        f"anisoalign scores --scorer {scorer} --queries {queries} --gallery {gallery} "
        "--out gallery.npy --out-queries queries.npy",
        language="bash",
        wrap_lines=True,
    )


def _judge(choice: Choice, scorer: str) -> None:
    """Show what held-out pairs say: found first before and after, and a threshold each way."""
    if not require_pair().paired:
        st.caption("What the scores are worth needs pairs; this set has none.")
        return
    if needs_training(choice):
        st.caption("What the scores are worth is not measured for corrections that train.")
        return
    key = "judged", choice.key, scorer
    with st.spinner("Searching held-out pairs …"):
        told = result(key, lambda: judged(choice, scorer))
    logits = _logits()
    table = pd.DataFrame(
        {
            "way": one.way,
            "scores": one.scores,
            "found first": one.recall,
            "chance": one.chance,
            "gallery": one.gallery,
            "threshold": one.threshold.value,
            "matches above": _within(one.threshold),
            **_probability(one, logits),
        }
        for one in told
    )
    number = st.column_config.NumberColumn
    st.dataframe(
        table,
        width="stretch",
        height="content",
        hide_index=True,
        column_config={
            "found first": number("R@1", format="%.3f", help="Queries whose partner comes first."),
            "chance": number(format="%.2g", help="R@1 of a random ranking."),
            "threshold": number(
                f"threshold at {FALSE_MATCHES:.0%}",
                format="%.3f",
                help=f"At most {FALSE_MATCHES:.0%} of pairs that do not match score as high.",
            ),
            "matches above": st.column_config.TextColumn(
                help="Share of matching pairs that score as high, with its 95 % interval."
            ),
            "probability": number(
                format="%.3g",
                help="Of a match at the threshold, σ(scale · cosine + bias), as the encoder's "
                "sigmoid loss trained it: of plain cosines only, within batches as in training.",
            ),
        },
    )
    st.caption(
        f"On {told[0].gallery:,} held-out rows of one split; the correction was fitted on other "
        "rows, and so were the queries that mend the scores. Compare tells over several splits "
        "whether a difference is one."
    )


def _within(one: Threshold) -> str:
    found = one.match_rate
    low, high = found.limits
    return f"{three(found.value)} ({three(low)} … {three(high)})"


def _logits() -> tuple[float, float] | None:
    """Scale and bias of a sigmoid loss, when the loaded encoder of this space has both."""
    encoder = session_encoder()
    if encoder is None or not prompts_offered():
        return None
    told = encoder.describe()
    scale, bias = told.get("logit_scale"), told.get("logit_bias")
    return None if scale is None or bias is None else (float(scale), float(bias))


def _probability(one: Told, logits: tuple[float, float] | None) -> dict[str, float | None]:
    """Say what a sigmoid loss makes of a threshold; of plain cosines only."""
    if logits is None:
        return {}
    return {"probability": None if one.mended else probability(one.threshold.value, *logits).item()}
