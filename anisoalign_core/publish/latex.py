"""A leaderboard as LaTeX: one booktabs table per group of metrics."""

from __future__ import annotations

from anisoalign_core.compare.results import GROUPS, Leaderboard
from anisoalign_core.compare.use.uses import described, head
from anisoalign_core.publish.tables import GROUP_WORDS, three


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
                text = three(found.value)
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
            f"\\caption{{{_tex(GROUP_WORDS[group])}. {_tex(board.sentences[0])} "
            "Half-widths of 95\\,\\% corrected resampled t intervals; bold: best method that reads "
            "no pairs.}\n\\end{table}"
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
