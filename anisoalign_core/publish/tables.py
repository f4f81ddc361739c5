"""Cells, tables and checks of a leaderboard as text: what every format prints."""

from __future__ import annotations

from anisoalign_core import card
from anisoalign_core.compare import published
from anisoalign_core.compare.results import Leaderboard
from anisoalign_core.compare.use.uses import described, head
from anisoalign_core.metrics.intervals import Interval

MARKS = {"better": "▲", "worse": "▼", "cannot tell": "=", None: ""}
NOTHING = 5e-5
"""Scores below this are 0 in a table."""
LEGEND = (
    "Against ReAlign, split by split: ▲ better, ▼ worse, = the interval of the difference holds "
    "zero. ↑ larger is better, ↓ smaller is."
)
GROUP_WORDS = {
    "semantics": "Semantics: what the source keeps",
    "support": "Support: how far it stands where the target stands",
    "residual": "Residual: what still separates partners",
    "retrieval": "Retrieval: whether partners find each other",
    "train": "Training on the other modality: what it teaches about the target",
    "search": "Search across modalities, by cosines and by mended scores",
    "mixed": "Search among documents of both kinds",
    "cluster": "Clustering both modalities together",
    "zero-shot": "Zero-shot: target rows named by vectors of class names",
    "robustness": "Robustness: search after rows were stored in fewer bits, cut or stirred",
}


def command(board: Leaderboard) -> str:
    """Return the shell line that computes the same board."""
    from shlex import quote

    setting = board.setting
    files = []
    for side in (setting.target, setting.source):
        file = str((side["files"] or [side["name"]])[0])
        bundled = file.startswith("sample_data/")
        files.append(quote("sample:" + side["name"].split("/")[0] if bundled else file))
    pairing = " --join-ids" if "things" in setting.rows else " --paired"
    pairing = pairing if setting.paired else ""
    names = [quote(one.name) for one in board.entries if one.role != "ceiling"]
    line = (
        f"anisoalign compare --target {files[0]} --source {files[1]}"
        f"{pairing} --methods {' '.join(names)} "
        f"--splits {setting.splits} --holdout {setting.holdout:g} --k {setting.k} "
        f"--seed {setting.random_state}"
    )
    if setting.keywords:
        text = "; ".join(f"{name}: {', '.join(w)}" for name, w in setting.keywords.items())
        return line + f" --keywords {quote(text)}"
    return line + (f" --labels {' '.join(map(quote, setting.columns))}" if setting.columns else "")


def cell(found: Interval) -> str:
    """Return a value with its interval, to three significant digits."""
    return card.within(found.value, found.low, found.high, nothing=NOTHING)


def three(value: float) -> str:
    """Return a number to three significant digits."""
    return card.three(value, nothing=NOTHING)


def table(board: Leaderboard, group: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of one group of metrics: chance first, then every entry.

    A row holds the entry's label, its role, and per metric the value with its interval and the
    mark of :data:`MARKS`.
    """
    metrics = board.metrics(group)
    header = ["method", "reads", *map(head, metrics)]
    rows = []
    chances = [board.chance(metric) for metric in metrics]
    if any(chance is not None for chance in chances):
        rows.append(["*chance*", "", *("" if c is None else three(c) for c in chances)])
    for one in board.ranked:
        if not any(board.has(one.name, metric) for metric in metrics):
            continue
        cells = []
        for metric in metrics:
            if not board.has(one.name, metric):
                cells.append("–")
                continue
            mark = MARKS[board.race(one.name, metric)]
            cells.append(f"{cell(board.score(one.name, metric))} {mark}".strip())
        rows.append([one.label, one.reads, *cells])
    return header, rows


def needs_line(board: Leaderboard, group: str) -> str:
    """Say what each metric of a group needs."""
    by_need: dict[str, list[str]] = {}
    for metric in board.metrics(group):
        by_need.setdefault(described(metric).needs, []).append(described(metric).symbol)
    return "; ".join(f"{need}: {', '.join(names)}" for need, names in by_need.items()) + "."


def checks(board: Leaderboard) -> list[str]:
    """Say, as list items, whether floors lie below ceilings and the control is at chance."""
    found = []
    for name, all_checks, words in (
        ("order", board.order(), "the floor entry scores below the ceiling entry"),
        ("controls", board.controls(), "the permuted target is no better than chance"),
    ):
        if not all_checks:
            found.append(f"* {words}: nothing to check ({name} entries are not on the board).")
            continue
        held = [check for check in all_checks if check.holds]
        found.append(f"* On {len(held)} of {len(all_checks)} metrics {words}.")
        found += [
            f"  * not on {described(c.metric).symbol}: {c.low} {three(c.low_value)}, {c.high} "
            f"{three(c.high_value)}"
            for c in all_checks
            if not c.holds
        ]
    return found


def beside_published(board: Leaderboard) -> tuple[list[str], list[list[str]]]:
    """Header and rows: published figures and ours, side by side, for the methods both have."""
    header = ["method", "metric", "published (another encoder)", "ours"]
    rows = []
    for name, value in published.ACCURACY.items():
        if name in board.values:
            ours = "–"
            if board.has(name, "label_transfer"):
                ours = f"label transfer {cell(board.score(name, 'label_transfer'))}"
            rows.append(
                [
                    board.named(name).label,
                    "accuracy after text-only training, %",
                    f"{value:.2f}",
                    ours,
                ]
            )
    for name, figures in published.GEOMETRY.items():
        for metric, value in figures.items():
            if board.has(name, metric):
                ours = cell(board.score(name, metric))
                symbol = described(metric).symbol
                rows.append([board.named(name).label, symbol, three(value), ours])
    whole = "the whole set, uncorrected"
    for name, (symbol, value) in published.GAP.items():
        if name in board.gap:
            rows.append([whole, symbol, three(value), three(board.gap[name])])
    if "subspace_overlap" in board.gap:
        q, value, by_chance = published.OVERLAP
        dim = int(board.setting.target["dim"])
        rows.append(
            [
                whole,
                f"O_{q} (random subspaces)",
                f"{three(value)} ({three(by_chance)})",
                f"{three(board.gap['subspace_overlap'])} ({three(q / dim)})",
            ]
        )
    return header, rows
