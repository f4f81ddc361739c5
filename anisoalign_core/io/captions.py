"""Captions as people keep them: tables, lines, JSON in the common layouts, by the names of images.

The reader returns every caption there is, with the name it belongs to as often as it has captions.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source, first_line, printable
from anisoalign_core.io.cells import cells, read_text
from anisoalign_core.io.columns import NAMES, number_text, plain_name

PICTURES = (
    ".jpg .jpeg .jfif .png .webp .gif .bmp .tif .tiff .ppm .pgm"  # as files with these are called
).split()
TABLES = (".csv", ".tsv")
LINES = ("", ".txt", ".text", ".caption", ".captions", ".list", ".lst")
"""Suffixes of files that may hold one caption per line."""
TOKEN = re.compile(r"(?P<name>\S.*?)#\d+\t(?P<text>.*)")
"""A line as Flickr8k and Flickr30k have it."""
NESTED = ("sentences", "captions", "caption", "annotations")
OF_FILES = tuple(
    sorted(NAMES["id"], key=lambda n: not re.search("file|path|image$|img$|photo$|picture|url", n))
)
"""Names of ids, those of files first: captions belong to pictures by their files' names."""
EXPECTED = (
    "Give a table with the columns image and caption (.csv, .tsv), JSON or JSON lines of such "
    "records, COCO's annotations, lines name#k<tab>caption, or one caption per line (.txt)."
)


@dataclass(frozen=True)
class Captions:
    """What a file of captions says, in its order.

    Attributes
    ----------
    name : str
    names : tuple of str, or None
        Which image each belongs to; None where only the order tells. An image with several captions
        is named several times.
    texts : tuple of str
        Empty where there is none.
    """

    name: str
    names: tuple[str, ...] | None
    texts: tuple[str, ...]


def read_captions(source: Source, limits: Limits | None = None) -> Captions:
    """Read captions, by what the file holds.

    A table needs a column called caption, captions, text, title, …; a column called image,
    filename, path, file, id, … says whose. Without a header there may be one column of captions, or
    two: image files and captions. JSON may be a list of such records, one record a line, an object
    of names and captions, COCO's ``images`` and ``annotations``, or Karpathy's ``sentences``.

    Raises
    ------
    FormatError
        If it is not UTF-8, a line has too few or too many cells, or nothing is called so: what was
        expected.
    LimitError
        If it is above the limit for text files.
    """
    name = source.name
    text = read_text(source, limits or Limits.from_env())
    begin = text.lstrip()[:1]
    if begin in ("{", "["):
        return _captions(name, _from_json(text, name))
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise FormatError(f"{name} is empty. Write it again.")
    tokens = [TOKEN.fullmatch(line) for line in lines]
    if all(tokens):
        return _captions(name, [(match["name"], match["text"]) for match in tokens if match])
    suffix = PurePosixPath(source.called.lower().removesuffix(".gz")).suffix
    if suffix in TABLES or _is_table(text, source):
        return _from_table(list(cells(text, source)[0]), name)
    odd = next((line for line in lines if line.lstrip()[:1] in "{<" or _named(line)), None)
    if suffix not in LINES or odd is not None:
        shown = f': it begins with "{printable(lines[0], 60)}"'
        raise FormatError(f"{name} holds no captions that are understood{shown}. {EXPECTED}")
    whole = text.split("\n")
    return Captions(name, None, tuple(map(one_line, whole[:-1] if whole[-1] == "" else whole)))


def _named(line: str) -> bool:
    """Whether a line begins with the name of a picture and goes on."""
    words = line.split(maxsplit=1)
    return len(words) == 2 and is_picture(words[0].rstrip(",;:|"))


def is_picture(name: str) -> bool:
    """Whether a name is that of a picture, by its suffix."""
    return PurePosixPath(name.strip().lower()).suffix in PICTURES


def one_line(text: str) -> str:
    """Return text with every run of white space as one space."""
    return " ".join(text.split())


def _captions(name: str, pairs: Sequence[tuple[str | None, str]]) -> Captions:
    if not any(text for _, text in pairs):
        raise FormatError(f"{name} holds no captions. {EXPECTED}")
    texts = tuple(one_line(text) for _, text in pairs)
    names = [who for who, _ in pairs if who is not None]
    if names and len(names) < len(pairs):
        raise FormatError(f"{name} names the image of some captions only. Name it for each.")
    return Captions(name, tuple(names) if names else None, texts)


def _from_json(text: str, name: str) -> list[tuple[str | None, str]]:
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        try:
            body = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            raise FormatError(f"{name} is not JSON: {first_line(error)}. {EXPECTED}") from error
    if isinstance(body, dict):
        images, told = body.get("images"), body.get("annotations")
        if isinstance(told, list):
            return list(_of_coco(told, images if isinstance(images, list) else [], name))
        if isinstance(images, list):
            body = images
        elif _record(body):
            body = [body]
        else:
            return [(str(who), one) for who, value in body.items() for one in _texts(value, name)]
    if body and all(isinstance(each, str) for each in body):
        return [(None, each) for each in body]
    return list(_of_records(body, name))


def _of_coco(told: list[Any], images: list[Any], name: str) -> Iterator[tuple[str | None, str]]:
    """Yield COCO's captions under the names of their files, or the numbers of their images."""
    files = {
        number_text(one.get("id")): str(one.get("file_name", one.get("id")))
        for one in images
        if isinstance(one, dict)
    }
    for number, one in enumerate(told):
        if not isinstance(one, dict) or "caption" not in one or "image_id" not in one:
            raise FormatError(
                f'Annotation {number} of {name} has no "image_id" and "caption". {EXPECTED}'
            )
        whose = number_text(one["image_id"])
        for text in _texts(one["caption"], name):
            yield files.get(whose, whose), text


def _of_records(records: Any, name: str) -> Iterator[tuple[str | None, str]]:
    for number, one in enumerate(records):
        found = _record(one) if isinstance(one, dict) else None
        if found is None:
            raise FormatError(
                f"Record {number} of {name} has no caption (or text, or title). {EXPECTED}"
            )
        who, what = found
        for text in _texts(one[what], name):
            yield (None if who is None else number_text(one[who])), text


def _record(one: Mapping[str, Any]) -> tuple[str | None, str] | None:
    """Return under which names a record keeps its image and its caption."""
    plain = {plain_name(str(key)): key for key in reversed(list(one))}
    what = next((plain[key] for key in (*NAMES["caption"], *NESTED) if key in plain), None)
    simple = [
        key for key in OF_FILES if key in plain and isinstance(one[plain[key]], str | int | float)
    ]
    return None if what is None else (plain[simple[0]] if simple else None, what)


def _texts(value: Any, name: str) -> list[str]:
    """Return the captions in a value: a text, texts, or records of one text each."""
    if value is None:
        return [""]
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return list(value)
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        found = [
            next((each[k] for k in ("raw", "caption", "text") if k in each), None) for each in value
        ]
        if all(isinstance(each, str) for each in found):
            return [str(each) for each in found]
    raise FormatError(
        f"{name} holds a {type(value).__name__} in the place of a caption. {EXPECTED}"
    )


def _is_table(text: str, source: Source) -> bool:
    """Whether a text without a suffix that says so is a table of images and captions."""
    rows = cells(text, source)[0]
    first = next(rows, (0, []))[1]
    titles = [plain_name(cell) for cell in first]
    named = any(t in NAMES["caption"] for t in titles) and any(t in NAMES["id"] for t in titles)
    return len(first) > 1 and (named or (len(first) == 2 and is_picture(first[0])))


def _from_table(rows: list[tuple[int, list[str]]], name: str) -> Captions:
    titles = [plain_name(cell) for cell in rows[0][1]]
    caption = next((titles.index(one) for one in NAMES["caption"] if one in titles), None)
    if caption is not None and len(titles) == len(set(titles)):
        named = next((titles.index(one) for one in OF_FILES if one in titles), None)
        rows, width = rows[1:], len(titles)
    elif len(titles) == 1:
        named, caption, width = None, 0, 1
    elif len(titles) == 2 and is_picture(titles[0]):
        named, caption, width = 0, 1, 2
    else:
        shown = ", ".join(f'"{printable(title, 30)}"' for title in titles[:8])
        raise FormatError(
            f"{name} has no column that is called caption (or text, or title), once: its first "
            f"line is {shown}. Name the columns, for example image,caption."
        )
    for line, row in rows:
        if len(row) != width:
            raise FormatError(
                f"Line {line} of {name} has {len(row)} cells, the first line has {width}. Put "
                "captions that hold a separator in quotes (csv), or without one (tsv)."
            )
    if not rows:
        raise FormatError(f"{name} has a header and no captions. Write it again.")
    names = None if named is None else tuple(row[named].strip() for _, row in rows)
    return Captions(name, names, tuple(one_line(row[caption]) for _, row in rows))


def name_keys(name: str) -> Iterator[tuple[int, str]]:
    """Yield what an image can be called, the surest first, in one normal form of Unicode.

    The whole path, the path without suffix, the file name, and the file name without suffix.
    """
    path = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/"))
    bare = path.with_suffix("") if is_picture(path.name) else path
    return enumerate((str(path), str(bare), path.name, bare.name))


def captions_for(
    captions: Captions, ids: Sequence[str], name: str
) -> tuple[list[str], tuple[str, ...]]:
    """Give each row of a set its caption, by its id or in order.

    Rows that share an id get its captions in turn: the k-th row the k-th.

    Parameters
    ----------
    captions : Captions
    ids : sequence of n str
    name : str
        Of the set, for messages.

    Returns
    -------
    texts : list of n str
        Empty where a row has no caption.
    notes : tuple of str
        Sentences about rows without caption and captions that are left over.

    Raises
    ------
    ShapeError
        If only the order tells and there is another number of captions than of rows.
    FormatError
        If no name is the id of a row.
    """
    if captions.names is None:
        if len(captions.texts) != len(ids):
            raise ShapeError(
                f"{captions.name} has {len(captions.texts):,} captions in order, and {name} has "
                f"{len(ids):,} rows. Give one per row, or a table with a column of ids."
            )
        return list(captions.texts), ()
    whose: dict[tuple[int, str], set[str]] = {}
    texts: dict[str, list[str]] = {}
    for who, text in zip(captions.names, captions.texts, strict=True):
        texts.setdefault(who, []).append(text)
    for who in texts:
        for key in name_keys(who):
            whose.setdefault(key, set()).add(who)
    taken: dict[str, int] = {}
    found: list[str] = []
    for one in map(str, ids):
        known = [whose[key] for key in name_keys(one) if len(whose.get(key, ())) == 1]
        owner = next(iter(known[0])) if known else None
        place = 0 if owner is None else taken.get(owner, 0)
        if owner is None or place >= len(texts[owner]):
            found.append("")
            continue
        taken[owner] = place + 1
        found.append(texts[owner][place])
    if not taken:
        raise FormatError(
            f"No name in {captions.name} is the id of a row of {name}: it has names like "
            f'"{printable(captions.names[0], 60)}", ids like "{printable(str(ids[0]), 60)}". Use '
            "the same names."
        )
    more = sum(len(texts[who]) - count for who, count in taken.items())
    counts = (
        (more, f"further captions of {captions.name} are left out: their rows have one already"),
        (len(texts) - len(taken), f"names of {captions.name} have no row in {name}"),
        (found.count(""), f"rows of {name} have no caption in {captions.name}"),
    )
    return found, tuple(f"{count:,} {words}." for count, words in counts if count)
