"""Models of the Hugging Face libraries, of a few thousand random weights, with their tokenizers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

WORDS = ["a", "blue", "red", "ring", "square", "small"]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
NAMES = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), SPECIAL, strict=True))
LENGTH = 8


def tokenizer(*, length: int = LENGTH) -> Any:
    """Return whole words between a start and an end, cut after ``length`` numbers."""
    tokenizers = pytest.importorskip("tokenizers", reason="the package tokenizers is missing")
    from transformers import PreTrainedTokenizerFast

    known = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(known, **{"unk_token": SPECIAL[3]}))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=length,
        **NAMES,
        model_input_names=["input_ids", "attention_mask"],
    )


TOWER = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
VISION = {**TOWER, "num_attention_heads": 2, "image_size": 32, "patch_size": 16}
TEXT = {
    **TOWER,
    "num_attention_heads": 2,
    "vocab_size": len(SPECIAL) + len(WORDS),
    "max_position_embeddings": LENGTH,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def clip(folder: Path) -> Path:
    """Write a CLIP."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=12)).eval()
    model.save_pretrained(folder)
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(pictures, tokenizer()).save_pretrained(folder)
    return folder


def siglip(folder: Path) -> Path:
    """Write a SigLIP, whose logits have a bias."""
    import torch
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    torch.manual_seed(1)
    model = SiglipModel(SiglipConfig(vision_config=VISION, text_config=TEXT)).eval()
    with torch.no_grad():
        model.logit_scale.fill_(2.0)
        model.logit_bias.fill_(-7.5)
    model.save_pretrained(folder)
    pictures = SiglipImageProcessor(size={"height": 32, "width": 32})
    SiglipProcessor(pictures, tokenizer()).save_pretrained(folder)
    return folder


def clap(folder: Path, *, fusion: bool = False) -> Path:
    """Write a CLAP that hears 8,000 samples a second, a second at most."""
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor

    torch.manual_seed(2)
    audio = {
        "window_size": 4,
        "num_mel_bins": 16,
        "spec_size": 64,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "hidden_size": 16,
        "projection_dim": 12,
        "enable_fusion": fusion,
    }
    text = TEXT | {"max_position_embeddings": LENGTH + 2, "projection_dim": 12}
    model = ClapModel(ClapConfig(audio_config=audio, text_config=text, projection_dim=12)).eval()
    model.save_pretrained(folder)
    sounds = ClapFeatureExtractor(
        feature_size=16, sampling_rate=8_000, hop_length=100, max_length_s=1, fft_window_size=256,
        frequency_min=0, frequency_max=4000, padding="repeatpad",
        truncation="fusion" if fusion else "rand_trunc",
    )  # fmt: skip
    ClapProcessor(sounds, tokenizer()).save_pretrained(folder)
    return folder


def sentences(folder: Path) -> Path:
    """Write a model of sentence-transformers around a CLIP."""
    clip(folder)
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {
                    "idx": 0,
                    "name": "0",
                    "path": "",
                    "type": "sentence_transformers.models.CLIPModel",
                }
            ]
        )
    )
    return folder
