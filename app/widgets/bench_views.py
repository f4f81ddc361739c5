"""The bench's pictures: the table of dots, small clouds, trade-offs, finds, and runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from anisoalign_core.bench import Bench, BenchEntry, found_by_one, small_cloud
from anisoalign_core.errors import ParameterError
from anisoalign_core.gap.comparable import SHARES
from anisoalign_core.gap.encoders import SHARE, EncoderComparison
from anisoalign_core.metrics.retrieval import GALLERY
from anisoalign_core.plots.bench import (
    MOST_EMPHASISED,
    RUN_COLUMNS,
    run_lines,
    small_clouds,
    tradeoff_lines,
)
from anisoalign_core.publish.encoders import comparison_table
from app.session import sample_pair
from app.widgets.bench import bundled
from app.widgets.common import figure, plain, three
from app.widgets.rows import address, for_spreadsheets
from app.widgets.selections import points_of

MOST_CLOUDS = 8
MOST_FOUND = 50
CORRECTIONS = {"Raw": False, "Under one bound": True}


def shown_bench(found: Bench) -> Bench:
    """Ask which encoders are shown: one's own, and the bundled ones about one set of things."""
    names = [one.name for one in found.entries]
    state = st.session_state
    if "bench_hidden" not in state:
        known = bundled().entries
        state["bench_hidden"] = {
            one.name for one in known if one.report.items != known[0].report.items
        }
    chosen = st.pills(
        "Shown",
        names,
        selection_mode="multi",
        default=[name for name in names if name not in state["bench_hidden"]],
        key=f"bench_shown_{hash(tuple(names))}",
        format_func=plain,
    )
    state["bench_hidden"] = set(names) - set(chosen)
    return found.without(state["bench_hidden"])


def table_section(shown: Bench) -> EncoderComparison:
    """Show one row an encoder, with intervals and nulls; return the comparison."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    held = [one.report.galleries for one in shown.entries if one.report.galleries]
    comparison = shown.compare(
        gallery=GALLERY if held and all(GALLERY in sizes for sizes in held) else None,
        percent=st.session_state.get("bench_percent", SHARE),
    )
    labels = {measure.name: measure.label for measure in comparison.measures}
    by = row.selectbox(
        "Sort by",
        list(labels),
        index=None,
        format_func=lambda name: labels[name],
        placeholder="as they were added",
        key="bench_sort",
    )
    names = list(comparison.reports)
    baseline = row.selectbox(
        "Baseline", names, index=None, placeholder="none", key="bench_baseline"
    )
    row.selectbox(
        "Directions that hold",
        SHARES,
        index=SHARES.index(SHARE),
        format_func=lambda value: f"{value} % of the variance",
        key="bench_percent",
    )
    try:
        drawn = comparison.plot("table", by=by, baseline=baseline)
    except ParameterError as error:
        st.info(plain(str(error)), icon=":material/info:")
        drawn = comparison.plot("table", baseline=baseline)
    figure(
        drawn,
        caption="A dot is what was measured, its line the 95 % interval, the grey stroke what "
        "chance or sampling alone gives. A gap is neither good nor bad by itself. R@1 and "
        f"neighbours are among {comparison.gallery:,} things; chance of R@1 is 1 in as many. "
        + plain(comparison.sentences[0]),
        alt="One row per encoder and one panel per measure, with intervals and nulls",
        key="bench_table",
        wide=True,
    )
    header, rows = comparison_table(comparison)
    table = pd.DataFrame(rows, columns=header).set_index("encoder")
    order = comparison.order(by) if by is None or comparison.same_items else list(table.index)
    with st.expander("The same in numbers, and what may be compared"):
        for sentence in comparison.sentences:
            st.caption(plain(sentence))
        st.dataframe(table.loc[order], width="stretch", height="content")
        st.caption("In brackets what chance or sampling alone gives.")
        st.download_button(
            "Table (CSV)",
            for_spreadsheets(comparison.to_frame()).to_csv(index=False),
            "encoders.csv",
            "text/csv",
            on_click="ignore",
            key="bench_csv",
        )
        for one in shown.entries:
            if one.note:
                st.caption(f"**{plain(one.name)}** {plain(one.note)}")
    return comparison


def parts_section(comparison: EncoderComparison) -> None:
    """Show which gap is mean and which is residual, spectra, and directions in common."""
    left, right = st.columns(2)
    if comparison.parts():
        with left:
            st.subheader("Mean or residual?", anchor=False)
            figure(
                comparison.plot("parts"),
                caption="The mean squared distance between partners, split exactly into G_μ² and "
                "tr Σ_r.",
                alt="A bar for each encoder, split into mean and residual",
                key="bench_parts",
            )
    if any(report.curves is not None for report in comparison.reports.values()):
        with right:
            st.subheader("Spectra on one scale", anchor=False)
            figure(
                comparison.plot("spectra"),
                caption="Eigenvalues of the centred covariances as shares of their sum; both axes "
                "logarithmic.",
                alt="Spectra of all encoders in one figure",
                key="bench_spectra",
            )
    if comparison.agreements:
        st.subheader("Does the gap run along the same things?", anchor=False)
        one = comparison.agreements[0]
        figure(
            comparison.plot("agreement"),
            caption=f"Leading {one.rank} residual directions of every two encoders, compared by "
            f"the scores of {one.rows} things that both have: 1 is the same, "
            f"{three(one.null)} chance.",
            alt="Agreement of leading residual directions of every two encoders",
            key="bench_agreement",
            wide=True,
        )


def clouds_section(shown: Bench) -> None:
    """Show the same rows in several spaces, linked, under one bound for all."""
    entries = [one for one in shown.entries if one.kept.rows is not None][:MOST_CLOUDS]
    if not entries:
        return
    st.subheader("The same rows in each space", anchor=False)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    how = row.segmented_control(
        "Source rows", list(CORRECTIONS), default="Raw", required=True, key="bench_how"
    )
    bound = None
    if CORRECTIONS[how]:
        bound = row.slider("One bound for all", 0.0, 2.0, 0.2, 0.05, key="bench_bound")
    try:
        clouds = [small_cloud(entry, bound) for entry in entries]
    except ParameterError as error:
        st.info(plain(str(error)), icon=":material/info:")
        return
    marked = _marked(entries)
    event: Any = figure(
        small_clouds(clouds, marked=marked, corrected=bound is not None),
        caption=f"The same {len(clouds[0].ids)} things, chosen by their ids, each encoder along "
        "its own gap direction (across) and what varies most beside it. Draw around points: their "
        "partners are shown in every panel."
        + (
            " Corrected by a map fitted on these very rows: a picture." if bound is not None else ""
        ),
        alt="Small clouds of several encoders side by side",
        key="bench_clouds",
        select=True,
    )
    ids = list(dict.fromkeys(clouds[panel].ids[row] for row, panel in points_of(event)))
    if ids and ids != st.session_state.get("bench_drawn"):  # else it was taken, and maybe cleared
        st.session_state["bench_drawn"] = st.session_state["bench_marked"] = ids
        st.rerun()
    if marked:
        words = dict(zip(clouds[0].ids, clouds[0].captions, strict=True))
        left, right = st.columns([4, 1], vertical_alignment="top")
        left.dataframe(
            _with_pictures(
                pd.DataFrame({"id": marked, "caption": [words.get(one, "") for one in marked]})
            ),
            height=220,
            hide_index=True,
            column_config={"picture": st.column_config.ImageColumn("picture")},
        )
        if right.button("Clear the selection", key="bench_clear"):
            st.session_state["bench_marked"] = []
            st.rerun()


def _marked(entries: Sequence[BenchEntry]) -> list[str]:
    known = {one for entry in entries if entry.kept.rows for one in entry.kept.rows.target.ids}
    return [one for one in st.session_state.get("bench_marked", []) if one in known]


def _with_pictures(table: pd.DataFrame) -> pd.DataFrame:
    """Put the sample's thumbnails before rows that are the sample's."""
    images = sample_pair("scenes").target
    place = {one: row for row, one in enumerate(images.ids.tolist())}
    rows = [place.get(one) for one in table["id"]]
    if images.thumbnails is None or not rows or any(row is None for row in rows):
        return table
    table.insert(0, "picture", [address(images.thumbnails[row]) for row in rows])
    return table


def tradeoff_section(shown: Bench) -> None:
    """Show what a bound buys and costs in each encoder, a handful in colour."""
    curves = {one.name: one.kept.tradeoff for one in shown.entries if one.kept.tradeoff}
    if not curves:
        return
    st.subheader("What a bound buys and costs", anchor=False)
    bright = st.multiselect(
        "In colour",
        list(curves),
        default=list(curves)[:MOST_EMPHASISED],
        max_selections=MOST_EMPHASISED,
        key=f"bench_bright_{hash(tuple(curves))}",
    )
    figure(
        tradeoff_lines(curves, emphasised=bright),
        caption="Bounded transport along its bound α, 0 to 1.5, on held-out rows of each encoder: "
        "right keeps more meaning, up covers more of the target. Hover for α.",
        alt="Trade-off curves of several encoders over each other",
        key="bench_tradeoff",
    )


def found_section(shown: Bench) -> None:
    """List things that one encoder finds and another does not."""
    entries = [one for one in shown.entries if one.kept.found is not None]
    if len(entries) < 2:
        return
    st.subheader("Found in one, not in the other", anchor=False)
    names = [one.name for one in entries]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    first = row.selectbox("Found by", names, index=0, key="bench_first")
    others = [name for name in names if name != first]
    second = row.selectbox("Not by", others, index=0, key="bench_second")
    ways = {"Source finds target": True, "Target finds source": False}
    way = row.segmented_control(
        "Which way", list(ways), default="Source finds target", required=True, key="bench_ways"
    )
    try:
        found = found_by_one(shown.get(first), shown.get(second), forward=ways[way])
        back = found_by_one(shown.get(second), shown.get(first), forward=ways[way])
    except ParameterError as error:
        st.info(plain(str(error)), icon=":material/info:")
        return
    st.markdown(
        f"Of {found.of} kept things, {len(found.ids)} are found at the first place by "
        f"**{plain(first)}** alone, and {len(back.ids)} by **{plain(second)}** alone."
    )
    if found.searched[0] != found.searched[1]:
        st.caption(
            f"Not a fair comparison: {found.searched[0]:,} and {found.searched[1]:,} things were "
            "searched."
        )
    table = pd.DataFrame(
        {
            "id": found.ids,
            "caption": found.captions,
            f"nearer than the partner in {second}": found.ahead[:, 1],
        }
    ).head(MOST_FOUND)
    st.dataframe(
        _with_pictures(table),
        height=280,
        hide_index=True,
        width="stretch",
        column_config={"picture": st.column_config.ImageColumn("picture", width="small")},
    )
    st.caption(f"Among {found.searched[0]:,} things; at most {MOST_FOUND} are listed, worst first.")


@st.fragment
def runs_section(found: Bench) -> None:
    """Play training runs along their steps."""
    st.subheader("The gap while it forms", anchor=False)
    names = [run.name for run in found.runs]
    if not names:
        st.caption("Add a run that aa.gap.Monitor wrote: its rows are shown here along its steps.")
        return
    chosen = st.multiselect(
        "Runs", names, default=names[:4], key=f"bench_runs_{hash(tuple(names))}"
    )
    runs = {run.name: run for run in found.runs if run.name in chosen}
    if not runs:
        return
    steps = sorted({int(step) for run in runs.values() for step in run.frame.index})
    step = st.select_slider("Step", steps, value=steps[-1], key=f"bench_step_{hash(tuple(steps))}")
    figure(
        run_lines({name: run.frame for name, run in runs.items()}, step=step),
        caption="A row of numbers every few steps, from the batches of training; dotted what "
        "chance or sampling alone gives.",
        alt="Numbers of training runs along their steps",
        key="bench_run_lines",
        wide=True,
    )
    at = pd.DataFrame(
        {
            name: run.frame.loc[run.frame.index[run.frame.index <= step][-1:]].squeeze()
            for name, run in runs.items()
            if (run.frame.index <= step).any()
        }
    )
    shown = at.loc[[name for name in RUN_COLUMNS if name in at.index]].T
    shown.columns = [RUN_COLUMNS[name][0] for name in shown.columns]
    st.dataframe(shown.map(three), width="stretch", height="content")
    st.caption(f"At step {step:,}, or the last row before it.")
    for run in runs.values():
        for note in run.notes:
            st.caption(plain(f"{run.name}: {note}"))
