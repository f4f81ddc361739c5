"""Which files a job writes, and from which rows, is decided before anything is written."""

import json
from pathlib import Path

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.engine import plan_outputs, write_streamed
from anisoalign_core.engine.resume import NOTE, begin, beside
from anisoalign_core.errors import FormatError, InvalidRowsError, ParameterError
from anisoalign_core.files.digests import file_digest
from anisoalign_core.io.shards import open_shards

FOLDER_NAMES = {
    "npy": ["part_0.npy", "part_7.npy", "part_14.npy", "part_21.npy"],
    "safetensors": [f"part_{number}.safetensors" for number in (0, 7, 14, 21)],
    "parquet": [f"part_{number}.parquet" for number in (0, 7, 14, 21)],
    "clip-retrieval": [f"text_emb/text_emb_{number}.npy" for number in range(4)],
    "revision": [f"text_embeds_{number}_realign.pkl" for number in range(4)],
}


def names(plan):
    return [output.name for output in plan.outputs]


def rows_of(plan):
    return [
        (piece.shard.name, piece.start, piece.stop)
        for output in plan.outputs
        for piece in output.pieces
    ]


@pytest.fixture
def data(disk):
    return open_shards("texts", modality="text")


@pytest.mark.parametrize(("form", "expected"), FOLDER_NAMES.items())
def test_a_folder_keeps_the_names_of_its_input_where_the_format_leaves_them(data, form, expected):
    plan = plan_outputs(data, "out", form=form, method="realign")
    assert names(plan) == expected
    assert [output.rows for output in plan.outputs] == [700, 1, 1300, 500]
    assert rows_of(plan) == [(shard.name, 0, shard.facts.rows) for shard in data.shards]


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".parquet"])
def test_a_name_with_a_suffix_is_one_file_of_all_rows(data, suffix):
    plan = plan_outputs(data, f"z{suffix}")
    assert (plan.is_file, plan.suffix, names(plan)) == (True, suffix, [f"z{suffix}"])
    assert plan.path(plan.outputs[0]) == Path(f"z{suffix}")
    assert plan.outputs[0].rows == 2501
    assert [name for name, _, _ in rows_of(plan)] == FOLDER_NAMES["npy"]


@pytest.mark.parametrize(("rows", "sizes"), [(1000, [1000, 1000, 501]), (2501, [2501])])
@pytest.mark.parametrize("form", FOLDER_NAMES)
def test_rows_cut_anew_are_all_there_once_and_in_order(data, form, rows, sizes):
    plan = plan_outputs(data, "out", form=form, shard_rows=rows)
    assert [output.rows for output in plan.outputs] == sizes
    numbers = np.concatenate(
        [
            np.arange(piece.first, piece.first + piece.rows)
            for output in plan.outputs
            for piece in output.pieces
        ]
    )
    np.testing.assert_array_equal(numbers, np.arange(2501))
    assert len(set(names(plan))) == len(sizes)


def test_a_set_keeps_its_format_unless_another_is_asked_for(data, disk):
    one = open_shards("text.npy", modality="text")
    assert plan_outputs(data, "out").format == "npy"
    assert plan_outputs(one, "out").format == "clip-retrieval"
    assert plan_outputs(one, "z.parquet").format == "parquet"
    for form in FOLDER_NAMES:
        plan = plan_outputs(data, form, form=form)
        write_streamed(None, plan)
        written = open_shards(form, modality="text")
        again = plan_outputs(written, "again")
        assert again.format == form
        assert names(again) == [name.replace("realign", "converted") for name in names(plan)]


def test_types_and_unit_rows_are_those_of_the_format(data):
    assert plan_outputs(data, "out", form="clip-retrieval").dtype == "float16"
    assert plan_outputs(data, "out", form="clip-retrieval", dtype="float32").dtype == "float32"
    assert plan_outputs(data, "z.npy").dtype == "float32"
    assert [plan_outputs(data, "out", form=form).normalise for form in FOLDER_NAMES] == [
        form == "revision" for form in FOLDER_NAMES
    ]


def test_numbers_of_clip_retrieval_stay_whatever_the_side_is_called(disk):
    for number in (3, 11):
        for part in ("img_emb", "text_emb"):
            (disk / "clip" / part).mkdir(parents=True, exist_ok=True)
            np.save(disk / "clip" / part / f"{part}_{number}.npy", np.ones((2, 4)))
    for key, modality, part in (
        (None, "image", "img_emb"),
        (None, "text", "text_emb"),
        ("image", "text", "text_emb"),
    ):
        plan = plan_outputs(open_shards("clip", modality=modality, key=key), "out")
        assert names(plan) == [f"{part}/{part}_3.npy", f"{part}/{part}_11.npy"]
        metadata = [plan.metadata_path(output) for output in plan.outputs]
        assert metadata == [Path(f"out/metadata/metadata_{number}.parquet") for number in (3, 11)]


def test_a_modality_is_no_path(disk):
    data = open_shards("texts", modality="../../tmp/x y")
    plan = plan_outputs(data, "out", form="npy", shard_rows=2000)
    assert names(plan) == ["tmpxy_emb_0.npy", "tmpxy_emb_1.npy"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"form": "hdf5"}, ParameterError, 'no format "hdf5"'),
        ({"dtype": "float64"}, ParameterError, 'type is "float64"'),
        ({"shard_rows": 0}, ParameterError, "Rows of a shard are 0"),
        ({"out": "z.npy", "shard_rows": 5}, ParameterError, "one file"),
        ({"out": "z.pkl", "form": "revision"}, FormatError, "Choose a name without suffix"),
        ({"out": "z.tsv"}, FormatError, "not written piece by piece"),
        ({"out": "texts"}, FormatError, r"part_0\.npy is an input"),
    ],
)
def test_wishes_that_do_not_fit_together_are_refused(data, disk, options, error, words):
    before = sorted(disk.rglob("*"))
    with pytest.raises(error, match=words):
        plan_outputs(data, **{"out": "out", **options})
    assert sorted(disk.rglob("*")) == before


def test_two_shards_do_not_become_one_file(disk):
    np.save("a.npy", np.ones((2, 3)))
    write_streamed(None, plan_outputs(open_shards("a.npy", modality="text"), "a.parquet"))
    both = open_shards(["a.npy", "a.parquet"], modality="text")
    with pytest.raises(FormatError, match=r"a\.npy and a\.parquet would both become a\.npy"):
        plan_outputs(both, "out", form="npy")
    assert plan_outputs(both, "out", form="npy", shard_rows=3).outputs[0].rows == 3


def test_text_of_an_input_is_only_replaced_by_itself(disk):
    rows = np.eye(4)
    rows[2] = 0
    np.save("a.npy", rows)
    Path("a.ids.txt").write_bytes(b"p\r\nq\r\nr\r\ns\r\n")
    data = open_shards("a.npy", modality="text")
    write_streamed(None, plan_outputs(data, "a.safetensors"))
    assert Path("a.ids.txt").read_bytes() == b"p\r\nq\r\nr\r\ns\r\n"
    with pytest.raises(FormatError, match=r"a\.ids\.txt belongs to an input"):
        plan_outputs(data, "a.safetensors", drop_invalid=True)
    write_streamed(None, plan_outputs(data, "b.safetensors", drop_invalid=True))
    assert Path("b.ids.txt").read_text().split() == ["p", "q", "s"]


def test_metadata_of_an_input_says_nothing_of_its_digest(disk):
    """The digest that ``save`` wrote is one of the vectors before."""
    one = aa.load("text.npy", modality="text")
    for suffix in (".safetensors", ".parquet"):
        aa.save(one, f"a{suffix}", metadata={"model": "ViT"})
        data = open_shards(f"a{suffix}", modality="text")
        plan = plan_outputs(data, f"b{suffix}", metadata={"method": "realign"})
        write_streamed(None, plan)
        text = Path(f"b{suffix}").read_bytes()
        assert one.digest.encode() in Path(f"a{suffix}").read_bytes()
        assert one.digest.encode() not in text
        assert b"ViT" in text and b"realign" in text


def test_what_belongs_to_an_output_is_named_after_it():
    """A dot in the name of a folder begins no suffix: two versions have two recipes."""
    named = [beside(Path(out), ".recipe.json").name for out in ("z.npy", "out", "texts.v2")]
    assert named == ["z.recipe.json", "out.recipe.json", "texts.v2.recipe.json"]


# ----------------------------------------------------------------- the place that is written to


def test_a_place_is_left_as_it_was_when_nothing_could_be_finished(disk):
    rows = np.load("texts/part_0.npy")
    rows[5] = np.nan
    np.save("texts/part_0.npy", rows)
    before = sorted(disk.rglob("*"))
    data = open_shards("texts", modality="text")
    for form in ("npy", "clip-retrieval"):
        plan = plan_outputs(data, "new/deep/out", form=form)
        work = begin(plan, {})
        assert (plan.out / NOTE).exists()
        with pytest.raises(InvalidRowsError):
            write_streamed(aa.MeanShift().fit(rows[:5], rows[6:]), plan)
        work.undone()
        assert sorted(disk.rglob("*")) == before
    (disk / "mine").mkdir()
    begin(plan_outputs(data, "mine"), {}).undone()
    assert list((disk / "mine").iterdir()) == [], "a folder that was there stays"


def test_what_was_finished_is_kept(disk, data):
    plan = plan_outputs(data, "out")
    work = begin(plan, {})
    write_streamed(None, plan, outputs=plan.outputs[:1])
    work.undone()
    assert (plan.out / NOTE).exists()
    again = begin(plan, {})
    assert [output.name for output in again.finished] == ["part_0.npy"]
    assert [output.name for output in again.unfinished] == FOLDER_NAMES["npy"][1:]


@pytest.mark.parametrize("form", FOLDER_NAMES)
def test_facts_of_finished_files_are_those_of_writing_them(disk, form):
    rows = np.load("texts/part_14.npy")
    rows[5] = 0
    np.save("texts/part_14.npy", rows)
    data = open_shards("texts", modality="text")
    plan = plan_outputs(data, "out", form=form, drop_invalid=True)
    begin(plan, {})
    written, _ = write_streamed(None, plan)
    found = begin(plan, {}).finished_facts()
    assert found == {one.facts.name: one.facts for one in written}
    assert [one.rows for one in found.values()] == [700, 1, 1299, 500]
    for name, one in found.items():
        path = disk / "out" / name
        assert (one.bytes, one.digest) == (path.stat().st_size, file_digest(path))


def test_a_note_names_the_job_by_a_digest(data):
    plan = plan_outputs(data, "out")
    begin(plan, {"model": "a"})
    note = json.loads((plan.out / NOTE).read_text())
    assert (note["format"], len(note["sha256"])) == ("anisoalign-job", 64)
    with pytest.raises(FormatError, match="part of another job"):
        begin(plan, {"model": "b"})
    assert begin(plan, {"model": "a"}).unfinished == plan.outputs
