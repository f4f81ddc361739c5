"""The pages of the documentation site, and the blocks of code that they show."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    + [path for path in DOCS.rglob("*.md") if "_build" not in path.parts]
)
"""Sphinx itself refuses a page of docs/ that is in no list of contents."""

FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1``` *$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"\n\n(?: {4,}|\t)(\S[^\n]*)")


@dataclass(frozen=True)
class Block:
    """A block of code: the page, what stands behind its fence, and its lines."""

    page: str
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.info or 'shell'}: {self.text.splitlines()[0][:40]}"

    @property
    def commands(self) -> list[list[str]]:
        """Words of each command of a shell's lines."""
        lines = self.text.replace("\\\n", " ").splitlines()
        split = [shlex.split(line, comments=True) for line in lines]
        found: list[list[str]] = []
        for words in split:
            found.append([])
            for word in words:
                if word == "&&":
                    found.append([])
                else:
                    found[-1].append(word)
        return [words for words in found if words]


def blocks() -> list[Block]:
    """Every block of every page; directives of the site are no code."""
    found = []
    for path in PAGES:
        for _, info, text in FENCE.findall(path.read_text(encoding="utf-8")):
            if not info.startswith("{"):
                found.append(Block(path.name, info.strip(), text))
    return found


def without_code(path: Path) -> str:
    """Text of a page without its blocks and its code in words."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]+`", "``", text)
