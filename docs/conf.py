"""Settings of the documentation site: ``sphinx-build -W --keep-going -b html docs site``."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["COLUMNS"] = "88"  # the width of the help of the command line

from anisoalign_core import __version__  # noqa: E402

project = "AnisoAlign Studio"
author = "the authors of AnisoAlign Studio"
release = version = __version__
language = "en-GB"
smartquotes = False  # code in words keeps its quotes

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "docs._site.formulas",
    "docs._site.links",
    "docs._site.leads",
    "docs._site.pictures",
]
root_doc = "index"
exclude_patterns = ["_build", "_site"]

# pages as they are read in the repository: the same headings, the same links
myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # notebooks hold what they showed; tests/test_notebooks.py runs them
nb_mime_priority_overrides = [("html", "image/png", 0), ("html", "text/html", 1)]
suppress_warnings = ["mystnb.unknown_mime_type"]  # figures are shown by their still pictures

autosummary_generate = False  # docs/_site/reference.py writes the pages
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in ("Float32", "Float64", "Integers", "Strings")}
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "AnisoAlign Studio"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_sidebars = {"index": [], "**": ["sidebar-nav-bs"]}
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "search_as_you_type": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
}
copybutton_selector = "div:not(.highlight-none) > div.highlight > pre"
