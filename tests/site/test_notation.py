"""Formulas that sources write as plain text are told from code, and cut where they should be."""

import pytest

from docs._site.notation import is_formula, pieces


def cut(text):
    """Indices in _{…}, powers in ^{…}."""
    marks = {"": "{}", "below": "_{{{}}}", "above": "^{{{}}}"}
    return "".join(marks[kind].format(words) for kind, words in pieces(text))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("μ_xᵀp", "μ_{x}ᵀp"),
        ("Σ̂_y^−½ (Σ̂_x Σ̂_y^½)^½", "Σ̂_{y}^{−½} (Σ̂_{x} Σ̂_{y}^{½})^{½}"),
        ("e^{iη_kl}", "e^{iη_kl}"),
        ("λ_max(Σ_r)/(tr Σ_r/d)", "λ_{max}(Σ_{r})/(tr Σ_{r}/d)"),
        ("softmax_j((y·x_j + v_j)/ε)", "softmax_{j}((y·x_{j} + v_{j})/ε)"),
        ("M_k^Z", "M_{k}^{Z}"),
        ("s e^±α", "s e^{±α}"),
        ("10^-4", "10^{-4}"),
        ("ω⁰_kl", "ω⁰_{kl}"),
        ("e^(−β‖x‖²)", "e^{−β‖x‖²}"),
        ("μ_{x,V}", "μ_{x,V}"),
        ("E[1/log₂(1+rank)]", "E[1/log₂(1+rank)]"),
    ],
)
def test_indices_and_powers(text, wanted):
    assert cut(text) == wanted
    assert is_formula(text)


@pytest.mark.parametrize(
    "text",
    [
        "image_id",
        "n_source",
        "k_occurrence",
        "bound_",
        "ANISOALIGN_DATA_ROOT",
        "img_emb_{k}.npy",
        "model_out",
        "aa.at_omega(x_i)",
        '"x_i"',
        "__all__",
        "to_torch()",
        "k=20",
    ],
)
def test_code_is_no_formula(text):
    assert not is_formula(text)


def test_words_are_cut_nowhere():
    text = "Names such as image_path and d_model_out stay, 3 ^ 4 too."
    assert list(pieces(text)) == [("", text)]
