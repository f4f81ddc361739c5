"""Images in files, folders and archives, and whose captions are whose."""

import json
import struct
import zipfile
import zlib

import numpy as np
import pytest

from anisoalign_core.encode import ImageLimits, find_items
from anisoalign_core.errors import FormatError, LimitError, ParameterError, ShapeError
from anisoalign_core.files.source import Source
from tests.encode.conftest import image_bytes, picture, zipped

PNG = image_bytes()


def upload(name, data):
    return Source(name, data=data if isinstance(data, bytes) else data.encode())


def archive(*names, name="photos.zip", **others):
    return upload(name, zipped(dict.fromkeys(names, PNG) | others))


def ids(inputs):
    return [one.id for one in inputs.items]


def captions(inputs):
    return [one.caption for one in inputs.items]


@pytest.fixture
def folder(tmp_path):
    """Return a folder as img2dataset writes it: shards, sidecars, and what is no image."""
    root = tmp_path / "data"
    for shard, names in (("00000", ("000000010", "000000002")), ("00001", ("000010000",))):
        (root / shard).mkdir(parents=True)
        for name in names:
            (root / shard / f"{name}.jpg").write_bytes(image_bytes(picture(), "JPEG"))
            (root / shard / f"{name}.txt").write_text(f"caption of\n {int(name)}\n")
            (root / shard / f"{name}.json").write_text(json.dumps({"caption": "not asked"}))
        (root / f"{shard}_stats.json").write_text("{}")
        (root / f"{shard}.parquet").write_bytes(b"PAR1")
    (root / "00001" / "000010001.jpg").write_bytes(PNG)
    (root / "00001" / "000010001.json").write_text(json.dumps({"caption": "from json"}))
    (root / ".hidden").mkdir()
    (root / ".hidden" / "a.png").write_bytes(PNG)
    (root / "00000" / ".b.png").write_bytes(PNG)
    return root


def test_a_folder_of_img2dataset(folder):
    inputs = find_items(folder)
    assert [(one.id, one.caption) for one in inputs.items] == [
        ("00000/000000002", "caption of"),
        ("00000/000000002", "2"),
        ("00000/000000010", "caption of"),
        ("00000/000000010", "10"),
        ("00001/000010000", "caption of"),
        ("00001/000010000", "10000"),
        ("00001/000010001", "from json"),
    ]
    assert [one.open is None for one in inputs.items] == [*[False, True] * 3, False]
    assert inputs.in_words == "4 images, 7 captions, 1 to 2 each"
    assert inputs.problems == ()
    assert inputs.files == ("data",)
    assert inputs.items[0].open().size == (40, 32)


def test_order_is_natural_in_every_part_of_a_path():
    names = ["b/10.png", "b/9.png", "a10/1.png", "a9/1.png", "2.png"]
    assert ids(find_items(archive(*names))) == ["2", "a9/1", "a10/1", "b/9", "b/10"]


def test_an_archive_is_a_folder(tmp_path):
    members = {
        "pets/": b"",
        "pets/cat.png": image_bytes(picture(1)),
        "pets/cat.txt": "a cat é".encode(),
        "pets/dog.JPG": image_bytes(picture(2), "JPEG"),
        "__MACOSX/pets/._cat.png": b"x",
        "__MACOSX/pets/cow.png": PNG,
        "pets/.DS_Store": b"x",
        "pets/notes.pdf": b"%PDF",
        "inner.zip": zipped({"deep.png": PNG}),
    }
    path = tmp_path / "pets.zip"
    path.write_bytes(zipped(members, zipfile.ZIP_DEFLATED))
    for place in (path, upload("pets.zip", path.read_bytes())):
        inputs = find_items(place)
        assert ids(inputs) == ["pets/cat", "pets/dog"]
        assert captions(inputs) == ["a cat é", None]
        assert inputs.images_without_caption == ("pets/dog",)
        assert inputs.problems == ("1 image has no caption: pets/dog.",)
        np.testing.assert_array_equal(inputs.items[0].open(), picture(1))
    assert [one.name for one in tmp_path.iterdir()] == ["pets.zip"]


def test_paths_that_lead_out_are_only_names():
    inputs = find_items(archive("../../etc/a.png", "/root/b.png", "c\\d.png", "./e.png"))
    assert ids(inputs) == ["c/d", "e", "etc/a", "root/b"]


def test_ids_are_unique_lines():
    found = find_items(archive("a.png", "a.jpg", "b\nc.png", "b c.png", "b c.gif"))
    assert sorted(ids(found)) == ["a.jpg", "a.png", "b c.gif", "b c.png", "b c.png (2)"]
    twice = [upload("a.png", PNG), upload("a.png", PNG), upload("b.png", PNG)]
    assert ids(find_items(twice)) == ["a.png", "a.png (2)", "b"]


def test_several_places_keep_their_names(folder):
    inputs = find_items([archive("1.png", name="one.zip"), folder, upload("solo.webp", PNG)])
    assert ids(inputs)[0] == "data/00000/000000002"
    assert ids(inputs)[-2:] == ["one/1", "solo"]
    assert inputs.files == ("one.zip", "data", "solo.webp")


def test_files_bring_the_captions_beside_them(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.png").write_bytes(PNG)
    (tmp_path / "a.txt").write_text("\n  an  a \n")
    inputs = find_items([tmp_path / "b.png", str(tmp_path / "a.png")])
    assert (ids(inputs), captions(inputs)) == (["a", "b"], ["an a", None])
    assert find_items(tmp_path / "b.png").problems == ()  # no captions at all: nothing is missing


def test_sidecars_that_cannot_be_read_are_said():
    members = {f"{k}.png": PNG for k in range(5)} | {f"{k}.txt": b"\xff" for k in range(4)}
    inputs = find_items(upload("x.zip", zipped(members | {"4.json": b"{"})))
    assert "not UTF-8" in inputs.notes[0]
    assert inputs.notes[-1] == "2 more files beside images cannot be read."
    assert captions(inputs) == [None] * 5


def table(*lines, name="captions.csv"):
    return upload(name, "\n".join(lines) + "\n")


NAMES = ("train/cat.1.png", "train/dog.jpg", "val/dog.jpg")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("image,caption", "train/dog.jpg,A", "val/dog.jpg,B", "cat.1.png,C"), ["C", "A", "B"]),
        (("caption,filename", "A,train/dog", "B,val\\dog.jpg", "C,cat.1"), ["C", "A", "B"]),
        (("path,text", "/data/train/cat.1.png,C"), ["C", None, None]),
        (("File,split,Title", "train/dog.jpg,x,A"), [None, "A", None]),
        (("train/dog.jpg,A", "cat.1.png,C"), ["C", "A", None]),
        (("caption", "first", "second", "third"), ["first", "second", "third"]),
        (("one caption alone", "second", "third"), ["one caption alone", "second", "third"]),
        (("image;caption", 'cat.1;"C; with, both"'), ["C; with, both", None, None]),
        (("image,caption", 'cat.1,"two\nlines"', "train/dog.jpg,"), ["two lines", None, None]),
    ],
)
def test_tables_give_captions_by_name_or_in_order(lines, expected):
    assert captions(find_items(archive(*NAMES), table(*lines))) == expected


def test_tabs_separate_without_quotes():
    rows = table("image\tcaption", 'cat.1\t"big" cat, grey', name="c.tsv")
    assert captions(find_items(archive(*NAMES), rows))[0] == '"big" cat, grey'


def test_what_does_not_match_is_listed():
    rows = table("image,caption", "cat.1,first", "cat.1,again", "dog.jpg,whose", "cow,C", "owl,O")
    inputs = find_items(archive(*NAMES), rows)
    assert captions(inputs) == ["first", "again", None, None]
    assert inputs.captions_without_image == ("cow", "owl")
    assert inputs.images_without_caption == ("train/dog", "val/dog")
    assert inputs.problems == (
        "2 images have no caption: train/dog, val/dog.",
        "2 captions have no image: cow, owl.",
        "1 caption of captions.csv left out: several images have that name. Write the folder too.",
    )


def test_lines_are_in_the_images_order():
    lines = upload("captions.txt", "\ufefffirst\r\n\r\nthird\r\n")
    inputs = find_items(archive("10.png", "2.png", "1.png"), lines)
    assert ids(inputs) == ["1", "2", "10"]
    assert captions(inputs) == ["first", None, "third"]
    assert captions(find_items(archive("1.png"), ["an  image"])) == ["an image"]


KINDS = {
    "flickr.txt": "cat.jpg#0\tone\ncat.jpg#1\ttwo\ndog.jpg#0\tthree\ndog.jpg#1\tfour\n",
    "coco.json": json.dumps(
        {
            "images": [{"id": 7, "file_name": "cat.jpg"}, {"id": 9, "file_name": "dog.jpg"}],
            "annotations": [
                {"image_id": whose, "caption": text}
                for whose, text in ((7, "one"), (9, "three"), (7, "two"), (9, "four"))
            ],
        }
    ),
    "metadata.jsonl": "\n".join(
        json.dumps({"file_name": name, "text": text})
        for name, text in (("cat.jpg", ["one", "two"]), ("dog.jpg", ["three", "four"]))
    ),
    "several.csv": "image,caption\ncat.jpg,one\ndog.jpg,three\ncat.jpg,two\ndog.jpg,four\n",
}


@pytest.mark.parametrize("name", KINDS)
def test_every_caption_of_an_image_is_kept(name):
    inputs = find_items(archive("cat.jpg", "dog.jpg"), upload(name, KINDS[name]))
    assert [(one.id, one.caption, one.open is None) for one in inputs.items] == [
        ("cat", "one", False),
        ("cat", "two", True),
        ("dog", "three", False),
        ("dog", "four", True),
    ]
    assert inputs.in_words == "2 images, 4 captions, 2 each"
    assert inputs.captions_each == (2, 2)
    assert inputs.problems == ()


def test_json_beside_an_image_may_hold_several_captions():
    beside = {"a.png": PNG, "a.json": json.dumps({"caption": ["one", " ", "two"]}).encode()}
    assert captions(find_items(upload("x.zip", zipped(beside)))) == ["one", "two"]
    odd = find_items(upload("x.zip", zipped(beside | {"a.json": b'{"caption": 3}'})))
    assert captions(odd) == [None]
    assert odd.notes == ("The caption of a.json is no text. Write it again.",)


def test_captions_alone():
    inputs = find_items(captions=upload("c.txt", "a\n\nb\n"))
    assert [(one.id, one.caption, one.open) for one in inputs.items] == [
        ("0", "a", None),
        ("2", "b", None),
    ]
    assert inputs.problems == ("1 line of c.txt left out: empty.",)
    named = find_items(captions=table("id,text", "x,A", "x,B", ",C"))
    assert ids(named) == ["x", "x", "2"]
    assert named.in_words == "3 captions, 1 to 2 each"


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (("image,words", "a,b"), FormatError, 'no column .* caption.*"image", "words"'),
        (("image,caption", "cat.1,a,b"), FormatError, "Line 2 of captions.csv has 3 cells"),
        (("image,caption",), FormatError, "a header and no captions"),
        (
            ("image,caption", "cow,C"),
            FormatError,
            'names like "cow", images like "train/cat.1.png"',
        ),
        (("caption", "one", "two"), ShapeError, "2 captions in order, and there are 3 images"),
        (("image,caption", 'cat.1,"open'), FormatError, "cannot be read as delimited text"),
        (("",), FormatError, "captions.csv is empty"),
    ],
)
def test_tables_that_are_wrong(rows, error, words):
    with pytest.raises(error, match=words):
        find_items(archive(*NAMES), table(*rows))


def test_lines_of_another_number_and_other_letters():
    with pytest.raises(ShapeError, match=r"c.txt has 2 captions in order, and there are 3 images"):
        find_items(archive(*NAMES), upload("c.txt", "a\nb\n"))
    with pytest.raises(FormatError, match=r"Line 2 of c.txt is not UTF-8"):
        find_items(archive(*NAMES), upload("c.txt", b"a\n\xe9\nb\n"))


def test_places_that_hold_no_images(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    for place, words in (
        (tmp_path, "There are no images in"),
        (tmp_path / "absent", "no file or folder .*absent"),
        (tmp_path / "notes.txt", "notes.txt is no image, folder or .zip archive"),
        (upload("a.zip", b"not a zip"), "a.zip is not a zip archive"),
        (upload("a.zip", zipped({"a.txt": b"x"})), "There are no images in a.zip"),
        (upload("a.zip", zipped({"a.png": PNG})[:-30]), "a.zip is cut off|cannot be read"),
    ):
        with pytest.raises(FormatError, match=words):
            find_items(place)
    with pytest.raises(ParameterError, match=r"nothing to encode"):
        find_items()


def test_an_archive_that_would_swell_is_refused():
    swelling = zipped({f"{k}.png": b"\0" * 20_000_000 for k in range(2)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(LimitError, match=r"declares 38\.1 MiB from 3\d\.\d KiB \(1,0\d\d to 1\)"):
        find_items(upload("bomb.zip", swelling))
    with pytest.raises(LimitError, match=r"holds 3 files; the limit is 2"):
        find_items(archive(*NAMES), limits=ImageLimits(max_members=2))
    with pytest.raises(LimitError, match=r"in all; the limit is 1.0 KiB"):
        find_items(archive(*NAMES), limits=ImageLimits(max_archive_bytes=1024))


def test_an_archive_with_a_directory_of_millions_is_not_opened():
    small = bytearray(zipped({"a.png": PNG}))
    end = small.rfind(b"PK\x05\x06")
    small[end + 12 : end + 16] = struct.pack("<I", 1_000_000_000)
    with pytest.raises(LimitError, match=r"directory of a.zip has 953.7 MiB"):
        find_items(upload("a.zip", bytes(small)))


def zip64(data, size):
    """Give an archive the 64-bit end of directory that large ones have, declaring a size."""
    end = data.rfind(b"PK\x05\x06")
    fields = (44, 45, 45, 0, 0, 1, 1, size, struct.unpack("<I", data[end + 16 : end + 20])[0])
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", *fields)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)
    last = bytearray(data[end:])
    last[12:16] = b"\xff" * 4
    return data[:end] + record + locator + bytes(last)


def test_large_archives_have_a_directory_of_their_own_kind():
    plain = zipped({"a.png": PNG})
    end = plain.rfind(b"PK\x05\x06")
    size = struct.unpack("<I", plain[end + 12 : end + 16])[0]
    assert ids(find_items(upload("a.zip", zip64(plain, size)))) == ["a"]
    with pytest.raises(LimitError, match=r"directory of a\.zip has 931\.3 GiB"):
        find_items(upload("a.zip", zip64(plain, 10**12)))
    with pytest.raises(FormatError, match=r"a\.zip is cut off"):
        find_items(upload("a.zip", plain[: end + 10]))


def test_members_that_cannot_be_read_are_broken_not_fatal():
    data = bytearray(zipped({"good.png": PNG, "odd.png": PNG}, zipfile.ZIP_DEFLATED))
    # the second member declares fewer bytes than it unpacks to, in its entry and in the directory
    for sign, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.rfind(sign)
        data[place + offset : place + offset + 4] = struct.pack("<I", 100)
    good, odd = find_items(upload("a.zip", bytes(data))).items
    assert good.open().size == (40, 32)
    with pytest.raises(FormatError, match=r"the archive is damaged there.*CRC"):
        odd.open()


@pytest.mark.parametrize(
    ("change", "words"),
    [("encrypted", "it is encrypted"), ("unusual", r"in an unusual way \(method 12\)")],
)
def test_locked_and_unusual_members(change, words):
    if change == "unusual":
        data = zipped({"a.png": PNG}, zipfile.ZIP_BZIP2)
    else:
        locked = bytearray(zipped({"a.png": PNG}))
        place = locked.rfind(b"PK\x01\x02")
        locked[place + 8] |= 1
        data = bytes(locked)
    (item,) = find_items(upload("a.zip", data)).items
    with pytest.raises(FormatError, match=words):
        item.open()


def test_files_above_the_limit_are_broken(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    limits = ImageLimits(max_file_bytes=len(PNG) - 1)
    places = (tmp_path, tmp_path / "a.png", upload("a.zip", zipped({"a.png": PNG})))
    for place in places:
        (item,) = find_items(place, limits=limits).items
        with pytest.raises(LimitError, match=r"the file has"):
            item.open()
    assert zlib.crc32(find_items(tmp_path).items[0].open().tobytes()) == zlib.crc32(
        picture().tobytes()
    )
