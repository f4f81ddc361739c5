"""Home: what the tool answers, and the loaded set at a glance."""

import streamlit as st

from app.session import page_path, report, require_pair, use_sample
from app.widgets.common import CARD_WIDTH, Number, guard, number_row, page_header, plain, three

page_header(
    "AnisoAlign Studio",
    "How do a model's image and text embeddings differ, which directions carry the difference, and "
    "can one stand in for the other without losing meaning?",
)
pair = require_pair()
found = report()
names = (pair.target.modality, pair.source.modality)
icon = {"nothing": ":material/block:", "shared": ":material/check_circle:"}.get(
    found.verdict.level, ":material/help:"
)
box = {"shared": st.success, "nothing": st.error}.get(found.verdict.level, st.warning)
box(f"**{found.verdict.headline}**", icon=icon)
residual = found.residual
numbers = [
    Number(
        "Gap between the means",
        found.bias.centroid_gap.value,
        f"sampling floor {found.bias.floor:.2g}",
        f"Distance between the mean {names[0]} and the mean {names[1]} vector, G_μ "
        "(Liang et al. 2022). 0 to 2; the floor is what two samples of one distribution show.",
    )
]
if residual is not None and found.structure is not None:
    numbers += [
        Number(
            "Residual share",
            residual.share.value,
            f"95 % {three(residual.share.low)} to {three(residual.share.high)}",
            "Share of the mean squared distance between partners that the means do not explain: "
            "trΣ_r / (G_μ² + trΣ_r). Neither way is better (Yu et al. 2026).",
            percent=True,
        ),
        Number(
            "Residual anisotropy",
            residual.anisotropy.value,
            f"random pairs {three(residual.anisotropy_repaired)}",
            "Largest residual variance over the average one, A_r. Read it against random "
            "re-pairing: below means that partners share the leading directions (Yu et al. 2026).",
        ),
    ]
    shown = found.gallery()
    if shown is not None:
        size, hits = shown
        numbers.append(
            Number(
                f"{names[1].capitalize()} finds its {names[0]}",
                hits.recall_at_1["source_to_target"].value,
                f"of {size}; chance {100 * hits.recall_chance:.2g} %",
                f"Share of rows whose true partner is the nearest of {size}, R@1, the exact mean "
                "over all such galleries; on every page of this size. Higher is better.",
                percent=True,
            )
        )
numbers.append(
    Number(
        "Told apart by a line",
        found.separability,
        "0.5 if mixed",
        "Held-out AUC of a linear classifier of the modality. 1.0 on every raw encoder tried, "
        "untrained ones too: it shows a gap, not meaning.",
    )
)
number_row(numbers)
with st.expander("Why this verdict"):
    for reason in found.verdict.reasons:
        st.markdown(f"- {plain(reason)}")
    for note in found.notes:
        st.caption(plain(note))

st.subheader("Where to go from here", anchor=False)
steps = (
    ("data", "Data", "Load your own embeddings, paired or not."),
    ("encode", "Encode", "Pictures and captions of your own, through a model of your choice."),
    ("spectra", "Spectra", "How large is the gap, and how is it spread over directions?"),
    ("directions", "Directions", "What do the directions that carry it mean? Look at the rows."),
    ("correct", "Correct", "Tune a bounded correction and watch what it costs in meaning."),
    ("compare", "Compare", "Every method on the same splits, with floor, ceiling and controls."),
    ("export", "Export", "Take corrected vectors home, with a recipe that rebuilds them."),
    ("encoders", "Encoders", "Many encoders side by side, and the gap while training forms it."),
    ("learn", "Learn", "New to the gap? Eight steps with pictures that move; nothing to upload."),
)
row = st.container(horizontal=True)  # wraps on narrow screens, unlike columns
for name, title, words in steps:
    with row.container(border=True, height="stretch", width=CARD_WIDTH):
        st.page_link(page_path(name), label=f"**{title}**")
        st.caption(words)
st.subheader("Bundled samples", anchor=False)
row = st.container(horizontal=True)
with guard():
    if row.button("Captioned scenes", key="home_sample"):
        use_sample("scenes")
        st.rerun()
    if row.button("The same, untrained encoder", key="home_control"):
        use_sample("scenes-untrained")
        st.rerun()
st.caption(
    "4,000 rendered scenes with captions through a small CLIP that never saw them; and the same "
    "pairs through the encoder before training, a control with a gap but no shared meaning."
)
