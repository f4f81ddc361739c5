"""Adding to the bench: many files at once, a bench, reports, runs, and what the server has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import streamlit as st

from anisoalign_core.bench import BenchEntry, Several, find_several
from anisoalign_core.bench.bench import SUFFIX
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.files.source import Source
from anisoalign_core.gap.run import Run
from anisoalign_core.gap.saved import report_of
from anisoalign_core.io.registry import suffixes
from anisoalign_core.numerics import Progress
from app.loading import data_root, within
from app.session import ask_for_room
from app.widgets.bench import (
    bench,
    bundled,
    open_bench,
    own,
    server_benches,
    server_place,
    set_bench,
)
from app.widgets.common import guard, plain
from app.widgets.progress import progress_bar

WAYS = ("Files", "A folder of folders")


@dataclass
class _Sorted:
    """Uploads by what they are."""

    benches: list[Source] = field(default_factory=list)
    reports: list[Source] = field(default_factory=list)
    runs: list[Source] = field(default_factory=list)
    vectors: list[Source] = field(default_factory=list)


def add_section() -> None:
    """Ask for encoders to put on the bench, and say what became of the last ones."""
    _say()
    with st.expander("Add encoders", icon=":material/add:"):
        way = st.segmented_control(
            "What do you have?", WAYS, default=WAYS[0], required=True, key="bench_way"
        )
        turn = st.session_state.get("bench_upload", 0)
        folder = way == WAYS[1]
        uploaded = st.file_uploader(
            "A folder with a folder for each encoder"
            if folder
            else "Embeddings of several encoders, reports, training runs, or a bench",
            type=[*suffixes(uploads=True), ".json", ".jsonl", ".txt", ".zip"],
            accept_multiple_files="directory" if folder else True,
            key=f"bench_files_{turn}_{way}",
            help="clip/image.npy and clip/text.npy are the encoder clip, and so are clip_image.npy "
            "and clip_text.npy. A report is what Spectra or anisoalign diagnose --json saves, a "
            f"run what a monitor writes (.jsonl), a bench ends with {SUFFIX}.",
        )
        if uploaded:
            with guard():
                _take([Source(one.name, data=one.getvalue()) for one in uploaded])
        with guard():
            _from_server()


def _say() -> None:
    for word in st.session_state.pop("bench_said", []):
        st.toast(word, icon=":material/check:")
    problem = st.session_state.get("bench_problem")
    for word in [*([problem] if problem else []), *st.session_state.get("bench_left", [])]:
        st.warning(plain(word), icon=":material/warning:")


def _sort(files: list[Source]) -> _Sorted:
    found = _Sorted()
    for file in files:
        name = file.name.lower()
        if name.endswith(".zip"):
            found.benches.append(file)
        elif name.endswith(".jsonl"):
            found.runs.append(file)
        elif name.endswith(".json"):
            found.reports.append(file)
        else:
            found.vectors.append(file)
    return found


def _take(files: list[Source]) -> None:
    """Show what was found among the files, and measure and add it when asked to."""
    sorted_files = _sort(files)
    pairs, left = find_several(sorted_files.vectors)
    for word in left:
        st.caption(f"Not used: {plain(word)}")
    parts = [
        f"**{plain(one.name)}** ({plain(PurePosixPath(one.target.name).name)} and "
        f"{plain(PurePosixPath(one.source.name).name)})"
        for one in pairs
    ]
    for kind, many in (
        ("benches", sorted_files.benches),
        ("reports", sorted_files.reports),
        ("runs", sorted_files.runs),
    ):
        if many:
            parts.append(f"{len(many)} {kind}")
    if not parts:
        st.info("No encoder, report, run or bench is among these files.", icon=":material/info:")
        return
    st.markdown("Found: " + ", ".join(parts) + ".")
    if not st.button("Measure and add", type="primary", key="bench_measure"):
        return
    ask_for_room(sum(file.size for file in files), "these files")
    with progress_bar("Measuring", on_cancel=lambda: None, long=True) as tell:
        _add(sorted_files, pairs, tell)
    st.session_state["bench_upload"] = st.session_state.get("bench_upload", 0) + 1
    st.rerun()


def _add(files: _Sorted, pairs: list[Several], tell: Progress) -> None:
    """Add one after the other: what is finished stays when the rest fails or is cancelled."""
    said: list[str] = st.session_state.setdefault("bench_said", [])
    left = st.session_state["bench_left"] = []

    def attempt(name: str, work: Callable[[], str]) -> None:
        try:
            said.append(work())
        except AnisoAlignError as error:
            left.append(f"{name}: {error}")

    for file in files.benches:
        attempt(file.name, lambda file=file: open_bench(file))  # type: ignore[misc]
    for file in files.reports:
        attempt(file.name, lambda file=file: _report(file))  # type: ignore[misc]
    for file in files.runs:
        attempt(file.name, lambda file=file: _run(file))  # type: ignore[misc]
    for number, several in enumerate(pairs):

        def part(
            fraction: float, words: str, number: int = number, name: str = several.name
        ) -> None:
            tell((number + fraction) / len(pairs), f"{name}: {words}")

        attempt(several.name, lambda several=several, part=part: _pair(several, part))  # type: ignore[misc]


def _report(file: Source) -> str:
    with file.open() as stream:
        report = report_of(stream.read(), file.name)
    name = report.encoder or PurePosixPath(file.name).stem
    set_bench(bench().with_entry(BenchEntry(name, report)))
    return f"The report {plain(name)} is added."


def _run(file: Source) -> str:
    run = Run.load(file)
    set_bench(bench().with_run(run))
    return f"The run {plain(run.name)} is added."


def _pair(several: Several, tell: Progress) -> str:
    tell(0.0, "reading")
    entry = BenchEntry.measure(several.name, several.read(), progress=tell)
    set_bench(bench().with_entry(entry))
    return f"{plain(bench().entries[-1].name)} is added."


def _from_server() -> None:
    root, found = data_root(), server_benches()
    if root is None or not found:
        return
    row = st.container(horizontal=True, vertical_alignment="bottom")
    chosen = row.selectbox("A bench on the server", found, index=None, key="bench_server")
    if row.button("Open it", disabled=chosen is None) and chosen is not None:
        path = within(root, chosen)
        st.session_state.setdefault("bench_said", []).append(open_bench(Source(path.name, path)))
        st.rerun()


def save_section() -> None:
    """Take the bench home as one file, or leave it in the server's folder."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    row.download_button(
        "Save the bench",
        lambda: bench().to_bytes(),
        f"encoders{SUFFIX}",
        "application/zip",
        key="bench_save",
        on_click="ignore",
        icon=":material/download:",
    )
    row.download_button(
        "Page (HTML)",
        _page,
        "encoders.html",
        "text/html",
        key="bench_page",
        on_click="ignore",
    )
    place = server_place()
    if place is None:
        return
    with row.popover("Keep it on the server"):
        st.caption("Whoever may open the server's folder can read it there.")
        name = st.text_input("Name", "encoders", max_chars=60, key="bench_server_name").strip()
        good = bool(name) and all(part.isalnum() or part in "-_ " for part in name)
        if st.button("Keep", disabled=not good, key="bench_server_keep"):
            path = place / f"{name}{SUFFIX}"
            if path.exists():
                st.error("That name is taken.", icon=":material/error:")
            else:
                own(bench()).save(path)
                st.toast(f"{plain(path.name)} is kept on the server.")


def _page() -> str:
    from anisoalign_core.publish.encoders import encoders_page

    return encoders_page(bench())


def edit_section() -> None:
    """Rename and remove encoders and runs; bring the bundled ones back."""
    found = bench()
    with st.popover("Rename or remove", icon=":material/edit:"):
        names = [one.name for one in found.entries]
        chosen = st.selectbox("Encoder", names, key="bench_edit")
        if chosen is not None:
            name = st.text_input("Name", chosen, max_chars=120, key=f"bench_name_{chosen}")
            row = st.container(horizontal=True)
            if row.button("Rename", key="bench_rename") and name.strip() != chosen:
                with guard():
                    set_bench(found.renamed({chosen: name}))
                    st.rerun()
            if row.button("Remove", key="bench_remove"):
                set_bench(found.without([chosen]))
                st.rerun()
        runs = [run.name for run in found.runs]
        run = st.selectbox("Run", runs, key="bench_edit_run") if runs else None
        if run is not None and st.button("Remove this run", key="bench_remove_run"):
            set_bench(found.without([], [run]))
            st.rerun()
        if st.button("Begin again with the bundled ones", key="bench_reset"):
            set_bench(bundled())
            st.rerun()
