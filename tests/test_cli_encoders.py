"""``compare-encoders`` and ``atlas``: files in, a page out, and what a shell relies on."""

import html
import json
import re

import pytest

import anisoalign_core as aa
from anisoalign_core.bench import Bench, BenchEntry
from anisoalign_core.cli import main
from anisoalign_core.cli.parser import build_parser
from tests.bench.bench_worlds import run_of
from tests.gap.encoder_worlds import pair_of, shuffled

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Reports of three encoders, a bench and a run, made once."""
    folder = tmp_path_factory.mktemp("made")
    aa.diagnose(pair_of(60)).save(folder / "clip.json")
    aa.diagnose(pair_of(60, 16, seed=3, order=shuffled(60))).save(folder / "siglip.json")
    aa.diagnose(pair_of(50, ids=False)).save(folder / "other.json")
    entry = BenchEntry.measure("kept", pair_of(60, seed=5), rows=20)
    Bench((entry,), (run_of(folder, "trained"),)).save(folder / "mine.bench.zip")
    for side in (pair_of(60).source, pair_of(60).target):
        aa.save(side, folder / f"ready.{side.modality}.npz")
    return folder


@pytest.fixture(autouse=True)
def place(made, tmp_path, monkeypatch):
    """Work in a folder of one's own, with the files at hand."""
    for file in made.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fetches_nothing(text):
    """Hold a page to having no address that a browser would fetch.

    The script that draws is part of the page and names addresses in its own text; around it and
    in every tag there is none.
    """
    around = re.sub(r"<script\b.*?</script>", "<script></script>", text, flags=re.DOTALL)
    assert not re.search(r"https?:|//[a-z0-9-]+\.[a-z]", around)
    tags = re.findall(
        r"<(?:script|link|img|iframe|object|embed|source|base|form|meta)\b[^>]*>", text
    )
    assert not [tag for tag in tags if re.search(r"\b(?:src|href|action|data)\s*=", tag)]
    assert not re.search(r"@import|url\((?!#|data:|['\"]#)", around)
    return True


@pytest.mark.parametrize("verb", ["compare-encoders", "atlas"])
def test_the_help_has_an_example_that_parses(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    example = capsys.readouterr().out.partition("example:")[2].split()
    assert example[:2] == ["anisoalign", verb]
    assert build_parser().parse_args(example[1:]).verb == verb


# ------------------------------------------------------------------------------ compare-encoders


def test_reports_are_printed_beside_each_other(capsys):
    assert main(["compare-encoders", "clip.json", "siglip.json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    comparison = aa.gap.compare(["clip.json", "siglip.json"])
    assert said.out.startswith("clip  (60 × 12, ")
    assert "\nsiglip  (60 × 16, " in said.out
    for measure in comparison.measures:
        assert said.out.count(f"\n  {measure.label} ") == 2
    assert said.out.endswith("\n".join(comparison.sentences) + "\n")


def test_json_holds_the_comparison(place, capsys):
    given = ["compare-encoders", "clip.json", "siglip.json", "--gallery", "20", "--percent", "50"]
    assert main([*given, "--json", "all.json"]) == 0
    body = json.loads((place / "all.json").read_text())
    expected = aa.gap.compare(["clip.json", "siglip.json"], gallery=20, percent=50)
    assert body == json.loads(expected.to_json())
    capsys.readouterr()
    assert main([*given, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == body


def test_names_and_order_are_the_persons(capsys):
    given = ["compare-encoders", "clip.json", "siglip.json", "--names", "a", MARKUP]
    assert main([*given, "--sort", "mutual_knn"]) == 0
    lines = capsys.readouterr().out.splitlines()
    order = [line.split("  (")[0] for line in lines if "  (60 ×" in line]
    comparison = aa.gap.compare({"a": "clip.json", MARKUP: "siglip.json"})
    assert order == comparison.order("mutual_knn") and set(order) == {"a", MARKUP}


def test_benches_reports_and_runs_become_one_bench(place, capsys):
    given = ["compare-encoders", "mine.bench.zip", "clip.json", "mine.bench.zip"]
    assert main([*given, "--runs", "trained.jsonl", "--out", "all.bench.zip"]) == 0
    bench = Bench.load(place / "all.bench.zip")
    assert [one.name for one in bench.entries] == ["kept", "clip", "kept (2)"]
    assert [run.name for run in bench.runs] == ["trained", "trained (2)", "trained (3)"]
    assert bench.get("kept").kept.tradeoff is not None
    assert bench.get("clip").report == aa.GapReport.load("clip.json")


def test_the_page_shows_all_and_fetches_nothing(place, capsys):
    given = ["compare-encoders", "clip.json", "mine.bench.zip", "--names", MARKUP, "unused"]
    assert main([*given, "--out", "page.html", "--title", f"Mine {MARKUP}"]) == 0
    text = (place / "page.html").read_text()
    assert fetches_nothing(text)
    assert MARKUP not in text.replace(json.dumps(MARKUP), "")
    assert html.escape(MARKUP) in text and f"<title>Mine {html.escape(MARKUP)}</title>" in text
    comparison = aa.gap.compare(
        {MARKUP: "clip.json", "kept": Bench.load("mine.bench.zip").get("kept").report}
    )
    for measure in comparison.measures:
        assert html.escape(measure.label) in text
    for heading in (
        "Measures with intervals and nulls",
        "Mean and residual",
        "Spectra on one scale",
        "What a bound buys and costs",
        "The gap while it forms",
    ):
        assert f"<h2>{heading}</h2>" in text
    for sentence in comparison.sentences:
        assert html.escape(sentence) in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["gone.json"], "gone.json cannot be read"),
        (["trained.jsonl"], "trained.jsonl cannot be read as a report"),
        (["ready.text.npz"], "ready.text.npz cannot be read as a report"),
        (["gone.bench.zip"], "gone.bench.zip cannot be read"),
        (["clip.json", "--names", "a", "b"], "--names gives 2 names for 1 files"),
        (["clip.json", "--gallery", "1000"], "gallery of 1000; all have 10, 20, 50"),
        (["clip.json", "--percent", "70"], "choose among 50, 80, 90"),
        (["clip.json", "--sort", "size"], 'no measure "size"'),
        (["clip.json", "other.json", "--sort", "mutual_knn"], "no ranking by mutual_knn"),
        (["clip.json", "--out", "page.pdf"], "ends with .html or .bench.zip"),
        (["clip.json", "--out", "gone/page.html"], 'no folder "gone"'),
        (["clip.json", "--runs", "clip.json"], "clip.json"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(place, capsys, given, words):
    before = {path: path.read_bytes() for path in place.iterdir()}
    assert main(["compare-encoders", *given, "--json", "all.json"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("anisoalign compare-encoders: ")
    assert words in said.err and said.err.count("\n") == 1
    assert {path: path.read_bytes() for path in place.iterdir()} == before


def test_without_reports_the_parser_says_what_is_missing(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compare-encoders"])
    assert stop.value.code == 2 and "REPORT" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------ atlas

LIST = """
[[encoder]]
name = "ready"
images = "ready.image.npz"
texts = "ready.text.npz"
run = "trained.jsonl"

[[encoder]]
name = "<b>known"
report = "siglip.json"

[[encoder]]
name = "broken & gone"
report = "gone.json"
"""


def test_an_atlas_is_a_page_a_bench_and_what_it_says(place, capsys):
    (place / "list.toml").write_text(LIST)
    given = ["atlas", "--encoders", "list.toml", "--out", "atlas", "--title", "<i>Mine"]
    assert main([*given, "--json", "atlas.json"]) == 0
    said = capsys.readouterr().err
    assert "broken & gone is left out: gone.json cannot be read" in said
    assert "2 encoders in atlas/index.html and atlas.bench.zip: 2 measured now, 0 kept" in said
    body = json.loads((place / "atlas.json").read_text())
    assert body["made"] == ["ready", "<b>known"] and body["kept"] == []
    assert list(body["failed"]) == ["broken & gone"]
    assert set(body["encoders"]) == {"ready", "<b>known"}
    text = (place / "atlas" / "index.html").read_text()
    assert fetches_nothing(text) and "&lt;i&gt;Mine" in text and "<i>Mine" not in text
    assert "<b dir=auto>broken &amp; gone</b> is not on it: gone.json cannot be read" in text
    assert "<b>known" not in re.sub(r"<script\b.*?</script>", "", text, flags=re.DOTALL)
    assert main([*given, "--json", "atlas.json", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    body = json.loads((place / "atlas.json").read_text())
    assert body["kept"] == ["ready", "<b>known"] and body["made"] == []


def test_images_are_encoded_through_the_command_line(place, capsys):
    (place / "images").mkdir()
    known = aa.load_sample()
    for key, tile in zip(known.target.ids[:12], known.target.thumbnails, strict=False):
        from PIL import Image

        Image.fromarray(tile).save(place / "images" / f"{key}.png")
    rows = zip(known.target.ids[:12], known.source.captions, strict=False)
    lines = "".join(f'{key}.png,"{said}"\n' for key, said in rows)
    (place / "captions.csv").write_text(f"image,caption\n{lines}")
    checkpoint = json.dumps(str(aa.sample_encoder_path()))
    (place / "list.toml").write_text(f'[[encoder]]\nname = "a"\ncheckpoint = {checkpoint}\n')
    given = ["atlas", "--encoders", "list.toml", "--images", "images", "--captions", "captions.csv"]
    assert main([*given, "--out", "atlas", "--batch-size", "5"]) == 0
    assert "1 measured now" in capsys.readouterr().err
    (entry,) = Bench.load(place / "atlas" / "atlas.bench.zip").entries
    assert entry.report.n_target == 12 and entry.report.items.by == "ids"


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        ("", [], "list.toml lists no encoder"),
        ("[[encoder]]\nname='a'\nmodel='x'", [], "a is to encode images, and there are none"),
        ("[[encoder]]\nname='a'\nmodel='x'", ["--images", "gone"], "gone"),
        ("[[encoder]]\nname='a'\nreport='gone.json'", [], "None of the encoders works"),
        ("[[encoder]]\nname='a'\ncolour='red'", [], '"colour" is not understood'),
    ],
)
def test_a_wrong_atlas_is_one_line(place, capsys, text, given, words):
    (place / "list.toml").write_text(text)
    assert main(["atlas", "--encoders", "list.toml", "--out", "atlas", "--quiet", *given]) == 2
    said = capsys.readouterr()
    assert said.out == "" and words in said.err and said.err.count("\n") == 1
    assert not (place / "atlas" / "index.html").exists()


def test_a_place_that_is_a_file_has_an_exit_code_of_its_own(place, capsys):
    (place / "list.toml").write_text("[[encoder]]\nname='a'\nreport='clip.json'")
    assert main(["atlas", "--encoders", "list.toml", "--out", "clip.json", "--quiet"]) == 3
    said = capsys.readouterr().err
    assert "clip.json" in said and said.count("\n") == 1


def test_an_interrupted_atlas_says_that_it_goes_on(place, capsys, monkeypatch):
    (place / "list.toml").write_text(LIST)

    def stop(*given, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(BenchEntry, "measure", stop)
    assert main(["atlas", "--encoders", "list.toml", "--out", "atlas", "--quiet"]) == 130
    said = capsys.readouterr().err
    assert (
        "cancelled; encoders that are finished stay in atlas, and the same command goes on" in said
    )
