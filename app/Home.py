"""Entry of the app: ``streamlit run app/Home.py``. Navigation and the sidebar card, no more."""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # `streamlit run` puts only app/ on the path
    sys.path.insert(0, str(ROOT))

from app.links import announce, say_what_is_wanted, take_up  # noqa: E402
from app.server import server  # noqa: E402
from app.session import start_session, watch_idle  # noqa: E402
from app.widgets.common import guard, say_what_cameras_save, sidebar_card  # noqa: E402
from app.widgets.kept import begin_kept, end_kept, say_what_was_kept  # noqa: E402

PAGES = (
    ("home", "Home", ":material/home:"),
    ("data", "Data", ":material/upload_file:"),
    ("encode", "Encode", ":material/image_search:"),
    ("spectra", "Spectra", ":material/show_chart:"),
    ("directions", "Directions", ":material/explore:"),
    ("correct", "Correct", ":material/tune:"),
    ("compare", "Compare", ":material/leaderboard:"),
    ("export", "Export", ":material/download:"),
    ("encoders", "Encoders", ":material/view_list:"),
    ("learn", "Learn", ":material/school:"),
)

with guard(), server().runs.run():
    st.set_page_config(
        page_title="AnisoAlign Studio",
        page_icon=ROOT / "app" / "icon.png",
        layout="wide",
        menu_items={"About": "AnisoAlign Studio: see, measure and correct the modality gap."},
    )
    page = st.navigation(
        [
            st.Page(ROOT / "pages" / f"{name}.py", title=title, icon=icon, default=name == "home")
            for name, title, icon in PAGES
        ]
    )
    start_session()
    watch_idle()
    begin_kept(page)
    take_up()
    announce()
    sidebar_card()
    say_what_is_wanted()
    say_what_was_kept()
    try:
        page.run()
    finally:  # also where the page ended early, or begins again
        say_what_cameras_save()
        end_kept(page)
        announce()
