"""Compare: what the vectors are for, and which correction helps; then every method in full."""

import streamlit as st

from app.session import require_pair
from app.widgets.advice import advised, choose_question, show_advice
from app.widgets.board import beside, better, facts, picture, tables, take_home
from app.widgets.common import guard, page_header
from app.widgets.compare import choose_contest, compared
from app.widgets.interchange import captions, gallery, known_captions
from app.widgets.verdict import verdict_line
from app.widgets.winners import winners

page_header(
    "Compare",
    "Which correction is worth having on this set, and can its rows stand in for the target's?",
)
pair = require_pair()
verdict_line()
with guard():
    question = choose_question(pair)
    advice = advised(question)
    if advice is not None:
        show_advice(advice)
    st.header("The whole comparison", anchor=False)
    st.caption("Every method and every measure, between a floor and a ceiling.")
    if not pair.paired:
        st.caption(
            "This pair is unpaired: residual, recall, the mixed gallery, captions and the methods "
            "that learn from pairs are left out."
        )
    contest = choose_contest(pair, question.splits, question.lessons, question.vectors)
    if contest is None:
        st.stop()
    board = compared(contest)
    if board is not None:
        winners(board)
        picture(board)
        tables(board)
        better(board)
        facts(board)
        gallery(board)
        take_home(board, known_captions(contest))
        beside(board)
    captions(contest)
