"""The wheel holds the app and the sample below ``anisoalign_studio``; pyproject.toml has the rest.

In a checkout they stand beside the library, where ``streamlit run app/Home.py`` finds them.
"""

import compileall
import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

STUDIO = ("app", "pages", "sample_data")


class BuildWithStudio(build_py):
    """Puts the app beside the library.

    An editable install has it in the checkout, and is compiled there, as pip compiles what it
    copies: the first page waits for no compiler.
    """

    def run(self) -> None:
        """Build the library, then copy the app's folders whole."""
        super().run()
        if self.editable_mode:
            for folder in ("anisoalign_core", *STUDIO):
                compileall.compile_dir(folder, quiet=2)
            return
        studio = Path(self.build_lib) / "anisoalign_studio"
        shutil.rmtree(studio, ignore_errors=True)  # what an earlier build left there
        for folder in STUDIO:
            shutil.copytree(folder, studio / folder, ignore=shutil.ignore_patterns("__pycache__"))


def readme() -> str:
    """Return README.md for a package index, where its neighbours are not.

    Pictures and links within the checkout would be broken there: the former go, of the latter the
    words stay.
    """
    text = Path("README.md").read_text(encoding="utf-8")
    within = r"\((?![a-z]+:)[^)]*\)"
    text = re.sub(rf"!\[[^]]*\]{within}\n\n", "", text)
    return re.sub(rf"\[([^]]*)\]{within}", r"\1", text)


setup(
    cmdclass={"build_py": BuildWithStudio},
    long_description=readme(),
    long_description_content_type="text/markdown",
)
