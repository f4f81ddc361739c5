"""A leaderboard on paper: CSV, JSON, LaTeX, Markdown, and a report that needs no other file."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from anisoalign_core.errors import ParameterError
from anisoalign_core.leaderboard import published
from anisoalign_core.leaderboard.entries import BASELINE, ROLES, Entry
from anisoalign_core.leaderboard.results import GROUPS, Leaderboard
from anisoalign_core.metrics.resampling import Interval
from anisoalign_core.metrics.transfer.uses import described

if TYPE_CHECKING:
    from anisoalign_core.leaderboard.captions import CaptionBoard

FORMATS = {
    ".csv": "every number, one per line",
    ".json": "everything, and what it takes to compute it again",
    ".tex": "tables for a paper",
    ".md": "tables for a page",
    ".html": "report with figures, in one file",
}
MARKS = {"better": "▲", "worse": "▼", "cannot tell": "=", None: ""}
LEGEND = (
    "Against ReAlign, split by split: ▲ better, ▼ worse, = the interval of the difference holds "
    "zero. ↑ larger is better, ↓ smaller is."
)
GROUP_WORDS = {
    "semantics": "Semantics: what the source keeps",
    "support": "Support: how far it stands where the target stands",
    "residual": "Residual: what still separates partners",
    "retrieval": "Retrieval: whether partners find each other",
    "use": "Use: what it teaches about the target",
}
PICTURES = 12
"""Target rows shown with their captions in the report."""


def render(board: Leaderboard, suffix: str, captions: CaptionBoard | None = None) -> bytes:
    """Return a leaderboard as a file of the given kind.

    Parameters
    ----------
    board : Leaderboard
    suffix : str
        One of :data:`FORMATS`.
    captions : CaptionBoard, optional
        Shown as well where the format has room for it.

    Raises
    ------
    ParameterError
        If the format is unknown.
    """
    makers: dict[str, Callable[[], str]] = {
        ".csv": lambda: board.to_frame().to_csv(index=False),
        ".json": lambda: to_json(board, captions),
        ".tex": lambda: to_latex(board),
        ".md": lambda: to_markdown(board, captions),
        ".html": lambda: to_html(board, captions),
    }
    if suffix not in makers:
        raise ParameterError(f"There is no format {suffix}; choose among {', '.join(FORMATS)}.")
    return makers[suffix]().encode("utf-8")


def to_json(board: Leaderboard, captions: CaptionBoard | None = None) -> str:
    """Everything as JSON: values per split, setting, inputs with digests, the line that made it."""
    body = board.to_dict() | {"command": command(board), "sentences": board.sentences}
    if captions is not None:
        body["captions"] = captions.to_dict()
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def command(board: Leaderboard) -> str:
    """Return the shell line that computes the same board."""
    from shlex import quote

    setting = board.setting
    files = []
    for side in (setting.target, setting.source):
        files.append(quote(str((side["files"] or [side["name"]])[0])))
    names = [quote(one.name) for one in board.entries if one.role != "ceiling"]
    line = (
        f"anisoalign compare --target {files[0]} --source {files[1]}"
        f"{' --paired' if setting.paired else ''} --methods {' '.join(names)} "
        f"--splits {setting.splits} --holdout {setting.holdout:g} --k {setting.k} "
        f"--seed {setting.random_state}"
    )
    if setting.keywords:
        text = "; ".join(f"{name}: {', '.join(w)}" for name, w in setting.keywords.items())
        return line + f" --keywords {quote(text)}"
    return line + (f" --labels {' '.join(map(quote, setting.columns))}" if setting.columns else "")


def cell(found: Interval, percent: bool = False) -> str:
    """Return a value with its interval, to three significant digits."""
    if found.low is None or found.high is None:
        return _three(found.value)
    return f"{_three(found.value)} ({_three(found.low)} … {_three(found.high)})"


def _three(value: float) -> str:
    if abs(value) < 5e-5:
        return "0"
    return f"{value:#.3g}".rstrip(".") if abs(value) < 999.5 else f"{value:,.0f}"


def head(metric: str) -> str:
    """Symbol of a metric with the arrow that says which way is better."""
    shown = described(metric)
    return shown.symbol + {"higher": " ↑", "lower": " ↓", "neutral": ""}[shown.direction]


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
        rows.append(["*chance*", "", *("" if c is None else _three(c) for c in chances)])
    for one in board.ranked:
        if not any(board.has(one.name, metric) for metric in metrics):
            continue
        cells = []
        for metric in metrics:
            if not board.has(one.name, metric):
                cells.append("–")
                continue
            mark = MARKS[board.answer(one.name, metric)]
            cells.append(f"{cell(board.score(one.name, metric))} {mark}".strip())
        rows.append([one.label, _reads(one), *cells])
    return header, rows


def _reads(one: Entry) -> str:
    words = {"fit-free": "nothing", "unpaired": "both sets", "paired": "pairs"}[one.needs]
    return f"{words} ({one.role})" if one.role in ("floor", "control", "ceiling") else words


def needs_line(board: Leaderboard, group: str) -> str:
    """Say what each metric of a group needs."""
    by_need: dict[str, list[str]] = {}
    for metric in board.metrics(group):
        by_need.setdefault(described(metric).needs, []).append(described(metric).symbol)
    return "; ".join(f"{need}: {', '.join(names)}" for need, names in by_need.items()) + "."


def to_markdown(board: Leaderboard, captions: CaptionBoard | None = None, level: int = 3) -> str:
    """Return one Markdown table per group, then what the checks say and what it all rests on."""
    mark = "#" * level
    parts = []
    for group in GROUPS:
        if not board.metrics(group):
            continue
        header, rows = table(board, group)
        lines = [_line(header), _line(["---"] * len(header)), *map(_line, rows)]
        parts.append(f"{mark} {GROUP_WORDS[group]}\n\n{needs_line(board, group)}\n")
        parts.append("\n".join(lines) + "\n")
    parts.append(f"{LEGEND}\n")
    parts.append(f"{mark} Floor, ceiling and control\n\n" + "\n".join(checks(board)) + "\n")
    if board.mixed:
        parts.append(f"{mark} Retrieval over a mixed gallery\n\n{_mixed_table(board)}\n")
    if captions is not None:
        parts.append(f"{mark} Captions\n\n{captions.to_markdown()}\n")
    ours = beside_published(board)
    parts.append(f"{mark} Published figures, of another encoder\n\n{published.ENCODER}.\n")
    parts.append("\n".join([_line(ours[0]), _line(["---"] * len(ours[0])), *map(_line, ours[1])]))
    parts.append("\n" + "\n".join(f"* {_plain(text)}" for text in board.sentences))
    return "\n".join(parts) + "\n"


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
            f"  * not on {described(c.metric).symbol}: {c.low} {_three(c.low_value)}, {c.high} "
            f"{_three(c.high_value)}"
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
                [board.named(name).label, "accuracy after text-only training, %", f"{value}", ours]
            )
    for name, figures in published.GEOMETRY.items():
        for metric, value in figures.items():
            if board.has(name, metric):
                ours = cell(board.score(name, metric))
                symbol = described(metric).symbol
                rows.append([board.named(name).label, symbol, _three(value), ours])
    return header, rows


def _mixed_table(board: Leaderboard) -> str:
    from anisoalign_core.metrics.transfer.gallery import SHARES

    lines = [
        "nDCG@10 of the true target row; columns: share of the other items shown as target rows.\n",
        _line(["method", *(f"{share:g}" for share in SHARES)]),
        _line(["---"] * (len(SHARES) + 1)),
    ]
    for name, curve in board.mixed.items():
        lines.append(_line([board.named(name).label, *(_three(v) for v in curve.mean(axis=0))]))
    return "\n".join(lines)


def to_latex(board: Leaderboard) -> str:
    """Return one LaTeX table per group (booktabs), best value without pairs in bold."""
    parts = ["% \\usepackage{booktabs}"]
    for group in GROUPS:
        metrics = board.metrics(group)
        if not metrics:
            continue
        heads = " & ".join(["Method", *(_tex(head(metric)) for metric in metrics)])
        lines = []
        best = {metric: _best(board, metric) for metric in metrics}
        for one in board.ranked:
            if not any(board.has(one.name, metric) for metric in metrics):
                continue
            cells = [_tex(one.label)]
            for metric in metrics:
                if not board.has(one.name, metric):
                    cells.append("--")
                    continue
                found = board.score(one.name, metric)
                text = _three(found.value)
                if found.low is not None and found.high is not None:
                    half = max(found.high - found.value, found.value - found.low)
                    text = f"{text} \\pm {half:.2g}"
                cells.append(f"$\\mathbf{{{text}}}$" if best[metric] == one.name else f"${text}$")
            lines.append(" & ".join(cells) + " \\\\")
        parts.append(
            "\\begin{table}\n\\centering\n\\begin{tabular}{l"
            + "r" * len(metrics)
            + "}\n\\toprule\n"
            f"{heads} \\\\\n\\midrule\n" + "\n".join(lines) + "\n\\bottomrule\n\\end{tabular}\n"
            f"\\caption{{{_tex(GROUP_WORDS[group])}. {_tex(board.sentences[0])} Half-widths of 95\\,\\% "
            "corrected resampled t intervals; bold: best method that reads no pairs.}\n\\end{table}"
        )
    return "\n\n".join(parts) + "\n"


def _best(board: Leaderboard, metric: str) -> str | None:
    shown = described(metric)
    rivals = [o for o in board.ranked if o.role == "method" and board.has(o.name, metric)]
    if shown.direction == "neutral" or not rivals:
        return None
    sign = 1 if shown.direction == "higher" else -1
    return max(rivals, key=lambda one: sign * board.score(one.name, metric).value).name


def _tex(text: str) -> str:
    for plain, escaped in (
        ("\\", "\\textbackslash "),
        ("&", "\\&"),
        ("%", "\\%"),
        ("_", "\\_"),
        ("#", "\\#"),
        ("{", "\\{"),
        ("}", "\\}"),
        ("$", "\\$"),
        ("^", "\\^{}"),
        ("~", "\\~{}"),
        ("↑", "$\\uparrow$"),
        ("↓", "$\\downarrow$"),
        ("→", "$\\to$"),
        ("²", "$^2$"),
        ("₂", "$_2$"),
    ):
        text = text.replace(plain, escaped)
    greek = {"Φ": "Phi", "Ψ": "Psi", "Ω": "Omega", "Δ": "Delta", "μ": "mu", "β": "beta"}
    greek |= {"α": "alpha", "σ": "sigma"}
    for letter, name in greek.items():
        text = text.replace(letter, f"$\\{name}$")
    return text


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("\n", " ")


STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;color:#222;
background:#fff}table{border-collapse:collapse;margin:.5rem 0;font-size:13px}
th,td{border-bottom:1px solid #ddd;padding:.25rem .6rem;text-align:right;white-space:nowrap}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
.wide{overflow-x:auto}.note{color:#555;font-size:14px}code,pre{background:#f4f4f4;padding:.1rem .3rem;
white-space:pre-wrap;word-break:break-all}td.text{text-align:left;white-space:normal}
img{width:64px;height:64px;image-rendering:pixelated}
"""


def to_html(board: Leaderboard, captions: CaptionBoard | None = None) -> str:
    """Return a report in one file: figures, tables, checks, recipe and digests.

    Names and captions are data and are escaped; the file fetches nothing.
    """
    from plotly.offline import get_plotlyjs

    from anisoalign_core.plots.leaderboard import answers, mixed_gallery, tradeoff_board

    figures = [("Support against semantics", tradeoff_board(board))]
    for metric in ("mixing_coverage", "label_transfer", "matched_cosine"):
        if metric in board.metrics() and board.splits > 1:
            figures.append(
                (f"Better than ReAlign? {described(metric).label}", answers(board, metric))
            )
    if board.mixed:
        figures.append(("A mixed gallery", mixed_gallery(board, list(board.mixed))))
    drawn = "".join(
        f"<h3>{html.escape(title)}</h3>"
        + figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False})
        for title, figure in figures
    )
    tables = "".join(
        f"<h3>{html.escape(GROUP_WORDS[group])}</h3><p class=note>"
        f"{html.escape(needs_line(board, group))}</p>{_html_table(*table(board, group))}"
        for group in GROUPS
        if board.metrics(group)
    )
    roles = "; ".join(ROLES[role] for role in ROLES)
    body = [
        "<h1>Which correction is worth having?</h1>",
        *(f"<p class=note>{html.escape(text)}</p>" for text in board.sentences),
        f"<h2>Figures</h2>{drawn}",
        f"<h2>Tables</h2><p class=note>{html.escape(LEGEND)} {html.escape(roles)}.</p>{tables}",
        "<h2>Floor, ceiling and control</h2><ul>"
        + "".join(f"<li>{html.escape(text.lstrip('* '))}</li>" for text in checks(board))
        + "</ul>",
        *([] if captions is None else [_html_captions(captions)]),
        f"<h2>Published figures, of another encoder</h2><p class=note>"
        f"{html.escape(published.ENCODER)}.</p>{_html_table(*beside_published(board))}",
        "<h2>Recipe and digests</h2>",
        f"<pre>{html.escape(command(board))}</pre>",
        f"<pre>{html.escape(json.dumps(board.to_dict()['setting'], indent=1, ensure_ascii=False))}"
        "</pre>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>AnisoAlign leaderboard'
        f"</title><style>{STYLE}</style><script>{get_plotlyjs()}</script></head><body>"
        + "\n".join(body)
        + "</body></html>\n"
    )


def _html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    lines = "".join(
        "<tr>" + "".join(f"<td>{html.escape(text.strip('*'))}</td>" for text in row) + "</tr>"
        for row in rows
    )
    return f"<div class=wide><table><tr>{top}</tr>{lines}</table></div>"


def _html_captions(captions: CaptionBoard) -> str:
    header = ["", "its own caption", *(one.label for one in captions.entries)]
    lines = []
    for row in range(min(PICTURES, len(captions.references))):
        picture = ""
        if captions.thumbnails is not None:
            picture = f'<img alt="" src="{_png(captions.thumbnails[row])}">'
        texts = [captions.references[row]]
        texts += [captions.scores[one.name].captions[row] for one in captions.entries]
        cells = "".join(f"<td class=text>{html.escape(text)}</td>" for text in texts)
        lines.append(f"<tr><td>{picture}</td>{cells}</tr>")
    top = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    notes = "".join(f"<p class=note>{html.escape(text)}</p>" for text in captions.sentences)
    return (
        f"<h2>Captions</h2>{notes}{_html_table(*captions.table())}"
        f"<div class=wide><table><tr>{top}</tr>{''.join(lines)}</table></div>"
    )


def _png(pixels: np.typing.NDArray[np.uint8]) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(stream, format="PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


__all__ = ["BASELINE", "FORMATS", "command", "render", "to_html", "to_latex", "to_markdown"]
