"""What is no bench, or a damaged one, is refused in one sentence and touches nothing."""

import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from anisoalign_core.bench import Bench, BenchEntry
from anisoalign_core.errors import AnisoAlignError, FormatError, LimitError
from anisoalign_core.files.source import Source
from tests.bench.bench_worlds import bench_of, edited, members_of, zipped
from tests.gap.encoder_worlds import pair_of


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return bench_of(tmp_path_factory.mktemp("runs"), rows=12).to_bytes()


def load(data, name="my.bench.zip"):
    return Bench.load(Source(name, data=data))


def sentence(error):
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 700
    return text


@pytest.mark.parametrize(
    "other",
    [b"", b"PK", b"\x93NUMPY", b"{}", b"PK\x05\x06" + b"\0" * 18, b"x" * 500, zipped({})],
    ids=lambda one: repr(one[:8]),
)
def test_other_files_are_refused(other, tmp_path):
    with pytest.raises(FormatError) as error:
        load(other)
    assert "my.bench.zip" in sentence(error)
    (tmp_path / "a.bench.zip").write_bytes(other)
    with pytest.raises(FormatError, match=r"a\.bench\.zip"):
        Bench.load(tmp_path / "a.bench.zip")


def test_a_missing_file_is_a_sentence_too(tmp_path):
    with pytest.raises(FormatError, match="cannot be read"):
        Bench.load(tmp_path / "none.bench.zip")
    with pytest.raises(FormatError, match="cannot be read"):
        Bench.load(tmp_path)


def test_every_place_at_which_a_copy_may_have_ended(data):
    for end in range(0, len(data), max(len(data) // 60, 1)):
        with pytest.raises((FormatError, LimitError)) as error:
            load(data[:end])
        sentence(error)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b.update(bench_version=2), "bench version 2.*Update AnisoAlign"),
        (lambda b: b.update(bench_version=0), "bench version 0"),
        (lambda b: b.update(bench_version=True), "bench version True"),
        (lambda b: b.update(bench_version="1"), "bench version 1"),
        (lambda b: b.pop("bench_version"), "bench version None"),
        (lambda b: b.pop("entries"), "no entries"),
        (lambda b: b.update(entries={}), "entries is not a list"),
        (lambda b: b["entries"][0].update(colour="red"), "not known"),
        (lambda b: b["entries"][0].update(name=3), "name is not a text"),
        (lambda b: b["entries"][0].update(name=""), "1 to 200 characters"),
        (lambda b: b["entries"][0].update(name="x" * 10_000), "1 to 200 characters"),
        (lambda b: b["entries"][0].update(name="two"), "two encoders called"),
        (lambda b: b["entries"][0].update(name="\ud800"), "not valid text"),
        (lambda b: b.update(baseline="nobody"), 'no encoder "nobody"'),
        (lambda b: b.update(runs=b["runs"] * 2), "two runs called"),
        (lambda b: b.update(runs=["gone.jsonl"]), 'no file "gone.jsonl"'),
        (lambda b: b["entries"][0].update(report="gone.json"), 'no file "gone.json"'),
        (lambda b: b["entries"][0].update(report="bench.json"), "report that diagnose wrote"),
        (lambda b: b["entries"][0].update(rows=["../../etc/passwd", "b"]), "no file"),
        (lambda b: b["entries"][0].update(rows=["bench.json"] * 2), "npz"),
        (lambda b: b["entries"][0]["rows"].pop(), "right length"),
        (lambda b: b["entries"][0]["found"].update(searched=1), "does not fit"),
        (lambda b: b["entries"][0]["found"]["ahead_of_source"].append(0), "does not fit"),
        (lambda b: b["entries"][0]["found"]["ahead_of_source"].__setitem__(0, -1), "not fit"),
        (lambda b: b["entries"][2].update(found=b["entries"][0]["found"]), "does not fit"),
        (lambda b: b["entries"][0]["tradeoff"].pop("bound"), "no bound"),
        (lambda b: b["entries"][0]["tradeoff"]["psi"].pop(), "no bound for each"),
        (lambda b: b["entries"][0]["tradeoff"]["psi"].__setitem__(0, "x"), "psi|tradeoff"),
        (lambda b: b["entries"][0]["tradeoff"]["psi"].__setitem__(0, float("nan")), "NaN is no"),
        (lambda b: b["entries"][0]["tradeoff"]["psi"].__setitem__(0, -float("inf")), "Infinity"),
    ],
)
def test_a_list_of_contents_that_is_wrong_is_refused(data, change, words):
    with pytest.raises((FormatError, LimitError), match=words) as error:
        load(edited(data, change))
    sentence(error)


def test_numbers_above_all_numbers_are_refused(data):
    members = members_of(data)
    text = members["bench.json"].decode()
    first = json.loads(text)["entries"][0]["tradeoff"]["psi"][0]
    members["bench.json"] = text.replace(str(first), "1e999", 1).encode()
    with pytest.raises(FormatError, match="not finite"):
        load(zipped(members))


@pytest.mark.parametrize("text", [b"{", b"[" * 100_000, b"\xff\xfe", b"null", b"[{}]", b"9" * 5000])
def test_contents_that_are_no_json_are_refused(data, text):
    with pytest.raises(FormatError) as error:
        load(zipped({**members_of(data), "bench.json": text}))
    sentence(error)


def test_each_missing_file_is_named(data):
    members = members_of(data)
    for name in members:
        with pytest.raises(FormatError, match=f'no file "{name}" in it') as error:
            load(zipped({key: body for key, body in members.items() if key != name}))
        sentence(error)


def test_rows_that_do_not_belong_together_are_refused(data, tmp_path):
    members = members_of(data)
    rows = sorted(name for name in members if name.startswith("rows/00"))
    for count, dim in ((5, 12), (12, 5)):
        out = io.BytesIO()
        np.savez(out, text=np.random.default_rng(0).standard_normal((count, dim)))
        with pytest.raises(FormatError) as error:
            load(zipped({**members, rows[0]: out.getvalue()}))
        sentence(error)
    out = io.BytesIO()
    np.savez(out, text=np.zeros((12, 12)))
    with pytest.raises(FormatError, match="zero"):
        load(zipped({**members, rows[0]: out.getvalue()}))
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    out = io.BytesIO()
    np.savez(out, text=np.array([{}] * 12, dtype=object))
    with pytest.raises(FormatError, match="never loaded"):
        load(zipped({**members, rows[0]: out.getvalue()}))


# ------------------------------------------------------------------------------------------ bombs


def test_a_small_file_that_unpacks_to_much_is_refused_before_it_does(data):
    bomb = zipped({**members_of(data), "more.json": b"\0" * (40 << 20)})
    tracemalloc.start()
    with pytest.raises(LimitError, match="to 1"):
        load(bomb)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_many_that_unpack_to_much_together_are_refused(data):
    part = b"\0" * (15 << 20)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(18):
            archive.writestr(f"{number}", part)
    with pytest.raises(LimitError, match="unpacks to 270"):
        load(stream.getvalue())


def test_a_size_that_is_declared_too_small_inflates_no_further(data):
    """The directory says ten bytes, the member holds thirty million."""
    bomb = bytearray(zipped({"bench.json": b"\0" * 30_000_000}))
    at = bomb.rindex(b"PK\x01\x02")
    bomb[at + 24 : at + 28] = struct.pack("<I", 10)
    bomb[22:26] = struct.pack("<I", 10)
    tracemalloc.start()
    with pytest.raises(FormatError):
        load(bytes(bomb))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_directory_of_too_many_files_is_refused(data):
    many = zipped({**members_of(data), **{f"x{number}": b"" for number in range(401)}})
    with pytest.raises(LimitError, match="more than a bench may"):
        load(many)


def test_an_archive_in_the_archive_unpacks_within_the_same_limit(data, monkeypatch):
    from anisoalign_core.bench import bench

    monkeypatch.setattr(bench, "MOST_BYTES", 300_000)
    members = members_of(data)
    (rows,) = [name for name in members if name.startswith("rows/00.source")]
    out = io.BytesIO()
    np.savez_compressed(out, text=np.ones((12, 50_000), dtype=np.float32))
    members[rows] = out.getvalue()
    assert sum(map(len, members.values())) < 300_000
    with pytest.raises(LimitError) as error:
        load(zipped(members))
    assert "my.bench.zip:rows:00.source.npz unpacks to more" in sentence(error)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(data, method):
    with pytest.raises(FormatError, match="unusual way"):
        load(zipped(members_of(data), method))


def test_names_that_look_like_paths_write_nothing(data, tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    odd = {"../../out.json": b"{}", "/out.json": b"{}", "C:\\out.json": b"{}", "a/../b": b""}
    found = load(zipped({**members_of(data), **odd}))
    assert len(found.entries) == 3

    def elsewhere(body):
        body["entries"][0]["report"] = "../../report.json"

    members = members_of(data)
    members["../../report.json"] = members["reports/00.json"]
    assert load(edited(zipped(members), elsewhere)).entries[0].report == found.entries[0].report
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b"]


def test_two_files_of_one_name_are_refused(data):
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("bench.json", b"{}")
    with pytest.raises(FormatError, match="two members of one name"):
        load(stream.getvalue())


# ------------------------------------------------------------------------------------------- fuzz


@pytest.fixture(scope="module")
def small():
    """A bench of one small encoder, as it is and uncompressed."""
    data = Bench((BenchEntry.measure("one", pair_of(20, 4), rows=3),)).to_bytes()
    return data, zipped(members_of(data), zipfile.ZIP_STORED)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_are_read_or_refused(small, seed):
    rng = np.random.default_rng(seed)
    refused = 0
    for number in range(100):
        damaged = bytearray(small[number % 2])
        for _ in range(rng.choice([1, 1, 1, 3, 10])):
            damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        refused += damaged_is_refused(bytes(damaged))
    assert refused > 50


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_inside_of_sound_archives_are_read_or_refused(small, seed):
    """Checksums are written anew, so that what reads the members sees the damage."""
    rng = np.random.default_rng(seed)
    for _ in range(60):
        members = members_of(small[0])
        name = str(rng.choice([*members, "bench.json", "bench.json"]))
        body = bytearray(members[name])
        for _ in range(rng.choice([1, 1, 3])):
            body[rng.integers(len(body))] ^= 1 << int(rng.integers(8))
        members[name] = bytes(body)
        damaged_is_refused(zipped(members))


def damaged_is_refused(data):
    try:
        found = load(data)
    except AnisoAlignError as error:
        assert "\n" not in str(error)
        return True
    if found.entries:  # what is read can be shown and written again
        found.compare().to_json()
        found.to_bytes()
    return False
