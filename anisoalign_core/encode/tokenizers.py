"""From captions to the numbers that a text tower reads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import AnisoAlignError, FormatError
from anisoalign_core.files.source import first_line, printable

WORD = re.compile(r"[a-z-]+")


@dataclass(frozen=True, eq=False)
class Tokens:
    """Captions as numbers, and what did not fit.

    Attributes
    ----------
    ids : (n, context length) int64
        Or whatever else of length n the text tower takes.
    unknown : Counter of str
        Words that the vocabulary lacks, and how often they came; they are left out.
    cut : int
        Captions whose end did not fit into the context.
    beside : mapping of str to (n, context length) int64
        What else the tower is given, by its parameters' names: the mask of attention.
    """

    ids: Any
    unknown: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    beside: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)


class WordTokenizer:
    """Whole lower-case words: 0 pads, word k of the vocabulary is k + 1, the largest number ends.

    open_clip's text tower reads its output at the position of the largest number, so the end marker
    comes last. Punctuation and digits are dropped; words that the vocabulary lacks are left out and
    counted; a caption of more than ``context_length - 1`` words is cut.

    Parameters
    ----------
    vocabulary : sequence of str
        Distinct words of the letters a to z and hyphens.
    context_length : int
        Numbers in one caption, the end marker included.

    Raises
    ------
    FormatError
        If a word repeats, or could never be read from a caption.
    """

    name = "words"

    def __init__(self, vocabulary: Sequence[str], context_length: int) -> None:
        self.vocabulary = tuple(vocabulary)
        self.context_length = context_length
        self._index = {word: place + 1 for place, word in enumerate(self.vocabulary)}
        strange = [word for word in self.vocabulary if not WORD.fullmatch(word)]
        if strange or len(self._index) < len(self.vocabulary):
            word = strange[0] if strange else Counter(self.vocabulary).most_common(1)[0][0]
            why = "is not made of a to z and hyphens" if strange else "occurs twice"
            raise FormatError(
                f'The vocabulary\'s word "{printable(word, 40)}" {why}. Give distinct lower-case '
                "words, in the order that the text tower was trained with."
            )

    @property
    def size(self) -> int:
        """Numbers in all: the words, the padding and the end marker."""
        return len(self.vocabulary) + 2

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Return (n, context length) numbers, the unknown words, and how many captions were cut."""
        ids = np.zeros((len(texts), self.context_length), dtype=np.int64)
        unknown: Counter[str] = Counter()
        cut = 0
        for row, text in zip(ids, texts, strict=True):
            words = WORD.findall(text.lower())
            known = [self._index[word] for word in words if word in self._index]
            unknown.update(word for word in words if word not in self._index)
            cut += len(known) > self.context_length - 1
            kept = known[: self.context_length - 1]
            row[: len(kept) + 1] = [*kept, self.size - 1]
        return Tokens(ids, unknown, cut)


class LibraryTokenizer:
    """A tokenizer of open_clip, which gives an integer tensor, under a name for descriptions."""

    def __init__(self, tokenizer: Callable[..., Any], name: str) -> None:
        self.name = name
        self._tokenizer = tokenizer

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Return the numbers; whether captions were cut is told for byte pairs only."""
        ids = np.asarray(self._tokenizer(list(texts)).numpy(), dtype=np.int64)
        encode = getattr(self._tokenizer, "encode", None)
        if encode is None or getattr(self._tokenizer, "reduction_fn", None) is not None:
            return Tokens(ids)
        full = np.flatnonzero(ids[:, -1] != 0).tolist()  # only these can have lost their end
        cut = sum(len(encode(texts[row])) + 2 > ids.shape[1] for row in full)
        return Tokens(ids, cut=int(cut))


class Verbatim:
    """A tokenizer for models that read captions themselves."""

    name = "the model's own"

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Return the captions as they are."""
        return Tokens(list(texts))


class Tokenizer(Protocol):
    """From captions to :class:`Tokens`."""

    name: str

    def __call__(self, texts: Sequence[str], /) -> Tokens:
        """Return what the text tower reads."""
        ...


def make_tokenizer(
    text_config: dict[str, Any], vocabulary: Sequence[str] | None, folder: Path | None
) -> Tokenizer:
    """Return the tokenizer that the ``text_cfg`` of a model asks for.

    A vocabulary makes it a :class:`WordTokenizer`. The files of a Hugging Face tokenizer come from
    the folder, or else from the hub.

    Raises
    ------
    FormatError
        If its numbers are not those that the text tower knows.
    AnisoAlignError
        If its files cannot be had.
    """
    import open_clip
    from open_clip.tokenizer import HFTokenizer

    length = int(text_config.get("context_length", 77))
    known = int(text_config.get("vocab_size", 49408))
    if vocabulary is not None:
        words = WordTokenizer(vocabulary, length)
        if words.size != known:
            raise FormatError(
                f"The vocabulary has {len(vocabulary)} words, which with padding and end marker "
                f"makes {words.size} numbers, but the text tower knows {known} (vocab_size). Give "
                "the vocabulary that the model was trained with."
            )
        return words
    options = dict(text_config.get("tokenizer_kwargs") or {})
    hub = text_config.get("hf_tokenizer_name")
    if not hub:
        pairs = open_clip.SimpleTokenizer(context_length=length, **options)
        if pairs.vocab_size > known:
            raise FormatError(
                f"The text tower knows {known} numbers, and open_clip's byte pairs are "
                f'{pairs.vocab_size:,}. Add the "vocabulary" of its words to the configuration.'
            )
        return LibraryTokenizer(pairs, "byte pairs")
    if text_config.get("tokenizer_mode"):
        options["tokenizer_mode"] = text_config["tokenizer_mode"]
    try:
        made = HFTokenizer(str(folder or hub), context_length=length, **options)
    except Exception as error:  # whatever transformers and the hub raise
        raise AnisoAlignError(
            f"The tokenizer {printable(str(hub))} could not be had: {first_line(error)}. It comes "
            "from the Hugging Face hub: check the connection, or put its files beside a local "
            "configuration (config= or --config)."
        ) from error
    return LibraryTokenizer(made, str(hub))
