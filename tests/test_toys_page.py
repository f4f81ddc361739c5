"""A page is a script and one line of Home: nothing else has to know of it."""

import shutil
from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parent.parent
LINE = '    ("learn", "Learn", ":material/school:"),\n'
SCRIPT = '''"""Ask how many rows there are."""

import streamlit as st

from app.session import require_pair

st.title("Toy")
st.write(f"{len(require_pair().source):,} rows are loaded.")
'''


def test_a_script_and_a_line_of_home_make_a_page(tmp_path):
    for room in ("app", "pages", "sample_data"):
        shutil.copytree(ROOT / room, tmp_path / room)
    home = tmp_path / "app" / "Home.py"
    text = home.read_text(encoding="utf-8")
    assert LINE in text
    home.write_text(text.replace(LINE, LINE + '    ("toy", "Toy", ":material/toys:"),\n'))
    (tmp_path / "pages" / "toy.py").write_text(SCRIPT)
    at = AppTest.from_file(str(home), default_timeout=120).run()
    at.switch_page("../pages/toy.py").run()
    assert not at.exception
    assert [title.value for title in at.title] == ["Toy"]
    assert "4,000 rows are loaded." in [one.value for one in at.markdown]
