"""The wheel holds the app and the sample below ``anisoalign_studio``; pyproject.toml has the rest.

In a checkout they stand beside the library, where ``streamlit run app/Home.py`` finds them.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

STUDIO = ("app", "pages", "sample_data")


class BuildWithStudio(build_py):
    """Puts the app beside the library; an editable install has it in the checkout."""

    def run(self) -> None:
        """Build the library, then copy the app's folders whole."""
        super().run()
        if self.editable_mode:
            return
        studio = Path(self.build_lib) / "anisoalign_studio"
        shutil.rmtree(studio, ignore_errors=True)  # what an earlier build left there
        for folder in STUDIO:
            shutil.copytree(folder, studio / folder, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithStudio})
