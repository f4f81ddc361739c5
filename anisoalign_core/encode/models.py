"""From a name, a tag or files to an encoder."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from anisoalign_core.encode.configs import ModelSpec, config_beside, read_config, registered
from anisoalign_core.encode.encoder import Encoder, check_device, check_precision
from anisoalign_core.encode.registry import (
    build,
    count_parameters,
    has_hub_tower,
    listed,
    need_open_clip,
    need_packages,
)
from anisoalign_core.encode.tokenizers import make_tokenizer
from anisoalign_core.encode.weights import fetch, load_weights, weights_file
from anisoalign_core.errors import FormatError, ParameterError
from anisoalign_core.files.digests import file_digest
from anisoalign_core.files.source import readable


def load_encoder(
    architecture: str | None = None,
    pretrained: str | None = None,
    *,
    checkpoint: str | Path | None = None,
    config: str | Path | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    texts: bool = True,
) -> Encoder:
    """Load a model that encodes images and captions.

    ===========================  =================================================================
    architecture, pretrained     of open_clip, with published weights: downloaded once, then kept
    architecture, checkpoint     of open_clip, with weights from a file; ``pretrained`` then only
                                 says how images are prepared
    checkpoint, config           a model that the configuration describes; without ``config`` the
                                 ``<stem>.json`` or ``open_clip_config.json`` beside the weights
    ===========================  =================================================================

    Weights are never random, and nothing in a file is executed.

    Parameters
    ----------
    architecture : str, optional
        One of :func:`available_models`.
    pretrained : str, optional
        A tag of that architecture.
    checkpoint : str or Path, optional
        ``.safetensors``, or ``.pt``, ``.pth``, ``.bin`` of plain tensors, or a folder of open_clip.
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
    import torch

    need_open_clip()
    from open_clip.transform import PreprocessCfg, image_transform_v2

    checkpoint = None if checkpoint is None else weights_file(Path(checkpoint))
    spec = _spec(architecture, pretrained, checkpoint, config)
    check_device(device)
    check_precision(precision, device)
    need_packages(spec.model, spec.name)
    if checkpoint is not None:
        path, name = Path(checkpoint), f"{spec.name} {Path(checkpoint).name}"
        name = path.name if path.stem == spec.name else name
        _check_size(spec, path, declared=architecture is None)
    else:
        path, name = fetch(spec.name, str(pretrained)), f"{spec.name} {pretrained}"
    tokenizer = None
    if texts:
        tokenizer = make_tokenizer(spec.model["text_cfg"], spec.vocabulary, spec.folder)
    with torch.random.fork_rng(devices=[]):  # the weights that torch draws are all written over
        model = build(spec.model, spec.name)
    under = load_weights(model, path, spec.name, resize=checkpoint is None)
    model = model.to(device).eval().requires_grad_(False)
    return Encoder(
        name=name,
        dim=spec.dim,
        model=model,
        tokenizer=tokenizer,
        transform=image_transform_v2(PreprocessCfg(**spec.preprocess), is_train=False),
        device=device,
        precision=precision,
        about={
            "architecture": spec.name,
            "weights": {
                "tag": pretrained if checkpoint is None else None,
                "file": path.name,
                "digest": file_digest(path),
                **({"under": under} if under else {}),
            },
            "parameters": count_parameters(model),
            "quick_gelu": bool(spec.model.get("quick_gelu", False)),
            "preprocess": {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in spec.preprocess.items()
            },
            "versions": {name: version(name) for name in ("open_clip_torch", "torch", "pillow")},
        },
    )


def _spec(
    architecture: str | None,
    pretrained: str | None,
    checkpoint: str | Path | None,
    config: str | Path | None,
) -> ModelSpec:
    """Find out which model is meant, or say what is missing."""
    if architecture is not None and config is not None:
        raise ParameterError(
            "Both an architecture and a configuration were given. Give one of them: the "
            "configuration says itself what the model is."
        )
    if architecture is not None:
        spec = registered(architecture, pretrained)
        if pretrained is None and checkpoint is None:
            tags = need_open_clip().list_pretrained_tags_by_model(architecture)
            choose = f"a tag with pretrained= (--pretrained: {listed(tags)}), or " if tags else ""
            raise ParameterError(
                f"Nothing says which weights {architecture} shall have. Give {choose}a file with "
                "checkpoint= (--checkpoint)."
            )
        return spec
    if pretrained is not None:
        raise ParameterError(
            f'"{pretrained}" names weights of an architecture: say of which (--model).'
        )
    if checkpoint is None:
        raise ParameterError(
            "Nothing says which model is meant. Give an architecture (--model) with a tag "
            "(--pretrained), or a checkpoint (--checkpoint) with its configuration beside it."
        )
    path = Path(checkpoint)
    if config is None and not path.is_file():
        raise FormatError(f"There is no file {path.name} to take weights from. Check the path.")
    return read_config(config_beside(path) if config is None else Path(config))


def _check_size(spec: ModelSpec, path: Path, *, declared: bool) -> None:
    """Refuse what a strange configuration declares, before it is built and may be huge."""
    with readable(path.name):
        held = path.stat().st_size
    if declared and not has_hub_tower(spec.model):
        count = count_parameters(build(spec.model, spec.name, "meta"))
        if count > held:
            raise FormatError(
                f"{spec.name} declares {count:,} parameters, and {path.name} has {held:,} bytes, "
                "so these cannot be its weights. Give the configuration that belongs to them."
            )
