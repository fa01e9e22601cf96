"""The page that explore writes, from a corpus of generated voices."""

import json
import re
import shutil
import struct

import pandas as pd
import pytest
from typer.testing import CliRunner

from emotone import audio
from emotone.audio import isolated
from emotone.cli.main import app
from emotone.errors import ConfigError, CorpusError, FeatureError
from emotone.explore import contrast, explore, feature_analysis, folder, overview, signal
from emotone.explore.feature_analysis import plane
from emotone.explore.finding import Finding
from emotone.explore.measure import clip
from emotone.features import registry
from emotone.report.figures.style import canvas
from support import toy_experiment as toy
from support.exploring import Page
from support.static_page import check_page, picture_scales

pytestmark = pytest.mark.slow

SMALL = {"width_inch": 1.0, "height_inch": 0.5}
SECTIONS = ["The corpus", "The signal", "The features"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """An extractor of 48 features, one process, and no UMAP, which compiles for ten seconds."""
    toy.install(monkeypatch)
    monkeypatch.setattr(registry, "DEFAULT", "bands")
    monkeypatch.setattr(plane, "has_umap", lambda: False)


@pytest.fixture
def light(monkeypatch):
    """Few findings in place of all, where a test is of the folder: drawing takes seconds."""

    def one(name):
        return [Finding(name, name.capitalize(), f"Of {name}.", pd.DataFrame({"a": [1.5]}), canvas(**SMALL))]

    monkeypatch.setattr(overview, "all_findings", lambda measured: [overview.counts_by_emotion(measured)])
    monkeypatch.setattr(signal, "all_findings", lambda measured: one("signal"))
    monkeypatch.setattr(feature_analysis, "all_findings", lambda table, *, seed, with_umap, progress: one("features"))
    monkeypatch.setattr(contrast, "all_findings", lambda table, first, second, **settings: one(f"{first}-{second}"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, make_voice):
    path = tmp_path_factory.mktemp("toy")
    return toy.write_corpus(path, make_voice)


@pytest.fixture(scope="module")
def written(corpus, tmp_path_factory, request):
    """The page of the toy corpus, written once."""
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch)
        patch.setattr(registry, "DEFAULT", "bands")
        patch.setattr(plane, "has_umap", lambda: False)
        return explore(
            [str(corpus)],
            corpus.parent,
            out=tmp_path_factory.mktemp("out"),
            pair=("happy", "anger"),
            cache=corpus.parent / "cache",
        )


def again(corpus, out, **settings):
    return explore([str(corpus)], corpus.parent, out=out, cache=corpus.parent / "cache", **settings)


@pytest.mark.slow
def test_page_is_one_file_without_script_or_outside_reference(written):
    text = written.read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "poster", "data"):
            if name in attributes:
                assert attributes[name].startswith(("data:image/svg+xml;base64,", "#")), (tag, attributes[name][:60])
        assert not [name for name in attributes if name.startswith("on")]
    styles = " ".join(re.findall(r"<style>(.*?)</style>", text, re.S)) + " ".join(
        attributes.get("style", "") for _, attributes in page.tags
    )
    assert "@import" not in styles and "url(" not in styles
    assert not re.search(r"https?://", text)


@pytest.mark.browser
def test_nothing_is_cut_off_and_axe_finds_no_violation(written):
    check_page(written)


@pytest.mark.browser
def test_drawings_have_one_type_size(written):
    scales = picture_scales(written, width=1280)
    assert scales and max(scales) - min(scales) < 0.02 * max(scales), scales


def test_page_begins_with_a_summary(written):
    words = " ".join(Page(written.read_text(encoding="utf-8")).words)
    places = [words.index(f"{title} ") for title in ("Clips", "Recordings", "Leak", "Left out", "Emotions")]
    assert places == sorted(places) and places[-1] < words.index("Clips by emotion")
    assert "54 clips of 3 emotions by 6 speakers" in words[places[0] : places[1]]
    assert "Nothing was left out" in words[places[3] : places[4]]


@pytest.mark.slow
def test_contents_lead_to_every_finding_and_names_are_unique(written):
    page = Page(written.read_text(encoding="utf-8"))
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(names)) == len(names)
    leads = [attributes["href"][1:] for tag, attributes in page.tags if tag == "a"]
    assert set(leads) <= set(names)
    told = json.loads((written.parent / "findings.json").read_text(encoding="utf-8"))
    assert {finding["name"] for finding in told["findings"]} <= set(leads)
    assert list(dict.fromkeys(finding["section"] for finding in told["findings"])) == [*SECTIONS, "Happy against angry"]


@pytest.mark.slow
def test_pictures_have_words_and_sizes(written):
    page = Page(written.read_text(encoding="utf-8"))
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    files = sorted((written.parent / "figures").glob("*.png"))
    assert len(pictures) == len(files) >= 15
    for picture in pictures:
        assert len(picture["alt"]) > 40
        assert int(picture["width"]) > int(picture["height"]) / 3 > 50
    sizes = {struct.unpack(">II", path.read_bytes()[16:24]) for path in files}
    # a file has 150 dots per inch, and a page 96
    sizes = {(round(width * 96 / 150), round(height * 96 / 150)) for width, height in sizes}
    shown = {(int(picture["width"]), int(picture["height"])) for picture in pictures}
    for some, others in ((sizes, shown), (shown, sizes)):
        assert all(any(abs(w - x) <= 1 and abs(h - y) <= 1 for x, y in others) for w, h in some)


@pytest.mark.slow
def test_every_file_is_listed_and_every_table_is_whole(written):
    told = json.loads((written.parent / "findings.json").read_text(encoding="utf-8"))
    listed = {name for finding in told["findings"] for name in finding["files"]}
    there = {str(path.relative_to(written.parent)) for path in written.parent.rglob("*") if path.is_file()}
    assert there == listed | {"explore.html", "findings.json"}
    assert told["clips"] == len(pd.read_csv(written.parent / "tables" / "clips.csv")) == 54
    for finding in told["findings"]:
        assert set(finding) == {"section", "name", "title", "text", "files"}
        assert finding["text"].endswith((".", ")")), finding["text"]
    assert str(written.parent.parent) not in written.read_text(encoding="utf-8")


@pytest.mark.slow
def test_same_seed_gives_the_same_files_and_warm_reads_one_clip_an_emotion(written, corpus, tmp_path, monkeypatch):
    read, real = [], isolated.read
    monkeypatch.setattr(isolated, "read", lambda *args, **kwargs: read.append(args) or real(*args, **kwargs))
    monkeypatch.setattr(clip, "IsolatedSource", lambda path: pytest.fail("a clip is measured again"))
    figures = written.parent / "figures"

    def copied(figure, path):  # drawing takes seconds, and the numbers are in the tables
        path.parent.mkdir(exist_ok=True)
        return shutil.copyfile(figures / path.name, path)

    monkeypatch.setattr(folder.style, "save", copied)
    page = again(corpus, tmp_path / "second")
    assert len(read) == len(toy.PITCH_HZ)  # those of which the pictures are
    tables = sorted((page.parent / "tables").glob("*.csv"))
    assert len(tables) > 15
    for table in tables:
        assert table.read_bytes() == (written.parent / "tables" / table.name).read_bytes(), table.name


def test_written_again_without_the_pair_nothing_stale_is_left(light, corpus, tmp_path):
    out = tmp_path / "out"
    again(corpus, out, pair=("happy", "angry"))
    before = {path.name for path in (out / "tables").iterdir()}
    (out / "figures" / "mine.txt").write_text("a note", encoding="utf-8")
    again(corpus, out)
    after = {path.name for path in (out / "tables").iterdir()}
    assert before - after and not after - before
    assert (out / "figures" / "mine.txt").read_text(encoding="utf-8") == "a note"
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_folder_of_somebody_else_is_left_alone(corpus, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(ConfigError, match="contains 'thesis.txt' and no findings.json.*choose another folder"):
        again(corpus, tmp_path)
    (tmp_path / "findings.json").write_text("mine too", encoding="utf-8")
    with pytest.raises(ConfigError, match="can't be read"):
        again(corpus, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["findings.json", "thesis.txt"]
    with pytest.raises(ConfigError, match="is a file"):
        again(corpus, tmp_path / "thesis.txt")


def test_failure_leaves_what_was_there(light, corpus, tmp_path, monkeypatch):
    page = again(corpus, tmp_path / "out")
    before = page.read_bytes()

    def fail(*_, **__):
        raise FeatureError("no")

    monkeypatch.setattr(feature_analysis, "all_findings", fail)
    with pytest.raises(FeatureError):
        again(corpus, tmp_path / "out", seed=5)
    assert page.read_bytes() == before
    assert not [path for path in page.parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (("happy", "bored"), "'boredom', of which toy has no clip; it has: neutral, happy, angry"),
        (("happy", "hungry"), "--compare names 'hungry', of which"),
        (("happy", "joy"), "'happy' twice"),
    ],
)
def test_pair_that_is_none_is_refused_before_anything_is_read(corpus, tmp_path, monkeypatch, named, expected):
    monkeypatch.setattr(clip, "measure_clip", lambda *args, **kwargs: pytest.fail("audio is read"))
    with pytest.raises(ConfigError, match=re.escape(expected)):
        again(corpus, tmp_path / "out", pair=named)
    assert not (tmp_path / "out").exists()


def test_one_emotion_has_a_page_that_says_what_is_missing(light, corpus, tmp_path):
    page = again(corpus, tmp_path / "out", emotions=["happy"])
    words = " ".join(Page(page.read_text(encoding="utf-8")).words)
    assert "features can be compared with 3 clips or more of two emotions" in words
    assert "There is only one emotion, so there is nothing to distinguish." in words
    told = json.loads((page.parent / "findings.json").read_text(encoding="utf-8"))
    assert told["clips"] == 18
    assert {finding["section"] for finding in told["findings"]} == set(SECTIONS[:2])


def test_words_of_a_corpus_are_text_and_no_markup(light, monkeypatch, tmp_path, make_voice):
    monkeypatch.setattr(overview, "all_findings", lambda measured: [overview.counts_by_kind(measured)])
    rows = []
    for number in range(8):
        audio.write_wav(tmp_path / f"{number}.wav", make_voice(seconds=0.4, seed=number, pitch_hz=100 + 40 * number))
        emotion = ("happy", "sad")[number % 2]
        rows.append({"file": f"{number}.wav", "emotion": emotion, "statement": "<script>alert(1)</script>"})
    pd.DataFrame(rows).to_csv(tmp_path / "toy.csv", index=False)
    page = explore([str(tmp_path / "toy.csv")], tmp_path, out=tmp_path / "out", cache=tmp_path / "cache")
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text and "&lt;script&gt;" in text


def test_missing_corpus_leaves_no_folder(tmp_path):
    with pytest.raises(CorpusError):
        explore(["ravdess"], tmp_path / "nothing", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_progress_only_grows(light, corpus, tmp_path):
    told = []
    again(corpus, tmp_path / "out", progress=lambda done, total, what: told.append((done / total, what)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and 0 <= shares[0] and shares[-1] <= 1
    assert any("drawing" in what for _, what in told) and shares[-1] > 0.9


def test_command_prints_the_page(light, corpus, tmp_path):
    arguments = ["explore", str(corpus), "--data", str(corpus.parent), "--out", str(tmp_path / "out")]
    arguments += ["--emotions", "happy,neutral", "--cache", str(corpus.parent / "cache"), "--quiet"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "out" / "explore.html") in done.output
    assert done.stdout.splitlines()[-1] == (
        f"Next: emotone train {corpus} --data {corpus.parent} --emotions happy,neutral --out runs/svm"
    )
    refused = CliRunner().invoke(app, [*arguments, "--compare", "happy", "angry"])
    assert refused.exit_code != 0


def test_command_says_what_is_left_out_and_why_before_anything_is_measured(light, corpus, tmp_path):
    manifest = corpus.parent / "some.csv"
    table = pd.read_csv(corpus)
    (corpus.parent / "damaged.wav").write_bytes(b"RIFF")
    more = [{"file": table["file"][0], "emotion": "2"}, {"file": "damaged.wav", "emotion": "happy", "speaker": "s0"}]
    pd.concat([pd.DataFrame(more), table[1:]]).to_csv(manifest, index=False)
    arguments = ["explore", str(manifest), "--out", str(tmp_path / "out"), "--cache", str(corpus.parent / "cache")]
    done = CliRunner().invoke(app, [*arguments, "--quiet"])
    first, hint, later = done.stderr.splitlines()
    assert first == (
        f"note: Left out 1 clip: 1 labelled '2' (not in the vocabulary; see --labels). {len(table)} clips are used"
    )
    assert hint.startswith("note: Say what your labels mean: --labels EMOTION=2, where EMOTION is neutral, calm")
    assert later == f"note: Left out 1 clip: 1 that can't be read. {len(table) - 1} clips are used"
    assert done.exit_code == 0 and done.stdout.startswith("Page: ")
