"""The Encode page's inputs: pictures with captions, and the model they go through."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.encode import (
    BACKENDS,
    Backend,
    Inputs,
    Item,
    available_models,
    find_items,
    load_encoder,
)
from anisoalign_core.encode.hub import hub_bytes
from anisoalign_core.encode.images import SUFFIXES
from anisoalign_core.files.source import Source
from anisoalign_core.numerics import Progress
from app.loading import data_root, size_below, within
from app.session import ask_for_room, sample_pair
from app.widgets.common import lacks, plain
from app.widgets.progress import cancellable
from app.widgets.prompts import sample_encoder

if TYPE_CHECKING:
    from PIL.Image import Image

    from anisoalign_core.encode import Encoder

SCENES = (100, 300, 1000)
SAMPLE = "the sample's encoder"
NAMED = "open_clip, by name"
FILE = "a checkpoint file"


@dataclass(frozen=True)
class Asked:
    """Pictures and captions that are to be encoded, and what tells them from others."""

    key: tuple[object, ...]
    title: str
    inputs: Inputs


def choose_inputs() -> Asked | None:
    """Ask for pictures and captions; None while there are none."""
    ways = ["Upload", "Scenes of the sample"] + (["Server folder"] if data_root() else [])
    way = st.segmented_control(
        "Pictures and captions",
        ways,
        default="Upload",
        required=True,
        key="encode_way",
        bind="query-params",
    )
    if way == "Upload":
        return _uploaded()
    return _scenes() if way == "Scenes of the sample" else _on_server()


def _uploaded() -> Asked | None:
    left, right = st.columns(2)
    pictures = left.file_uploader(
        "Pictures: files, or a zip",
        type=[*(suffix.lstrip(".") for suffix in SUFFIXES), "zip", "txt"],
        accept_multiple_files=True,
        key="encode_pictures",
        help="A zip may have folders. Captions can lie beside the pictures in it, as cat.txt for "
        "cat.jpg, the way img2dataset writes them.",
    )
    words = right.file_uploader(
        "Captions (optional)",
        type=["csv", "tsv", "txt", "json", "jsonl", "token"],
        key="encode_captions",
        help="A table or JSON with a name of a file and a caption, any number for a picture, "
        "COCO's annotations, lines name#k and caption, or one caption a line in the order of the "
        "pictures' names.",
    )
    if not pictures and words is None:
        st.caption("Choose pictures, captions, or both, to go on.")
        return None
    named = [*pictures, *([words] if words is not None else [])]
    key = ("upload", *((one.name, one.size, one.file_id) for one in named))
    return _found(
        key,
        ", ".join(one.name for one in named[:2]) + (", …" if len(named) > 2 else ""),
        lambda: find_items(
            [Source(one.name, data=one.getvalue()) for one in pictures] or None,
            None if words is None else Source(words.name, data=words.getvalue()),
        ),
    )


def _scenes() -> Asked:
    count = st.segmented_control(
        "How many",
        SCENES,
        default=SCENES[1],
        required=True,
        key="encode_scenes",
        bind="query-params",
    )
    images = sample_pair("scenes").target

    items = tuple(_scene(images, row) for row in range(count))
    return Asked(("scenes", count), f"{count:,} scenes", Inputs(items, ("scenes",)))


def _scene(images: EmbeddingSet, row: int) -> Item:
    assert images.thumbnails is not None and images.captions is not None
    picture = images.thumbnails[row]

    def opened() -> Image:
        from PIL import Image

        return Image.fromarray(picture)

    return Item(str(images.ids[row]), str(images.captions[row]), opened)


def _on_server() -> Asked | None:
    root = data_root()
    assert root is not None
    left, right = st.columns(2)
    pictures = left.text_input("Folder or zip, below the server's folder", key="encode_folder")
    words = right.text_input("Captions (optional)", key="encode_lines")
    if not pictures.strip():
        st.caption("Name a folder to go on.")
        return None
    path = within(root, pictures.strip())
    table = within(root, words.strip()) if words.strip() else None
    return _found(
        ("server", str(path), str(table)), pictures.strip(), lambda: find_items(path, table)
    )


def _found(key: tuple[object, ...], title: str, find: Any) -> Asked:
    """Look once through what was given; it is looked at again only when it changes."""
    kept: Asked | None = st.session_state.get("encode_found")
    if kept is None or kept.key != key:
        with st.spinner("Looking for pictures …"):
            kept = Asked(key, title, find())
        st.session_state["encode_found"] = kept
    return kept


def show_inputs(asked: Asked) -> None:
    """Say what was found, and what does not fit together."""
    items = asked.inputs.items
    both = sum(item.open is not None and bool(item.caption) for item in items)
    st.markdown(f"**{asked.inputs.in_words}; {both:,} images have captions**")
    if asked.inputs.captions_each[1] > 1:
        st.caption("Every caption gives a row; the rows of one image count as one thing.")
    for words in asked.inputs.problems:
        st.caption(plain(words))
    with st.expander("First captions"):
        first = [(item.id, item.caption or "") for item in items[:8]]
        st.dataframe(pd.DataFrame(first, columns=["id", "caption"]), hide_index=True)


@dataclass(frozen=True)
class Model:
    """The model that was chosen, and how to load it."""

    key: tuple[object, ...]
    load: Any


def choose_model() -> Model | None:
    """Ask for a model, precision and device; None while it is not said which."""
    backends = offered_backends()
    way = st.segmented_control(
        "Model",
        [SAMPLE, NAMED, FILE, *backends],
        default=SAMPLE,
        required=True,
        key="encode_model",
        bind="query-params",
    )
    if way not in backends and lacks("This model", "encode", *BACKENDS["open_clip"].packages):
        return None
    if way == SAMPLE:
        st.caption(
            "The small CLIP that made the bundled sample: 32 × 32 pixels, 128 dimensions, and the "
            "words of the sample's captions."
        )
        return Model(("sample",), sample_encoder)
    if way in backends:
        chosen = _of_backend(backends[way])
    else:
        chosen = _named() if way == NAMED else _from_file()
    if chosen is None:
        return None
    key, options, uploads = chosen
    row = st.container(horizontal=True)
    precision = row.segmented_control(
        "Precision",
        ["fp32", "fp16", "bf16"],
        default="fp32",
        required=True,
        key="encode_precision",
        bind="query-params",
    )
    device = row.segmented_control(
        "Device", _devices(), default="cpu", required=True, key="encode_device", bind="query-params"
    )
    return Model(
        (*key, precision, device),
        lambda: _load(options | {"precision": precision, "device": device}, uploads),
    )


def offered_backends() -> dict[str, Backend]:
    """Return, by their labels, the backends that are installed and run nobody's code.

    open_clip has forms of its own.
    """
    hub = [one for one in BACKENDS.values() if one.hub and not one.runs_code]
    return {f"{one.label}, by name": one for one in hub if not one.missing}


def _devices() -> list[str]:
    import torch

    found = ["cpu"]
    found += ["cuda"] if torch.cuda.is_available() else []
    found += ["mps"] if torch.backends.mps.is_available() else []
    return found


Chosen = tuple[tuple[object, ...], dict[str, Any], dict[str, tuple[str, bytes]]]


def _named() -> Chosen | None:
    with st.spinner("Asking open_clip for its models …"):
        models = {model.name: model for model in available_models()}
    left, right = st.columns(2)
    name = left.selectbox(
        "Architecture", list(models), index=None, key="encode_architecture", bind="query-params"
    )
    with st.expander(f"All {len(models)} architectures"):
        _table(list(models.values()))
    if name is None:
        st.caption("Choose an architecture to go on; weights are downloaded once and kept.")
        return None
    model = models[name]
    size = " × ".join(map(str, model.image_size))
    count = "unknown" if model.parameters is None else f"{model.parameters / 1e6:,.1f} million"
    words = f"{model.dim:,} dimensions, {size} pixels, {count} parameters"
    st.caption(words + (f"; {plain(model.note)}" if model.note else "") + ".")
    tag = right.selectbox(
        "Weights", list(model.tags), index=None, key="encode_tag", bind="query-params"
    )
    if tag is None:
        st.caption("Choose weights to go on." if model.tags else "No weights were published.")
        return None
    return (name, tag), {"architecture": name, "pretrained": tag}, {}


def _table(models: Sequence[Any]) -> None:
    counts: dict[str, int | None] = st.session_state.get("encode_counts", {})
    rows = [
        {
            "architecture": model.name,
            "dimensions": model.dim,
            "pixels": " × ".join(map(str, model.image_size)),
            "parameters (million)": _millions(counts.get(model.name)),
            "published weights": ", ".join(model.tags),
            "note": model.note,
        }
        for model in models
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height=320)
    asked = st.session_state.get("encode_counting", False)
    if not counts and (asked or st.button("Count their parameters (a minute)")):
        st.session_state["encode_counting"] = True
        st.session_state["encode_counts"] = cancellable(
            "encode_counts", "Counting", lambda tell: _counted(models, tell), long=True
        )
        st.session_state["encode_counting"] = False
        st.rerun()


def _counted(models: Sequence[Any], tell: Progress) -> dict[str, int | None]:
    found = {}
    for number, model in enumerate(models, start=1):
        found[model.name] = model.parameters
        tell(number / len(models), f"{number} of {len(models)} architectures")
    return found


def _millions(count: int | None) -> float | None:
    return None if count is None else round(count / 1e6, 1)


def _from_file() -> Chosen | None:
    left, right = st.columns(2)
    weights = left.file_uploader(
        "Checkpoint (.safetensors)", type=["safetensors"], key="encode_checkpoint"
    )
    config = right.file_uploader(
        "Configuration (.json)",
        type=["json"],
        key="encode_config",
        help="open_clip_config.json as the hub has it, a model configuration of open_clip, or the "
        "file that make_samples.py writes beside its weights.",
    )
    root = data_root()
    if root is not None and weights is None:
        named = st.text_input(
            "or a checkpoint below the server's folder",
            key="encode_weights",
            bind="query-params",
        )
        if named.strip():
            path = within(root, named.strip())
            return ("file", str(path)), {"checkpoint": path}, {}
    if weights is None or config is None:
        st.caption("Choose both files to go on. Nothing in them is executed.")
        return None
    uploads = {
        "checkpoint": ("weights.safetensors", weights.getvalue()),
        "config": ("config.json", config.getvalue()),
    }
    return ("upload", weights.file_id, config.file_id), {}, uploads


def _of_backend(backend: Backend) -> Chosen | None:
    st.caption(f"{backend.summary} Weights are downloaded once and kept; nothing in them is run.")
    left, right = st.columns(2)
    name = left.text_input(
        "Name on the Hugging Face hub",
        key=f"encode_name_{backend.name}",
        placeholder="OWNER/NAME",
        bind="query-params",
    ).strip()
    revision = right.text_input(
        "Revision (optional)",
        key=f"encode_revision_{backend.name}",
        placeholder=backend.weights,
        bind="query-params",
    ).strip()
    root = data_root()
    folder = ""
    if root is not None and not name:
        folder = st.text_input(
            "or a folder below the server's folder",
            key=f"encode_folder_{backend.name}",
            bind="query-params",
        ).strip()
    options: dict[str, Any] = {"backend": backend.name}
    if name:
        options |= {"architecture": name, "pretrained": revision or None}
        return (backend.name, name, revision), options, {}
    if folder and root is not None:
        path = within(root, folder)
        return (backend.name, str(path)), options | {"checkpoint": path}, {}
    st.caption("Name a model, or a folder, to go on." if root else "Name a model to go on.")
    return None


def _ask_for_room(options: dict[str, Any]) -> None:
    """Refuse a model of a hub's backend that is too large, before it is downloaded or read."""
    if BACKENDS[options.get("backend", "open_clip")].hub:
        path, name = options.get("checkpoint"), options.get("architecture")
        if path is not None:
            ask_for_room(size_below(path), path.name)
        elif name is not None:
            ask_for_room(hub_bytes(name, options["pretrained"]), name)


def _load(options: dict[str, Any], uploads: dict[str, tuple[str, bytes]]) -> Encoder:
    _ask_for_room(options)
    with tempfile.TemporaryDirectory() as folder:
        for option, (name, data) in uploads.items():
            path = Path(folder) / name
            path.write_bytes(data)
            options = options | {option: path}
        return load_encoder(**options)
