"""The whole story as one file: a class that opens from disk, with no server and no network."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from anisoalign_core.plots.live import LivePicture
from anisoalign_core.plots.live.homes import block, page
from anisoalign_core.teach import find_pictures
from app.widgets import learn_sample as sample
from app.widgets.learn import STEPS, Step
from app.widgets.learn_predictions import FIRST_CAPTION, asked
from app.widgets.learn_sample import NEAREST
from app.widgets.rows import address

TITLE = "The modality gap, and what can be done about it"
INTRODUCTION = (
    "Every picture moves under your hand: drag its dial, press Play, point at a dot. It was made "
    "from 4,000 rendered scenes and their captions, by a small encoder that was trained for this. "
    "Predict before you open an answer."
)
LOOK = (
    "<style>section{margin:2.5rem 0}details{margin:1rem 0;padding:.6rem 1rem;border:1px solid "
    "rgba(138,138,138,.4);border-radius:8px}summary{cursor:pointer}table{border-collapse:collapse}"
    "td,th{padding:.2rem .8rem;border-bottom:1px solid rgba(138,138,138,.4)}figure{display:"
    "inline-block;margin:.3rem;width:110px;font-size:13px;vertical-align:top}</style>"
)


def class_page() -> str:
    """Return the story as one HTML page that fetches nothing."""
    pictures: list[LivePicture] = []
    sections = []
    for number, step in enumerate(STEPS, start=1):
        shown, found = _picture(number)
        pictures += found
        sections.append(
            f"<section id='step{number}'><h2>{number}. {html.escape(step.title)}</h2>"
            f"<p>{_marked(step.sentence)}</p>{_prediction(number)}{shown}{_question(step)}"
            "</section>"
        )
    body = (
        f"{LOOK}<h1>{html.escape(TITLE)}</h1><p>{html.escape(INTRODUCTION)}</p>"
        + "".join(sections)
        + f"<footer>{html.escape(sample.bound_live(1, 2).facts['foot'])}</footer>"
    )
    return page(pictures, TITLE, body)


def _picture(number: int) -> tuple[str, list[LivePicture]]:
    """Return what a step shows, and its live pictures."""
    last = sample.training().scales[-1]
    live: dict[int, Callable[[], list[LivePicture]]] = {
        2: lambda: [sample.training_live(last, "cone")],
        3: lambda: [sample.training_live(scale, "gap") for scale in sample.training().scales[::-1]],
        4: lambda: [sample.shift_live()],
        5: lambda: [sample.residual_live()],
        6: lambda: [sample.bound_live(1, 2)],
        7: lambda: [sample.trade_off_live()],
    }
    if number == 1:
        return _search(), []
    if number == len(STEPS):
        return _claims(), []
    found = live[number]()
    return "".join(block(one) for one in found), found


def _prediction(number: int) -> str:
    """Return what is asked before a step's picture, and what is, hidden; the last asks itself."""
    if number == len(STEPS):
        return ""
    one = asked((number, 0))
    return (
        f"<details><summary><b>Predict first.</b> {html.escape(one.prediction.asks)}</summary>"
        f"{_marked(one.prediction.holds(one.found()) + ' ' + one.beside())}</details>"
    )


def _question(step: Step) -> str:
    if step.answer is None:
        return ""
    return (
        f"<details><summary><b>Question.</b> {html.escape(step.question)}</summary>"
        f"{_marked(step.answer())}</details>"
    )


def _search() -> str:
    """Return one caption and the pictures nearest to it."""
    pair = sample.pair()
    captions, thumbnails = sample.shown(pair.source)[0], sample.shown(pair.target)[1]
    found = find_pictures(pair.source.vectors, pair.target.vectors, FIRST_CAPTION, NEAREST)
    tiles = "".join(
        f"<figure><img width='92' alt='{html.escape(str(captions[row]), quote=True)}' "
        f"src='{address(thumbnails[row])}'><figcaption>{cosine:.3f}"
        f"{' <b>its own</b>' if row == FIRST_CAPTION else ''}</figcaption></figure>"
        for row, cosine in zip(found.rows.tolist(), found.cosines.tolist(), strict=True)
    )
    return (
        f"<p>“{html.escape(str(captions[FIRST_CAPTION]))}” looks for its picture among "
        f"{len(pair.target):,}; its own comes at place {found.rank:,}. The nearest:</p>{tiles}"
    )


def _claims() -> str:
    """Return the sentences one hears, each with its numbers and a hidden verdict."""
    parts = []
    for claim in sample.measured_claims():
        rows = "".join(
            f"<tr><td>{html.escape(bar.label)}</td><td>{bar.value:.3g}</td></tr>"
            for bar in claim.bars
        )
        verdict = "Yes, with these words." if claim.holds else "No."
        parts.append(
            f"<h3>{_marked(claim.words)}</h3><p>{html.escape(claim.axis)}</p>"
            f"<table>{rows}</table><details><summary>May this be said?</summary>"
            f"<p><b>{verdict}</b> {html.escape(claim.because)}</p></details>"
        )
    return "".join(parts)


def _marked(text: str) -> str:
    """Return the story's own words as HTML: paragraphs, bold, and one kind of table."""
    parts = []
    for paragraph in text.split("\n\n"):
        safe = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(paragraph))
        rows = [line for line in safe.split("\n") if line.startswith("|")]
        if rows:
            cells = [[c.strip() for c in row.strip("|").split("|")] for row in rows]
            head, *rest = [row for row in cells if set("".join(row)) - {"-", ":"}]
            lines = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rest)
            parts.append(f"<table><tr><th>{'</th><th>'.join(head)}</th></tr>{lines}</table>")
        else:
            parts.append(f"<p>{safe}</p>")
    return "".join(parts)
