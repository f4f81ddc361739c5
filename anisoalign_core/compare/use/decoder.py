"""A small caption decoder: a transformer that writes words after a prefix made of one row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

import numpy as np

from anisoalign_core.errors import (
    InvalidRowsError,
    NotFittedError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.extras import need
from anisoalign_core.numerics import (
    Float32,
    Integers,
    Progress,
    blocks,
    generator,
    one_torch_thread,
)

FEWEST_CAPTIONS = 8
"""Fewer captions than this teach nothing that could be called writing."""
DECODE_ROWS = 64
"""Rows captioned at a time. The last block is filled up, so a row always meets the same sums."""
POOL_BATCHES = 8
"""Batches drawn together and sorted by length: short captions then do not wait for long ones."""
WARM_UP = 0.1
"""Share of the steps in which the learning rate rises."""
WEIGHT_DECAY = 1.0
END, UNKNOWN = 0, 1
IGNORED = -100
"""Marks what lies beyond the end of a caption; no word has this number."""

_WORD = re.compile(r"\w+(?:['’\-]\w+)*")


def words(text: str) -> list[str]:
    """Lower-case words of a text, punctuation left out; "medium-sized" and "it's" are one word."""
    return _WORD.findall(text.lower())


@dataclass(eq=False, kw_only=True)
class CaptionDecoder:
    """Learns to say a row's caption; written after ClipCap's prefix (Mokady et al. 2021).

    A linear map turns a row into ``prefix`` vectors; a causal transformer continues them word by
    word. Another linear map of the row is added at every place: with the prefix alone, a thousand
    captions do not suffice to learn which words a row calls for. Everything is trained from
    nothing, with cross-entropy, on the rows and captions given: what the decoder can say about
    other rows is what those share with them.

    Parameters
    ----------
    width, layers, heads : int, default 128, 1, 4
        Of the transformer; ``heads`` divides ``width``.
    prefix : int, default 4
        Vectors made of a row.
    epochs : int, default 45
    batch : int, default 64
    learning_rate : float, default 2e-3
        At its highest; it rises over a tenth of the steps and falls to zero along half a cosine.
    dropout : float, default 0.3
        Share of the entries of the prefix and of the words that are set to zero in training.
    noise : float, default 0.0
        Length of the Gaussian noise added to unit rows in training, as in CapDec (Nukrai et al.
        2022). It hides differences between modalities, so it is 0 where those are measured.
    max_words : int, optional
        Longest caption, in words; longer ones are cut. By default the longest one given.
    min_count : int, default 1
        Words that occur less often are learned as <unknown>, which is never written.
    random_state : int, default 0
    device : str, default "cpu"
        On the CPU one thread is used, and equal input gives equal bits.

    Attributes
    ----------
    vocabulary_ : tuple of str
        ``<end>``, ``<unknown>`` and the words, most frequent first; empty before :meth:`fit`.
    losses_ : list of float
        Mean cross-entropy per word, in nats, of each epoch.
    """

    width: int = 128
    layers: int = 1
    heads: int = 4
    prefix: int = 4
    epochs: int = 45
    batch: int = 64
    learning_rate: float = 2e-3
    dropout: float = 0.3
    noise: float = 0.0
    max_words: int | None = None
    min_count: int = 1
    random_state: int = 0
    device: str = "cpu"
    vocabulary_: tuple[str, ...] = field(default=(), init=False, repr=False)
    losses_: list[float] = field(default_factory=list, init=False, repr=False)
    _network: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name in ("width", "layers", "heads", "prefix", "epochs", "batch", "min_count"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} is {getattr(self, name)}; choose at least 1.")
        if self.max_words is not None and self.max_words < 1:
            raise ParameterError(f"max_words is {self.max_words}; choose at least 1, or None.")
        if self.width % self.heads:
            raise ParameterError(
                f"width is {self.width} and heads is {self.heads}; choose a width that the number "
                "of heads divides."
            )
        if not self.learning_rate > 0:
            raise ParameterError(f"learning_rate is {self.learning_rate}; choose one above 0.")
        if not 0 <= self.dropout < 1:
            raise ParameterError(f"dropout is {self.dropout}; choose from 0 up to below 1.")
        if not self.noise >= 0:
            raise ParameterError(f"noise is {self.noise}; choose 0 or more.")

    def fresh(self) -> CaptionDecoder:
        """Return an unfitted decoder with these parameters."""
        return CaptionDecoder(**{f.name: getattr(self, f.name) for f in fields(self) if f.init})

    def fit(
        self, rows: Float32, captions: Sequence[str], *, progress: Progress | None = None
    ) -> CaptionDecoder:
        """Train on rows and their captions.

        Parameters
        ----------
        rows : (n, d) float32
            Unit rows.
        captions : n strings
        progress : callable(fraction, words), optional
            Called after each batch. An exception it raises stops the training, and the decoder is
            what it was before.

        Raises
        ------
        ShapeError
            If rows and captions differ in number, or there are fewer than 8.
        ParameterError
            If a caption is missing or holds no word.
        AnisoAlignError
            If torch is not installed.
        """
        _check(rows)
        split = _split(captions, len(rows))
        need("Training a caption decoder", "train", "torch")
        longest = self.max_words or max(map(len, split))
        counts = Counter(word for caption in split for word in caption)
        kept = sorted((w for w in counts if counts[w] >= self.min_count), key=lambda w: -counts[w])
        vocabulary = ("<end>", "<unknown>", *kept)
        number = {word: i for i, word in enumerate(vocabulary)}
        table = np.full((len(rows), longest + 1), IGNORED, dtype=np.int64)
        for line, caption in zip(table, split, strict=True):
            known = [number.get(word, UNKNOWN) for word in caption][:longest]
            line[: len(known)] = known
            if len(caption) <= longest:
                line[len(known)] = END
        with one_torch_thread():
            network, losses = self._train(rows, table, len(vocabulary), progress)
        self._network, self.losses_, self.vocabulary_ = network, losses, vocabulary
        return self

    def caption(self, rows: Float32) -> list[str]:
        """Write a caption for each row: at every place the likeliest word, until the end.

        Parameters
        ----------
        rows : (m, d) float32
            Unit rows of the dimension the decoder was fitted on.

        Returns
        -------
        list of m str
            Lower-case words with blanks between them; possibly empty.

        Raises
        ------
        NotFittedError
        """
        if self._network is None:
            raise NotFittedError("This caption decoder has not been fitted. Call fit() first.")
        _check(rows)
        if rows.shape[1] != self._network.inputs:
            raise ShapeError(
                f"The rows have {rows.shape[1]} dimensions, but the decoder was fitted on "
                f"{self._network.inputs}. Give rows of the same encoder."
            )
        written: list[str] = []
        with one_torch_thread():
            for part in blocks(len(rows), DECODE_ROWS):
                block = np.zeros((DECODE_ROWS, rows.shape[1]), dtype=np.float32)
                block[: part.stop - part.start] = rows[part]
                numbers = self._network.write(block)[: part.stop - part.start]
                written += [self._say(line) for line in numbers]
        return written

    def _say(self, numbers: Integers) -> str:
        """Words up to the first <end>."""
        ends = np.flatnonzero(numbers == END)
        stop = ends[0] if len(ends) else len(numbers)
        return " ".join(self.vocabulary_[i] for i in numbers[:stop])

    def _train(
        self, rows: Float32, table: Integers, size: int, progress: Progress | None
    ) -> tuple[Any, list[float]]:
        import torch

        chance = torch.Generator(device=self.device).manual_seed(self.random_state)
        network = _Network.fresh(self, rows, table.shape[1], size)
        parameters = list(network.body.parameters())
        optimiser = torch.optim.AdamW(parameters, lr=self.learning_rate, weight_decay=WEIGHT_DECAY)
        inputs = torch.as_tensor(np.array(rows, dtype=np.float32), device=self.device)
        goals = torch.as_tensor(table, device=self.device)
        lengths = (table != IGNORED).sum(axis=1)
        rng = generator(self.random_state)
        per_epoch = -(-len(rows) // self.batch)
        steps, step, losses = per_epoch * self.epochs, 0, []
        for epoch in range(self.epochs):
            total = 0.0
            for chosen in _batches(lengths, self.batch, rng):
                for group in optimiser.param_groups:
                    group["lr"] = self.learning_rate * _rate(step / steps)
                taken = torch.as_tensor(chosen, device=self.device)
                seen = inputs[taken]
                if self.noise:
                    drawn = torch.randn(seen.shape, generator=chance, device=self.device)
                    seen = seen + self.noise / seen.shape[1] ** 0.5 * drawn
                goal = goals[taken, : int(lengths[chosen].max())]
                logits = network.logits(seen, goal[:, :-1].clamp(min=0), self.dropout, chance)
                loss: Any = torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), goal.flatten(), ignore_index=IGNORED
                )
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimiser.step()
                step += 1
                total += float(loss.detach()) * int(lengths[chosen].sum())
                if progress is not None:
                    told = f"learning to write captions, round {epoch + 1} of {self.epochs}"
                    progress(step / steps, told)
            losses.append(total / int(lengths.sum()))
        return network, losses


@dataclass(frozen=True, eq=False)
class _Network:
    """The transformer and what it needs to know about its input."""

    body: Any
    inputs: int
    places: int
    prefix: int
    shift: Any
    scale: float

    @classmethod
    def fresh(cls, settings: CaptionDecoder, rows: Float32, places: int, size: int) -> _Network:
        """Weights from a generator of their own: torch's global one is neither read nor moved."""
        import torch
        from torch import nn

        width, prefix = settings.width, settings.prefix
        with torch.device("meta"):
            layer = nn.TransformerEncoderLayer(
                width, settings.heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            body = nn.ModuleDict(
                {
                    "prefix": nn.Linear(rows.shape[1], prefix * width),
                    "row": nn.Linear(rows.shape[1], width),
                    "words": nn.Embedding(size, width),
                    "places": nn.Embedding(prefix + places, width),
                    "layers": nn.TransformerEncoder(
                        layer, settings.layers, nn.LayerNorm(width), enable_nested_tensor=False
                    ),
                    "scores": nn.Linear(width, size),
                }
            )
        body = body.to_empty(device="cpu")
        source = torch.Generator().manual_seed(settings.random_state)
        with torch.no_grad():
            for name, value in body.named_parameters():
                # maps of the row start at zero: along directions the training rows do not use,
                # random weights would turn other rows into noise
                if name.endswith("bias") or name.startswith(("prefix", "row")):
                    value.zero_()
                elif value.ndim == 1:
                    value.fill_(1.0)  # gains of the normalisations
                else:
                    spread = 0.1 if name.startswith(("words", "places")) else value.shape[1] ** -0.5
                    value.normal_(0.0, spread, generator=source)
        centre = rows.mean(axis=0, dtype=np.float64)
        scale = float(np.sqrt(np.mean((rows - centre) ** 2)))
        shift = torch.as_tensor(centre.astype(np.float32), device=settings.device)
        body = body.to(settings.device)
        return cls(body, rows.shape[1], places, prefix, shift, max(scale, 1e-6))

    def logits(self, rows: Any, before: Any, dropout: float = 0.0, chance: Any = None) -> Any:
        """Scores (b, t + 1, size) of the word at each place, after the words (b, t) before it."""
        import torch

        body, t = self.body, before.shape[1]
        rows = (rows - self.shift) / self.scale
        start = body["prefix"](rows).reshape(len(rows), self.prefix, -1)
        hidden = torch.cat((start, body["words"](before)), dim=1)
        hidden = hidden + body["row"](rows)[:, None] + body["places"].weight[: self.prefix + t]
        if dropout:
            kept = torch.rand(hidden.shape, generator=chance, device=hidden.device) >= dropout
            hidden = hidden * kept / (1 - dropout)
        mask = torch.full((self.prefix + t,) * 2, float("-inf"), device=hidden.device).triu(1)
        hidden = body["layers"](hidden, mask=mask, is_causal=True)
        return body["scores"](hidden[:, self.prefix - 1 :])

    def write(self, rows: Float32) -> Integers:
        """Numbers (b, ≤ places) of the likeliest words, :data:`END` from the end on."""
        import torch

        seen = torch.as_tensor(rows, device=self.shift.device)
        written = torch.empty((len(rows), 0), dtype=torch.long, device=seen.device)
        ended = torch.zeros(len(rows), dtype=torch.bool, device=seen.device)
        with torch.no_grad():
            for _ in range(self.places - 1):
                scores = self.logits(seen, written)[:, -1]
                scores[:, UNKNOWN] = float("-inf")
                following = scores.argmax(dim=1).masked_fill(ended, END)
                written = torch.cat((written, following[:, None]), dim=1)
                ended |= following == END
                if bool(ended.all()):
                    break
        return np.asarray(written.cpu().numpy(), dtype=np.intp)


def _rate(done: float) -> float:
    """Share of the learning rate after a share of the steps."""
    rise = min(1.0, (done + 1e-3) / WARM_UP)
    return float(rise * (1 + np.cos(np.pi * done)) / 2)


def _batches(lengths: Integers, size: int, rng: np.random.Generator) -> list[Integers]:
    """Every row once, in batches of rows of like length, in random order."""
    order = rng.permutation(len(lengths))
    found: list[Integers] = []
    for pool in blocks(len(order), size * POOL_BATCHES):
        rows = order[pool]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        edges = [*range(0, len(rows), size), len(rows)]
        found += [rows[a:b] for a, b in pairwise(edges)]
    return [found[i] for i in rng.permutation(len(found))]


def _check(rows: Float32) -> None:
    if np.ndim(rows) != 2:
        raise ShapeError(f"Rows of shape {np.shape(rows)} are not a table. Give (n, d) rows.")
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(broken):
        raise InvalidRowsError(
            f"Row {broken[0]} is not finite ({len(broken)} such rows). Leave those rows out.",
            [int(row) for row in broken],
        )


def _split(captions: Sequence[str], n: int) -> list[list[str]]:
    """Words of each caption, after checking that there is one for every row."""
    if len(captions) != n:
        raise ShapeError(f"There are {n} rows and {len(captions)} captions. Give one per row.")
    if n < FEWEST_CAPTIONS:
        raise ShapeError(
            f"{n} captions are too few to learn writing from. Give at least {FEWEST_CAPTIONS}."
        )
    found = [words(text) if isinstance(text, str) else [] for text in captions]
    bare = [i for i, caption in enumerate(found) if not caption]
    if bare:
        raise ParameterError(
            f"The caption of row {bare[0]} is missing or holds no word ({len(bare)} such rows). "
            "Leave those rows out."
        )
    return found
