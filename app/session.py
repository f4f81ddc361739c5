"""What one person's session holds: the pair they loaded, split settings, and computed results.

Heavy arrays live in the session's own state, keyed by the pair's digest, and never in a cache that
sessions share. Only the bundled sample, which is nobody's data, is shared.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import streamlit as st

from anisoalign_core import gap  # what measures is loaded when something is to be measured
from anisoalign_core.errors import LimitError
from anisoalign_core.gap.facts import Verdict
from anisoalign_core.gap.report import GapReport
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair, Split
from anisoalign_core.samples import SAMPLES, load_sample, sample_report
from anisoalign_core.threads import one_thread
from app.places import bytes_of
from app.server import Alive, give_back_later, place, server
from app.settings import IDLE_CHECK_SECONDS, settings
from app.shared import OfSamples
from app.widgets.progress import cancellable, waiting

T = TypeVar("T")
DEFAULT_SAMPLE = "scenes"
DEFAULT_HOLDOUT = 0.2
KEPT_RESULTS = 40
LET_GO = "let_go"
KEY_OF_BROWSER = "keep_key"
"""What a session is kept under outlives its being let go."""
KEPT_HEAVY = {"trial": 3, "cooked": 2, "after": 1, "file": 2}
"""Results that hold arrays as large as the set itself, by the first word of their key."""


@dataclass(frozen=True)
class Loaded:
    """A pair and what to call it on screen."""

    pair: EmbeddingPair
    title: str
    sample: str | None = None
    turned: bool = False
    """Whether a sample is the other way round."""


@st.cache_resource(show_spinner="Loading the bundled sample …")
def sample_pair(name: str) -> EmbeddingPair:
    """Return a bundled sample; sessions share it."""
    return load_sample(name)


@st.cache_resource(show_spinner="Turning the bundled sample round …")
def _turned_sample(name: str) -> EmbeddingPair:
    return sample_pair(name).turned()


@st.cache_resource(show_spinner="Measuring the bundled sample …")
def _sample_report(name: str, turned_round: bool) -> GapReport:
    if turned_round:
        return gap.diagnose(_turned_sample(name))
    return sample_report(name, sample_pair(name))


def start_session() -> None:
    """Take a place on the server, and load the bundled sample when a session begins.

    Ends the run with a sentence where a session was let go, or the server is full.
    """
    if LET_GO in st.session_state:
        st.info(
            f"Nothing happened here for {settings().idle_minutes} min, so this session was let "
            f"go, with all it held. {_what_next()}",
            icon=":material/hourglass_disabled:",
        )
        st.button("Start again", type="primary", on_click=st.session_state.pop, args=(LET_GO,))
        st.stop()
    take_place()
    if "loaded" not in st.session_state:
        st.session_state["alive"] = Alive()
        use_sample(DEFAULT_SAMPLE)
    st.session_state.setdefault("split_seed", 0)
    st.session_state.setdefault("holdout", DEFAULT_HOLDOUT)


def _what_next() -> str:
    if KEY_OF_BROWSER in st.session_state:
        return f"It is kept for {settings().kept_hours} h: start again to take it up."
    return "What you exported is yours; load your files again to go on."


def use_sample(name: str) -> None:
    """Make a bundled sample the session's pair."""
    use_pair(Loaded(sample_pair(name), SAMPLES[name].title, sample=name))


def turn_round() -> None:
    """Let the target be corrected and the source stay, with the rows that the session holds."""
    current = loaded()
    if current is None:
        return
    if current.sample is None:
        use_pair(replace(current, pair=current.pair.turned()))
    elif current.turned:
        use_sample(current.sample)
    else:
        pair = _turned_sample(current.sample)
        use_pair(replace(current, pair=pair, turned=True))


def take_place() -> None:
    """Say that somebody is here and what they hold; let go of results that are too much.

    Raises
    ------
    LimitError
        If the server is full.
    """
    here = place()
    here.touch()
    here.held = _held()
    results: OrderedDict[Hashable, Any] = st.session_state.get("results", OrderedDict())
    while results and here.held > server().places.room(here):
        results.popitem(last=False)
        here.held = _held()


_NOBODYS: list[Any] = []


def nobodys(*things: Any) -> None:
    """Say that things which sessions hold are bundled: no session is charged for them."""
    _NOBODYS.extend(things)


def _held() -> int:
    current = loaded()
    shared = [] if current is None or current.sample is None else [current.pair]
    return bytes_of(st.session_state.to_dict().values(), [*_NOBODYS, *shared])


@st.fragment(run_every=IDLE_CHECK_SECONDS)
def watch_idle() -> None:
    """Let the session go when nobody has used it for long: its memory and its place."""
    try:
        here = place()
    except LimitError:  # back after a lost connection, to a full server: the next click says so
        return
    if not here.idle_for(settings().idle_minutes):
        return
    place.clear()  # which leaves it
    key = st.session_state.get(KEY_OF_BROWSER)
    st.session_state.clear()
    st.session_state[LET_GO] = True
    if key is not None:
        st.session_state[KEY_OF_BROWSER] = key
    give_back_later()
    st.rerun()


def ask_for_room(size: int, what: str) -> None:
    """Refuse what this session, or the server, has no room for, before it is read.

    Raises
    ------
    LimitError
    """
    server().places.claim(place(), size, what)


def use_pair(loaded: Loaded | None) -> None:
    """Replace the session's pair; results of the previous one are let go.

    Raises
    ------
    LimitError
        If the pair is more than the session, or the server, may hold; then nothing changes.
    """
    if loaded is not None and loaded.sample is None:
        ask_for_room(bytes_of([loaded.pair]), loaded.title)
    if "loaded" in st.session_state:
        give_back_later()
    st.session_state["loaded"] = loaded
    st.session_state["results"] = OrderedDict()
    st.session_state["selections"] = {}


def loaded() -> Loaded | None:
    """Return what the session holds, or None when it was emptied."""
    return st.session_state.get("loaded")


def require_pair() -> EmbeddingPair:
    """Return the session's pair; on an empty session say what to do next and end the page."""
    current = loaded()
    if current is None:
        st.info("No embeddings are loaded.", icon=":material/inbox:")
        left, right, _ = st.columns([1, 1, 3])
        if left.button("Open the bundled sample", type="primary", width="stretch"):
            use_sample("scenes")
            st.rerun()
        if right.button("Load your own files", width="stretch"):
            st.switch_page(page_path("data"))
        st.stop()
    return current.pair


def page_path(name: str) -> str:
    """Return a page's path as Streamlit wants it: relative to the entry script."""
    return f"../pages/{name}.py"


def result(key: Hashable, build: Callable[[], T]) -> T:
    """Return a result of the current pair, computing it when it is not kept yet.

    Parameters
    ----------
    key : hashable
        Everything the result depends on besides the pair.
    build : callable
    """
    full = _full(key)
    if full in st.session_state["results"]:
        st.session_state["results"].move_to_end(full)
        kept: T = st.session_state["results"][full]
        return kept
    if _is_nobodys(key):
        return cast("T", _of_samples().once(full, one_thread()(build)))
    results: OrderedDict[Hashable, Any] = st.session_state["results"]
    results[full] = made = build()
    _forget(results, key)
    return made


def already(key: Hashable) -> bool:
    """Whether a result of the current pair is kept already."""
    full = _full(key)
    if full in st.session_state["results"]:
        return True
    return _is_nobodys(key) and full in _of_samples()


def _full(key: Hashable) -> tuple[str | None, Hashable]:
    current = loaded()
    return (current.pair.digest if current else None, key)


OF_SAMPLES = frozenset(
    "study trial plane auto curve live scores split bench_entry directions contents reading seen "
    "groups umap figure".split()
) | {"bounded curve", "live scores"}
"""Kinds of results that depend on the pair and their key alone, whoever asks."""


@st.cache_resource
def _of_samples() -> OfSamples:
    return OfSamples()


def _is_nobodys(key: Hashable) -> bool:
    """Whether a result is of a sample as it is bundled, with nothing of a person's added."""
    current = loaded()
    if current is None or current.sample is None or _kind(key) not in OF_SAMPLES:
        return False
    bundled = (_turned_sample if current.turned else sample_pair)(current.sample)
    return current.pair is bundled


def _forget(results: OrderedDict[Hashable, Any], key: Hashable) -> None:
    """Let go of the results used longest ago, of heavy kinds first."""
    kind = _kind(key)
    alike = [full for full in results if isinstance(full, tuple) and _kind(full[1]) == kind]
    for old in alike[: max(len(alike) - KEPT_HEAVY.get(kind, KEPT_RESULTS), 0)]:
        del results[old]
        if kind in KEPT_HEAVY:
            give_back_later()
    while len(results) > KEPT_RESULTS:
        results.popitem(last=False)


def _kind(key: Hashable) -> str:
    return str(key[0] if isinstance(key, tuple) else key)


def long_result(
    key: Hashable, what: str, build: Callable[[Progress], T], *, long: bool = False
) -> T:
    """Like :func:`result`, for work that shows progress, waits its turn and can be cancelled."""
    digest = require_pair().digest
    if not _is_nobodys(key):
        return result(key, lambda: cancellable((digest, key), what, build, long=long))
    alone = one_thread()(build)  # not while it waits for its turn: the limit is everybody's
    with waiting(what) as wait:
        made = _of_samples().once(
            _full(key), lambda: cancellable((digest, key), what, alone, long=long), wait
        )
    return cast("T", made)


def report() -> GapReport:
    """Return the GapReport of the current pair."""
    current = loaded()
    if current is not None and current.sample is not None:
        return _sample_report(current.sample, current.turned)
    pair = require_pair()
    return long_result(
        "report", "Measuring the gap", lambda tell: gap.diagnose(pair, progress=tell)
    )


def verdict() -> Verdict | None:
    """Return whether there is anything to align; None where measuring it was cancelled.

    Kept by itself: a page that opens with it should not measure again when others' results
    have pushed the report out.
    """
    digest = require_pair().digest
    known: tuple[str, Verdict] | None = st.session_state.get("verdict")
    if known is None or known[0] != digest:
        if (digest, "report") in st.session_state.get("cancelled", ()):
            return None
        known = st.session_state["verdict"] = digest, report().verdict
    return known[1]


def split() -> Split:
    """Return the seeded split of the current pair, with the settings of the Data page."""
    pair = require_pair()
    seed, holdout = st.session_state["split_seed"], st.session_state["holdout"]
    return result(("split", seed, holdout), lambda: pair.split(seed, holdout))
