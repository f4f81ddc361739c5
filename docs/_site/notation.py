"""How formulas are written as plain text: which text is one, and where indices and powers stand.

``μ_x``, ``Σ̂_y^−½`` and ``e^{±α}`` are what a terminal shows of a docstring. What follows ``_`` is
an index and what follows ``^`` a power: a letter or two, a number, or what braces hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Kind = Literal["", "below", "above"]

SIGNS = re.compile(r"[Α-Ωα-ωϕ√‖∈∞≤≥≈≠⟨⟩∘·×←∩∪ᵀ½²³⁴⁻∇−₀-₉]")
"""What stands in formulas, and in no line of code."""

CODE = re.compile(r"""["`]|'[^']*'|\w\.\w|__|==""")
LETTER = "A-Za-zΑ-Ωα-ω"
BASE = (
    r"\b(?:softmax|argmax|argmin|mean|log|max|min|sup|inf)(?=_)|(?<![\w.])10(?=\^)"
    rf"|(?<![\w.])[{LETTER}][\u0300-\u036f⁰¹²³⁻ᵀ]*′?|(?<=[)\]}}‖|½²])"
)
INDEX = rf"_(?:\{{([^{{}}]+)\}}|(max|min|[{LETTER}]{{1,2}}|\d{{1,3}})(?![{LETTER}0-9_]))"
SHORT = rf"[−+±-]{{0,2}}(?:[\d½∞]+|[{LETTER}]{{1,2}})(?![{LETTER}])"
POWER = rf"\^(?:\{{([^{{}}]+)\}}|\(([^()]+)\)|({SHORT}))"
SET = re.compile(rf"({BASE})(?:{INDEX})?(?:{POWER})?")


def pieces(text: str) -> Iterator[tuple[Kind, str]]:
    """Cut text into what stands on the line, below and above it."""
    end = 0
    for found in SET.finditer(text):
        base, *parts = found.groups()
        below, above = parts[0] or parts[1], parts[2] or parts[3] or parts[4]
        if below or above:
            yield "", text[end : found.start()] + base
            if below:
                yield "below", below
            if above:
                yield "above", above
            end = found.end()
    yield "", text[end:]


def is_formula(text: str) -> bool:
    """Whether what stands in backquotes is mathematics and no code."""
    if CODE.search(text):
        return False
    return bool(SIGNS.search(text)) or any(kind for kind, _ in pieces(text))
