"""Models of sentence-transformers: texts, and images where the model has them."""

from __future__ import annotations

import json
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from anisoalign_core.encode.devices import check_computing, inference
from anisoalign_core.encode.encoder import Encoder, Tower, as_it_is
from anisoalign_core.encode.hub import ModelFolder, model_folder
from anisoalign_core.encode.registry import count_parameters
from anisoalign_core.encode.tokenizers import Tokens, Verbatim
from anisoalign_core.encode.transformers_model import (
    checked_config,
    logits_of,
    preparing,
    understood,
)
from anisoalign_core.errors import FormatError
from anisoalign_core.files.source import malformed, printable, readable

if TYPE_CHECKING:
    from PIL.Image import Image

MODULES = ("Transformer", "CLIPModel", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout")
"""What a model may be made of; others read files of kinds of their own."""
AROUND = MODULES[:2]
"""Those that a model of transformers is in."""
Found = TypeVar("Found", list[Any], dict[str, Any])


def load(
    name: str | None,
    revision: str | None,
    *,
    checkpoint: Path | None,
    device: str,
    precision: str,
    texts: bool,
) -> Encoder:
    """Load a model of sentence-transformers; see :func:`~anisoalign_core.encode.load_encoder`."""
    import torch
    from sentence_transformers import SentenceTransformer

    folder = model_folder(name, revision, checkpoint, strict=True)
    _check_modules(folder)
    check_computing(device, precision)
    with torch.random.fork_rng(devices=[]), understood(folder, "sentence-transformers"):
        model = SentenceTransformer(
            str(folder.path),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"weights_only": True, "dtype": torch.float32},
        )
        model.eval().requires_grad_(False)

    def tower(batch: Any) -> Any:
        given = batch.ids if isinstance(batch, Tokens) else batch
        with inference(device, precision), understood(folder, "sentence-transformers"):
            return model.encode(given, batch_size=len(given), show_progress_bar=False)

    sees, reads = model.supports("image"), texts and model.supports("text")
    towers: dict[str, Tower] = {"image": tower} if sees else {}
    towers |= {"caption": tower} if reads else {}
    if not towers:
        raise FormatError(
            f"{folder.name} encodes {', '.join(map(str, model.modalities))}, which is not asked "
            "for. Choose a model of images, texts, or both."
        )
    scale, bias = logits_of(model)
    return Encoder(
        name=folder.name,
        dim=len(tower(["a"] if model.supports("text") else [_blank()])[0]),
        model=model,
        tokenizer=Verbatim() if reads else None,
        transform=as_it_is if sees else None,
        device=device,
        precision=precision,
        towers=towers,
        logit_scale=scale,
        logit_bias=bias,
        about={
            "backend": "sentence-transformers",
            "architecture": " → ".join(type(module).__name__ for module in model),
            "weights": folder.about(),
            "parameters": count_parameters(model),
            "preprocess": preparing(getattr(model[0], "processor", None)),
            "versions": {
                one: version(one) for one in ("sentence-transformers", "transformers", "torch")
            },
        },
    )


def _blank() -> Image:
    from PIL import Image

    return Image.new("RGB", (64, 64))


def _check_modules(folder: ModelFolder) -> None:
    """Refuse what is no model of the library, or is made of parts that are not known here."""
    path = folder.path / "modules.json"
    if not path.is_file():
        raise FormatError(
            f"{folder.name} is no model of sentence-transformers: it has no modules.json. Choose "
            "one that has, or the backend transformers."
        )
    kinds: dict[Path, str] = {}
    for module in _json(path, list):
        kind = str(module.get("type")) if isinstance(module, dict) else ""
        package, _, last = kind.rpartition(".")
        if package.partition(".")[0] != "sentence_transformers" or last not in MODULES:
            raise FormatError(
                f"{folder.name} is made of {printable(kind, 80)} too, which is not loaded here. "
                f"Known are {', '.join(MODULES)}; choose a model of these."
            )
        place = (folder.path / str(module.get("path", ""))).resolve()
        if not place.is_relative_to(folder.path.resolve()):
            raise FormatError(f"modules.json of {folder.name} names a place outside its folder.")
        kinds[place] = last
    for place, last in kinds.items():
        config = place / "config.json"
        if last in AROUND and config.is_file():
            with understood(folder, "sentence-transformers"):
                checked_config(folder, place)
        elif config.is_file():
            sides = [one for one in _json(config, dict).values() if type(one) is int and one > 0]
            if prod(sides) > folder.size:
                raise FormatError(
                    f"{last} of {folder.name} is declared larger than the weights that are there, "
                    "which cannot be. Copy or download it again."
                )


def _json(path: Path, kind: type[Found]) -> Found:
    with readable(path.name), malformed(path.name, "JSON", ValueError, RecursionError):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, kind):
        raise FormatError(f"{path.name} holds no {kind.__name__}. Copy or download it again.")
    return found
