"""Where a monitor's rows go: a file of lines, TensorBoard, or whatever can be called."""

from __future__ import annotations

import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anisoalign_core.errors import ParameterError
from anisoalign_core.files.atomic import checked, place_error
from anisoalign_core.files.source import readable
from anisoalign_core.gap.row import Row
from anisoalign_core.gap.run import VERSION, Settings, check_header, is_header, line_of

LONGEST_NAME = 1000
MOST_OF_HEADER = 2**16


class JsonLines:
    """A file of JSON: a line that says what run it is, then a line a row.

    Every line is written in one piece and the file closed again, so that a process that is killed
    leaves all rows before; at worst its last line is torn, which :class:`Run` passes over and
    names. A line that finds no room is taken back. A file that is there already is continued,
    under a new header, if it is a run. Numbers that are not finite are written as null.

    Parameters
    ----------
    path : str or Path
    name : str, optional
        What the run is called; by default the file's name without its suffix.

    Raises
    ------
    FormatError
        If there is no such folder, or the file is there and is no run, or one of a later version.
    """

    def __init__(self, path: str | Path, name: str | None = None) -> None:
        self.path = checked(Path(path))
        self.name = self.path.stem if name is None else name
        if not isinstance(self.name, str) or len(self.name) > LONGEST_NAME:
            raise ParameterError(f"The name of a run is a text of at most {LONGEST_NAME} letters.")
        self._begun = False
        self._is_torn()

    def begin(self, settings: Settings) -> None:
        """Write the header, as a monitor does before its first row.

        Raises
        ------
        FormatError
            If the file is there and is no run, or one of a later version.
        PlaceError
            If it cannot be written to.
        """
        header = {"run_version": VERSION, "name": self.name, "settings": asdict(settings)}
        self._append(header, new_line=self._is_torn())
        self._begun = True

    def __call__(self, row: Row) -> None:
        """Write a row.

        Raises
        ------
        ParameterError
            If the file has no header yet.
        PlaceError
            If it cannot be written to.
        """
        if not self._begun:
            raise ParameterError(
                f"{self.path.name} has no header yet. Give the sink to a monitor, which writes it."
            )
        self._append(row.to_dict())

    def _is_torn(self) -> bool:
        """Whether the file ends amid a line; refuse one that is no run."""
        with readable(self.path.name):
            if not self.path.is_file() or not self.path.stat().st_size:
                return False
            with self.path.open("rb") as stream:
                first = stream.readline(MOST_OF_HEADER)
                stream.seek(-1, os.SEEK_END)
                torn = stream.read(1) != b"\n"
        if first.endswith(b"\n") or not is_header(first):  # else its first line is torn
            check_header(first, self.path.name)
        return torn

    def _append(self, body: dict[str, Any], *, new_line: bool = False) -> None:
        line = memoryview(b"\n" * new_line + line_of(body))
        try:
            with self.path.open("ab", buffering=0) as stream:
                before = stream.tell()
                try:
                    while line:
                        line = line[stream.write(line) :]
                except OSError:
                    stream.truncate(before)
                    raise
        except OSError as error:
            raise place_error(self.path.name, error) from error


class TensorBoard:
    """Writes the numbers of a row as scalars ``gap/<column>``; leaves out those not finite.

    Parameters
    ----------
    folder : str, Path or SummaryWriter
        Where event files go, or a writer that is there (Lightning's ``logger.experiment``).

    Raises
    ------
    ParameterError
        If TensorBoard is not installed.
    """

    def __init__(self, folder: Any) -> None:
        if hasattr(folder, "add_scalar"):
            self.writer = folder
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ParameterError(
                "Writing for TensorBoard needs torch and tensorboard. Run pip install "
                "tensorboard, or write JsonLines."
            ) from error
        self.writer = SummaryWriter(str(folder))

    def __call__(self, row: Row) -> None:
        """Write a row."""
        for name, value in row.to_dict().items():
            if name != "step" and math.isfinite(value):
                self.writer.add_scalar(f"gap/{name}", value, row.step)
        self.writer.flush()
