"""Which libraries' models can be loaded, each declared once; and the one way to load any."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from anisoalign_core.encode.encoder import Encoder
from anisoalign_core.errors import ParameterError
from anisoalign_core.extras import missing, need
from anisoalign_core.files.source import printable


@dataclass(frozen=True)
class Backend:
    """A library whose models can be loaded.

    Attributes
    ----------
    name : str
        On the command line and in ``load_encoder``.
    label : str
        On the screen.
    model, weights : str
        What ``architecture`` and ``pretrained`` are there, in a few words.
    summary : str
        One sentence of what it takes.
    packages : tuple of str
        What must be installed, by the names that are imported.
    extra : str
        The extra that installs them.
    room : str
        The module whose ``load`` loads one.
    takes : tuple of str
        Of ``pretrained``, ``checkpoint``, ``config`` and ``computing`` (device and precision).
    hub : bool
        Whether its models lie on the Hugging Face hub: the app asks for their names, or folders.
    runs_code : bool
        Whether a model is somebody's code: the app offers none of these.
    """

    name: str
    label: str
    model: str
    weights: str
    summary: str
    packages: tuple[str, ...]
    extra: str
    room: str
    takes: tuple[str, ...] = ("pretrained", "checkpoint", "computing")
    hub: bool = False
    runs_code: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that it needs and that are not installed."""
        return missing(*self.packages)

    def need(self) -> None:
        """Say how to install it, if it is not.

        Raises
        ------
        AnisoAlignError
        """
        need(f"The backend {self.name}", self.extra, *self.packages)


BACKENDS: dict[str, Backend] = {
    one.name: one
    for one in (
        Backend(
            name="open_clip",
            label="open_clip",
            model="an architecture",
            weights="a tag of its published weights",
            summary="An architecture with a tag, or a checkpoint with its configuration.",
            packages=("open_clip",),
            extra="encode",
            room="open_clip_model",
            takes=("pretrained", "checkpoint", "config", "computing"),
        ),
        Backend(
            name="transformers",
            label="transformers",
            model="OWNER/NAME on the Hugging Face hub",
            weights="a branch, tag or commit",
            summary="CLIP, SigLIP, CLAP and models like them, by their name on the Hugging Face "
            "hub or from a folder that save_pretrained wrote.",
            packages=("torch", "transformers"),
            extra="transformers",
            room="transformers_model",
            hub=True,
        ),
        Backend(
            name="sentence-transformers",
            label="sentence-transformers",
            model="OWNER/NAME on the Hugging Face hub",
            weights="a branch, tag or commit",
            summary="Models of texts, and of images and texts such as clip-ViT-B-32, by their name "
            "on the Hugging Face hub or from a folder.",
            packages=("torch", "sentence_transformers"),
            extra="sentence-transformers",
            room="sentence_model",
            hub=True,
        ),
        Backend(
            name="python",
            label="Python code",
            model="package.module:name or file.py:name",
            weights="",
            summary="An encoder of your own, or a function without parameters that makes one. Its "
            "code is run.",
            packages=(),
            extra="",
            room="callables",
            takes=(),
            runs_code=True,
        ),
    )
}
"""Where encoders come from, by name."""


def load_encoder(
    architecture: str | None = None,
    pretrained: str | None = None,
    *,
    backend: str = "open_clip",
    checkpoint: str | Path | None = None,
    config: str | Path | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    texts: bool = True,
) -> Encoder:
    """Load a model that encodes images and captions.

    =====================  ===========================  =======================================
    backend                given                        what is meant
    =====================  ===========================  =======================================
    open_clip              architecture, pretrained     published weights: downloaded once
    open_clip              architecture, checkpoint     weights from a file; ``pretrained`` then
                                                        only says how images are prepared
    open_clip              checkpoint, config           what the configuration describes; without
                                                        ``config`` the ``<stem>.json`` or
                                                        ``open_clip_config.json`` beside
    transformers,          architecture, pretrained     OWNER/NAME on the Hugging Face hub, and a
    sentence-transformers                               branch, tag or commit if not the newest
    the same               checkpoint                   a folder that ``save_pretrained`` or
                                                        ``save`` wrote
    python                 architecture                 ``package.module:name``, ``file.py:name``
    =====================  ===========================  =======================================

    Weights are never random, and nothing in a file is executed, except by ``python``, which is
    there to run code.

    Parameters
    ----------
    architecture : str, optional
        Of open_clip one of :func:`available_models`; else as above.
    pretrained : str, optional
    backend : str, default "open_clip"
        One of :data:`BACKENDS`.
    checkpoint : str or Path, optional
        ``.safetensors``, or ``.pt``, ``.pth``, ``.bin`` of plain tensors, or a folder.
    config : str or Path, optional
        JSON; see :func:`anisoalign_core.encode.configs.read_config` for the three kinds.
    device : str, default "cpu"
        ``cpu``, ``cuda``, ``cuda:1``, … or ``mps``.
    precision : {"fp32", "fp16", "bf16"}
        Of the products inside the model.
    texts : bool
        Whether captions will be encoded: images alone need no tokenizer.

    Returns
    -------
    Encoder

    Raises
    ------
    ParameterError
        If a name or tag is unknown (with those that are known), what was given does not say which
        weights are meant, or device or precision are not to be had here.
    FormatError
        If a file cannot be read, or the weights do not fit the model.
    AnisoAlignError
        If a package is missing or published weights cannot be reached.
    """
    chosen = BACKENDS.get(backend)
    if chosen is None:
        raise ParameterError(
            f'backend is "{printable(str(backend), 40)}"; choose {", ".join(BACKENDS)}.'
        )
    chosen.need()
    files = {"checkpoint": checkpoint, "config": config}
    own = {"pretrained": pretrained, **files}
    if (device, precision) != ("cpu", "fp32"):
        own["computing"] = f"{device}, {precision}"
    for option, value in own.items():
        if value is not None and option not in chosen.takes:
            words = "device and precision" if option == "computing" else option
            raise ParameterError(f"The backend {chosen.name} takes no {words}. Leave it out.")
    paths = {key: None if value is None else Path(value) for key, value in files.items()}
    options: dict[str, Any] = {key: path for key, path in paths.items() if key in chosen.takes}
    if "computing" in chosen.takes:
        options |= {"device": device, "precision": precision, "texts": texts}
    given = (architecture, pretrained) if "pretrained" in chosen.takes else (architecture,)
    found: Encoder = import_module(f"anisoalign_core.encode.{chosen.room}").load(*given, **options)
    return found
