"""Taking up what was kept: the pair at once, what was trained and benched when it is looked at."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import streamlit as st

from anisoalign_core.align import ALIGNERS
from anisoalign_core.compare.study import Study
from anisoalign_core.errors import AnisoAlignError, LimitError
from anisoalign_core.files.source import Source
from anisoalign_core.io.pair_file import read_pair
from app.keeping import Kept, Store, Token, source_of
from app.kept import ADDRESS, SAYS, Keep, Wants, keeping, pen, store
from app.packed import Contents, Opened, contents_of
from app.session import Loaded, ask_for_room, loaded, turn_round, use_pair, use_sample
from app.widgets.bench import BENCH_WAITS
from app.widgets.common import plain
from app.widgets.compare import kept_results
from app.widgets.correct import Choice, current_study
from app.widgets.learned import Learned, split_settings
from app.writing import said_now

LOG = logging.getLogger("anisoalign")
SETTLE_SECONDS = 20.0
USES_TRAININGS = ("correct", "export", "directions")
"""Pages that look at what was trained: elsewhere it is not read."""


def take(page: Any, name: str) -> None:
    """Take up what was kept, as far as a page needs it."""
    take_back()
    put_back()
    settle_page(page, name)
    take_trainings(name)
    take_compared(name)


def take_back() -> None:
    """Take up what is kept under the address and the browser's key, where nothing is held yet."""
    held, here, name = keeping(), store(), st.query_params.get(ADDRESS, "")
    asked, st.session_state["keep_asked"] = st.session_state.get("keep_asked"), name
    token = Token.of(held.key, name)
    if here is None or token is None or asked == name or held.name or held.off:
        return
    with saying("What was kept could not be taken up."), st.spinner("Taking up what was kept …"):
        pen().settle(token.place, SETTLE_SECONDS)
        kept = here.read(token)
        if kept is not None:
            _take_up(here, held, token, kept)


def _take_up(here: Store, held: Keep, token: Token, kept: Kept) -> None:
    contents, folder = contents_of(kept, "What was kept"), here.folder(token)

    def fetch(name: str) -> Source:
        return source_of(folder, name, kept.parts[name])

    current, said = None, contents.pair
    if said is not None and said.part is not None:
        try:
            ask_for_room(kept.parts[said.part].size, said.title)
            current = Loaded(read_pair(fetch(said.part)), said.title)
        except LimitError as error:
            say(f"{error} What was kept stays: load this page again later.")
        except AnisoAlignError as error:
            say(f"The rows of {said.title} are left out of what was kept. {error}")
    known = {} if current is None or said is None else {"pair": (current.pair, said.part or "")}
    sizes = {name: part.size for name, part in kept.parts.items()}
    _install(contents, current, fetch, sizes, Wants(contents, token.name, kept.stamp))
    if held.wants is None:
        held.name, held.stamp, held.touched = token.name, kept.stamp, time.monotonic()
        held.known = known
        held.said = said_now()[0]


def take_over(opened: Opened) -> None:
    """Put an opened file in place of what the session holds.

    Raises
    ------
    LimitError
        If the session may not hold as much; then nothing changes.
    """
    said, current = opened.contents.pair, None
    if opened.pair is not None and said is not None:
        current = Loaded(opened.pair, said.title)
    sizes = {name: len(data) for name, data in opened.files.items()}
    _install(opened.contents, current, opened.fetch, sizes, Wants(opened.contents))


def _install(
    contents: Contents,
    current: Loaded | None,
    fetch: Callable[[str], Source],
    sizes: dict[str, int],
    wants: Wants,
) -> None:
    """Put what was kept, or opened, in place of what the session holds."""
    held, state, said = keeping(), st.session_state, contents.pair
    rowless = said is not None and said.sample is None and current is None
    if not rowless:
        _put(contents, current)
    held.wants = wants if rowless else None
    state["link_wants"] = None
    held.bench = contents.bench
    pair = None if said is None else said.part
    waiting = [name for name in contents.files if name != pair]
    held.files = {name: (partial(fetch, name), sizes[name]) for name in waiting}
    if contents.bench is not None:
        state.pop("bench", None)
        state[BENCH_WAITS] = held.files[contents.bench][0]
    for before in held.pages.values():
        for name in before:
            state.pop(name, None)
    held.pages = {name: dict(found) for name, found in contents.pages.items()}
    held.to_settle = {name: dict(found) for name, found in contents.pages.items()}


def _put(contents: Contents, current: Loaded | None) -> None:
    """Load a pair, and set what belongs to it."""
    held, state, said = keeping(), st.session_state, contents.pair
    if current is not None or said is None:
        use_pair(current)
    elif said.sample is not None:
        use_sample(said.sample)
        if said.turned:
            turn_round()
    state["split_seed"], state["holdout"] = contents.seed, contents.holdout
    state["seed_input"], state["holdout_slider"] = contents.seed, contents.holdout
    state.pop("choice", None)
    held.trainings, state["trainings"] = contents.trainings, []
    held.compared = contents.compared
    now = loaded()
    if now is None:
        return
    with saying("The choice on Correct is left out."):
        if contents.choice is not None:
            state["choice"] = contents.choice.choice()
            _turn_knobs(state["choice"], now.pair.dim)
    with saying("Selections are left out."):
        chosen = {name: one.selection(now.pair) for name, one in contents.selections.items()}
        state["selections"] = chosen


def _turn_knobs(choice: Choice, dim: int) -> None:
    """Set the live knobs on Correct to what they were, within their range."""
    for knob in ALIGNERS[choice.method].live():
        value = choice.parameters.get(knob.parameter)
        if isinstance(value, int | float) and knob.low <= value <= knob.most(dim):
            st.session_state[knob.parameter] = float(value)


def put_back() -> None:
    """Put back what waited for rows, as soon as they are loaded, either way round."""
    held, current = keeping(), loaded()
    wants = held.wants
    if wants is None or current is None or current.sample is not None:
        return
    found = wants.awaited(current)
    if found is not None:
        held.wants = None
        if not held.name:
            held.name, held.stamp = wants.name, wants.stamp
        _put(wants.contents, found)


def take_trainings(page: str) -> None:
    """Read trained corrections, where a page is about to show them."""
    held, state = keeping(), st.session_state
    if not held.trainings or held.wants is not None or page not in USES_TRAININGS:
        return
    was_said = held.said == said_now()[0]
    found: list[Learned] = []
    with st.spinner("Taking up what was trained …"):
        for one in held.trainings:
            with saying("A trained correction is left out of what was kept."):
                found.append(one.read(lambda name: held.files[name][0](), _study))
                held.known[f"training {id(found[-1])}"] = found[-1], one.part
    held.trainings = ()
    state["trainings"] = [*found, *state.get("trainings", [])]
    if was_said:
        held.said = said_now()[0]


def take_compared(page: str) -> None:
    """Read boards and advice of the loaded set, where the page that shows them is opened."""
    held, current = keeping(), loaded()
    if not held.compared or held.wants is not None or page != "compare" or current is None:
        return
    was_said = held.said == said_now()[0]
    for one in held.compared:
        if one.digest == current.pair.digest:
            with saying("What Compare found is left out of what was kept."):
                found = one.read(lambda name: held.files[name][0]())
                kept_results()[one.asked] = found
                held.known[f"{one.kind} {one.asked}"] = found, one.part
    held.compared = ()
    if was_said:
        held.said = said_now()[0]


def _study(seed: int, holdout: float) -> Study:
    """Return the study of a split of the current pair: the page's own, where it is the same."""
    current = loaded()
    if current is None:
        raise AnisoAlignError("Nothing is loaded.")
    if (seed, holdout) == split_settings():
        return current_study()
    return Study(current.pair, current.pair.split(seed, holdout))


def settle_page(page: Any, name: str) -> None:
    """Give a page that was not opened yet the settings that it had, as a link would."""
    wanted = keeping().to_settle.pop(name, {})
    now = {key: st.query_params.get_all(key) for key in st.query_params}
    missing = {key: list(values) for key, values in wanted.items() if key not in now}
    if missing:
        st.switch_page(page, query_params={**now, **missing})


def say(words: str) -> None:
    """Say something of what was kept, until it is read."""
    st.session_state.setdefault(SAYS, []).append(plain(words))


@contextmanager
def saying(words: str) -> Iterator[None]:
    """Say what went wrong within, and go on without it."""
    try:
        yield
    except AnisoAlignError as error:
        say(f"{words} {error}")
    except Exception:
        LOG.exception("what was kept could not be read")
        say(words)
