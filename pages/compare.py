"""Compare: every method on the same splits, with floor, ceiling and controls beside them."""

import streamlit as st

from app.session import require_pair
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
    if not pair.paired:
        st.caption(
            "This pair is unpaired: residual, recall, the mixed gallery, captions and the methods "
            "that learn from pairs are left out."
        )
    contest = choose_contest(pair)
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
