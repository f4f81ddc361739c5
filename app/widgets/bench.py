"""The bench of a session: bundled encoders, one's own, and where it is kept between visits."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import streamlit as st

from anisoalign_core.bench import Bench, BenchEntry
from anisoalign_core.bench.bench import SUFFIX
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.files.source import Source
from anisoalign_core.samples import load_bench
from app.loading import data_root, within
from app.session import loaded, long_result, nobodys, page_path, report, require_pair
from app.widgets.common import plain

KEEPER = st.components.v2.component(
    "anisoalign_keeper", js=(Path(__file__).parent / "keeper.js").read_text(encoding="utf-8")
)
MOST_KEPT = 3_500_000
"""Characters that a browser is asked to keep; it has room for about five million."""
BENCH_WAITS = "bench_waits"
"""Gives the file of a bench that was kept with the session, until it is looked at."""
SERVER_FOLDER = "benches"
"""Below the server folder: made by whoever runs the server, if benches may be kept there."""


@st.cache_resource(show_spinner=False)
def bundled() -> Bench:
    """Return the bundled bench; sessions share it."""
    found = load_bench()
    nobodys(*found.entries, *found.runs)
    return found


def bench() -> Bench:
    """Return the session's bench: the bundled encoders to begin with."""
    if "bench" not in st.session_state:
        st.session_state["bench"] = bundled()
        waits: Callable[[], Source] | None = st.session_state.pop(BENCH_WAITS, None)
        if waits is not None:
            _add(waits, "What was kept with this session could not be read: ")
    found: Bench = st.session_state["bench"]
    return found


def set_bench(changed: Bench) -> None:
    """Put another bench in place of the session's."""
    st.session_state["bench"] = changed


def own(found: Bench) -> Bench:
    """Return the part of a bench that is not bundled."""
    entries, runs = set(map(id, bundled().entries)), set(map(id, bundled().runs))
    kept = [one for one in found.entries if id(one) not in entries]
    names = [one.name for one in kept]
    return Bench(
        tuple(kept),
        tuple(run for run in found.runs if id(run) not in runs),
        found.baseline if found.baseline in names else "",
    )


def keeper() -> None:
    """Bring back what this browser has kept, once a visit; then keep what the session adds.

    Browsers keep it for this address, on their side: it outlives what the server keeps.
    """
    state = st.session_state
    if "bench_turn" not in state:
        state["bench_turn"] = uuid4().hex
    if not state.get("bench_read"):
        data = {"turn": "read", "save": None}
    else:
        packed = _packed(own(bench()))
        if len(packed) > MOST_KEPT:
            st.caption(
                "This bench is larger than what a browser keeps between visits: save it as a file."
            )
            return
        turn = hashlib.sha256(packed.encode()).hexdigest()
        data = {"turn": f"save {state['bench_turn']} {turn}", "save": packed}
    KEEPER(
        data={**data, "refused": state.get("bench_refused", False)},
        key="bench_keeper",
        height=1,
        on_stored_change=_hear,
        on_refused_change=lambda: state.update(bench_refused=True),
    )
    if state.get("bench_refused"):
        st.caption("This browser keeps nothing between visits: save the bench as a file.")


def _packed(found: Bench) -> str:
    """Return a bench as text; empty for an empty one. The last one is remembered."""
    if not found.entries and not found.runs:
        return ""
    parts = (*map(id, found.entries), *map(id, found.runs), found.baseline)
    kept: tuple[object, str] | None = st.session_state.get("bench_packed")
    if kept is None or kept[0] != parts:
        kept = (parts, base64.b64encode(found.to_bytes()).decode("ascii"))
        st.session_state["bench_packed"] = kept
    return kept[1]


def _hear() -> None:
    """Take what the browser had kept; what cannot be read is left out, and said."""
    state = st.session_state
    # an answer that comes while the page changes finds no keeper; the browser gives it again
    said = state.get("bench_keeper", {}).get("stored")
    if said is None or state.get("bench_read"):
        return
    state["bench_read"] = True
    if not isinstance(said, str) or not said:
        return
    _add(
        lambda: Source("the bench of this browser", data=base64.b64decode(said, validate=True)),
        "What this browser had kept could not be read: ",
    )


def _add(kept: Callable[[], Source], problem: str) -> None:
    """Add what of a bench is not there yet; what cannot be read is left out, and said."""
    try:
        added, found = Bench.load(kept()), bench()
        known = {_mark(one) for one in found.entries}
        runs = {(run.name, run.to_bytes()) for run in found.runs}
        for entry in added.entries:
            if _mark(entry) not in known:
                found = found.with_entry(entry)
        for run in added.runs:
            if (run.name, run.to_bytes()) not in runs:
                found = found.with_run(run)
        set_bench(found)
    except (AnisoAlignError, ValueError) as error:
        st.session_state["bench_problem"] = f"{problem}{error}"


def _mark(entry: BenchEntry) -> tuple[str, str, str, str]:
    """Return what tells an encoder on the bench from others."""
    known = entry.report
    return entry.name, entry.note, known.source_digest, known.target_digest


def open_bench(source: Source) -> str:
    """Add everything of a bench's file; return what was added, in words."""
    added = Bench.load(source)
    set_bench(bench().with_all(added))
    runs = f" and {len(added.runs)} runs" if added.runs else ""
    return f"{len(added.entries)} encoders{runs} added."


def server_benches() -> list[str]:
    """Benches below the server folder, as relative paths."""
    root = data_root()
    if root is None:
        return []
    return sorted(str(path.relative_to(root)) for path in root.rglob(f"*{SUFFIX}"))[:100]


def server_place() -> Path | None:
    """Return the folder on the server where benches may be kept, or None."""
    root = data_root()
    if root is None or not (root / SERVER_FOLDER).is_dir():
        return None
    return within(root, SERVER_FOLDER)


def keep_section() -> None:
    """Keep what was measured of the current set on the bench, from any page."""
    st.subheader("Beside other encoders", anchor=False)
    pair, current, found = require_pair(), loaded(), bench()
    digests = (pair.source.digest, pair.target.digest)
    there = next(
        (
            one.name
            for one in found.entries
            if (one.report.source_digest, one.report.target_digest) == digests
        ),
        None,
    )
    if there is not None:
        st.caption(f"On the bench as **{plain(there)}**.")
    else:
        with st.form("keep_report", border=False):
            left, right = st.columns([3, 1], vertical_alignment="bottom")
            title = "" if current is None else current.title
            name = left.text_input(
                "Keep what was measured of this set as",
                (pair.target.provenance.model or title)[:80],
                max_chars=120,
            ).strip()
            pressed = right.form_submit_button("Keep", width="stretch")
        if pressed and name:
            keep_current(name)
            st.rerun()
        elif pressed:
            st.error("Give it a name.", icon=":material/error:")
    st.page_link(page_path("encoders"), label="Compare on Encoders", icon=":material/view_list:")
    keeper()


def keep_current(name: str) -> None:
    """Measure the current set for the bench, and put it there under a free name."""
    known, pair = report(), require_pair()

    entry: BenchEntry = long_result(
        "bench_entry",
        "Keeping it on the bench",
        lambda tell: BenchEntry.measure(name, pair, report=known, progress=tell),
    )
    set_bench(bench().with_entry(replace(entry, name=name)))
