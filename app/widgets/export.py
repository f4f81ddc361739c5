"""The Export page: build the corrected set once, offer it in every format, write the recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import streamlit as st

from anisoalign_core.align import ALIGNERS, USUAL, Aligner
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.atomic import atomic_write_text, make_folder
from anisoalign_core.geometry.subspace import principal_plane
from anisoalign_core.io import FORMATS, float16_error, save, to_bytes
from anisoalign_core.io.registry import writer_of
from anisoalign_core.io.writing import Dtype
from anisoalign_core.numerics import Progress, row_norms
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.recipe import Recipe, cook
from app.loading import export_root
from app.session import already, long_result, require_pair, result
from app.widgets.common import plain, three
from app.widgets.correct import Choice, can_weigh, current_study, trial_of, usual_values
from app.widgets.learned import estimate, needs_training, trained_for
from app.widgets.parameters import in_words as parameters_in_words

DOWNLOAD_LIMIT = 200_000_000
"""Above this a file is written to the server's export folder instead of through the browser."""
READY_BYTES = 32 * 1024 * 1024
"""Up to this a file is made before its button is pressed."""


def formats() -> dict[str, str]:
    """Return what each suffix of a file is, for a person who chooses."""
    single = [each for each in FORMATS.values() if each.write is not None and not each.folder]
    return {each.suffix: each.description for each in single}


@dataclass(frozen=True, eq=False)
class Cooked:
    """A fitted method, the corrected set, for methods that move both sides the target, a recipe."""

    method: Aligner
    corrected: EmbeddingSet
    target: EmbeddingSet | None
    recipe: Recipe


def to_export() -> Choice:
    """Return what was chosen on Correct; the usual method when nothing was, or it needs pairs."""
    choice: Choice = st.session_state.get("choice", Choice(USUAL))
    pair = require_pair()
    if not pair.paired and ALIGNERS[choice.method].needs_pairs:
        choice = Choice(USUAL)
    ranges = {knob.parameter: knob.most(pair.dim) for knob in ALIGNERS[choice.method].knobs}
    fitting = {  # a rank that was chosen for another set may be too large for this one
        name: value
        for name, value in choice.parameters.items()
        if not (isinstance(value, int) and value > ranges.get(name, value))
    }
    begin = {} if needs_training(choice) else usual_values(ALIGNERS[choice.method])
    weigh = choice.weigh if can_weigh(ALIGNERS[choice.method]) else "row"
    return replace(choice, parameters=begin | fitting, weigh=weigh)


def in_words(choice: Choice) -> str:
    """Say a method with its parameters."""
    label = f"**{ALIGNERS[choice.method].label}**"
    extra = parameters_in_words(choice.method, choice.parameters)
    if choice.weigh == "thing":
        extra += ", each thing counts the same" if extra else "each thing counts the same"
    learned = trained_for(choice)
    if learned is not None and learned.trained_at not in (None, choice.values):
        extra += f", trained at {parameters_in_words(choice.method, learned.trained_at or {})}"
    return label + (f" ({extra})" if extra else "")


def _scores(choice: Choice) -> tuple[dict[str, float], dict[str, float]]:
    """Scores on held-out rows before and after; empty, and said so, when there are none."""
    try:
        study = current_study()
        if not needs_training(choice):
            return study.uncorrected, trial_of(study, choice.still).view(choice.values).scores
        learned = trained_for(choice)
        if learned is None:
            st.caption("The recipe will hold no scores: this was not trained on the Correct page.")
            return {}, {}
        return study.uncorrected, learned.trial.view(choice.values).scores
    except ShapeError as error:
        st.caption(f"The recipe will hold no scores. {plain(str(error))}")
        return {}, {}


def build(choice: Choice, fit_on: Literal["all", "split"]) -> Cooked | None:
    """Fit on the rows asked for and correct every source row; kept until something changes.

    What takes training is trained when asked to, not on arriving: None until then.
    """

    def cooked(tell: Progress) -> Cooked:
        pair = require_pair()
        before, after = _scores(choice)
        method, corrected, recipe = cook(
            pair,
            choice.method,
            choice.parameters,
            fit_on=fit_on,
            weigh=choice.weigh,
            split_seed=st.session_state["split_seed"],
            split_holdout=st.session_state["holdout"],
            progress=tell,
            scores_before=before,
            scores_after=after,
        )
        target = None
        if method.moves_target:
            target = pair.target.with_vectors(method.transform_target(pair.target))
        return Cooked(method, corrected, target, recipe)

    key = ("cooked", choice.key, fit_on)
    if needs_training(choice) and not _asked(choice, key, fit_on):
        return None
    return long_result(key, "Correcting all rows", cooked, long=needs_training(choice))


def _asked(choice: Choice, key: tuple[object, ...], fit_on: str) -> bool:
    """Say what training for the export means, and whether it is done or was asked for."""
    if already(key):
        return True
    if st.session_state.get("cook_asked") == key:
        return True
    rows = "all rows" if fit_on == "all" else "the split's fit rows"
    st.info(
        f"The file is made by training once more, on {rows} and from the recipe's parameters "
        "alone, so that the recipe makes the same file again. It takes about "
        f"{estimate(choice)} and can be cancelled.",
        icon=":material/model_training:",
    )
    if st.button(f"Train on {rows}", type="primary", key="cook"):
        st.session_state["cook_asked"] = key
        st.rerun()
    return False


def file_name(choice: Choice, suffix: str) -> str:
    """Name an export after its modality, method and the values of its live knobs."""
    tail = "".join(
        f"-{value}" if isinstance(value, str) else f"-{value:g}" for value in choice.values.values()
    )
    return f"{_safe(require_pair().source.modality)}-{choice.method}{tail}{suffix}"


def _safe(text: str) -> str:
    return "".join(char if char.isalnum() or char in "-_" else "-" for char in text) or "source"


def summary(cooked: Cooked, dtype: Dtype) -> None:
    """Say what the file will hold, measured on the very rows that are written."""
    rows = cooked.corrected.vectors
    norms = row_norms(rows)
    size = rows.size * (4 if dtype == "float32" else 2)
    st.caption(
        f"{len(rows):,} rows × {rows.shape[1]} dimensions, {size / 1e6:.3g} MB; norms "
        f"{norms.min():.7f} to {norms.max():.7f}; all finite: "
        f"{'yes' if np.isfinite(rows).all() else 'no'}; digest "
        f"`{cooked.recipe.output_digest[:16]}`."
    )
    if dtype == "float16":
        entry, angle = float16_error(rows)
        st.caption(
            f"In float16 entries move by at most {three(entry)}, directions by at most "
            f"{three(angle)} in 1 − cos."
        )


def _metadata(cooked: Cooked) -> dict[str, str]:
    recipe = cooked.recipe
    return {
        "method": recipe.method,
        "source_digest": recipe.source.digest,
        "normalised": "true",
        "recipe": recipe.output_digest,
        "model": cooked.corrected.provenance.model or "",
    }


def _file_bytes(cooked: Cooked, data: EmbeddingSet, suffix: str, dtype: Dtype) -> bytes:
    plane = principal_plane(data.vectors) if writer_of(suffix, suffix)[0].plane else None
    return to_bytes(data, suffix, dtype=dtype, metadata=_metadata(cooked), projection=plane)


def _download(
    cooked: Cooked, data: EmbeddingSet, suffix: str, dtype: Dtype
) -> bytes | Callable[[], bytes]:
    """Return the file; a large one is made when its button is pressed.

    Streamlit may let go of a file made for a press before it is fetched, when many people use the
    server; one that is there already it keeps.
    """

    def make() -> bytes:
        return _file_bytes(cooked, data, suffix, dtype)

    if data.vectors.nbytes > READY_BYTES:
        return make
    with st.spinner("Preparing the file …"):
        return result(("file", cooked.recipe.output_digest, data.modality, suffix, dtype), make)


def offer(cooked: Cooked, suffix: str, dtype: Dtype, name: str) -> None:
    """Offer the corrected file, and the moved target when there is one."""
    sets = [(cooked.corrected, name)]
    if cooked.target is not None:
        st.info("This method moves both sides: take both files, and use them together.")
        sets.append((cooked.target, f"{_safe(cooked.target.modality)}-{name.split('-', 1)[1]}"))
    for number, (data, file) in enumerate(sets):
        if data.vectors.nbytes > DOWNLOAD_LIMIT:
            _write_on_server(cooked, data, file, dtype)
            continue
        st.download_button(
            f"Download {file}",
            data=_download(cooked, data, suffix, dtype),
            file_name=file,
            mime="application/octet-stream",
            type="primary",
            icon=":material/download:",
            key=f"download_{number}",
            on_click="ignore",
        )
        known = data.provenance
        if not writer_of(suffix, file)[0].lines:
            continue
        named = not known.ids_are_rows or bool(known.dropped_rows)
        for what, values in (("ids", data.ids if named else None), ("captions", data.captions)):
            if values is not None:
                st.download_button(
                    f"Download its {what} (.{what}.txt)",
                    data="".join(f"{' '.join(value.splitlines())}\n" for value in values),
                    file_name=f"{Path(file).stem}.{what}.txt",
                    key=f"{what}_{number}",
                    on_click="ignore",
                )


def _write_on_server(cooked: Cooked, data: EmbeddingSet, file: str, dtype: Dtype) -> None:
    root = export_root()
    if root is None:
        st.warning(
            "This file is too large to send through the browser. Ask the server's owner to set "
            "ANISOALIGN_EXPORT_ROOT, or run the command lines below.",
            icon=":material/warning:",
        )
        return
    if st.button(f"Write {plain(file)} to the server's export folder", type="primary"):
        folder = root / cooked.recipe.output_digest[:12]  # nobody replaces what another wrote
        make_folder(folder)
        path = save(data, folder / file, dtype=dtype, metadata=_metadata(cooked))
        atomic_write_text(path.with_suffix(".recipe.json"), cooked.recipe.to_json())
        st.success(f"Written: {plain(f'{folder.name}/{path.name}')} and its recipe.")


def offer_recipe(cooked: Cooked, name: str) -> None:
    """Offer the recipe and the fitted model."""
    row = st.container(horizontal=True)  # wraps on narrow screens, unlike columns
    row.download_button(
        "Recipe (JSON)",
        data=cooked.recipe.to_json(),
        file_name=f"{Path(name).stem}.recipe.json",
        mime="application/json",
        key="download_recipe",
        on_click="ignore",
    )
    row.download_button(
        "Fitted model (.npz)",
        data=lambda: _model_bytes(cooked.method),
        file_name="model.npz",
        key="download_model",
        on_click="ignore",
        help="For anisoalign apply, or aa.load_aligner.",
    )


def _model_bytes(method: Aligner) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return method.save(Path(folder) / "model.npz").read_bytes()


def file_names(pair: EmbeddingPair) -> tuple[str, str]:
    """Return what lines call the files of target and source: each the first it was read from."""
    target, source = (side.provenance.files or (side.name,) for side in (pair.target, pair.source))
    return target[0], source[0]


def reproduce(cooked: Cooked, name: str) -> None:
    """Show the Python and shell lines that build the same file."""
    recipe = cooked.recipe
    pair = require_pair()
    if ALIGNERS[recipe.method].is_control:
        st.caption("Controls have no lines to reproduce them; the recipe holds the settings.")
        return
    for side in (pair.target, pair.source):
        files = side.provenance.files
        if len(files) > 1:
            st.caption(
                f"{plain(side.name)} is put together from {len(files)} files, so no lines read it "
                "as one. Save it first (aa.save), and load what is saved; the recipe holds the "
                "settings."
            )
            return
    names = file_names(pair)
    python, shell = st.tabs(["Python", "Command line"])
    if recipe.pairing == "id":
        st.caption("Ids are read from the files, or from NAME.ids.txt beside them.")
    try:
        python.code(
            recipe.python_lines(names[0], names[1], name), language="python", wrap_lines=True
        )
        shell.code(recipe.cli_lines(names[0], names[1], name), language="bash", wrap_lines=True)
    except FormatError as error:
        st.caption(plain(str(error)))
