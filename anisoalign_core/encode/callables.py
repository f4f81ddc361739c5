"""Encoders of one's own: functions, and objects that have what ``Encodes`` asks for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.encode.audio import Clip
from anisoalign_core.encode.encoder import Encoder, Encodes, Tower, as_it_is
from anisoalign_core.encode.tokenizers import Tokens, Verbatim
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError
from anisoalign_core.files.digests import file_digest
from anisoalign_core.files.source import first_line, printable

if TYPE_CHECKING:
    from PIL.Image import Image

HAS = ("name", "dim", "summary", "describe", "encode_images", "encode_texts")


def from_callables(
    images: Callable[[list[Image]], npt.ArrayLike] | None = None,
    texts: Callable[[list[str]], npt.ArrayLike] | None = None,
    audio: Callable[[list[Clip]], npt.ArrayLike] | None = None,
    *,
    name: str,
    dim: int | None = None,
    logit_scale: float | None = None,
    logit_bias: float | None = None,
    about: Mapping[str, Any] | None = None,
) -> Encoder:
    """Make an encoder of functions.

    They are called with one batch at a time, by one thread at a time.

    Parameters
    ----------
    images : callable, optional
        From a list of n PIL images, red, green and blue, to (n, d) rows: anything that
        :func:`anisoalign_core.rows.admit` takes, of any length.
    texts : callable, optional
        From a list of n captions to (n, d) rows.
    audio : callable, optional
        From a list of n :class:`~anisoalign_core.encode.audio.Clip` to (n, d) rows.
    name : str
        What to call it in messages and in the provenance.
    dim : int, optional
        Dimensions d; found out by one try if not given.
    logit_scale, logit_bias : float, optional
        Of the logits ``s · cos(x, y) + b`` that the model was trained with.
    about : mapping, optional
        What else the embeddings depend on, fit for JSON: weights, preprocessing, versions.

    Raises
    ------
    ParameterError
        If there is no function, or no name.
    AnisoAlignError
        If a function fails: its own error is the cause.
    """
    if not str(name).strip():
        raise ParameterError("An encoder needs a name. Say which model and weights it is.")
    given = {"image": images, "caption": texts, "sound": audio}
    towers = {what: _called(call, name, what) for what, call in given.items() if call is not None}
    if not towers:
        raise ParameterError(
            f"{name} has no function to encode with. Give images=, texts= or both."
        )
    return Encoder(
        name=name,
        dim=_tried(towers, name) if dim is None else int(dim),
        model=None,
        tokenizer=Verbatim() if texts is not None else None,
        transform=as_it_is if images is not None else None,
        device="cpu",
        precision="",
        towers=towers,
        listen=Clip._make if audio is not None else None,
        logit_scale=logit_scale,
        logit_bias=logit_bias,
        about={"backend": "python", **(about or {})},
    )


def as_encoder(found: Encodes) -> Encoder:
    """Return an encoder as it is, or one of the functions of an object like it.

    Raises
    ------
    ParameterError
        If it lacks something that is needed: what.
    """
    if isinstance(found, Encoder):
        return found
    lacking = [each for each in HAS if not hasattr(found, each)]
    if lacking:
        raise ParameterError(
            f"A {type(found).__name__} is no encoder: it has no {' and no '.join(lacking)}. Give "
            "what load_encoder or from_callables returns, or what has all of Encodes."
        )
    return Wrapped(found)


class Wrapped(Encoder):
    """An object of somebody else's, whose words about itself stay its own."""

    def __init__(self, found: Encodes) -> None:
        audio = getattr(found, "encode_audio", None)
        plain = from_callables(
            found.encode_images, found.encode_texts, audio, name=found.name, dim=found.dim
        )
        vars(self).update(vars(plain), model=found)

    def describe(self) -> dict[str, Any]:
        """Return what the object says."""
        return {"name": self.name, "dimensions": self.dim, **self.model.describe()}

    @property
    def summary(self) -> str:
        """What the object says."""
        return str(self.model.summary)


def load(place: str | None) -> Encoder:
    """Return what a name in Python's code gives: an encoder, or a function that makes one.

    Parameters
    ----------
    place : str
        ``package.module:name``, or ``file.py:name``.

    Raises
    ------
    ParameterError, FormatError
        If there is no such name, or what it gives is no encoder.
    """
    module, colon, attribute = (place or "").rpartition(":")
    if not colon or not module or not attribute.isidentifier():
        raise ParameterError(
            f'"{printable(place or "", 80)}" names no encoder in Python. Give package.module:name '
            "or file.py:name (--model), of an encoder or of a function that makes one."
        )
    try:
        found = getattr(_module(module), attribute)
        whole = all(hasattr(found, each) for each in HAS) and not isinstance(found, type)
        found = found if whole else found()
    except AnisoAlignError:
        raise
    except Exception as error:  # whatever somebody's own code raises
        raise FormatError(
            f"{printable(place or '', 80)} gave no encoder: {type(error).__name__}: "
            f"{first_line(error)}. Try it in Python first."
        ) from error
    return as_encoder(found)


def _module(name: str) -> Any:
    if not name.endswith(".py"):
        return importlib.import_module(name)
    path = Path(name)
    if not path.is_file():
        raise FormatError(f"There is no file {name}. Check the path.")
    # named by what is in it: two files of one name are two modules
    spec = importlib.util.spec_from_file_location(f"{path.stem}_{file_digest(path)[:8]}", path)
    assert spec is not None and spec.loader is not None  # noqa: S101  (of .py there always is one)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _called(call: Callable[[list[Any]], npt.ArrayLike], name: str, what: str) -> Tower:
    def tower(batch: Any) -> npt.ArrayLike:
        given = list(batch.ids if isinstance(batch, Tokens) else batch)
        try:
            return call(given)
        except AnisoAlignError:
            raise
        except Exception as error:  # whatever somebody's own code raises
            if type(error).__name__ == "OutOfMemoryError":
                raise
            raise AnisoAlignError(
                f"{name} failed on {len(given)} {what}s: {type(error).__name__}: "
                f"{first_line(error)}."
            ) from error

    return tower


def _tried(towers: Mapping[str, Tower], name: str) -> int:
    """Return how many dimensions come out, by one small try."""
    from PIL import Image

    from anisoalign_core.rows import as_real_matrix

    tries: dict[str, Callable[[], Sequence[Any]]] = {
        "caption": lambda: ["a"],
        "image": lambda: [Image.new("RGB", (64, 64))],
        "sound": lambda: [Clip(np.zeros(48_000, dtype=np.float32), 48_000)],
    }
    what = next(each for each in tries if each in towers)
    return int(as_real_matrix(towers[what](tries[what]()), f"What {name} made").shape[1])
