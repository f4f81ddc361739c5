"""Which files a job writes, and from which rows: decided before anything is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from anisoalign_core.engine.passes import Piece, cut
from anisoalign_core.errors import FormatError, ParameterError
from anisoalign_core.files.places import as_path, is_local
from anisoalign_core.io import clip_retrieval, lines, revision
from anisoalign_core.io.format import Format
from anisoalign_core.io.keys import role_of
from anisoalign_core.io.registry import FORMATS, by_suffix, streamed
from anisoalign_core.io.shards import ShardedSet

DTYPES = ("float32", "float16")


@dataclass(frozen=True)
class Output:
    """One file to be written.

    Attributes
    ----------
    name : str
        Below the folder of the plan, with ``/`` between folders; the file's own name where the
        plan is one file.
    pieces : tuple of Piece
        Its rows, in order.
    number : int
        Counts the outputs from 0.
    copied : bool
        The file holds the rows of exactly one shard, so what lies beside that may be copied.
    """

    name: str
    pieces: tuple[Piece, ...]
    number: int
    copied: bool

    @property
    def rows(self) -> int:
        """Rows that are read for it."""
        return sum(piece.rows for piece in self.pieces)


@dataclass(frozen=True)
class OutputPlan:
    """All files that a job writes.

    Attributes
    ----------
    out : Path
        The one file, or the folder.
    format : str
        A name of :func:`anisoalign_core.io.registry.streamed`.
    is_file : bool
        Whether ``out`` is the one file.
    dtype : {"float32", "float16"}
    modality : str
    drop_invalid : bool
    metadata : mapping of str to str
        Written where the format has room.
    outputs : tuple of Output
    normalise : bool
        Whether rows are placed on the unit sphere where no method corrects them: always in
        ReVision chunks.
    """

    out: Path
    format: str
    is_file: bool
    dtype: str
    modality: str
    drop_invalid: bool
    metadata: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    normalise: bool = False

    @property
    def how(self) -> Format:
        """The format."""
        return FORMATS[self.format]

    @property
    def suffix(self) -> str:
        """Suffix of the files."""
        return self.how.suffix

    @property
    def folder(self) -> Path:
        """The folder that the outputs' names are below."""
        return self.out.parent if self.is_file else self.out

    def path(self, output: Output) -> Path:
        """Where an output goes."""
        return self.out if self.is_file else self.out / output.name

    def metadata_path(self, output: Output) -> Path | None:
        """Where a folder of clip-retrieval says what the rows of an output are."""
        if self.format != "clip-retrieval":
            return None
        part = clip_retrieval.METADATA
        return self.out / part / f"{part}_{_number(output.name)}.parquet"


def plan_outputs(
    data: ShardedSet,
    out: str | Path,
    *,
    form: str | None = None,
    dtype: str | None = None,
    shard_rows: int | None = None,
    drop_invalid: bool = False,
    method: str = "converted",
    metadata: Mapping[str, str] | None = None,
) -> OutputPlan:
    """Decide which files hold which rows.

    Parameters
    ----------
    data : ShardedSet
    out : str or Path
        A name with a known suffix is one file. Anything else is a folder: with the input's names
        when the input is a folder, else one that clip-retrieval reads.
    form : str, optional
        A name of :func:`anisoalign_core.io.registry.streamed`.
    dtype : {"float32", "float16"}, optional
        By default float16 in a folder of clip-retrieval, else float32.
    shard_rows : int, optional
        Cut anew, this many rows to a file.
    drop_invalid : bool
    method : str
        Part of the file names of ReVision chunks.
    metadata : mapping of str to str, optional

    Raises
    ------
    FormatError, ParameterError
        If the wishes do not fit together, or an input would be written over.
    """
    out = as_path(out)
    suffix = out.suffix.lower()
    form = form or _usual_format(data, suffix)
    known = streamed()
    if form not in known:
        raise ParameterError(f'There is no format "{form}"; choose one of {", ".join(known)}.')
    is_file = suffix in known[form].suffixes and not known[form].folder
    if by_suffix(suffix) and not is_file:
        raise FormatError(
            f"{out.name} is the name of a {suffix} file, but {form} writes a folder or another "
            "kind of file. Choose a name without suffix, or another format."
        )
    if is_file and shard_rows is not None:
        raise ParameterError(
            f"{out.name} is one file, so its rows cannot be cut into several. Give a folder."
        )
    if shard_rows is not None and shard_rows < 1:
        raise ParameterError(f"Rows of a shard are {shard_rows}; give at least 1.")
    if dtype not in (None, *DTYPES):
        raise ParameterError(f'The type is "{dtype}"; choose {" or ".join(DTYPES)}.')
    if form == "revision":
        shard_rows = _revision_rows(data, shard_rows)
        if dtype == "float16":
            raise ParameterError("ReVision chunks are float32; leave the type out.")
    if form == "clip-retrieval" and role_of(data.modality) is None:
        raise FormatError(
            f'A clip-retrieval folder holds images and texts, not "{data.modality}". Choose '
            "another format, or call the modality image or text."
        )
    usual = "float16" if form == "clip-retrieval" else "float32"
    plan = OutputPlan(
        out,
        form,
        is_file,
        dtype or usual,
        data.modality,
        drop_invalid,
        metadata or {},
        normalise=form == "revision",
    )
    groups = _groups(data, shard_rows, one=is_file)
    outputs = tuple(
        Output(_name(plan, data, pieces, k, method, shard_rows), pieces, k, copied)
        for k, (pieces, copied) in enumerate(groups)
    )
    plan = replace(plan, outputs=outputs)
    _check_names(plan)
    _check_inputs(plan, data)
    return plan


def _check_names(plan: OutputPlan) -> None:
    """Refuse a plan whose files would write over each other."""
    first: dict[str, Output] = {}
    for output in plan.outputs:
        other = first.setdefault(output.name, output)
        if other is not output:
            raise FormatError(
                f"{other.pieces[0].shard.name} and {output.pieces[0].shard.name} would both become "
                f"{output.name}. Rename one, or cut the rows anew."
            )


def _check_inputs(plan: OutputPlan, data: ShardedSet) -> None:
    """Refuse a plan that would write over what it reads."""
    read: dict[Path, str] = {}
    for shard in data.shards:
        read[_real(shard.path)] = shard.name
        if shard.metadata is not None:
            read[_real(shard.metadata)] = shard.metadata.name
    beside = {_real(path) for shard in data.shards for path in _beside(shard.path)}
    for output in plan.outputs:
        path, metadata = plan.path(output), plan.metadata_path(output)
        for one in (path, path if metadata is None else metadata):
            if _real(one) in read:
                raise FormatError(f"{one.name} is an input of this job. Choose another name.")
        same_rows = output.copied and not plan.drop_invalid
        if plan.how.lines and metadata is None and not same_rows:
            taken = next((one for one in _beside(path) if _real(one) in beside), None)
            if taken is not None and taken.exists():
                raise FormatError(
                    f"{taken.name} belongs to an input of this job, and {path.name} would write "
                    "over it. Choose another name."
                )


def _beside(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(lines.IDS_ENDING), path.with_suffix(lines.CAPTIONS_ENDING)


def _real(path: Path) -> Path:
    return path.resolve() if is_local(path) else path


def _number(name: str) -> str:
    """Return the number at the end of a shard's name."""
    return str(re.findall(r"\d+", PurePosixPath(name).name)[-1])


def _usual_format(data: ShardedSet, suffix: str) -> str:
    files = {each.suffix: name for name, each in streamed().items() if not each.folder}
    if suffix in files:
        return files[suffix]
    if by_suffix(suffix):
        raise FormatError(
            f'"{suffix}" is not written piece by piece. Write {", ".join(files)}, or a folder.'
        )
    own = data.shards[0].format
    if data.layout == "clip-retrieval":
        return "clip-retrieval"
    if own.folder and own.write is not None:
        return own.name
    return files.get(own.suffix, "npy") if data.layout == "folder" else "clip-retrieval"


def _revision_rows(data: ShardedSet, wished: int | None) -> int | None:
    most = revision.MAX_RECORDS
    if wished is not None and wished > most:
        raise ParameterError(
            f"A ReVision chunk holds at most {most:,} records; {wished:,} rows were asked for."
        )
    small = all(shard.facts.rows <= most for shard in data.shards)
    return wished if wished is not None or small else most


def _groups(
    data: ShardedSet, shard_rows: int | None, *, one: bool
) -> list[tuple[tuple[Piece, ...], bool]]:
    """Return the pieces of each output, and whether they are exactly one whole shard."""
    if one:
        pieces = cut(data, None)
        return [(tuple(pieces), len(pieces) == 1)]
    if shard_rows is None:
        return [((piece,), True) for piece in cut(data, None)]
    groups: list[list[Piece]] = []
    room = 0
    for piece in cut(data, None):
        done, count = 0, piece.rows
        while done < count:
            if room == 0:
                groups.append([])
                room = shard_rows
            step = min(room, count - done)
            groups[-1].append(Piece(piece.shard, done, done + step, piece.first + done))
            done, room = done + step, room - step
    return [(tuple(group), False) for group in groups]


def _name(
    plan: OutputPlan,
    data: ShardedSet,
    pieces: tuple[Piece, ...],
    number: int,
    method: str,
    shard_rows: int | None,
) -> str:
    if plan.is_file:
        return plan.out.name
    if plan.format == "revision":
        return revision.chunk_name(data.modality, number, method)
    if plan.format == "clip-retrieval":
        key = "image" if role_of(data.modality) == "target" else "text"
        part = clip_retrieval.FOLDERS[key]
        if data.layout == "clip-retrieval" and shard_rows is None:
            return f"{part}/{part}_{_number(pieces[0].shard.name)}.npy"
        return f"{part}/{part}_{number}.npy"
    if shard_rows is not None:
        called = re.sub(r"[^\w-]+", "", data.modality) or "rows"
        return f"{called}_emb_{number}{plan.suffix}"
    return PurePosixPath(pieces[0].shard.name).stem + plan.suffix
