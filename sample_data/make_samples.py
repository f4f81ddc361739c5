"""Make the bundled sample: a small contrastive dual encoder, trained here, and its embeddings.

Scenes are drawn (one shape on a backdrop), described in words that often leave something out, and
a small open_clip ``CLIP`` learns to match the two with its logit scale frozen at 100. Written are
the embeddings of pairs it never saw, with captions, labels and thumbnails, and the embeddings of
the same pairs before training as a negative control. The five labels of a held-out scene never
occur together in the training set.

    python sample_data/make_samples.py --out sample_data --steps 850 --seed 0

A second and a third caption for some of the scenes are encoded by the encoder that was kept:

    python sample_data/make_samples.py --more-captions

torch and open_clip are imported only where the model is needed, so that drawing and describing
scenes works without them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import platform
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    import torch
    from open_clip.model import CLIP

SIDE = 32
SHEET_COLUMNS = 80
SUPERSAMPLING = 8
SCALE_OF_LOGITS = 100.0
RECALL_ROWS = 2000
MORE_SCENES, MORE_EACH = 1000, 2
# Few tones and few shifts of the scenery: the eye does not miss the rest, and the sheet of
# thumbnails, which has to be lossless, takes half the room.
TONE = 7
DRIFTS = 4

# Each value of an attribute, with the words that captions use for it. No word serves two values
# of the same attribute, and no backdrop is named by a colour: a caption can then be checked
# against the labels word by word.
SHAPES = {
    "circle": ("circle", "circle", "disc"),
    "square": ("square", "square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "heart": ("heart",),
    "crescent": ("crescent", "moon"),
    "ring": ("ring", "ring", "hoop"),
    "cross": ("cross", "cross", "plus sign"),
}
COLOURS = {
    "red": ("red", "red", "red", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow", "yellow", "golden"),
    "green": ("green", "green", "green", "emerald"),
    "blue": ("blue", "blue", "blue", "cobalt"),
    "purple": ("purple", "purple", "violet"),
    "pink": ("pink", "pink", "rosy"),
    "white": ("white", "white", "ivory"),
    "brown": ("brown", "brown", "chestnut"),
}
SIZES = {
    "small": ("small", "small", "tiny", "little"),
    "medium": ("medium-sized", "mid-sized", "middling"),
    "large": ("large", "large", "big", "huge"),
}
POSITIONS = {
    "top left": ("in the top left corner", "at the upper left", "up in the left corner"),
    "top": ("at the top", "along the upper edge", "at the top, halfway across"),
    "top right": ("in the top right corner", "at the upper right", "up in the right corner"),
    "left": ("on the left", "at the left edge", "halfway down on the left"),
    "centre": ("in the centre", "in the middle of the picture", "at the very centre"),
    "right": ("on the right", "at the right edge", "halfway down on the right"),
    "bottom left": ("in the bottom left corner", "at the lower left", "low down on the left"),
    "bottom": ("at the bottom", "along the lower edge", "at the bottom, halfway across"),
    "bottom right": ("in the bottom right corner", "at the lower right", "low down on the right"),
}
# Half of a position: true of the scene, but less than the label says.
REGIONS = {
    "top": ("somewhere in the upper part", "high up"),
    "bottom": ("somewhere in the lower part", "down low"),
    "left": ("towards the left", "off to the left"),
    "right": ("towards the right", "off to the right"),
    "centre": ("around the middle", "roughly centred"),
}
BACKGROUNDS = {
    "sky": ("against the clouds", "in the daytime sky", "on a fair day"),
    "night": ("at night", "under a midnight sky", "after dark"),
    "sunset": ("at sunset", "at dusk", "in the evening glow"),
    "meadow": ("on the grass", "in a meadow", "on a lawn"),
    "sand": ("on the sand", "on a beach", "in the desert"),
    "sea": ("on the water", "at sea", "among the waves"),
}
ATTRIBUTES = {
    "shape": SHAPES,
    "colour": COLOURS,
    "size": SIZES,
    "position": POSITIONS,
    "background": BACKGROUNDS,
}

# Grouped by how much they tell; the groups' weights are in TEMPLATE_WEIGHTS.
TEMPLATES = (
    (  # all five attributes
        "a {size} {colour} {shape} {position} {background}",
        "{background} there is a {size} {colour} {shape}, and it sits {position}",
        "this picture shows a {size} {colour} {shape} {background}, placed {position}",
        "{position}, {background}: a {colour} {shape}, {size}",
        "look {position} and you will find a {shape}, {size} and {colour}, {background}",
        "somebody drew a {size} {shape} {background}, painted it {colour} and put it {position}",
        "the {shape} is {colour}, it is {size}, it was found {background}, "
        "and we see it {position}",
    ),
    (  # one left out, or a position told by half
        "a {size} {colour} {shape} {position}",
        "a {colour} {shape} {position} {background}",
        "{background}, a {size} {colour} {shape}",
        "a {size} {shape} {position} {background}",
        "something {size} and {colour} {position}, {background}",
        "a {size} {colour} {shape} {region}, {background}",
        "{background} I can see a {colour} {shape} {position}",
        "one {size} {colour} {shape}, drawn {position}",
        "a {shape} that is both {size} and {colour}, seen {background}",
        "a {size} {colour} figure {background}, {position}",
        "my {colour} {shape} ended up {position} {background}",
        "here the {shape} looks {size} and {colour}, and it hangs {region} {background}",
        "there is only a {size} {shape} {background}, {position}",
    ),
    (  # two left out
        "a {colour} {shape} {background}",
        "a {colour} {shape} {position}",
        "a {size} {colour} {shape}",
        "a {shape} {position} {background}",
        "{background}, something {colour} {position}",
        "a {size} {shape} {position}",
        "the {colour} one, {position}, {background}",
        "picture of a {size} {shape} {background}",
        "a {colour} {shape} {region}, {background}",
        "could that be a {colour} {shape} {background}?",
        "a plain {shape} {position}, nothing else, {background}",
        "{region} there is a {size} {colour} {shape}",
        "it is {size}, it is {colour} and it is {position}",
    ),
    (  # little is told
        "a {colour} {shape}",
        "a {shape} {background}",
        "a {shape} {region}",
        "something {colour} {background}",
        "just a {size} {shape}",
        "a view {background} with a {shape}",
        "what a lovely {colour} {shape}",
        "something {size} {position}",
    ),
)
TEMPLATE_WEIGHTS = (0.34, 0.36, 0.22, 0.08)

PAINT = {
    "red": (216, 38, 44),
    "orange": (247, 133, 26),
    "yellow": (252, 218, 48),
    "green": (38, 158, 66),
    "blue": (38, 84, 214),
    "purple": (132, 54, 178),
    "pink": (247, 132, 186),
    "white": (248, 248, 246),
    "brown": (132, 78, 40),
}
RIM = (34, 28, 44)
RADII = {"small": 4.6, "medium": 6.8, "large": 9.0}
COLUMNS = {"left": 9.0, "right": 23.0}
ROWS = {"top": 9.0, "bottom": 23.0}


@dataclass(frozen=True)
class Settings:
    """Everything the result depends on, apart from the versions of the libraries."""

    seed: int = 0
    train_scenes: int = 14_000
    held_out_scenes: int = 4_000
    steps: int = 850
    batch_size: int = 160
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup_steps: int = 50
    embed_dim: int = 128
    width: int = 96
    heads: int = 3
    patch_size: int = 8
    image_layers: int = 3
    text_layers: int = 2
    context_length: int = 28
    threads: int = 2


@dataclass(frozen=True)
class Scene:
    """One picture: five labels that captions may mention, and jitter that they never do."""

    shape: str
    colour: str
    size: str
    position: str
    background: str
    offset: tuple[float, float] = (0.0, 0.0)
    rotation: float = 0.0
    stretch: float = 1.0
    shade: float = 1.0
    drift: float = 0.0

    def labels(self) -> dict[str, str]:
        """Return the five attribute labels by name."""
        return {name: getattr(self, name) for name in ATTRIBUTES}


# --- drawing -------------------------------------------------------------------------------


def _arc(radius: float, start: float, stop: float, count: int = 48) -> NDArray[np.float64]:
    angle = np.linspace(start, stop, count)
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def _moved(points: NDArray[np.float64], right: float, down: float) -> NDArray[np.float64]:
    return points + np.array([right, down])


def _spokes(radii: Sequence[float], first: float = -math.pi / 2) -> NDArray[np.float64]:
    angle = first + 2 * math.pi * np.arange(len(radii)) / len(radii)
    return np.asarray(radii)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])


def _heart() -> NDArray[np.float64]:
    t = np.linspace(0, 2 * math.pi, 64)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.column_stack([x, y - y.mean()]) / 16


def _crescent() -> NDArray[np.float64]:
    # The inner arc is a circle of radius .8 about (.5, 0); both arcs end where the circles meet.
    meet = math.acos((1 + 0.5**2 - 0.8**2) / (2 * 0.5))
    tip = np.array([math.cos(meet), math.sin(meet)])
    inner = math.atan2(tip[1], tip[0] - 0.5)
    outside = _arc(1.0, meet, 2 * math.pi - meet)
    inside = _moved(_arc(0.8, 2 * math.pi - inner, inner), 0.5, 0.0)
    return _moved(np.vstack([outside, inside]), 0.2, 0.0)


def _cross() -> NDArray[np.float64]:
    a, b = 0.34, 1.0
    quarter = np.array([(a, -b), (a, -a), (b, -a)])
    turn = np.array([(0.0, -1.0), (1.0, 0.0)])
    return np.vstack([quarter @ np.linalg.matrix_power(turn, k).T for k in range(4)])


# Outlines with y downwards in a disc of radius about one; a second outline is cut out.
OUTLINES: dict[str, tuple[NDArray[np.float64], ...]] = {
    "circle": (_arc(0.96, 0, 2 * math.pi),),
    "square": (_spokes([1.18] * 4, -math.pi / 4),),
    "triangle": (_moved(_spokes([1.2] * 3), 0.0, 0.18),),
    "star": (_spokes([1.2, 0.5] * 5),),
    "heart": (_heart(),),
    "crescent": (1.1 * _crescent(),),
    "ring": (_arc(1.05, 0, 2 * math.pi), _arc(0.52, 0, 2 * math.pi)),
    "cross": (_cross(),),
}


def _gradient(*stops: tuple[int, int, int]) -> NDArray[np.float64]:
    at = np.linspace(0, SIDE - 1, len(stops))
    column = np.column_stack(
        [np.interp(np.arange(SIDE), at, channel) for channel in zip(*stops, strict=True)]
    )
    return np.repeat(column[:, None, :], SIDE, axis=1)


def _backdrop(background: str, drift: float) -> NDArray[np.float64]:
    """Draw the scenery, shifted sideways by ``drift`` in [0, 1); shape (32, 32, 3)."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    turn = 2 * math.pi * drift
    if background == "sky":
        canvas = _gradient((96, 168, 236), (206, 232, 250))
        for along, height, wide in ((0.15, 6, 5.5), (0.65, 22, 7.0)):
            # Distance on a ring, so that a cloud which leaves on one side enters on the other.
            gap = (x - SIDE * (along + drift) + SIDE / 2) % SIDE - SIDE / 2
            puff = np.exp(-((gap / wide) ** 2) - ((y - height) / 2.4) ** 2)
            canvas += (255 - canvas) * 0.9 * puff[..., None]
        return canvas
    if background == "night":
        canvas = _gradient((48, 54, 122), (84, 78, 152))
        golden = (math.sqrt(5) - 1) / 2
        for k in range(12):
            column, row = int(SIDE * ((k * golden + drift) % 1)), (7 * k + 3) % SIDE
            canvas[row, column] = 170 + 70 * (k % 2)
        return canvas
    if background == "sunset":
        canvas = _gradient((104, 62, 132), (232, 106, 98), (253, 196, 112))
        return canvas + (8 * np.sin(y / 2.1 + turn))[..., None] * (1.0, 0.5, 0.2)
    if background == "meadow":
        blades = np.sin(2.1 * x + turn) * np.cos(0.9 * y + x / 3 + turn)
        return _gradient((148, 204, 98), (88, 158, 58)) + 8 * blades[..., None]
    if background == "sand":
        dunes = np.sin(y / 2.2 + 1.6 * np.sin(2 * math.pi * x / SIDE + turn))
        return _gradient((240, 220, 172), (222, 190, 130)) + 6 * dunes[..., None]
    if background == "sea":
        waves = np.maximum(np.sin(y * 1.25 + 1.2 * np.sin(4 * math.pi * x / SIDE + turn)), 0)
        return _gradient((62, 150, 180), (20, 92, 138)) + 22 * waves[..., None] ** 2
    raise ValueError(f"background is {background!r}; choose one of {sorted(BACKGROUNDS)}")


def _centre(scene: Scene) -> NDArray[np.float64]:
    words = scene.position.split()
    column = next((COLUMNS[word] for word in words if word in COLUMNS), SIDE / 2)
    row = next((ROWS[word] for word in words if word in ROWS), SIDE / 2)
    return np.array([column, row]) + scene.offset


def _masks(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how much of each pixel the shape covers, and how much its dark rim does."""
    side = SIDE * SUPERSAMPLING
    angle = math.radians(scene.rotation)
    turn = np.array([(math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))])
    filled, rim = Image.new("L", (side, side)), Image.new("L", (side, side))
    for outline, value in zip(OUTLINES[scene.shape], (255, 0), strict=False):
        points = _centre(scene) + RADII[scene.size] * scene.stretch * outline @ turn.T
        corners = [tuple(point) for point in (points * SUPERSAMPLING).tolist()]
        ImageDraw.Draw(filled).polygon(corners, fill=value)
        ImageDraw.Draw(rim).line([*corners, *corners[:2]], 255, SUPERSAMPLING, joint="curve")
    coverage, edge = (np.asarray(m.reduce(SUPERSAMPLING), np.float64) / 255 for m in (filled, rim))
    return coverage, edge


def render_scene(scene: Scene) -> NDArray[np.uint8]:
    """Draw one scene, anti-aliased, with a drop shadow and a darker rim.

    Parameters
    ----------
    scene : Scene
        What to draw; the same scene always gives the same pixels.

    Returns
    -------
    ndarray of shape (32, 32, 3), uint8
        Red, green, blue.
    """
    canvas = _backdrop(scene.background, scene.drift)
    coverage, rim = _masks(scene)
    shadow = np.zeros_like(coverage)
    shadow[1:, 1:] = coverage[:-1, :-1]
    canvas *= 1 - 0.4 * shadow[..., None]
    light = np.linspace(1.08, 0.9, SIDE)[:, None, None]
    paint = np.array(PAINT[scene.colour]) * scene.shade
    canvas += (paint * light - canvas) * coverage[..., None]
    canvas += (np.array(RIM) - canvas) * 0.9 * rim[..., None]
    return (TONE * np.rint(np.clip(canvas, 0, 252) / TONE)).astype(np.uint8)


def sample_scenes(
    train: int, held_out: int, rng: np.random.Generator
) -> tuple[list[Scene], list[Scene]]:
    """Draw scenes to train on and scenes to hold out.

    A held-out scene has five labels that no other held-out scene and no training scene combines.

    Parameters
    ----------
    train, held_out : int
        How many scenes of each; training scenes may repeat a combination with other jitter.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    train_scenes, held_out_scenes : list of Scene
    """
    combinations = list(itertools.product(*ATTRIBUTES.values()))
    if held_out >= len(combinations):
        raise ValueError(f"held_out is {held_out}; there are {len(combinations)} combinations")
    order = rng.permutation(len(combinations))
    seen = order[held_out:]
    repeated = np.tile(seen, math.ceil(train / len(seen)))[:train]
    return (
        [_jittered(combinations[k], rng) for k in rng.permutation(repeated)],
        [_jittered(combinations[k], rng) for k in order[:held_out]],
    )


def _jittered(labels: Sequence[str], rng: np.random.Generator) -> Scene:
    return Scene(
        *labels,
        offset=(float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.8, 0.8))),
        rotation=float(rng.uniform(-10, 10)),
        stretch=float(rng.uniform(0.95, 1.05)),
        shade=float(rng.uniform(0.86, 1.06)),
        drift=float(rng.integers(DRIFTS)) / DRIFTS,
    )


# --- describing ----------------------------------------------------------------------------


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Describe a scene in one sentence that may leave attributes out but never gets one wrong."""
    group = TEMPLATES[rng.choice(len(TEMPLATES), p=TEMPLATE_WEIGHTS)]
    words = {name: _pick(ATTRIBUTES[name][value], rng) for name, value in scene.labels().items()}
    words["region"] = _pick(REGIONS[_pick(scene.position.split(), rng)], rng)
    text = _pick(group, rng).format(**words)
    return _polished(text, written_out=bool(rng.random() < 0.5))


def distinct_captions(
    scenes: Iterable[Scene], rng: np.random.Generator, known: Iterable[str] = ()
) -> list[str]:
    """Describe scenes so that no two captions have the same words, by drawing again on a clash.

    No caption has the words of a ``known`` one either.
    """
    taken = {tuple(Tokenizer.words(text)) for text in known}
    captions = []
    for scene in scenes:
        text = caption(scene, rng)
        while tuple(Tokenizer.words(text)) in taken:
            text = caption(scene, rng)
        taken.add(tuple(Tokenizer.words(text)))
        captions.append(text)
    return captions


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _polished(text: str, written_out: bool) -> str:
    text = re.sub(r"\ba(?= [aeiou])", "an", text)
    if not written_out:
        return text
    return text[0].upper() + text[1:] + ("" if text.endswith("?") else ".")


class Tokenizer:
    """Words to numbers: 0 pads, then the known words, and the largest number ends a caption.

    open_clip's text tower reads its output at the position of the largest token, so the end
    marker has to come last in the vocabulary.
    """

    def __init__(self, vocabulary: Sequence[str], context_length: int) -> None:
        self.vocabulary = list(vocabulary)
        self.context_length = context_length
        self.size = len(self.vocabulary) + 2
        self._index = {word: k + 1 for k, word in enumerate(self.vocabulary)}

    @staticmethod
    def words(text: str) -> list[str]:
        """Split a caption into lower-case words; punctuation is dropped."""
        return re.findall(r"[a-z-]+", text.lower())

    @classmethod
    def from_templates(cls, context_length: int) -> Tokenizer:
        """Collect every word that a caption can contain."""
        phrases = [re.sub(r"\{\w+\}", " ", text) for group in TEMPLATES for text in group]
        for values in (*ATTRIBUTES.values(), REGIONS):
            phrases += [phrase for choices in values.values() for phrase in choices]
        return cls(sorted({"an", *cls.words(" ".join(phrases))}), context_length)

    def __call__(self, captions: Sequence[str]) -> NDArray[np.int64]:
        """Return token numbers of shape (n, context_length); unknown words raise KeyError."""
        tokens = np.zeros((len(captions), self.context_length), dtype=np.int64)
        for row, text in zip(tokens, captions, strict=True):
            known = [self._index[word] for word in self.words(text)]
            if len(known) >= self.context_length:
                raise ValueError(f"{text!r} has {len(known)} words; {self.context_length - 1} fit")
            row[: len(known) + 1] = [*known, self.size - 1]
        return tokens


# --- the dual encoder ----------------------------------------------------------------------


def model_config(settings: Settings, vocab_size: int) -> dict[str, Any]:
    """Return the model's shape in the form of an open_clip model configuration."""
    return {
        "embed_dim": settings.embed_dim,
        "vision_cfg": {
            "image_size": SIDE,
            "patch_size": settings.patch_size,
            "width": settings.width,
            "head_width": settings.width // settings.heads,
            "layers": settings.image_layers,
            "pool_type": "avg",
        },
        "text_cfg": {
            "context_length": settings.context_length,
            "vocab_size": vocab_size,
            "width": settings.width,
            "heads": settings.heads,
            "layers": settings.text_layers,
        },
    }


def build_model(
    config: dict[str, Any],
    seed: int,
    scale: float = SCALE_OF_LOGITS,
    *,
    bias: float | None = None,
    learned: bool = False,
) -> CLIP:
    """Build an untrained open_clip ``CLIP``.

    Its logit scale, 1/temperature, is frozen, unless it is to be learned from ``scale`` on; a bias
    is learned too, where one is given.
    """
    import torch
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    torch.manual_seed(seed)
    model = CLIP(
        config["embed_dim"],
        CLIPVisionCfg(**config["vision_cfg"]),
        CLIPTextCfg(**config["text_cfg"]),
        init_logit_scale=math.log(scale),
        init_logit_bias=bias,
    )
    model.logit_scale.requires_grad_(learned)
    return model


def _pixels(images: NDArray[np.uint8]) -> torch.Tensor:
    import torch

    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 63.75 - 2


def contrastive(model: CLIP, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Symmetric cross-entropy of each row among those of the other side (InfoNCE).

    Parameters
    ----------
    model : CLIP
        Holds the logit scale.
    image, text : (n, d) tensors
        Unit rows; row i of one is the partner of row i of the other.
    """
    import torch
    from torch.nn.functional import cross_entropy

    logits = model.logit_scale.exp() * image @ text.T
    partners = torch.arange(len(image))
    return (cross_entropy(logits, partners) + cross_entropy(logits.T, partners)) / 2


def train(
    model: CLIP,
    images: NDArray[np.uint8],
    tokens: NDArray[np.int64],
    settings: Settings,
    after_step: Callable[[int], None] | None = None,
    *,
    loss_of: Callable[[CLIP, torch.Tensor, torch.Tensor], torch.Tensor] = contrastive,
    watch: Callable[[int, torch.Tensor, torch.Tensor], None] | None = None,
) -> None:
    """Train in place.

    Parameters
    ----------
    model : CLIP
        From `build_model`.
    images : ndarray of shape (n, 32, 32, 3), uint8
    tokens : ndarray of shape (n, context_length), int64
        Row i describes image i.
    settings : Settings
        Steps, batch size, learning rate, weight decay, warm-up and seed.
    after_step : callable (int), optional
        Called after each step with the number of steps taken; may look at the model.
    loss_of : callable (model, image rows, text rows), default `contrastive`
    watch : callable (int, image rows, text rows), optional
        Called in each step, before the weights move, with its number and the batch's unit rows.
    """
    import torch

    pictures, words = _pixels(images), torch.from_numpy(tokens)
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    free = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": free}],
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=0.0,
    )
    model.train()
    began = time.perf_counter()
    for step, rows in zip(range(settings.steps), _batches(len(images), settings), strict=False):
        for group in optimiser.param_groups:
            group["lr"] = _learning_rate(step, settings)
        image = model.encode_image(pictures[rows], normalize=True)
        text = model.encode_text(words[rows], normalize=True)
        loss = loss_of(model, image, text)
        if watch is not None:
            watch(step, image, text)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 50 == 0 or step == settings.steps - 1:
            passed = time.perf_counter() - began
            print(f"step {step:4d}  loss {loss.item():.3f}  {passed:.0f} s", flush=True)
        if after_step is not None:
            after_step(step + 1)
            model.train()


def _batches(count: int, settings: Settings) -> Iterable[torch.Tensor]:
    import torch

    rng = np.random.default_rng([settings.seed, 2])
    while True:
        order = rng.permutation(count)
        for start in range(0, count - settings.batch_size + 1, settings.batch_size):
            yield torch.from_numpy(order[start : start + settings.batch_size])


def _learning_rate(step: int, settings: Settings) -> float:
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    return settings.learning_rate * warm * (1 + math.cos(math.pi * step / settings.steps)) / 2


def encode(
    model: CLIP, images: NDArray[np.uint8], tokens: NDArray[np.int64], batch_size: int = 500
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return unit rows for images and texts, each of shape (n, embed_dim)."""
    import torch

    model.eval()
    image_rows, text_rows = [], []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            image_rows.append(model.encode_image(_pixels(images[part]), normalize=True).numpy())
            text_rows.append(
                model.encode_text(torch.from_numpy(tokens[part]), normalize=True).numpy()
            )
    return np.concatenate(image_rows), np.concatenate(text_rows)


def save_checkpoint(model: CLIP, config: dict[str, Any], vocabulary: list[str], path: Path) -> None:
    """Write the weights as safetensors, and beside them the configuration as JSON."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: t.contiguous() for name, t in model.state_dict().items()}, path)
    described = {
        "model_cfg": config,
        "preprocess": {"size": SIDE, "mean": [0.5] * 3, "std": [0.25] * 3},
        "vocabulary": vocabulary,
    }
    path.with_suffix(".json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


# --- measuring and writing -----------------------------------------------------------------


def measure(image: NDArray[np.floating], text: NDArray[np.floating]) -> dict[str, float]:
    """Measure the gap between paired unit rows.

    With mu the means and r_i = (x_i - mu_x) - (y_i - mu_y) of covariance S: ``centroid_gap`` is
    |mu_x - mu_y|, ``residual_share`` is tr S / (centroid_gap^2 + tr S), ``residual_anisotropy``
    is lambda_max(S) / (tr S / d). Recall is taken among the first 2000 pairs.

    Parameters
    ----------
    image, text : ndarray of shape (n, d)
        Row i of one is the partner of row i of the other.

    Returns
    -------
    dict of str to float
    """
    x, y = image.astype(np.float64), text.astype(np.float64)
    gap = x.mean(0) - y.mean(0)
    residual = x - y - gap
    spectrum = np.linalg.eigvalsh(residual.T @ residual / len(x))
    bias = float(gap @ gap)
    similarity = y[:RECALL_ROWS] @ x[:RECALL_ROWS].T
    measured = {
        "centroid_gap": math.sqrt(bias),
        "matched_cosine": float((x * y).sum(1).mean()),
        "residual_share": float(spectrum.sum() / (bias + spectrum.sum())),
        "residual_anisotropy": float(spectrum[-1] / spectrum.mean()),
    }
    for way, scores in (("text_to_image", similarity), ("image_to_text", similarity.T)):
        better = (scores > np.diagonal(scores)[:, None]).sum(1)
        for k in (1, 10):
            measured[f"recall_at_{k}_{way}"] = float((better < k).mean())
    return {name: round(value, 5) for name, value in measured.items()}


def contact_sheet(images: NDArray[np.uint8], columns: int = SHEET_COLUMNS) -> Image.Image:
    """Lay tiles out row by row, ``columns`` of them in a row."""
    rows = math.ceil(len(images) / columns)
    tiles = np.zeros((rows * columns, SIDE, SIDE, 3), dtype=np.uint8)
    tiles[: len(images)] = images
    sheet = tiles.reshape(rows, columns, SIDE, SIDE, 3).swapaxes(1, 2)
    return Image.fromarray(sheet.reshape(rows * SIDE, columns * SIDE, 3))


def write_scenes(folder: Path, scenes: Sequence[Scene], captions: Sequence[str]) -> None:
    """Write ``metadata.parquet`` and ``thumbnails.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame([scene.labels() for scene in scenes])
    table.insert(0, "caption", list(captions))
    table.insert(0, "id", [f"scene-{k:05d}" for k in range(len(scenes))])
    table.to_parquet(folder / "metadata.parquet", index=False, compression="zstd")
    images = np.stack([render_scene(scene) for scene in scenes])
    contact_sheet(images).save(folder / "thumbnails.png", optimize=True)


def write_embeddings(
    folder: Path, image: NDArray[np.float32], text: NDArray[np.float32], dtype: type[np.floating]
) -> dict[str, float]:
    """Write ``image.npy`` and ``text.npy`` and measure them as written, rounding included."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("image", image), ("text", text)):
        np.save(folder / f"{name}.npy", rows.astype(dtype), allow_pickle=False)
    return measure(np.load(folder / "image.npy"), np.load(folder / "text.npy"))


def about(settings: Settings, tokenizer: Tokenizer, measured: dict[str, Any]) -> dict[str, Any]:
    """Collect what a reader of the files should know: settings, versions, measurements."""
    libraries = ("torch", "open_clip_torch", "numpy", "pandas", "pillow")
    return {
        "what": "Embeddings of rendered scenes and their captions by a small contrastive dual "
        "encoder, and by the same encoder before training.",
        "pairs": settings.held_out_scenes,
        "dimensions": settings.embed_dim,
        "thumbnails": {"side": SIDE, "columns": SHEET_COLUMNS, "order": "row by row"},
        "attributes": {name: list(values) for name, values in ATTRIBUTES.items()},
        "settings": asdict(settings),
        "logit_scale": SCALE_OF_LOGITS,
        "model": model_config(settings, tokenizer.size),
        "versions": {"python": platform.python_version()}
        | {library: version(library) for library in libraries},
        "recall_rows": RECALL_ROWS,
        "measured": measured,
    }


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a seed determines before anything is trained: pictures, captions and their tokens."""

    tokenizer: Tokenizer
    scenes: list[Scene]
    captions: list[str]
    images: NDArray[np.uint8]
    tokens: NDArray[np.int64]
    train_images: NDArray[np.uint8]
    train_tokens: NDArray[np.int64]


def draw(settings: Settings) -> Drawn:
    """Draw and describe the held-out scenes and those to train on."""
    rng = np.random.default_rng([settings.seed, 1])
    train_scenes, scenes = sample_scenes(settings.train_scenes, settings.held_out_scenes, rng)
    captions = distinct_captions(scenes, rng)
    tokenizer = Tokenizer.from_templates(settings.context_length)
    train_tokens = tokenizer([caption(scene, rng) for scene in train_scenes])
    print(f"drawing {len(train_scenes) + len(scenes)} scenes", flush=True)
    return Drawn(
        tokenizer=tokenizer,
        scenes=scenes,
        captions=captions,
        images=np.stack([render_scene(scene) for scene in scenes]),
        tokens=tokenizer(captions),
        train_images=np.stack([render_scene(scene) for scene in train_scenes]),
        train_tokens=train_tokens,
    )


def make_more(settings: Settings, out: Path) -> dict[str, Any]:
    """Describe the first scenes again and again, and encode that with the encoder that was kept.

    Written are ``more_captions.parquet``, scene by scene, and ``more_text.npy``, row by row.
    """
    from anisoalign_core.encode import load_encoder

    known = pd.read_parquet(out / "scenes" / "metadata.parquet")
    rng = np.random.default_rng([settings.seed, 1])
    _, scenes = sample_scenes(settings.train_scenes, settings.held_out_scenes, rng)
    told = [scene for scene in scenes[:MORE_SCENES] for _ in range(MORE_EACH)]
    rng = np.random.default_rng([settings.seed, 3])
    captions = distinct_captions(told, rng, known["caption"])
    ids = np.repeat(known["id"].to_numpy()[:MORE_SCENES], MORE_EACH)
    table = pd.DataFrame({"id": ids, "caption": captions})
    table.to_parquet(out / "scenes" / "more_captions.parquet", index=False, compression="zstd")
    encoder = load_encoder(checkpoint=out / "encoder" / "encoder.safetensors")
    rows = encoder.encode_texts(captions)
    np.save(out / "scenes" / "more_text.npy", rows.astype(np.float16), allow_pickle=False)
    return {"more captions": {"rows": len(rows), "dimensions": encoder.dim}}


def use_torch(settings: Settings) -> None:
    """Make torch repeat itself: a fixed number of threads, deterministic algorithms."""
    import torch

    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True)


def make(settings: Settings, out: Path, checkpoint: Path | None = None) -> dict[str, Any]:
    """Draw, train, encode and write everything under ``out``; return the measurements."""
    use_torch(settings)
    drawn = draw(settings)
    tokenizer, images, tokens = drawn.tokenizer, drawn.images, drawn.tokens
    write_scenes(out / "scenes", drawn.scenes, drawn.captions)

    config = model_config(settings, tokenizer.size)
    model = build_model(config, settings.seed)
    before = encode(model, images, tokens)
    train(model, drawn.train_images, drawn.train_tokens, settings)
    after = encode(model, images, tokens)
    if checkpoint is not None:
        save_checkpoint(model, config, tokenizer.vocabulary, checkpoint)
    measured = {
        "scenes": write_embeddings(out / "scenes", *after, np.float32),
        # Half precision moves a cosine by less than 1e-3 and keeps the folder small.
        "scenes-untrained": write_embeddings(out / "scenes-untrained", *before, np.float16),
    }
    text = json.dumps(about(settings, tokenizer, measured), indent=2) + "\n"
    (out / "scenes" / "about.json").write_text(text, encoding="utf-8")
    return measured


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, make the sample and print what was measured."""
    defaults = {field.name: field.default for field in fields(Settings)}
    parser = argparse.ArgumentParser(description="Train a small dual encoder; write its sample.")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--steps", type=int, default=defaults["steps"])
    parser.add_argument("--seed", type=int, default=defaults["seed"])
    parser.add_argument("--checkpoint", type=Path, help="also save the weights, as .safetensors")
    parser.add_argument(
        "--more-captions", action="store_true", help="only add captions, with the kept encoder"
    )
    chosen = parser.parse_args(arguments)
    began = time.perf_counter()
    settings = Settings(seed=chosen.seed, steps=chosen.steps)
    if chosen.more_captions:
        measured = make_more(settings, chosen.out)
    else:
        measured = make(settings, chosen.out, chosen.checkpoint)
    for name, values in measured.items():
        print(name, *(f"{key} {value:.3f}" for key, value in values.items()), sep="\n  ")
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
