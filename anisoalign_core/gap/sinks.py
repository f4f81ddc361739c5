"""Where a monitor's rows go: a file of lines, TensorBoard, or whatever can be called."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from anisoalign_core.errors import FormatError, ParameterError
from anisoalign_core.files.atomic import place_error
from anisoalign_core.gap.row import Row
from anisoalign_core.gap.run import VERSION, Settings, check_header, is_header, line_of


class JsonLines:
    """A file of JSON: a line that says what run it is, then a line a row.

    Every line is written in one piece and handed to the system at once, so that a process that is
    killed leaves all rows before; at worst its last line is torn, which :class:`Run` passes over
    and names. A file that is there already is continued, under a new header, if it is a run.
    Numbers that are not finite are written as null.

    Parameters
    ----------
    path : str or Path
    name : str, optional
        What the run is called; by default the file's name without its suffix.
    """

    def __init__(self, path: str | Path, name: str | None = None) -> None:
        self.path = Path(path)
        self.name = self.path.stem if name is None else name
        if not isinstance(self.name, str) or len(self.name) > 1000:
            raise ParameterError("The name of a run is a text of at most 1,000 characters.")
        self._stream: BinaryIO | None = None

    def begin(self, settings: Settings) -> None:
        """Open the file and write the header.

        Raises
        ------
        FormatError
            If the file is there and is no run, or one of a later version.
        PlaceError
            If it cannot be written to.
        """
        self.close()
        header = {"run_version": VERSION, "name": self.name, "settings": asdict(settings)}
        torn = self._torn()
        try:
            self._stream = self.path.open("ab", buffering=0)
        except OSError as error:
            raise place_error(self.path.name, error) from error
        self._write(header, torn)

    def __call__(self, row: Row) -> None:
        """Write a row."""
        if self._stream is None:
            raise ParameterError(
                f"{self.path.name} is closed, or has no header yet. Give the sink to a monitor."
            )
        self._write(row.to_dict())

    def close(self) -> None:
        """Close the file; a monitor that goes on needs a new sink."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _torn(self) -> bool:
        """Whether the file ends amid a line; refuse one that is no run."""
        try:
            if not self.path.is_file() or not self.path.stat().st_size:
                return False
            with self.path.open("rb") as stream:
                first = stream.readline(2**16)
                stream.seek(-1, 2)
                torn = stream.read(1) != b"\n"
        except OSError as error:
            raise FormatError(
                f"{self.path.name} cannot be read: {error.strerror}. Check the path."
            ) from error
        if first.endswith(b"\n") or not is_header(first):
            check_header(first, self.path.name)
        return torn

    def _write(self, body: dict[str, Any], torn: bool = False) -> None:
        line = memoryview(b"\n" * torn + line_of(body))
        stream = self._stream
        if stream is None:
            return
        try:
            while line:
                line = line[stream.write(line) :]
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
