"""A class on the Learn page: who leads it, who is in it, its address, and its votes."""

from __future__ import annotations

import io
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode, urlsplit

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.plots.teach import vote_bars
from anisoalign_core.teach import typical
from app.classes import LENGTH, ClassOver, Lead, Now, Question
from app.server import server
from app.widgets.common import guard, plain
from app.widgets.learn_look import KEY as LARGE
from app.widgets.learn_look import figure
from app.widgets.learn_predict import choose, compare, key_of
from app.widgets.learn_predictions import Asked

LINK = "class"
SEAT = "learn_seat"
TRIED = "learn_tried"
"""In the session: the code of a link that led nowhere, so that it counts once."""
LOOK_SECONDS = 2.0
QR_SCALE, QR_WIDTH = 8, 240
LONGEST = 300
"""Letters of an address that is made into a code: browsers say theirs themselves."""
COOKIE = "_streamlit_xsrf"
MASKED = re.compile(r"2\|([0-9a-f]{8})\|([0-9a-f]{32,64})\|\d+")
"""Streamlit's cookie: its token anew under another mask of four bytes with every page."""
HERE_ALONE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Member:
    """A seat in a class."""

    code: str


Seat = Lead | Member | None


def browser() -> str:
    """Return what tells this browser from others, also when its page is loaded anew.

    Without the cookie it is this session that is told from others.
    """
    cookie = st.context.cookies.get(COOKIE)
    found = MASKED.fullmatch(cookie) if isinstance(cookie, str) else None
    if found is not None:
        mask, token = bytes.fromhex(found[1]), bytes.fromhex(found[2])
        return bytes(each ^ mask[k % 4] for k, each in enumerate(token)).hex()
    known: str = st.session_state.setdefault("learn_browser", secrets.token_hex(16))
    return known


def seat() -> Seat:
    """Return this session's seat; a link with a code takes one."""
    classes = server().classes
    code = st.query_params.get(LINK, "")
    held: Seat = st.session_state.get(SEAT)
    if held is None and code and st.session_state.get(TRIED) != code:
        st.session_state[TRIED] = code
        if not classes.offered:
            st.info("This server holds no classes. The story is here all the same.")
            return None
        with guard():
            held = st.session_state[SEAT] = Member(classes.join(code, browser()))
    if held is not None and code != held.code:
        if isinstance(held, Member):
            st.query_params[LINK] = held.code
        elif code:
            del st.query_params[LINK]  # a leader's address is not the class's
    return held


def _rise() -> None:
    """Leave the class."""
    held = st.session_state.pop(SEAT, None)
    if isinstance(held, Lead):
        server().classes.end(held)
    if LINK in st.query_params:
        del st.query_params[LINK]


def _over(error: ClassOver) -> None:
    _rise()
    st.info(plain(str(error)), icon=":material/school:")


# -- who is in a class ----------------------------------------------------------------------------


def where(member: Member) -> Now | None:
    """Return where the class is, and follow it; None where it has ended, which is then said."""
    try:
        now = server().classes.now(member.code, browser())
    except ClassOver as error:
        _over(error)
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Class {member.code}.** Whoever leads it chooses the step.")
        st.button("Leave the class", key="learn_leave", type="tertiary", on_click=_rise)
        mine = server().classes.led_from(member.code, browser())
        if mine is not None:
            st.button(
                "Lead it from here",
                key="learn_lead_again",
                help="This browser began it.",
                on_click=st.session_state.__setitem__,
                args=(SEAT, mine),
            )
    _follow(member, now)
    return now


@st.fragment(run_every=LOOK_SECONDS)
def _follow(member: Member, seen: Now) -> None:
    """Run the page again when the class goes on."""
    try:
        now = server().classes.now(member.code, browser())
    except ClassOver:
        now = None
    if now is None or (now.at, now.shown) != (seen.at, seen.shown):
        st.rerun()


def vote(member: Member, now: Now, asked: Asked) -> tuple[bool, int | None]:
    """Ask a member for a vote; return whether what is may be shown, and the vote."""
    with st.container(border=True):
        if now.shown:
            compare(asked, now.vote, "Your vote was")
            return True, now.vote
        st.markdown(f"**Predict first.** {asked.prediction.asks}")
        guess = choose(now.at, asked.prediction, now.vote)
        if st.button(
            "Vote" if now.vote is None else "Change my vote",
            key=f"learn_vote_{now.at[0]}_{now.at[1]}",
            type="primary",
            icon=":material/how_to_vote:",
            disabled=guess is None,
            on_click=_vote,
            args=(member.code, now.at),
        ):
            trouble = st.session_state.pop("learn_trouble", "")
            if trouble:
                st.warning(plain(trouble))
        if now.vote is not None:
            st.markdown(
                f"Your vote: **{asked.prediction.options[now.vote]}** It has no name on it, and "
                "may change until the class is shown what is."
            )
    return False, now.vote


def _vote(code: str, at: Question) -> None:
    option = st.session_state.get(key_of(at))
    if option is None:
        return
    try:
        server().classes.vote(code, browser(), at, int(option))
    except AnisoAlignError as error:
        st.session_state["learn_trouble"] = str(error)


# -- who leads ------------------------------------------------------------------------------------


def offer(place: DeltaGenerator) -> None:
    """Offer to lead or to join a class, where the server allows it."""
    if not server().classes.offered:
        return
    with place.popover("Class", icon=":material/groups:"):
        st.markdown(
            "**Lead a class.** Everybody opens a link or a QR code on a phone, predicts, and "
            "follows your steps. You see how many chose what; nobody's name is asked."
        )
        if st.button("Begin a class", key="learn_begin", type="primary"):
            _begin()
        st.markdown("**Join one.**")
        with st.form("learn_join", border=False):
            code = st.text_input("Code of the class", max_chars=LENGTH + 3, key="learn_code")
            if st.form_submit_button("Join"):
                with guard():
                    st.session_state[SEAT] = Member(server().classes.join(code, browser()))
                    st.rerun()


def _begin() -> None:
    with guard():
        st.session_state[SEAT] = server().classes.begin(browser())
        st.session_state["learn_large_wanted"] = True
        st.rerun()


def grow() -> None:
    """Turn large type on for who has just begun a class, before its toggle is drawn."""
    if st.session_state.pop("learn_large_wanted", False):
        st.session_state[LARGE] = True


def panel(lead: Lead, at: Question) -> bool:
    """Show who leads how others get in; return whether the class goes on."""
    try:
        server().classes.move(lead, at)
    except ClassOver as error:
        _over(error)
        return False
    link = address(lead.code)
    with st.expander("How to get in", expanded=True, icon=":material/qr_code_2:"):
        row = st.container(horizontal=True, vertical_alignment="center")
        if link:
            row.container(width=QR_WIDTH).image(qr(link), width=QR_WIDTH, alt=f"QR code of {link}")
        with row.container(width="stretch"):
            st.markdown(f"# {lead.code[:3]} {lead.code[3:]}")
            if link:
                st.markdown(f"`{link}`")
                if urlsplit(link).hostname in HERE_ALONE:
                    st.caption(
                        "This address leads to this computer alone. Open the app under its name "
                        "or number in your network, and begin here."
                    )
            st.button("End the class", key="learn_end", type="tertiary", on_click=_rise)
    return True


@st.fragment(run_every=LOOK_SECONDS)
def _votes(lead: Lead, asked: Asked) -> None:
    try:
        found = server().classes.tally(lead, len(asked.prediction.options))
    except ClassOver:
        st.rerun()
    total = sum(found.counts)
    st.markdown(f"**{total}** of {found.present} here have voted on this step.")
    if st.toggle("Show the votes", key="learn_show_votes"):
        nearest = None
        if found.shown:
            is_now = asked.found()
            nearest = asked.prediction.nearest(is_now) if asked.prediction.places else int(is_now)
        figure(
            lambda: vote_bars(asked.prediction.options, found.counts, nearest),
            caption=f"{total} votes, one a browser." + (" Filled: what is." if found.shown else ""),
            alt="Votes for each option: "
            + ", ".join(
                f"{words} {count}"
                for words, count in zip(asked.prediction.options, found.counts, strict=True)
            ),
            key="learn_votes",
            own=True,
        )


def reveal(lead: Lead, asked: Asked) -> tuple[bool, int | None]:
    """Let whoever leads show what is; return whether it is shown, and what stands for the votes."""
    classes = server().classes
    try:
        found = classes.tally(lead, len(asked.prediction.options))
    except ClassOver:
        return False, None
    placed = bool(asked.prediction.places)
    guess = typical(found.counts, placed)
    with st.container(border=True):
        if found.shown:
            _votes(lead, asked)
            compare(asked, guess, "The middle vote was" if placed else "Most voted")
            st.button(
                "Hide it, and vote again",
                key="learn_hide",
                icon=":material/undo:",
                type="tertiary",
                on_click=_show,
                args=(lead, False),
            )
            return True, guess
        st.markdown(f"**Predict first.** {asked.prediction.asks}")
        st.markdown(
            f"A place from *{asked.prediction.ends[0]}* to *{asked.prediction.ends[1]}*."
            if placed
            else " / ".join(asked.prediction.options)
        )
        _votes(lead, asked)
        st.button(
            "Show what is",
            key="learn_show",
            type="primary",
            icon=":material/visibility:",
            on_click=_show,
            args=(lead, True),
        )
    return False, None


def _show(lead: Lead, shown: bool) -> None:
    try:
        server().classes.show(lead, shown)
    except ClassOver:
        return  # the run that follows says so


def address(code: str) -> str:
    """Return the link to a class, under the address by which this browser came; else nothing."""
    here = st.context.url
    return f"{here}?{urlencode({LINK: code})}" if here and len(here) < LONGEST else ""


@lru_cache(maxsize=64)
def qr(link: str) -> bytes:
    """Return a link as a QR code: a PNG, dark on white in any theme, as scanners want it."""
    import segno

    held = io.BytesIO()
    segno.make(link, error="m", micro=False).save(held, kind="png", scale=QR_SCALE, border=4)
    return held.getvalue()
