"""Links: the address holds page and settings, and says which data they are for.

Widgets that are bound to the address say what they are set to by themselves. Here it learns what
they cannot know: the set and its split. Data never travel in a link.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import streamlit as st

from anisoalign_core.samples import SAMPLES
from app.kept import ADDRESS, keeping
from app.session import DEFAULT_HOLDOUT, DEFAULT_SAMPLE, loaded, turn_round, use_sample
from app.widgets.common import plain

DIGEST_LETTERS = 12
NAME_LETTERS = 60
HOLDOUTS = (0.05, 0.5)
SEEDS = (0, 2**31 - 1)


@dataclass(frozen=True)
class Wanted:
    """The set that a link was made for, which only its reader can load."""

    digest: str
    name: str


def take_up() -> None:
    """Do what the link asks for that opened this session; what it cannot ask for is ignored."""
    if "link_wants" in st.session_state:
        return
    asked = st.query_params
    st.session_state["link_wants"] = None
    sample, digest = asked.get("sample", ""), asked.get("data", "")
    if sample in SAMPLES:
        use_sample(sample)
    elif len(digest) == DIGEST_LETTERS and set(digest) <= set("0123456789abcdef"):
        st.session_state["link_wants"] = Wanted(digest, asked.get("name", "")[:NAME_LETTERS])
    if asked.get("turned") == "1" and sample in SAMPLES:
        turn_round()
    seed, holdout = _number(asked.get("seed")), _number(asked.get("holdout"))
    if seed is not None and SEEDS[0] <= seed <= SEEDS[1]:
        st.session_state["split_seed"] = int(seed)
    if holdout is not None and HOLDOUTS[0] <= holdout <= HOLDOUTS[1]:
        st.session_state["holdout"] = round(holdout, 2)


def announce() -> None:
    """Let the address say which set and which split the page shows."""
    current = loaded()
    said: dict[str, str] = {}
    if current is not None and current.sample is None:
        said = {"data": current.pair.digest[:DIGEST_LETTERS], "name": current.title[:NAME_LETTERS]}
    elif current is not None and current.sample != DEFAULT_SAMPLE:
        said = {"sample": current.sample or ""}
    if current is not None and current.turned:
        said |= {"sample": current.sample or "", "turned": "1"}
    seed, holdout = st.session_state["split_seed"], st.session_state["holdout"]
    if seed:
        said["seed"] = str(seed)
    if holdout != DEFAULT_HOLDOUT:
        said["holdout"] = f"{holdout:g}"
    kept = keeping()
    if kept.name:
        said[ADDRESS] = kept.name
    gone = (ADDRESS,) if kept.name or kept.off else ()  # else it may be taken up later
    for name in ("data", "name", "sample", "turned", "seed", "holdout", *gone):
        if name in said:
            if st.query_params.get(name) != said[name]:
                st.query_params[name] = said[name]
        elif name in st.query_params:
            del st.query_params[name]


def say_what_is_wanted() -> None:
    """Name the set that a link was made for, until it is loaded."""
    wanted: Wanted | None = st.session_state["link_wants"]
    if wanted is None:
        return
    current = loaded()
    if current is not None and current.pair.digest.startswith(wanted.digest):
        st.session_state["link_wants"] = None
        return
    named = f"“{plain(wanted.name)}” " if wanted.name else "a set "
    st.info(
        f"This link was made for {named}with the digest `{wanted.digest}`. Load it on the Data "
        "page: page and settings are those of the link already. What you see now is another set.",
        icon=":material/link:",
    )


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
