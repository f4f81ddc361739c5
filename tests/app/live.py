"""What a live picture on a page says, read from the message that carries it."""

from __future__ import annotations

import json

import anisoalign_core as aa
from anisoalign_core.plots.live.pack import unpack


def live(at):
    """Return the header and the arrays of the page's live picture."""
    (picture,) = [e.proto.bytes for e in at.get("bidi_component") if e.proto.bytes]
    return unpack(picture)


def live_facts(at):
    """Return the header alone."""
    return live(at)[0]


def exact_numbers(at):
    """Exact scores beside the live picture of Correct that have a card; none where it is not."""
    said = [json.loads(e.proto.json) for e in at.get("bidi_component") if e.proto.json]
    return [
        v
        for one in said
        for k, v in one["scores"].items()
        if k in aa.METRICS and aa.METRICS[k].card
    ]


def along(at, name):
    """Return a number of the live picture along its dial."""
    facts = live_facts(at)
    return dict(zip(facts["grid"], facts["scores"][name], strict=True))


def live_note(at):
    """What is said of the exact numbers under the cards of Correct's live picture."""
    said = [json.loads(e.proto.json) for e in at.get("bidi_component") if e.proto.json]
    return said[-1]["note"]
