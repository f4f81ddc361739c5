"""What dropped files are taken for, shown to be corrected: a person's word stands before names'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import streamlit as st

from anisoalign_core.files.source import Choice
from app.loading import Given
from app.proposal import OTHER, WAYS, Corrections, Proposal
from app.recognise import Seen
from app.widgets.columns import column_choice
from app.widgets.common import plain

PAIRING = {"row": "By row", "id": "By id", "none": "Unpaired"}
PAIRING_HELP = (
    "By row: row i of one file belongs to row i of the other. By id: rows with the same id belong "
    "together, in any order. Unpaired: nothing is known; pairs are then never used."
)
BY_HELP = (
    "By id: what is called after a row's id belongs to it, with or without folders and suffix. In "
    "order: one for each row; pictures in the order of their names."
)
ALL = -1
"""What is said of all files together, not of one."""


def pairing(key: str) -> Literal["row", "id", "none"]:
    """Ask how rows of several files belong together."""
    chosen = st.segmented_control(
        "How do rows correspond?",
        list(PAIRING),
        default="row",
        required=True,
        format_func=PAIRING.__getitem__,
        key=key,
        help=PAIRING_HELP,
    )
    return chosen or "row"  # type: ignore[return-value]


def _said() -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = st.session_state.setdefault("drop_said", {})
    return found


def corrected(given: Sequence[Given]) -> Corrections:
    """Return what a person has said otherwise of these files, by their places."""
    places = {one.identity: i for i, one in enumerate(given)} | {"": ALL}
    return {
        (what, places[identity]): value
        for (what, identity), value in _said().items()
        if identity in places and value
    }


def stands_turned() -> bool:
    """Whether the target's rows are to become stand-ins for the source's."""
    return bool(_said().get(("stands", "")) == "target")


def _ask(
    widget: Callable[..., Any],
    what: str,
    identity: str,
    value: Any,
    key: str,
    label: str,
    **more: Any,
) -> Any:
    """Ask for what has a value already: what is proposed, until a person says otherwise."""
    st.session_state[key] = value
    return widget(label, key=key, on_change=_hear, args=(what, identity, key), **more)


def _hear(what: str, identity: str, key: str) -> None:
    _said()[what, identity] = st.session_state[key]


def encoder_name(row: Any, seen: Sequence[Seen], proposal: Proposal) -> str:
    """Ask for the encoder's name; returned where it is another than files say."""
    files = [side.file for side in proposal.sides.values() if side.file is not None]
    models = sorted({seen[i].model for i in files} - {""})
    told = models[0] if len(models) == 1 else ""
    named = _said().get(("encoder", ""), told)
    name = _ask(
        row.text_input,
        "encoder",
        "",
        named,
        "drop_encoder",
        "Encoder",
        placeholder=" and ".join(models) or "its name, such as ViT-B-16 openai",
        max_chars=120,
        width=340,
    ).strip()
    return "" if name == told else name


def ask_to_swap(given: Sequence[Given], proposal: Proposal) -> None:
    """Ask where files' names say the other side, and exchange them if wished."""
    named = {way: given[proposal.sides[way].file or 0] for way in WAYS}
    target, source = (plain(named[way].source.name) for way in WAYS)
    st.warning(
        f"{target} is given as {proposal.names['target']} and {source} as "
        f"{proposal.names['source']}, but the names say otherwise. Are they the wrong way round?",
        icon=":material/swap_horiz:",
    )
    row = st.container(horizontal=True)
    swapped: dict[tuple[str, str], str]
    swapped = {("role", named[way].identity): OTHER[way] for way in WAYS}
    for label, key, said in (
        ("Swap the files", "files_swap", swapped),
        ("They are right as they are", "files_keep", {("placed", ""): "keep"}),
    ):
        row.button(label, key=key, on_click=_said().update, args=(said,))


def corrections(
    given: Sequence[Given], seen: Sequence[Seen], proposal: Proposal
) -> dict[int, Choice]:
    """Show what each file is taken for, to be chosen otherwise; return the choices of columns."""
    choices: dict[int, Choice] = {}
    names = proposal.names
    labels = {str(way): name for way, name in names.items()}
    labels |= {"both": "both sides", "none": "leave out", "id": "by id", "row": "in order"}
    for i, (one, here, part) in enumerate(zip(given, seen, proposal.parts, strict=True)):
        if here.problem:
            continue
        row = st.container(horizontal=True, vertical_alignment="center", gap="small")
        sizes = " + ".join(array.size for array in here.arrays[:3])
        why = " · ".join(filter(None, (sizes, part.why)))
        row.markdown(f"**{plain(here.name)}**  \n:small[{plain(why)}]", width="stretch")

        def asked(what: str, value: Any, options: Sequence[Any], label: str, **more: Any) -> None:
            _ask(
                row.selectbox,  # noqa: B023  (called at once)
                what,
                one.identity,  # noqa: B023
                value,
                f"drop_{what}_{i}",  # noqa: B023
                label,
                options=options,
                format_func=lambda name: labels.get(name, str(name)),
                label_visibility="collapsed",
                **more,
            )

        roles = (["target", "source"] if here.arrays else []) + ["both"] * (len(here.arrays) > 1)
        roles += ["captions", "ids"] if here.lines or here.kind == "captions" else []
        roles += ["pictures"] if here.kind == "pictures" else []
        asked(
            "role",
            part.role,
            [*roles, "none"],
            f"What {here.name} is",
            index=None,
            placeholder="choose",
            width=150,
        )
        if part.role in ("captions", "ids", "pictures") and proposal.sides:
            asked("of", part.of, ["both", *WAYS], "Of which rows", width=150)
            if part.role != "ids" and here.ids:
                how = "How they belong to rows"
                more: dict[str, Any] = {"index": None, "placeholder": "choose", "help": BY_HELP}
                asked("by", part.by, ["id", "row"], how, width=130, **more)
        if here.kind == "vectors" and len(here.arrays) > 1:
            keys = [array.key for array in here.arrays]
            for way in WAYS:
                side = proposal.sides.get(way)
                if side is not None and side.file == i:
                    value = None if side.array is None else side.array.key
                    which = f"Which array is {names[way]}"
                    asked(way, value, keys, which, index=None, placeholder=which, width=190)
        if here.columns and part.role in (*WAYS, "both"):
            choices[i] = column_choice(here.name, here.columns, f"drop_{one.identity}")
    if proposal.act == "load":
        _of_all(proposal)
    return choices


def _of_all(proposal: Proposal) -> None:
    """Ask how rows correspond, what the sides are called, and which of them stand in."""
    row = st.container(horizontal=True, gap="medium")
    _ask(
        row.segmented_control,
        "by",
        "",
        proposal.by,
        "drop_by",
        "How do rows correspond?",
        options=list(PAIRING),
        format_func=PAIRING.__getitem__,
        help=PAIRING_HELP,
    )
    for way in WAYS:
        _ask(
            row.text_input,
            way,
            "",
            proposal.names[way],
            f"{way}_modality",
            f"{way.capitalize()} modality",
            max_chars=40,
            width=130,
        )
    _ask(
        row.segmented_control,
        "stands",
        "",
        "target" if stands_turned() else "source",
        "drop_stands",
        "Become stand-ins",
        options=["source", "target"],
        format_func=lambda way: plain(proposal.names[way]),
        help="These rows are corrected towards the others, which stay where they are.",
    )
