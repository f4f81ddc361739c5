"""What the command line reads from the declarations of the methods."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from anisoalign_core.align import ALIGNERS, USUAL, AnisoAlign, Knob

OPTION = "knob_"
"""Before the parameter that an option of its own gives, among the options."""


def add_methods(parser: argparse.ArgumentParser) -> None:
    """Add ``--method``, an option for every knob that has one, and the list of all knobs."""
    parser.add_argument("--method", choices=tuple(ALIGNERS), default=USUAL, help="which correction")
    owners: dict[str, list[tuple[str, Knob]]] = {}
    lines = ["parameters that are often changed (--param NAME=VALUE):"]
    for name, method in ALIGNERS.items():
        for knob in method.knobs:
            words = " or ".join(map(str, knob.choices)) or knob.help.partition(". ")[0].rstrip(".")
            lines.append(f"  {name}: {knob.parameter}  {words}")
            if knob.option:
                owners.setdefault(knob.parameter, []).append((name, knob))
    for parameter, known in owners.items():
        choices = tuple(dict.fromkeys(one for _, knob in known for one in knob.choices))
        parser.add_argument(
            f"--{parameter}",
            dest=OPTION + parameter,
            type=_reader(known[0][1]),
            choices=choices or None,
            metavar=None if choices else parameter.upper(),
            help=f"{known[0][1].label} ({', '.join(name for name, _ in known)})",
        )
    parser.epilog = "\n".join([*lines, "", parser.epilog or ""])


def add_variant(parser: argparse.ArgumentParser) -> None:
    """Add the variants of the method that is taken apart."""
    (variant,) = (knob for knob in AnisoAlign.knobs if knob.parameter == "variant")
    known = tuple(variant.choices)
    parser.add_argument(
        "--variant", choices=known, default=known[0], help="the published method, or this project's"
    )


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters that options of their own give."""
    return {
        name.removeprefix(OPTION): value
        for name, value in vars(options).items()
        if name.startswith(OPTION) and value is not None
    }


def _reader(knob: Knob) -> Callable[[str], Any]:
    """Return what reads a knob's value from text."""
    auto = knob.live and bool(knob.auto)
    kind, called = (int, "a whole number") if knob.step >= 1 else (float, "a number")

    def read(text: str) -> Any:
        if auto and text == "auto":
            return text
        try:
            return kind(text)
        except ValueError:
            wanted = f'neither {called} nor "auto"' if auto else f"not {called}"
            raise argparse.ArgumentTypeError(f"{text!r} is {wanted}") from None

    return str if knob.choices else read
