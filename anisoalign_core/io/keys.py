"""Which of a file's arrays is meant by a modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from anisoalign_core.errors import FormatError
from anisoalign_core.files.source import printable
from anisoalign_core.io.columns import GENERIC_NAMES, SOURCE_NAMES, TARGET_NAMES, plain_name

Role = Literal["target", "source"]


def role_of(modality: str) -> Role | None:
    """Return the side that a modality names by itself: images are targets, texts sources."""
    name = plain_name(modality)
    if name in TARGET_NAMES:
        return "target"
    return "source" if name in SOURCE_NAMES else None


def find_key(keys: Sequence[str], modality: str, role: Role | None = None) -> str | None:
    """Return the key that names ``modality``, or else the side it stands on.

    Parameters
    ----------
    keys : sequence of str
    modality : str
    role : {"target", "source"}, optional
        By default the side that the modality names by itself, if any.
    """
    role = role or role_of(modality)
    name = plain_name(modality)
    wanted = [name, f"{name}s", *(f"{name}_{each}" for each in GENERIC_NAMES)]
    if role is not None:
        wanted += TARGET_NAMES if role == "target" else SOURCE_NAMES
    lowered = {plain_name(key): key for key in reversed(keys)}
    return next((lowered[want] for want in wanted if want in lowered), None)


def select_key(
    keys: Sequence[str],
    *,
    modality: str,
    key: str | None,
    name: str,
    role: Role | None = None,
) -> str:
    """Choose one of a file's arrays.

    In this order: the given ``key``; the array named after the modality or its side; the only
    array, unless its name says the other side; the only one with a name like ``embedding``.

    Raises
    ------
    FormatError
        If there is no such key, or several arrays and no way to tell.
    """
    if not keys:
        raise FormatError(f"{name} holds no array of numbers with rows and columns.")
    found = listed(keys)
    if key is not None:
        if key not in keys:
            raise FormatError(
                f'{name} has no array "{printable(key, 60)}"; it holds {found}. Choose one.'
            )
        return key
    match = find_key(keys, modality, role)
    if match is not None:
        return match
    if len(keys) == 1:
        other = role_of(keys[0])
        if (role or role_of(modality)) not in (None, other) and other is not None:
            raise FormatError(
                f"{name} holds only {found}, and {printable(modality, 60)} was asked for. If it "
                f'is meant, choose it by name: key="{printable(keys[0], 60)}".'
            )
        return keys[0]
    generic = [each for each in keys if plain_name(each) in GENERIC_NAMES]
    if len(generic) == 1:
        return generic[0]
    raise FormatError(
        f"{name} holds several arrays ({found}), and none is named "
        f'"{printable(modality, 60)}". Choose one by name: key="{printable(keys[0], 60)}".'
    )


def listed(keys: Sequence[str]) -> str:
    """Return keys as a phrase for messages, at most ten."""
    shown = ", ".join(f'"{printable(key, 60)}"' for key in keys[:10])
    return shown + (f", … ({len(keys)} in all)" if len(keys) > 10 else "")
