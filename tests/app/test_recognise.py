"""Which file is which: by names, by what is inside, by rows; and what is asked instead."""

from __future__ import annotations

import io
import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import FormatError
from anisoalign_core.files.source import Choice, Source
from anisoalign_core.io.pair_file import write_pair
from app.loading import read_sides, together
from app.proposal import Side, propose
from app.proposal_words import in_words
from app.recognise import Array, look, said
from tests.conftest import paired_world

N, D = 60, 8
Y, X = (side.astype("f4") for side in paired_world(N, D))
ORDER = np.random.default_rng(7).permutation(N)


def npy(array):
    np.save(stream := io.BytesIO(), array)
    return stream.getvalue()


def npz(**arrays):
    np.savez(stream := io.BytesIO(), **arrays)
    return stream.getvalue()


def csv(vectors=None, **columns):
    frame = pd.DataFrame(columns) if vectors is None else pd.DataFrame(vectors).assign(**columns)
    return frame.to_csv(index=False).encode()


def parquet(vectors, **columns):
    frame = pd.DataFrame(columns)
    if vectors is not None:
        frame["vector"] = list(vectors)
    frame.to_parquet(stream := io.BytesIO())
    return stream.getvalue()


def jsonl(names, texts):
    lines = ({"file_name": n, "caption": t} for n, t in zip(names, texts, strict=True))
    return "\n".join(map(json.dumps, lines)).encode()


IDS = [f"i{k}" for k in range(N)]
LINES = "\n".join(f"a thing called {k}" for k in range(N)).encode()
BOTH = {"image.npy": npy(X), "text.npy": npy(Y)}


def dropped(files, corrected=None, loaded=None):
    """What a drop of files, bytes by name, is taken for."""
    given = together([(name, Source(name, data=data)) for name, data in files.items()])
    seen = [one.look() for one in given]
    return given, seen, propose(seen, corrected, loaded)


def sentence(files, corrected=None):
    _, seen, proposal = dropped(files, corrected)
    assert not proposal.questions, proposal.questions
    return in_words(seen, proposal, False)


def loaded(files, corrected=None, **more):
    given, _, proposal = dropped(files, corrected)
    assert not proposal.questions, proposal.questions
    return read_sides(given, proposal, {}, lambda fraction, words: None, **more)[0]


@pytest.mark.parametrize(
    ("name", "modalities"),
    [
        ("image.npy", {"image"}),
        ("CLIP-ViT_imgEmbeds.npy", {"image"}),
        ("a/b/visual.txt", {"image"}),
        ("text_emb/part_0.npy", {"text"}),
        ("audio of speech.npz", {"audio"}),
        ("protein.csv", {"protein"}),
        ("context.npy", set()),
        ("imagenet.npy", set()),
        ("texts_of_image_captions.npy", {"text", "image"}),
        ("vectors.txt", set()),
    ],
)
def test_words_of_names_mean_modalities(name, modalities):
    assert said(name) == modalities


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (BOTH, "image.npy (60 × 8) as image and text.npy (60 × 8) as text, partners row by row."),
        (
            {"a.npy": npy(X), "video.npy": npy(Y)},
            "video.npy (60 × 8) as video and a.npy (60 × 8) as text",
        ),
        (
            {"audio.npy": npy(Y), "img.npy": npy(X)},
            "img.npy (60 × 8) as image and audio.npy (60 × 8) as audio",
        ),
        (
            {"sequences.npy": npy(Y), "proteins.npy": npy(X)},
            "proteins.npy (60 × 8) as protein and sequences.npy (60 × 8) as sequence",
        ),
        (
            {"x.npz": npz(image_embeds=X), "y.npz": npz(text_embeds=Y)},
            "x.npz (60 × 8) as image and y.npz (60 × 8) as text",
        ),
        (
            {"both.npz": npz(txt_features=Y, visual=X)},
            "both.npz holds both: visual (60 × 8) as image and txt_features (60 × 8) as text",
        ),
        (BOTH | {"more.npy": npy(X)}, "partners row by row; more.npy is left out."),
        (
            {"image.csv": csv(X, product_id=range(N)), "text.csv": csv(Y, product_id=range(N))},
            "image.csv (60 × 8) as image and text.csv (60 × 8) as text, partners by id.",
        ),
        (BOTH | {"captions.txt": LINES}, "row by row; captions from captions.txt in order."),
        (
            BOTH | {"captions.csv": csv(id=range(N), caption=["c d"] * N)},
            "row by row; captions from captions.csv by id.",
        ),
        (
            {"image.npy": npy(X[:20]), "text.npy": npy(np.r_[Y, Y[:40]])}
            | {
                "ids.image.txt": b"a\n" * 20,
                "text-ids.txt": b"a\n" * 100,
                "lines.txt": b"a b\n" * 100,
            },
            "by id; ids of image from ids.image.txt in order; ids of text from text-ids.txt in "
            "order; captions of text from lines.txt in order.",
        ),
        (
            BOTH | {"text captions.txt": LINES},
            "captions of text from text captions.txt in order",
        ),
    ],
)
def test_what_is_understood_is_said_in_a_sentence(files, words):
    assert words in sentence(files)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.npy": npy(X), "b.npy": npy(Y)}, "Which of a.npy and b.npy is image, and which text?"),
        ({"text1.npy": npy(X), "text2.npy": npy(Y)}, "Both say text: choose below."),
        ({"text.npz": npz(image=X), "b.npy": npy(Y)}, "Neither names nor content tell"),
        ({"a.npy": npy(X), "b.npy": npy(Y), "c.npy": npy(X)}, "3 files hold vectors"),
        ({"image.npy": npy(X)}, "image.npy (60 × 8) is one side, image, and a pair has two."),
        ({"a.npz": npz(one=X, two=Y)}, "a.npz holds several arrays (one, two). Say which is image"),
        ({"captions.txt": LINES}, "captions.txt holds captions, and there are no rows"),
        ({"cat.jpg": b""}, "cat.jpg holds pictures, and there are no rows"),
        (
            {"image.npy": npy(X), "text.npy": npy(Y[:50])},
            "image.npy has 60 rows and text.npy has 50 rows, so row i cannot belong to row i.",
        ),
        (
            BOTH | {"c.jsonl": jsonl(["3.png", "1.png"], ["a", "b"])},
            "c.jsonl says whose its captions are, and the rows have no ids.",
        ),
        (BOTH | {"a.png": b"", "b.png": b""}, "The rows have no ids that the names in 2 pictures"),
        (
            BOTH | {"captions.txt": LINES, "titles.txt": LINES},
            "captions.txt and titles.txt hold captions of the same rows. Leave one out.",
        ),
    ],
)
def test_what_stays_open_is_asked_and_never_guessed(files, words):
    questions = dropped(files)[2].questions
    assert any(words in one for one in questions), questions


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("image.npy", b"", "is empty (0 bytes)"),
        ("image.npy", b"\x93NUMPY\x01\x00v\x00{'descr'", "cannot be read as a .npy file"),
        ("image.npy", npy(np.ones(9)), "1 axes"),
        ("image.pkl", b"\x80\x04", "never loaded because they can run code"),
        ("notes.csv", b"a,b\nhello,you\nthere,now\n", "no column of numbers"),
        (
            "cut.csv",
            b"id,embedding\n1,[0.1 ... 0.3]\n2,[0.2 ... 0.1]\n",
            "cut where they were printed",
        ),
        ("meta.parquet", parquet(None, kind=["a", "b"]), "no column of number lists"),
        ("some.bench.zip", b"", "opened on the page Encoders"),
        ("docs.zip", b"PK", "unpack it, and drop its folder"),
        ("empty.csv", b"\n\n", "is empty"),
        ("notes.docx", b"PK", "no known suffix"),
    ],
)
def test_a_file_that_is_none_of_these_is_refused_in_a_sentence(name, data, words):
    _, (seen, text), proposal = dropped({name: data, "text.npy": npy(Y)})
    assert words in seen.problem
    assert text.arrays and not text.problem
    assert proposal.parts[0].role == "none"
    assert "text.npy (60 × 8) is one side, text" in proposal.questions[0]


def test_rows_under_shuffled_ids_find_their_partners():
    files = {
        "im.parquet": parquet(X, image_path=[f"x/{i}.jpg" for i in range(N)]),
        "tx.parquet": parquet(Y[ORDER], image_path=[f"x/{i}.jpg" for i in ORDER]),
    }
    pair = loaded(files)
    assert pair.joined_by_id
    np.testing.assert_allclose(
        (pair.source.vectors * pair.target.vectors).sum(1).mean(), (X * Y).sum(1).mean(), atol=1e-5
    )


def test_captions_by_name_find_rows_in_any_order_and_only_by_ids():
    names = [f"{i:03d}.png" for i in range(N)]
    captions = jsonl([names[i] for i in ORDER], [f"thing {i}" for i in ORDER])
    files = BOTH | {"image_names.txt": "\n".join(names).encode(), "captions.jsonl": captions}
    pair = loaded(files)
    assert pair.target.captions.tolist() == [f"thing {i}" for i in range(N)]
    assert pair.source.captions is None
    pair = loaded(BOTH | {"captions.jsonl": captions}, {("by", 2): "row"})
    assert pair.target.captions[0] == f"thing {ORDER[0]}"


def test_the_modality_written_inside_stands_where_the_name_is_silent():
    sides = [
        aa.EmbeddingSet.from_array(rows, modality=name)
        for rows, name in ((Y, "text"), (X, "image"))
    ]
    files = {f"{i}.parquet": aa.io.to_bytes(one, ".parquet") for i, one in enumerate(sides)}
    assert "1.parquet (60 × 8) as image and 0.parquet (60 × 8) as text" in sentence(files)
    files = {"image.parquet": files["0.parquet"], "b.npy": npy(Y)}
    assert "Which of image.parquet and b.npy" in dropped(files)[2].questions[0]


def test_several_captions_of_a_picture_are_one_thing():
    ids = [f"i{k // 5}" for k in range(N)]
    files = {"im.parquet": parquet(X[:12], id=IDS[:12]), "tx.parquet": parquet(Y, id=ids)}
    pair = loaded(files)
    assert (len(pair.target), len(pair.source), pair.matched.count) == (12, 60, 12)


def test_a_metadata_table_gives_captions():
    table = parquet(None, image_path=IDS, caption=[f"c {i}" for i in range(N)])
    files = {"img.parquet": parquet(X, image_path=IDS), "tx.npy": npy(Y), "meta.parquet": table}
    assert "captions of image from meta.parquet by id" in sentence(files)
    assert loaded(files).target.captions[5] == "c 5"


def test_shards_of_clip_retrieval_are_one_folder(tmp_path):
    halves = {}
    for k, part in enumerate((slice(0, 25), slice(25, N))):
        halves[f"set/img_emb/img_emb_{k}.npy"] = npy(X[part].astype("f2"))
        halves[f"set/text_emb/text_emb_{k}.npy"] = npy(Y[part].astype("f2"))
        halves[f"set/metadata/metadata_{k}.parquet"] = parquet(
            None, image_path=IDS[part], caption=[f"c {i}" for i in range(N)][part]
        )
    halves["set/.DS_Store"] = b"?"
    words = sentence(halves)
    assert words.startswith("clip-retrieval holds both: image (60 × 8) as image")
    pair = loaded(halves, encoder="ViT-B-32")
    for name, data in halves.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert pair.digest == aa.load_pair(tmp_path / "set").digest
    assert pair.source.captions[30] == "c 30"
    assert pair.target.provenance.model == pair.source.provenance.model == "ViT-B-32"


def test_a_saved_pair_is_itself_again(tmp_path):
    pair = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(Y, modality="sound", ids=IDS),
        aa.EmbeddingSet.from_array(X, modality="scan", ids=IDS),
        paired=True,
    )
    data = write_pair(pair, tmp_path / "pair.npz").read_bytes()
    words = "pair.npz holds both: (60 × 8) as target and (60 × 8) as source, partners as they were"
    assert words in sentence({"pair.npz": data})
    again = loaded({"pair.npz": data})
    assert again.digest == pair.digest and again.target.modality == "scan"
    otherwise = loaded({"pair.npz": data}, {("by", -1): "none", ("target", -1): "image"})
    assert not otherwise.paired and otherwise.target.modality == "image"
    assert otherwise.source.modality == "sound"


def test_a_persons_word_stands_before_names():
    files = {"a.npy": npy(X), "b.npy": npy(Y), "c.npy": npy(Y)}
    roles = {("role", 0): "source", ("role", 1): "none", ("role", 2): "target"}
    assert "c.npy (60 × 8) as image and a.npy (60 × 8) as text" in sentence(files, roles)
    one = {("role", 1): "target"}
    assert "b.npy (60 × 8) as image and a.npy" in sentence({"a.npy": npy(X), "b.npy": npy(Y)}, one)
    names = {("target", -1): "scan", ("source", -1): "report", ("by", -1): "none"}
    pair = loaded(BOTH, names)
    assert (pair.target.modality, pair.source.modality, pair.paired) == ("scan", "report", False)
    keys = {("target", 0): "two", ("source", 0): "one"}
    pair = loaded({"a.npz": npz(one=Y, two=X)}, keys)
    np.testing.assert_allclose(
        pair.target.vectors, X / np.linalg.norm(X, axis=1)[:, None], atol=1e-6
    )


def test_files_on_the_wrong_side_are_noticed():
    wrong = {("role", 0): "source", ("role", 1): "target"}
    assert dropped(BOTH, wrong)[2].misplaced
    assert not dropped(BOTH, wrong | {("placed", -1): "keep"})[2].misplaced
    assert not dropped(BOTH)[2].misplaced


def test_captions_alone_go_to_what_is_loaded():
    sides = {way: Side(None, Array("", N, D), False) for way in ("target", "source")}
    _, seen, proposal = dropped({"captions.txt": LINES}, None, sides)
    assert proposal.act == "add" and not proposal.questions
    words = "For the rows that are loaded: captions from captions.txt in order."
    assert in_words(seen, proposal, False) == words
    assert dropped({"ids.txt": b"a\nb"}, None, sides)[2].act is None


def test_headers_are_read_and_no_array_is():
    big = np.zeros((20_000, 64), dtype="f4")
    files = {"image.npy": npy(big), "both.npz": npz(image=big, text=big)}
    sources = [Source(name, data=data) for name, data in files.items()]
    tracemalloc.start()
    seen = [look(one) for one in sources]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.arrays[0].rows for one in seen] == [20_000, 20_000]
    assert most < big.nbytes / 4


def test_what_a_person_says_of_columns_reaches_the_reader():
    files = {"image.csv": csv(X, code=[f"c-{k}" for k in range(N)], kind="a"), "text.npy": npy(Y)}
    given, _, proposal = dropped(files)
    choices = {0: Choice("code", ("kind",))}
    pair, _ = read_sides(given, proposal, choices, lambda fraction, words: None)
    assert pair.target.ids[3] == "c-3" and pair.target.labels is None
    choices = {0: Choice("nothing", ())}
    with pytest.raises(FormatError, match="no column"):
        read_sides(given, proposal, choices, lambda fraction, words: None)
