"""An atlas: what is there is kept, what changed is made again, what is broken harms no other."""

import json

import numpy as np
import pytest
from PIL import Image

import anisoalign_core as aa
from anisoalign_core.bench import Bench, BenchEntry, make_atlas, read_list
from anisoalign_core.errors import CancelledError, FormatError, ParameterError, PlaceError
from tests.bench.bench_worlds import run_of
from tests.gap.encoder_worlds import ids_of, pair_of, shuffled

COUNT = 60


def picture(number):
    """Return a small picture of its own colours."""
    rng = np.random.default_rng(number)
    blocks = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(np.kron(blocks, np.ones((8, 8, 1), dtype=np.uint8)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Images and captions, embeddings of the same things, a report, a run and the list of all."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "images").mkdir()
    names = ids_of(COUNT)
    for number, name in enumerate(names):
        picture(number).save(folder / "images" / f"{name}.png")
    words = aa.load_sample().source.captions
    lines = [f'{name}.png,"{said}"' for name, said in zip(names, words[:COUNT], strict=True)]
    (folder / "captions.csv").write_text("image,caption\n" + "\n".join(lines) + "\n")
    pair = pair_of(COUNT, order=shuffled(COUNT))
    for side in (pair.source, pair.target):
        aa.save(side, folder / f"ready.{side.modality}.npz")
    aa.diagnose(pair_of(COUNT, 16, seed=4)).save(folder / "known.json")
    run_of(folder, "trained")
    return folder


SAMPLE = f"checkpoint = {json.dumps(str(aa.sample_encoder_path()))}"
READY = 'images = "ready.image.npz"\ntexts = "ready.text.npz"'


def entry(name, *lines):
    return f"[[encoder]]\nname = {json.dumps(name)}\n" + "\n".join(lines) + "\n"


@pytest.fixture
def counted(monkeypatch):
    """Count what is encoded, and what is measured."""
    from anisoalign_core.bench import atlas

    seen = {"encoded": 0, "measured": 0}
    encode, measure = atlas.encode, BenchEntry.measure

    def encoding(*given, **more):
        seen["encoded"] += 1
        return encode(*given, **more)

    def measuring(cls, *given, **more):
        seen["measured"] += 1
        return measure(*given, **more)

    monkeypatch.setattr(atlas, "encode", encoding)
    monkeypatch.setattr(BenchEntry, "measure", classmethod(measuring))
    return seen


def listed(files, text, name="list.toml"):
    (files / name).write_text(text, encoding="utf-8")
    return read_list(files / name)


def make(files, encoders, out, **more):
    return make_atlas(encoders, [files / "images"], files / "captions.csv", out, **more)


@pytest.fixture
def whole(files):
    """A list with an encoder, embeddings, a report and a run."""
    text = (
        entry("sample", SAMPLE, 'note = "the bundled one"', 'run = "trained.jsonl"')
        + entry("ready", READY)
        + entry("known", 'report = "known.json"')
    )
    return listed(files, text)


def test_encoders_embeddings_and_reports_stand_on_one_bench(files, whole, tmp_path):
    told = []
    done = make(files, whole, tmp_path / "atlas", progress=lambda f, w: told.append((f, w)))
    assert done.made == ("sample", "ready", "known")
    assert done.kept == () and done.failed == {}
    sample, ready, known = done.bench.entries
    assert sample.note == "the bundled one" and sample.report.dim == 128
    assert sample.report.items == ready.report.items  # files' names are the ids of both
    assert known.report == aa.GapReport.load(files / "known.json")
    assert sample.report.encoder and known.kept.rows is None
    assert sample.kept.rows.target.ids.tolist() == ready.kept.rows.target.ids.tolist()
    assert [run.name for run in done.bench.runs] == ["trained"]
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions) and fractions[-1] <= 1.0
    assert all(words.startswith(("sample: ", "ready: ", "known: ")) for _, words in told)
    place = tmp_path / "atlas" / whole[0].slug
    again = aa.EmbeddingPair.match(
        aa.load(place / "text.npz", modality="text"),
        aa.load(place / "image.npz", modality="image"),
        "id",
    )
    assert aa.diagnose(again).bias == sample.report.bias
    assert aa.GapReport.load(place / "report.json") == sample.report
    about = json.loads((place / "encoder.json").read_text())
    assert about["weights"]["file"] == "encoder.safetensors" and about["backend"] == "open_clip"
    opened = Bench.load(tmp_path / "atlas" / "atlas.bench.zip")
    assert [one.name for one in opened.entries] == ["sample", "ready", "known"]


def test_the_second_call_measures_nothing(files, whole, tmp_path, counted):
    first = make(files, whole, tmp_path)
    assert counted == {"encoded": 1, "measured": 2}
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    second = make(files, whole, tmp_path)
    assert second.kept == ("sample", "ready", "known") and second.made == ()
    assert counted == {"encoded": 1, "measured": 2}
    assert {one.name: one.report for one in second.bench.entries} == {
        one.name: one.report for one in first.bench.entries
    }
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert list(after) == list(before)
    for path in before:
        assert after[path] == before[path] or path.name == "atlas.bench.zip"


def test_changed_captions_encode_again_and_measure_nothing_else(files, whole, tmp_path, counted):
    make(files, whole, tmp_path)
    captions = files / "captions.csv"
    text = captions.read_text()
    try:
        captions.write_text(text.replace("a ", "the "))
        done = make(files, whole, tmp_path)
        assert done.made == ("sample",) and done.kept == ("ready", "known")
        assert counted == {"encoded": 2, "measured": 3}
    finally:
        captions.write_text(text)


def test_a_changed_image_encodes_again(files, whole, tmp_path):
    make(files, whole, tmp_path)
    place = files / "images" / f"{ids_of(1)[0]}.png"
    data = place.read_bytes()
    try:
        picture(999).save(place)
        assert make(files, whole, tmp_path).made == ("sample",)
    finally:
        place.write_bytes(data)


def test_what_changed_of_an_entry_is_made_again(files, tmp_path, counted):
    def made(*lines, **more):
        return make(files, listed(files, entry("ready", *lines)), tmp_path, **more).made

    assert made(READY) == ("ready",) and made(READY) == ()
    assert made(READY, random_state=1) == ("ready",)
    assert made(READY) == ("ready",)
    done = make(files, listed(files, entry("ready", READY, 'note = "new"')), tmp_path)
    assert done.made == () and done.bench.entries[0].note == "new"  # a note changes no number
    pair = pair_of(COUNT, seed=7)
    data = (files / "ready.text.npz").read_bytes()
    try:
        aa.save(pair.source, files / "ready.text.npz")
        assert made(READY) == ("ready",)
    finally:
        (files / "ready.text.npz").write_bytes(data)


def test_ids_beside_embeddings_belong_to_them(files, tmp_path):
    pair = pair_of(COUNT)
    for side in (pair.source, pair.target):
        np.save(files / f"plain.{side.modality}.npy", side.vectors)
        (files / f"plain.{side.modality}.ids.txt").write_text("\n".join(side.ids))
    text = entry("plain", 'images = "plain.image.npy"', 'texts = "plain.text.npy"')
    done = make(files, listed(files, text), tmp_path)
    assert done.bench.entries[0].report.items.by == "ids"
    ids = files / "plain.text.ids.txt"
    ids.write_text("\n".join(pair.source.ids[::-1]))
    again = make(files, listed(files, text), tmp_path)
    assert again.made == ("plain",)
    before, after = (one.bench.entries[0].report.residual for one in (done, again))
    assert after.matched_cosine.value < before.matched_cosine.value - 0.05


@pytest.mark.parametrize("damage", ["torn", "empty", "gone", "mark", "other"])
def test_a_torn_entry_is_made_again(files, tmp_path, counted, damage):
    encoders = listed(files, entry("ready", READY))
    first = make(files, encoders, tmp_path)
    place = tmp_path / encoders[0].slug
    file = place / "entry.bench.zip"
    data = file.read_bytes()
    if damage == "torn":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        file.write_bytes(Bench().to_bytes())
    elif damage == "gone":
        file.unlink()
    elif damage == "mark":
        (place / "made-from.txt").write_bytes(b"\xff\xfe\x00")
    else:
        file.write_bytes(b"\x93NUMPY")
    done = make(files, encoders, tmp_path)
    assert done.made == ("ready",) and counted["measured"] == 2
    assert done.bench.entries[0].report == first.bench.entries[0].report
    assert file.read_bytes() == data


@pytest.mark.parametrize("stop", [KeyboardInterrupt, CancelledError])
def test_an_interrupted_atlas_goes_on(files, whole, tmp_path, counted, stop):
    def until(fraction, words):
        if words.startswith("ready") and fraction > 0.5:
            raise stop("stop")

    with pytest.raises(stop):
        make(files, whole, tmp_path, progress=until)
    assert not (tmp_path / "atlas.bench.zip").exists()
    assert counted == {"encoded": 1, "measured": 2}
    done = make(files, whole, tmp_path)
    assert done.kept == ("sample",) and done.made == ("ready", "known")
    assert counted["encoded"] == 1
    assert not [path for path in tmp_path.rglob(".*")]


def test_interrupted_within_its_encoding_an_encoder_begins_again(files, whole, tmp_path, counted):
    def until(fraction, words):
        if words.startswith("sample") and fraction > 0.1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(files, whole, tmp_path, progress=until, batch_size=8)
    assert make(files, whole, tmp_path).made == ("sample", "ready", "known")
    assert counted["encoded"] == 2


def test_broken_encoders_are_listed_and_harm_no_other(files, tmp_path):
    (files / "bad.safetensors").write_bytes(b"no weights")
    (files / "bad.json").write_text("{}")
    text = (
        entry("no file", 'checkpoint = "gone.safetensors"')
        + entry("bad weights", 'checkpoint = "bad.safetensors"')
        + entry("no library", 'backend = "nothing"', 'model = "x"')
        + entry("half", 'images = "ready.image.npz"')
        + entry("bad report", 'report = "captions.csv"')
        + entry("bad run", READY, 'run = "gone.jsonl"')
        + entry("ready", READY)
    )
    told = {}
    done = make(files, listed(files, text), tmp_path, failed=told.__setitem__)
    assert [one.name for one in done.bench.entries] == ["ready"] == list(done.made)
    assert list(done.failed) == [
        "no file",
        "bad weights",
        "no library",
        "half",
        "bad report",
        "bad run",
    ]
    assert told == done.failed
    for why in done.failed.values():
        assert why and "\n" not in why and "Traceback" not in why
    assert "Give both files" in done.failed["half"]
    assert Bench.load(tmp_path / "atlas.bench.zip").runs == ()


def test_where_none_works_there_is_no_atlas(files, tmp_path):
    encoders = listed(files, entry("half", 'images = "ready.image.npz"'))
    with pytest.raises(ParameterError, match=r"None of the encoders works\. half: "):
        make(files, encoders, tmp_path)
    assert not (tmp_path / "atlas.bench.zip").exists()


def test_embeddings_alone_need_no_images(files, tmp_path):
    done = make_atlas(listed(files, entry("ready", READY)), [], None, tmp_path)
    assert done.made == ("ready",)
    with pytest.raises(ParameterError, match="sample is to encode images, and there are none"):
        make_atlas(listed(files, entry("sample", SAMPLE)), [], None, tmp_path)
    with pytest.raises(FormatError):
        make_atlas(listed(files, entry("sample", SAMPLE)), [tmp_path / "gone"], None, tmp_path)


def test_names_that_differ_in_odd_characters_have_folders_of_their_own(files, tmp_path):
    names = ["a/b", "a\\b", "a b", "a:b", "..", "\u0646\u0645\u0648\u0630\u062c", "A b", "x" * 199]
    encoders = listed(files, "".join(entry(name, 'report = "known.json"') for name in names))
    slugs = [one.slug for one in encoders]
    assert len({one.lower() for one in slugs}) == len(names)
    assert all(len(one) < 80 and one[0].isalnum() and one.isascii() for one in slugs)
    assert not any(letter in one for one in slugs for letter in "/\\: ")
    done = make(files, encoders, tmp_path / "out")
    assert [one.name for one in done.bench.entries] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert make(files, encoders, tmp_path / "out").kept == tuple(names)


def test_a_place_that_cannot_be_written_to_is_said(files, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaceError):
        make(files, listed(files, entry("ready", READY)), tmp_path / "file")


def test_a_full_disk_stops_the_whole(files, whole, tmp_path, monkeypatch):
    from anisoalign_core.bench import atlas

    def full(*given, **more):
        raise PlaceError("There is no room for entry.bench.zip.")

    monkeypatch.setattr(atlas, "_write", full)
    with pytest.raises(PlaceError, match="no room"):
        make(files, whole[1:], tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lists no encoder"),
        ("encoder = []", "lists no encoder"),
        ("encoder = 3", "lists no encoder"),
        ("[encoder]\nname = 'a'", "lists no encoder"),
        ("a = ", "cannot be read as a list of encoders"),
        ("x = " + "[" * 20_000, "cannot be read as a list of encoders"),
        ("encoder = [1]", "Encoder 1 of list.toml has no name"),
        ("[[encoder]]\nmodel = 'x'", "Encoder 1 of list.toml has no name"),
        ("[[encoder]]\nname = 3", "no name"),
        ("[[encoder]]\nname = '  '", "no name"),
        (f"[[encoder]]\nname = '{'x' * 300}'", "1 to 200 characters"),
        ("[[encoder]]\nname = 'a'\ncolour = 'red'", 'Encoder 1.*"colour" is not understood'),
        ("[[encoder]]\nname = 'a'\nmodel = 3", '"model" is not understood; texts'),
        ("[[encoder]]\nname = 'a'\n[[encoder]]\nname = 'a'", 'two encoders called "a"'),
        ("[[encoder]]\nname = 'a'\nname = 'b'", "cannot be read as a list"),
        ("[[encoder]]\nname = 'a'\nslug = 'b'", "not understood"),
    ],
)
def test_a_list_that_is_wrong_is_refused_in_one_sentence(tmp_path, text, words):
    (tmp_path / "list.toml").write_text(text)
    with pytest.raises(FormatError, match=words) as error:
        read_list(tmp_path / "list.toml")
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_files_that_are_no_list_are_refused(tmp_path):
    (tmp_path / "list.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="list of encoders"):
        read_list(tmp_path / "list.toml")
    for place in (tmp_path / "gone.toml", tmp_path):
        with pytest.raises(FormatError, match="cannot be read"):
            read_list(place)


def test_files_of_a_list_lie_beside_it(files):
    (one,) = listed(files, entry("a", READY, 'run = "/absolute/run.jsonl"', 'note = "n"'))
    assert one.images == str(files / "ready.image.npz") and one.run == "/absolute/run.jsonl"
    assert (one.note, one.backend, one.checkpoint) == ("n", "open_clip", "")
