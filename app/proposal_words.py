"""What was understood of several files, in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.proposal import WAYS, Proposal
from app.recognise import Seen


def in_words(
    seen: Sequence[Seen], proposal: Proposal, turned: bool, bold: Callable[[str], str] = str
) -> str:
    """Say what was understood, in a sentence or two; empty while a side lacks."""
    named = [bold(one.name) for one in seen]
    if proposal.act == "open":
        (first,) = [i for i, one in enumerate(seen) if one.kind == "session"][:1]
        return (
            f"{named[first]} is a saved session. It takes the place of what is loaded, chosen and "
            "trained now."
        )
    if proposal.act is None or len(proposal.sides) < 2:
        return ""
    told = []
    if proposal.act == "load":
        whole = []
        for way in WAYS:
            side = proposal.sides[way]
            one = seen[side.file or 0]
            several = side.array is not None and len(one.arrays) > 1 and one.kind != "pair"
            words = [] if proposal.one_file else [named[side.file or 0]]
            words += [bold(side.array.key)] if several and side.array else []
            words += [f"({side.array.size})"] if side.array else []
            whole.append(f"{' '.join(words)} as {proposal.names[way]}")
        begins = ""
        if proposal.one_file:
            begins = f"{named[proposal.sides['target'].file or 0]} holds both: "
        told.append(f"{begins}{whole[0]} and {whole[1]}, {_partners(seen, proposal)}")
    for i, part in enumerate(proposal.parts):
        if part.role in ("captions", "ids", "pictures"):
            of = "" if part.of == "both" else f" of {proposal.names[part.of]}"
            how = {"id": " by id", "row": " in order", None: ""}[part.by]
            told.append(f"{part.role}{of} from {named[i]}{how}")
        elif part.role == "none":
            told.append(f"{named[i]} is left out")
    if proposal.act == "add":
        return f"For the rows that are loaded: {'; '.join(told)}."
    ends = [proposal.names[one] for one in (WAYS if turned else WAYS[::-1])]
    return f"{'; '.join(told)}. The {ends[0]} rows become stand-ins for {ends[1]} rows."


def _partners(seen: Sequence[Seen], proposal: Proposal) -> str:
    if proposal.by == "row" and seen[proposal.sides["target"].file or 0].kind == "pair":
        return "partners as they were saved"
    if proposal.by == "row" and proposal.one_file and proposal.sides["target"].ids:
        return "partners row by row, or by id where ids say otherwise"
    return {
        "row": "partners row by row",
        "id": "partners by id",
        "none": "unpaired",
        None: "partners not said",
    }[proposal.by]
