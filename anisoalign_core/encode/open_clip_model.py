"""From a name, a tag or files of open_clip to an encoder."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from anisoalign_core.encode.configs import ModelSpec, config_beside, read_config, registered
from anisoalign_core.encode.devices import check_computing, inference, plain
from anisoalign_core.encode.encoder import Encoder, Tower
from anisoalign_core.encode.registry import (
    build,
    count_parameters,
    has_hub_tower,
    listed,
    need_open_clip,
    need_packages,
)
from anisoalign_core.encode.tokenizers import Tokens, make_tokenizer
from anisoalign_core.encode.weights import fetch, load_weights, weights_file
from anisoalign_core.errors import FormatError, ParameterError
from anisoalign_core.files.digests import file_digest
from anisoalign_core.files.source import readable


def load(
    architecture: str | None,
    pretrained: str | None,
    *,
    checkpoint: Path | None,
    config: Path | None,
    device: str,
    precision: str,
    texts: bool,
) -> Encoder:
    """Load a model of open_clip; see :func:`~anisoalign_core.encode.load_encoder`."""
    import torch

    need_open_clip()
    from open_clip.transform import PreprocessCfg, image_transform_v2

    checkpoint = None if checkpoint is None else weights_file(checkpoint)
    spec = _spec(architecture, pretrained, checkpoint, config)
    check_computing(device, precision)
    need_packages(spec.model, spec.name)
    if checkpoint is not None:
        path, name = checkpoint, f"{spec.name} {checkpoint.name}"
        name = path.name if path.stem == spec.name else name
        _check_size(spec, path, declared=architecture is None)
    else:
        path, name = fetch(spec.name, str(pretrained)), f"{spec.name} {pretrained}"
    tokenizer = None
    if texts:
        tokenizer = make_tokenizer(spec.model["text_cfg"], spec.vocabulary, spec.folder)
    with torch.random.fork_rng(devices=[]):  # the weights that torch draws are all written over
        model = build(spec.model, spec.name)
    found = load_weights(model, path, spec.name, resize=checkpoint is None)
    model = model.to(device).eval().requires_grad_(False)
    return Encoder(
        name=name,
        dim=spec.dim,
        model=model,
        tokenizer=tokenizer,
        transform=image_transform_v2(PreprocessCfg(**spec.preprocess), is_train=False),
        device=device,
        precision=precision,
        towers=_towers(model, device, precision, texts),
        logit_scale=found.logit_scale,
        logit_bias=found.logit_bias,
        side_by_side=device == "cpu",
        about={
            "backend": "open_clip",
            "architecture": spec.name,
            "weights": {
                "tag": pretrained if checkpoint is None else None,
                "file": path.name,
                "digest": file_digest(path),
                **({"under": found.under} if found.under else {}),
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


def _towers(model: Any, device: str, precision: str, texts: bool) -> dict[str, Tower]:
    import torch

    def image(pixels: Any) -> Any:
        with inference(device, precision):
            return plain(model.encode_image(torch.stack(pixels).to(device)))

    def caption(tokens: Tokens) -> Any:
        with inference(device, precision):
            return plain(model.encode_text(torch.from_numpy(tokens.ids).to(device)))

    return {"image": image, "caption": caption} if texts else {"image": image}


def _spec(
    architecture: str | None,
    pretrained: str | None,
    checkpoint: Path | None,
    config: Path | None,
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
    if config is None and not checkpoint.is_file():
        raise FormatError(
            f"There is no file {checkpoint.name} to take weights from. Check the path."
        )
    return read_config(config_beside(checkpoint) if config is None else config)


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
